"""Calls to Slack on behalf of bridge apps: the channel's own client and live token, with errors in the bridge's terms.

What does *not* live here: what is called (`apps_messages.py`, `apps_files.py`), fairness between apps (the bridge).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from channels.slack.apps_refusals import refusal
from channels.slack.apps_shapes import JSON
from channels.slack.web import SlackWeb
from phantom.apps import ActionRefused
from phantom.errors import AuthError, ChannelError, DeliveryUnknown

_NOTHING: AbstractSet[str] = frozenset()
_KEYED = "ask again with the same idempotency key: then it is looked up first"


class Line:
    """One for the life of the channel. Raises `ActionRefused`, and `AuthError` when Slack refuses the bot's token."""

    def __init__(self, web: SlackWeb) -> None:
        self.web = web

    async def once(self, method: str, params: JSON, *, key: str = "") -> JSON:
        """A call that twice would be two: never repeated after a lost answer. `key`: the caller can ask again."""
        try:
            return await self.web.call(method, params)
        except AuthError:
            raise
        except ChannelError as error:
            raise (refusal(error, look=_KEYED) if key else refusal(error)) from None

    async def read(self, method: str, params: JSON) -> JSON:
        """A call that changes nothing."""
        try:
            return await self.web.call(method, params, idempotent=True)
        except AuthError:
            raise
        except ChannelError as error:
            raise refusal(error) from None

    async def settle(
        self, method: str, params: JSON, *, so: AbstractSet[str] = _NOTHING, done: AbstractSet[str] = _NOTHING
    ) -> None:
        """A call that twice is once. `so`: Slack's words for "it is so already"; `done`: its words for the same after
        a try whose answer was lost.
        """
        try:
            await self.web.call(method, params)
        except DeliveryUnknown:
            await self._again(method, params, so | done)
        except AuthError:
            raise
        except ChannelError as error:
            if error.code not in so:
                raise refusal(error) from None

    async def _again(self, method: str, params: JSON, done: AbstractSet[str]) -> None:
        try:
            await self.web.call(method, params, idempotent=True)
        except AuthError:
            raise
        except ChannelError as error:
            if error.code not in done:
                refused = refusal(error)
                refused.unknown = refused.retryable or refused.unknown  # the first try may have done it
                raise refused from None


def odd_answer(method: str, *, unknown: bool) -> ActionRefused:
    """Slack answered, but not what it documents."""
    return ActionRefused("INTERNAL_ERROR", f"Slack's answer to {method} makes no sense", unknown=unknown)


def answered(answer: Any, name: str, method: str) -> str:
    """A text of an answer that must be there."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise odd_answer(method, unknown=True)
    return value
