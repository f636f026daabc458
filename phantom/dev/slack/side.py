"""Slack as a side of the local workspace: implements `phantom.dev.side.Side` over FakeSlack."""

from __future__ import annotations

from types import TracebackType
from typing import Self, assert_never

from phantom.dev.secret_desk import SecretDesk
from phantom.dev.side import JSON, StoredFile, Tell
from phantom.dev.slack import shapes
from phantom.dev.slack.actions import Actions
from phantom.dev.slack.disturbances import Disturbances
from phantom.dev.slack.record import Record
from phantom.dev.slack.workspace import LocalWorkspace
from phantom.dev.uploads import Uploads
from phantom.testing.fake_slack.calls import SlackError
from phantom.testing.fake_slack.changes import (
    AssistantChanged,
    CallMade,
    Change,
    ChannelChanged,
    DeliveryChanged,
    MessageChanged,
    SocketChanged,
    UserChanged,
    ViewChanged,
)
from phantom.testing.fake_slack.model import FakeChannel


class SlackSide:
    """`transport`: socket or http."""

    name = "slack"

    def __init__(self, transport: str, desk: SecretDesk, uploads: Uploads) -> None:
        self._workspace = LocalWorkspace(transport, desk)
        self._slack = self._workspace.slack
        self._record = Record(self._slack)
        self._disturbances = Disturbances(self._workspace, self._record)
        self._table = {**Actions(self._slack, uploads).table, **self._disturbances.table}

    async def __aenter__(self) -> Self:
        await self._slack.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._slack.stop()

    def variables(self) -> dict[str, str]:
        return self._workspace.variables()

    def deliver_to(self, url: str) -> None:
        self._workspace.deliver_to(url)

    async def perform(self, do: str, request: JSON) -> JSON | None:
        action = self._table[do]
        try:
            return await action(request)
        except SlackError as error:
            raise ValueError(error.code) from error

    def file(self, file_id: str) -> StoredFile | None:
        found = self._slack.core.workspace.files.get(file_id)
        if found is None:
            return None
        return StoredFile(name=found.name, media_type=found.media_type, data=found.data)

    # --- what a page gets ---

    def snapshot(self) -> JSON:
        workspace = self._slack.core.workspace
        messages = [one for place in workspace.channels.values() for one in place.messages.values()]
        return {
            "team": workspace.team.name,
            "transport": self._workspace.transport,
            "bot": workspace.bot.id,
            "home": self._workspace.home.id,
            "users": [shapes.user(one) for one in workspace.users.values()],
            "channels": [self._channel(one) for one in workspace.channels.values()],
            "messages": [shapes.message(one) for one in [*messages, *workspace.ephemerals]],
            "views": {who: [shapes.view(one) for one in stack] for who, stack in self._slack.core.views.stacks.items()},
            "controls": self.controls(),
        }

    def entries(self) -> list[JSON]:
        return self._record.entries()

    def details(self, key: str) -> JSON:
        return self._record.details(key)

    def controls(self) -> JSON:
        slack = self._slack
        return {
            "holding": slack.delivered.holding,
            "held": len(slack.delivered.held),
            "token": slack.app.token_error or "",
            "sockets": len(slack.sockets.connections),
            "armed": self._disturbances.armed(),
        }

    # --- following ---

    async def follow(self, tell: Tell) -> None:
        self._record.told = tell
        async with self._slack.subscribe() as changes:
            async for change in changes:
                tell(self._shape(change))
                if isinstance(change, CallMade) or (isinstance(change, DeliveryChanged) and self._slack.delivered.held):
                    tell({"what": "controls", "controls": self.controls()})

    def _shape(self, change: Change) -> JSON:
        match change:
            case MessageChanged():
                return _message(change)
            case ChannelChanged() | AssistantChanged():
                return {"what": "channel", "channel": self._channel(change.channel)}
            case UserChanged():
                return {"what": "user", "user": shapes.user(change.user)}
            case ViewChanged():
                who = change.view.user
                stack = self._slack.core.views.stacks.get(who, [])
                return {"what": "views", "user": who, "stack": [shapes.view(one) for one in stack]}
            case CallMade():
                return self._record.called(change.call)
            case DeliveryChanged():
                return self._record.delivered(change.delivery)
            case SocketChanged():
                return {"what": "controls", "controls": self.controls()}
            case _:
                assert_never(change)

    def _channel(self, one: FakeChannel) -> JSON:
        return shapes.channel(one, self._slack.core.workspace.users.values())


def _message(change: MessageChanged) -> JSON:
    if change.what == "deleted" or change.message.deleted:
        return {"what": "deleted", "channel": change.message.channel, "id": change.message.ts}
    return {"what": "message", "change": change.what, "message": shapes.message(change.message)}
