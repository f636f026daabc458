"""Answering an interaction over its token: the waiting line becomes the answer, more of it follows.

What does *not* live here: the first answer within three seconds (`answers.py`). Nothing here logs an address.
https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.discord import dress, uploads
from channels.discord.decode import JSON, number, snowflake_time, text
from channels.discord.errors import InteractionExpired
from channels.discord.interaction_address import ORIGINAL, InteractionAddress
from channels.discord.rest import DiscordRest
from phantom.clock import Clock
from phantom.errors import ConversationGone, DeliveryUnknown
from phantom.messages import OutboundMessage, Outcome, Receipt

LOADING = 1 << 7
"""Flag of a message that shows "is thinking…"."""
_YOUNG = 6.0
"""Seconds in which our own first answer may still be on its way, so that Discord does not know the token yet."""
_PAUSES = (0.2, 0.4, 0.8, 1.6)


class InteractionAnswers:
    """Posts over interaction tokens. Raises `InteractionExpired` when an answer has to go another way."""

    def __init__(self, rest: DiscordRest, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock

    async def send(self, message: OutboundMessage, form: JSON, address: InteractionAddress) -> Receipt:
        """Say it. The first part takes the place of the "is thinking…" line where there is one."""
        replaces = address.mode == ORIGINAL and dress.first_part(message.idempotency_key)
        if not replaces and message.only_for is not None:
            form = form | {"flags": form.get("flags", 0) | dress.EPHEMERAL}
        for pause in (*_PAUSES, None):
            try:
                sent = await self._once(message, form, address, replaces=replaces)
            except InteractionExpired:
                age = self._clock.now() - snowflake_time(address.interaction)
                if pause is None or age > _YOUNG:
                    raise
                await self._clock.sleep(pause)
            else:
                return _receipt(sent if isinstance(sent, dict) else {}, self._clock.now())
        raise AssertionError("unreachable")

    async def find(self, message: OutboundMessage, address: InteractionAddress) -> Receipt | None:
        """What became of an earlier `send`: the waiting line tells, as it waits still or shows the answer. Raises
        `InteractionExpired` when there is no such line, `DeliveryUnknown` for what leaves no trace.
        """
        first = address.mode == ORIGINAL and dress.first_part(message.idempotency_key)
        if not first or not address.token or not address.alive(self._clock.now()):
            raise DeliveryUnknown("Discord keeps no record of private answers", hint="sent or not, it stays so")
        try:
            line = await self._rest.call(
                "GET",
                "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
                webhook_id=address.application,
                webhook_token=address.token,
                idempotent=True,
            )
        except ConversationGone as error:
            raise InteractionExpired("the interaction has no answer", code=error.code) from None
        shown = line if isinstance(line, dict) else {}
        if (number(shown, "flags") or 0) & LOADING:
            return None
        return _receipt(shown, self._clock.now())

    async def _once(self, message: OutboundMessage, form: JSON, address: InteractionAddress, *, replaces: bool) -> Any:
        path = "/webhooks/{webhook_id}/{webhook_token}"
        method = "POST"
        if replaces:
            # The flags of a waiting line are settled by the first answer.
            form = {name: value for name, value in form.items() if name != "flags"}
            path, method = f"{path}/messages/@original", "PATCH"
        content: dict[str, Any] = {"json": form}
        if message.attachments:
            content = {"form": await uploads.fields(form, message.attachments), "seconds": uploads.UPLOAD_SECONDS}
        try:
            return await self._rest.call(
                method,
                path,
                webhook_id=address.application,
                webhook_token=address.token,
                idempotent=replaces,
                **content,
            )
        except ConversationGone as error:
            raise InteractionExpired("the interaction has no answer to replace", code=error.code) from None


def _receipt(shown: Mapping[str, Any], now: float) -> Receipt:
    message_id = text(shown, "id")
    return Receipt(
        outcome=Outcome.SENT,
        message_ids=(message_id,) if message_id else (),
        sent_at=snowflake_time(message_id) or now,
        detail="interaction",
    )
