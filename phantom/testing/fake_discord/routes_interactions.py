"""REST routes of interactions: the callback, and messages by the interaction's token (under `/webhooks/{app}`)."""

from __future__ import annotations

from phantom.testing.fake_discord.calls import Call, refused, route
from phantom.testing.fake_discord.compose import apply_edit
from phantom.testing.fake_discord.interactions import FakeInteraction, check_response
from phantom.testing.fake_discord.message import EPHEMERAL, FakeMessage
from phantom.testing.fake_discord.model import JSON
from phantom.testing.fake_discord.responding import fill, follow_up, respond


@route("create_interaction_response", "POST", "/interactions/{interaction_id}/{interaction_token}/callback", open=True)
def create_interaction_response(call: Call) -> JSON | None:
    """The first answer; with `with_response`, 200 and what it made."""
    core = call.core
    interaction = core.interactions.for_callback(call.params["interaction_id"], call.params["interaction_token"])
    response = check_response(call.body, interaction)
    message = respond(core, interaction, response, call.files)
    if call.query.get("with_response", "").lower() not in ("1", "true"):
        return None
    shape: JSON = {"id": interaction.id, "type": interaction.type}
    resource: JSON = {"type": response["type"]}
    if message is not None:
        shape |= {
            "response_message_id": message.id,
            "response_message_loading": message.loading,
            "response_message_ephemeral": bool(message.flags & EPHEMERAL),
        }
        if response["type"] in (4, 7):
            resource["message"] = message.to_discord(me=core.world.bot.id)
    return {"interaction": shape, "resource": resource}


@route("execute_webhook", "POST", "/webhooks/{webhook_id}/{webhook_token}", open=True)
def execute_webhook(call: Call) -> JSON:
    """A followup. Discord always answers an interaction's followup with the message, `wait` or not."""
    message = follow_up(call.core, _interaction(call), call.form, call.files)
    return message.to_discord(me=call.core.world.bot.id)


@route("get_original_webhook_message", "GET", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", open=True)
@route("get_webhook_message", "GET", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", open=True)
def get_webhook_message(call: Call) -> JSON:
    """A message that the interaction made."""
    return _message(call, _interaction(call)).to_discord(me=call.core.world.bot.id)


@route(
    "update_original_webhook_message", "PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", open=True
)
@route("update_webhook_message", "PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", open=True)
def update_webhook_message(call: Call) -> JSON:
    """Edit it, or fill it where it still shows "thinking"."""
    core, interaction = call.core, _interaction(call)
    message = _message(call, interaction)
    if message.loading:
        fill(core, interaction, message, call.form, call.files)
    else:
        apply_edit(call, message)
        core.happenings.edited(message)
        core.interactions.changed(interaction, "edited")
    return message.to_discord(me=core.world.bot.id)


@route(
    "delete_original_webhook_message", "DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", open=True
)
@route("delete_webhook_message", "DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", open=True)
def delete_webhook_message(call: Call) -> None:
    """Delete it."""
    message = _message(call, _interaction(call))
    call.core.happenings.delete([message], call.core.world.bot.id)


def _interaction(call: Call) -> FakeInteraction:
    core = call.core
    expired = core.faults.expired_token_code
    return core.interactions.for_webhook(core.app.id, call.params["webhook_id"], call.params["webhook_token"], expired)


def _message(call: Call, interaction: FakeInteraction) -> FakeMessage:
    number = call.params.get("message_id", "@original")
    made = [one for one in [interaction.original, *interaction.followups] if one is not None and not one.deleted]
    if number == "@original":
        made = [one for one in made if one is interaction.original]
    found = next((one for one in made if number in ("@original", one.id)), None)
    if found is None:
        raise refused(10008)
    return found
