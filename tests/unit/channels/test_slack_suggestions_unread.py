"""The menu of conversations while the journal cannot be read: an empty menu, and never no answer."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from channels.slack.interactions import ASK_WHERE
from channels.slack.suggest import options
from phantom.channel import Suggestion
from phantom.errors import StorageError
from phantom.testing.conformance import ConformanceInbox


class Unread(ConformanceInbox):
    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        raise StorageError("journal read failed", hint="check the data folder")


async def test_a_journal_that_cannot_be_read_gives_an_empty_menu() -> None:
    payload = {"type": "block_suggestion", "action_id": ASK_WHERE[1], "user": {"id": "U1"}, "value": "x"}
    with structlog.testing.capture_logs() as logs:
        assert await options(payload, Unread(), "T1") == {"options": []}
    assert [line["event"] for line in logs] == ["suggestions_not_read"]
