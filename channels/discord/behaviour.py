"""What Phantom does in Discord, over either transport: every method that the engine calls, each handed to its module.

What does *not* live here: receiving (`gateway.py`, `interactions.py`) and what events mean (`normalise.py`).
"""

from __future__ import annotations

from pathlib import Path

from channels.discord.egress import Echoes, Egress
from channels.discord.files import Files
from channels.discord.memo import Memo
from channels.discord.rest import DiscordRest, DiscordSelf
from channels.discord.settings import DiscordSettings
from channels.discord.status import StatusMarks
from channels.discord.token_seal import TokenSeal
from phantom.channel import ChannelContext
from phantom.messages import (
    Attachment,
    ConversationRef,
    LocalFile,
    MessageRef,
    OutboundMessage,
    Receipt,
    TurnStatus,
)


class DiscordBehaviour:
    """The outbound side of a Discord channel. `me` is set by the transport once it is known."""

    def __init__(self, settings: DiscordSettings, context: ChannelContext, rest: DiscordRest, memo: Memo) -> None:
        self.me: DiscordSelf | None = None
        self.echoes = Echoes()
        self.seal = TokenSeal(Path(context.data_dir) / "interaction.key", context.clock)
        self._rest = rest
        self._memo = memo
        self._egress = Egress(
            rest, context.clock, memo, self.echoes, self.seal, self._my_id, reply_ping=settings.reply_ping
        )
        self._marks = StatusMarks(rest)
        self._files = Files(rest, settings.max_file_bytes)

    async def send(self, message: OutboundMessage) -> Receipt:
        await self._memo.load()
        await self.seal.load()
        return await self._egress.send(message)

    async def edit(self, target: MessageRef, message: OutboundMessage) -> Receipt:
        return await self._egress.edit(target, message)

    async def delete(self, target: MessageRef) -> None:
        await self._egress.delete(target)

    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        return await self._egress.find(message, since)

    async def show_status(self, target: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        await self._marks.show(target, status, shown)

    async def clear_status(self, target: MessageRef) -> None:
        await self._marks.clear(target)

    async def typing(self, conversation: ConversationRef, active: bool) -> None:
        await self._marks.typing(conversation, active=active)

    async def download(self, attachment: Attachment, folder: Path, limit: int) -> LocalFile:
        return await self._files.download(attachment, folder, limit)

    async def _my_id(self) -> str:
        if self.me is None:
            self.me = await self._rest.whoami()
        return self.me.user_id
