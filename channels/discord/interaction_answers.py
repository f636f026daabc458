"""Answering an interaction over its token: the waiting line becomes the answer, more of it follows.

What does *not* live here: the first answer within three seconds (`answers.py`). Nothing here logs an address.
https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages
"""

from __future__ import annotations

from typing import Any

from channels.discord import dress, uploads
from channels.discord.decode import JSON, snowflake_time, text
from channels.discord.errors import InteractionExpired
from channels.discord.interaction_address import ORIGINAL, InteractionAddress
from channels.discord.rest import DiscordRest
from phantom.clock import Clock
from phantom.errors import ConversationGone
from phantom.messages import OutboundMessage, Outcome, Receipt

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
                message_id = text(sent, "id") if isinstance(sent, dict) else ""
                return Receipt(
                    outcome=Outcome.SENT,
                    message_ids=(message_id,) if message_id else (),
                    sent_at=snowflake_time(message_id) or self._clock.now(),
                    detail="interaction",
                )
        raise AssertionError("unreachable")

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
