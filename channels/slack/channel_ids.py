"""From a place to Slack's channel id: a person's id (`U…`, `W…`) means the direct messages with that person.

https://docs.slack.dev/reference/methods/conversations.open answers with the same channel every time.
"""

from __future__ import annotations

from collections import OrderedDict

from channels.slack.web import SlackWeb
from phantom.errors import ConversationGone

_REMEMBERED = 1000


class ChannelIds:
    """Opens direct messages when needed and remembers them."""

    def __init__(self, web: SlackWeb) -> None:
        self._web = web
        self._known: OrderedDict[str, str] = OrderedDict()

    async def channel(self, place: str) -> str:
        """The channel id for `place`. Raises a `ChannelError`."""
        if not place.startswith(("U", "W")):
            return place
        known = self._known.get(place)
        if known is not None:
            self._known.move_to_end(place)
            return known
        answer = await self._web.call("conversations.open", {"users": place}, idempotent=True)
        channel = str((answer.get("channel") or {}).get("id") or "")
        if not channel:
            raise ConversationGone("Slack opened no direct message with that person", code="no_dm")
        self._known[place] = channel
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return channel
