"""What an interaction's answers do: the first response (over REST or HTTP) and the followups by its token."""

from __future__ import annotations

from phantom.testing.fake_discord.calls import Upload, invalid_form
from phantom.testing.fake_discord.compose import check_components, compose, mention, uploads
from phantom.testing.fake_discord.core import Core
from phantom.testing.fake_discord.interactions import COMMAND, FakeInteraction
from phantom.testing.fake_discord.message import COMMAND as COMMAND_MESSAGE
from phantom.testing.fake_discord.message import CONTEXT_MENU, EPHEMERAL, LOADING, FakeMessage, flat
from phantom.testing.fake_discord.model import JSON

MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9


def respond(core: Core, interaction: FakeInteraction, response: JSON, files: list[Upload]) -> FakeMessage | None:
    """Apply the first answer and record it. Returns the message that it made or changed."""
    data: JSON = response.get("data") or {}
    kind = response["type"]
    prepared: FakeMessage | None = None
    if kind == MESSAGE:
        prepared = _written(core, interaction, data, files)
    elif kind == CHOICES:
        interaction.choices = _choices(data)
    elif kind == MODAL:
        interaction.modal = _modal(data)
    core.interactions.acknowledge(interaction, response)
    if kind == DEFERRED:
        prepared = _thinking(core, interaction, int(data.get("flags") or 0))
    if prepared is not None:
        interaction.original = core.happenings.post(prepared)
    elif kind in (DEFERRED_UPDATE, UPDATE):
        interaction.original = interaction.source
        if kind == UPDATE and interaction.source is not None:
            _update(core, interaction.source, data)
    core.interactions.settle(interaction, "acknowledged")
    return interaction.original


def follow_up(core: Core, interaction: FakeInteraction, body: JSON, files: list[Upload]) -> FakeMessage:
    """A message by the interaction's token. The first after a deferred answer takes its place, as Discord does it."""
    original = interaction.original
    if original is not None and original.loading:
        fill(core, interaction, original, body, files)
        return original
    message = _written(core, interaction, body, files)
    if interaction.original is not None:
        message.reference = {"message_id": interaction.original.id, "channel_id": interaction.channel.id}
    interaction.followups.append(core.happenings.post(message))
    core.interactions.changed(interaction, "followup")
    return message


def fill(core: Core, interaction: FakeInteraction, thinking: FakeMessage, body: JSON, files: list[Upload]) -> None:
    """Put content into a message that showed "thinking"; it notifies now, as a new message would."""
    written = _written(core, interaction, body, files)
    thinking.flags &= ~LOADING
    thinking.content, thinking.embeds, thinking.components = written.content, written.embeds, written.components
    thinking.attachments, thinking.mentions = written.attachments, written.mentions
    thinking.mention_roles, thinking.mention_everyone = written.mention_roles, written.mention_everyone
    thinking.pings = [] if thinking.ephemeral_for else written.pings
    core.happenings.edited(thinking)
    core.interactions.changed(interaction, "edited")


def _written(core: Core, interaction: FakeInteraction, body: JSON, files: list[Upload]) -> FakeMessage:
    channel, world = interaction.channel, core.world
    attached = uploads(world, channel, files, body.get("attachments"))
    ephemeral = bool(int(body.get("flags") or 0) & EPHEMERAL)
    message = compose(
        world, channel, world.bot, body, files=attached, ephemeral_for=interaction.user.id if ephemeral else None
    )
    return _marked(core, interaction, message)


def _thinking(core: Core, interaction: FakeInteraction, flags: int) -> FakeMessage:
    channel, world = interaction.channel, core.world
    message = FakeMessage(
        id=world.ids.next(),
        channel_id=channel.id,
        guild_id=channel.guild_id,
        author=world.bot,
        content="",
        flags=LOADING | (flags & EPHEMERAL),
        ephemeral_for=interaction.user.id if flags & EPHEMERAL else None,
    )
    return _marked(core, interaction, message)


def _marked(core: Core, interaction: FakeInteraction, message: FakeMessage) -> FakeMessage:
    message.webhook_id = message.application_id = core.app.id
    if interaction.type == COMMAND:
        message.type = COMMAND_MESSAGE if interaction.data.get("type") == 1 else CONTEXT_MENU
    message.interaction = {
        "id": interaction.id,
        "type": interaction.type,
        "user": interaction.user.to_discord(),
        "authorizing_integration_owners": {"0": interaction.channel.guild_id or "0"},
    }
    return message


def _update(core: Core, message: FakeMessage, data: JSON) -> None:
    if "content" in data:
        message.content = data["content"] or ""
    if "embeds" in data:
        message.embeds = data["embeds"] or []
    if "components" in data:
        message.components = check_components(data["components"], message.flags)
    mention(core.world, core.world.channels[message.channel_id], message, data.get("allowed_mentions"), ping=False)
    core.happenings.edited(message)


def _choices(data: JSON) -> list[JSON]:
    choices: list[JSON] = data.get("choices") or []
    if len(choices) > 25:
        raise invalid_form("data.choices", "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 25 in length.")
    for index, choice in enumerate(choices):
        if not 1 <= len(str(choice.get("name", ""))) <= 100:
            raise invalid_form(f"data.choices.{index}.name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100.")
    return choices


def _modal(data: JSON) -> JSON:
    for name, limit in (("title", 45), ("custom_id", 100)):
        if not 1 <= len(str(data.get(name) or "")) <= limit:
            raise invalid_form(f"data.{name}", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {limit} in length.")
    if not 1 <= len(data.get("components") or []) <= 5:
        raise invalid_form("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    if any(one.get("type") not in (1, 4, 10, 18) for one in flat(data["components"])[:1]):
        raise invalid_form("data.components.0", "UNION_TYPE_CHOICES", 'Value of field "type" is not allowed.')
    return data
