"""REST routes of reactions."""

from __future__ import annotations

import re

from phantom.testing.fake_discord.access import channel_of, may, message_of, user_of
from phantom.testing.fake_discord.calls import Call, refused, route
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import JSON

_PATH = "/channels/{channel_id}/messages/{message_id}/reactions"
_CUSTOM = re.compile(r"\w{2,32}:\d+")


@route("add_my_message_reaction", "PUT", _PATH + "/{emoji_name}/@me")
def add_my_message_reaction(call: Call) -> None:
    """A new emoji needs ADD_REACTIONS; joining one that is there does not. 10014 for what is no emoji."""
    channel = channel_of(call, "READ_MESSAGE_HISTORY")
    message, emoji = message_of(call, channel), _emoji(call)
    if emoji not in message.reactions:
        may(call, channel, "ADD_REACTIONS")
    call.core.happenings.react(call.core.world.bot, message, emoji)


@route("delete_my_message_reaction", "DELETE", _PATH + "/{emoji_name}/@me")
def delete_my_message_reaction(call: Call) -> None:
    """Take the bot's own back."""
    message = message_of(call, channel_of(call))
    emoji = _emoji(call)
    if call.core.world.bot.id not in message.reactions.get(emoji, []):
        raise refused(10014)
    call.core.happenings.unreact(call.core.world.bot, message, emoji)


@route("delete_user_message_reaction", "DELETE", _PATH + "/{emoji_name}/{user_id}")
def delete_user_message_reaction(call: Call) -> None:
    """Another's needs MANAGE_MESSAGES."""
    message = message_of(call, channel_of(call, "MANAGE_MESSAGES"))
    call.core.happenings.unreact(user_of(call, call.params["user_id"]), message, _emoji(call))


@route("list_message_reactions_by_emoji", "GET", _PATH + "/{emoji_name}")
def list_message_reactions_by_emoji(call: Call) -> list[JSON]:
    """Who reacted with it."""
    message = message_of(call, channel_of(call))
    after, limit = int(call.query.get("after", "0")), call.number("limit", 25, low=1, high=100)
    users = sorted(message.reactions.get(_emoji(call), []), key=int)
    return [user_of(call, one).to_discord() for one in users if int(one) > after][:limit]


@route("delete_all_message_reactions", "DELETE", _PATH)
@route("delete_all_message_reactions_by_emoji", "DELETE", _PATH + "/{emoji_name}")
def delete_all_message_reactions(call: Call) -> None:
    """Needs MANAGE_MESSAGES."""
    message: FakeMessage = message_of(call, channel_of(call, "MANAGE_MESSAGES"))
    emoji = _emoji(call) if "emoji_name" in call.params else None
    call.core.happenings.clear_reactions(message, emoji)


def _emoji(call: Call) -> str:
    """The emoji of the path. Plain ASCII words are none, as Discord answers 10014 for them."""
    text = call.params["emoji_name"]
    if text.isascii() and _CUSTOM.fullmatch(text) is None:
        raise refused(10014)
    return text
