"""The webhook channel keeps every promise."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from channels.webhook.normalise import conversation
from channels.webhook.tasks import FILE
from phantom.testing.conformance import Bench, ChannelConformance, Shown
from tests.scenario.webhook_kit import CallbackServer, Wire, callback_server, wired


class WebhookBench:
    """An endpoint whose messages are called back to a server of ours; the platform is what that server got."""

    person = "default:ann"

    def __init__(self, wire: Wire, server: CallbackServer) -> None:
        self.wire = wire
        self.server = server
        self.channel = wire.channel
        self.conversation = conversation("default", "room")
        self.nowhere = replace(self.conversation, tenant="nowhere")
        self.answers: list[int] = []
        self.stall: sqlite3.Connection | None = None

    async def say(self, text: str) -> str:
        status, answer = await self.wire.ask(
            {"text": text, "conversation": "room", "mode": "async", "user": {"id": "ann"}}
        )
        self.answers.append(status)
        return str(answer.get("task", ""))

    async def acked(self) -> bool:
        return set(self.answers) == {202}

    async def shown(self) -> Sequence[Shown]:
        if self.stall is not None:
            self.stall.rollback()
            self.stall.close()
            self.stall = None
        await self.server.until(1)
        return [Shown(id=one.id, text=orjson.loads(one.body)["data"]["text"]) for one in self.server.taken]

    async def marks(self, message_id: str) -> Sequence[str]:
        return []

    def refuse_credentials(self) -> None:
        self.wire.default.rotate("too short")
        self.wire.default.expire_previous()

    def lose_next_answer(self) -> None:
        """The disk stalls: whether the message is kept cannot be told until it goes on."""
        self.stall = sqlite3.connect(self.wire.folder / FILE, timeout=30)
        self.stall.execute("BEGIN IMMEDIATE")


class TestWebhook(ChannelConformance):
    patience = 30.0

    async def test_a_lost_answer_is_found(self) -> None:
        self.patience = 0.3
        await super().test_a_lost_answer_is_found()

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Bench]:
        with TemporaryDirectory() as folder:
            async with (
                callback_server() as server,
                wired(Path(folder), callback_url=server.url, patience=self.patience) as wire,
            ):
                yield WebhookBench(wire, server)
