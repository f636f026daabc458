"""What Phantom does in Slack, over either transport: every method that the engine calls, each handed to its module.

What does *not* live here: receiving (`socket.py`, `http_receiver.py`) and what events mean (`normalise.py`).
"""

from __future__ import annotations

from pathlib import Path

from channels.slack.authors import Authors
from channels.slack.channel_ids import ChannelIds
from channels.slack.egress import Egress
from channels.slack.files import Files
from channels.slack.introduction import Introduction, greeting
from channels.slack.modals import Modals
from channels.slack.settings import SlackSettings
from channels.slack.status import StatusMarks
from channels.slack.web import SlackSelf, SlackWeb
from phantom.channel import ChannelContext
from phantom.errors import UnsupportedCapability
from phantom.events import ChannelTask
from phantom.identity import SlackInstall
from phantom.messages import (
    Attachment,
    AuthorFacts,
    ConversationRef,
    LocalFile,
    MessageRef,
    OutboundMessage,
    Receipt,
    TurnStatus,
)


class SlackBehaviour:
    """The outbound side of a Slack channel. `me` and `identity` are set by the transport once they are known."""

    def __init__(self, settings: SlackSettings, context: ChannelContext, web: SlackWeb) -> None:
        self.me: SlackSelf | None = None
        self.identity: SlackInstall | None = None
        self._settings = settings
        self._name = context.phantom_name
        self._web = web
        ids = ChannelIds(web)
        self._egress = Egress(web, context.clock, ids, self._whoami)
        self._marks = StatusMarks(web, ids, context.clock)
        self._authors = Authors(web, context.clock)
        self._files = Files(web, settings.max_file_bytes)
        self._modals = Modals(web, context.phantom_name)
        self._introduction = Introduction(web, settings, context)

    async def send(self, message: OutboundMessage) -> Receipt:
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
        await self._marks.clear(target, (await self._whoami()).user_id)

    async def typing(self, conversation: ConversationRef, active: bool) -> None:
        await self._marks.typing(conversation, active=active)

    async def author_facts(self, conversation: ConversationRef, author_id: str) -> AuthorFacts:
        return await self._authors.facts(author_id, await self._whoami())

    async def download(self, attachment: Attachment, folder: Path, limit: int) -> LocalFile:
        return await self._files.download(attachment, folder, limit)

    async def perform(self, task: ChannelTask) -> None:
        match task.name:
            case "phantom_ask" | "phantom_ask_about":
                await self._modals.open_ask(task.payload)
            case "app_home_opened":
                await self._modals.publish_home(task.payload, self.me.user_id if self.me else "")
            case "assistant_thread_started":
                await self._introduction.suggest(task.payload)
            case _:
                raise UnsupportedCapability(f"slack knows no task {task.name!r}")

    async def introduction(self) -> OutboundMessage | None:
        return greeting(self._name, self._settings, self.me, self.identity)

    async def introduced(self, receipt: Receipt) -> None:
        await self._introduction.sent(receipt)

    async def _whoami(self) -> SlackSelf:
        if self.me is None:
            self.me = await self._web.auth_test()
        return self.me
