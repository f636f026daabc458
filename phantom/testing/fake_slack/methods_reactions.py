"""`reactions.*`."""

from __future__ import annotations

import re

from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.lookups import channel_of, message_of
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import JSON
from phantom.testing.fake_slack.payloads import reaction_event

_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")


def _name(call: Call) -> str:
    name = call.text("name", required="invalid_name").strip(":")
    if not _NAME.fullmatch(name):
        raise SlackError("invalid_name")
    return name


def _message(call: Call) -> FakeMessage:
    return message_of(call, channel_of(call, member=True), "timestamp")


@method("reactions.add", "reactions:write")
def reactions_add(call: Call) -> JSON:
    """The bot reacts; `name` is an emoji's name without colons."""
    name, message, bot = _name(call), _message(call), call.core.app.bot_user_id
    users = message.reactions.setdefault(name, [])
    if bot in users:
        raise SlackError("already_reacted")
    users.append(bot)
    _tell(call, name, message, added=True)
    return {}


@method("reactions.remove", "reactions:write")
def reactions_remove(call: Call) -> JSON:
    """The bot takes its reaction back."""
    name, message, bot = _name(call), _message(call), call.core.app.bot_user_id
    users = message.reactions.get(name, [])
    if bot not in users:
        raise SlackError("no_reaction")
    users.remove(bot)
    if not users:
        del message.reactions[name]
    _tell(call, name, message, added=False)
    return {}


@method("reactions.get", "reactions:read")
def reactions_get(call: Call) -> JSON:
    """A message with its reactions."""
    message = _message(call)
    return {"type": "message", "channel": message.channel, "message": message.to_slack()}


def _tell(call: Call, name: str, message: FakeMessage, *, added: bool) -> None:
    core, bot = call.core, call.core.app.bot_user_id
    core.workspace.touch("reacted" if added else "unreacted", message, bot)
    event = reaction_event(core, name, bot, message, added=added)
    core.emit(event, channel=core.workspace.channels[message.channel], by=bot)
