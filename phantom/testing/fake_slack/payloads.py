"""The JSON that Slack sends for events: inner events of messages and reactions, and the `event_callback` around them.

Shapes: docs.slack.dev, "Events API" and the pages of the single events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import JSON, FakeChannel, FakeUser

if TYPE_CHECKING:
    from phantom.testing.fake_slack.core import Core

_PLURAL = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


def subscribed(app: FakeApp, event: JSON, channel: FakeChannel | None) -> bool:
    """Whether the app's subscriptions include this inner event; messages are subscribed by kind of channel."""
    if app.subscriptions is None:
        return True
    name = event["type"]
    if name == "message" and channel is not None:
        name = f"message.{_PLURAL[channel.kind]}"
    return name in app.subscriptions


def event_callback(
    core: Core, event: JSON, event_id: str, sender: FakeUser | None, channel: FakeChannel | None
) -> JSON:
    """The outer envelope. `team_id` is the sender's workspace, which in a shared channel is not the app's own."""
    app, team = core.app, core.workspace.team
    origin = core.workspace.teams.get(sender.team_id, team) if sender else team
    shape: JSON = {
        "token": app.verification_token,
        "team_id": origin.id,
        "context_team_id": origin.id,
        "context_enterprise_id": origin.enterprise_id,
        "api_app_id": app.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(core.clock.now()),
        "authorizations": [
            {
                "enterprise_id": team.enterprise_id,
                "team_id": None if app.org_install else team.id,
                "user_id": app.bot_user_id,
                "is_bot": True,
                "is_enterprise_install": app.org_install,
            }
        ],
        "is_ext_shared_channel": bool(channel and channel.is_ext_shared),
        "event_context": f"4-{event_id}-{channel.id if channel else app.app_id}",
    }
    if origin.enterprise_id:
        shape["enterprise_id"] = origin.enterprise_id
    return shape


def message_event(core: Core, channel: FakeChannel, message: FakeMessage) -> JSON:
    """`message.*` for a new post."""
    event = message.to_slack(with_metadata=True) | {
        "channel": channel.id,
        "channel_type": channel.kind,
        "event_ts": message.ts,
    }
    if message.is_reply:
        event |= core.workspace.thread_shape(channel, message)
    return event | foreign_fields(core, channel, message.user)


def mention_event(core: Core, channel: FakeChannel, message: FakeMessage) -> JSON:
    """`app_mention` of the same post; it has no `channel_type`."""
    event = message_event(core, channel, message) | {"type": "app_mention"}
    event.pop("channel_type")
    return event


def changed_event(core: Core, channel: FakeChannel, message: FakeMessage, previous: JSON) -> JSON:
    """`message` with subtype `message_changed`; `ts` is the time of the change, not the message's."""
    now = core.workspace.next_ts()
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "channel": channel.id,
        "channel_type": channel.kind,
        "ts": now,
        "event_ts": now,
        "message": message.to_slack(with_metadata=True) | foreign_fields(core, channel, message.user),
        "previous_message": previous,
    }


def deleted_event(core: Core, channel: FakeChannel, message: FakeMessage) -> JSON:
    """`message` with subtype `message_deleted`."""
    now = core.workspace.next_ts()
    return {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "channel": channel.id,
        "channel_type": channel.kind,
        "ts": now,
        "event_ts": now,
        "deleted_ts": message.ts,
        "previous_message": message.to_slack(),
    }


def reaction_event(core: Core, name: str, user: str, message: FakeMessage, *, added: bool) -> JSON:
    """`reaction_added` or `reaction_removed`."""
    return {
        "type": "reaction_added" if added else "reaction_removed",
        "user": user,
        "reaction": name,
        "item_user": message.user,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "event_ts": core.workspace.next_ts(),
    }


def foreign_fields(core: Core, channel: FakeChannel, user_id: str) -> JSON:
    """`user_team`, `source_team` and `user_profile`, which Slack adds in shared channels."""
    user = core.workspace.users.get(user_id)
    if user is None or not channel.is_ext_shared:
        return {}
    profile = {"display_name": user.name, "real_name": user.real_name, "team": user.team_id, "name": user.name}
    return {
        "user_team": user.team_id,
        "source_team": user.team_id,
        "user_profile": profile
        | {"is_restricted": user.is_restricted, "is_ultra_restricted": user.is_ultra_restricted},
    }


def rich_text(text: str) -> list[JSON]:
    """The `rich_text` block that Slack's clients send along with what a person typed (mentions and plain runs only)."""
    elements: list[JSON] = []
    rest = text
    while rest:
        start = rest.find("<@")
        end = rest.find(">", start)
        if start < 0 or end < 0:
            break
        if start:
            elements.append(_run(rest[:start]))
        elements.append({"type": "user", "user_id": rest[start + 2 : end].partition("|")[0]})
        rest = rest[end + 1 :]
    if rest:
        elements.append(_run(rest))
    section: JSON = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": "b1", "elements": [section]}]


def _run(text: str) -> dict[str, Any]:
    plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return {"type": "text", "text": plain}
