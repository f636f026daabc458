"""What leaves for chat: masked in every part of a message, and somebody is told, once and without the value."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import structlog

from phantom.messages import Button, ConversationKind, ConversationRef, LocalFile, OutboundMessage, Tone
from phantom.metrics import PrometheusMeter
from phantom.outgoing import WARN_SECONDS, Outgoing
from phantom.redaction import MASK, Redactor
from phantom.secrets import held
from phantom.testing.manual_clock import ManualClock

TOKEN = "xoxb-111122223333-4444555566667-AbCdEfGhIjKlMnOpQrStUvWx"
THERE = ConversationRef(channel="fake", tenant="t", place="room", thread="m", kind=ConversationKind.PUBLIC)


class Stand:
    def __init__(self, folder: Path) -> None:
        self.clock, self.meter = ManualClock(), PrometheusMeter()
        secrets = [held("slack_bot_token", TOKEN)]
        self.outgoing = Outgoing(Redactor(lambda: secrets), self.clock, self.meter, folder / "files")

    def stopped(self, place: str) -> float:
        return self.meter.value("phantom_secret_leaks_stopped_total", place=place)


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def message(text: str = "hello", **more: Any) -> OutboundMessage:
    return OutboundMessage(conversation=THERE, text=text, idempotency_key="slack:T1:Ev1/answer/0", **more)


async def test_text_and_buttons_are_masked_and_the_alert_names_secret_and_turn(stand: Stand) -> None:
    button = Button(action=f"pick {TOKEN}", label=f"use {TOKEN}", value=TOKEN)
    with structlog.testing.capture_logs() as logged:
        masked = await stand.outgoing.message(message(f"it is {TOKEN}", buttons=(button,), tone=Tone.NOTICE))
    assert masked.text == f"it is {MASK}"
    assert masked.buttons == (Button(action=f"pick {MASK}", label=f"use {MASK}", value=MASK),)
    assert [(line["event"], line["log_level"], line["secrets"], line["turn"], line["place"]) for line in logged] == [
        ("secret_in_reply", "error", ["slack_bot_token"], "slack:T1:Ev1", place) for place in ("notice", "button")
    ]
    assert TOKEN not in str(logged)
    assert (stand.stopped("notice"), stand.stopped("button")) == (1, 3)


async def test_health_warns_for_an_hour_with_the_cure(stand: Stand) -> None:
    await stand.outgoing.message(message(TOKEN))
    (warning,) = stand.outgoing.warnings()
    assert "slack_bot_token" in warning
    assert "`phantom secrets exposed slack_bot_token`" in warning
    assert TOKEN not in warning
    stand.clock.advance(WARN_SECONDS + 1)
    assert stand.outgoing.warnings() == ()


async def test_one_turn_is_told_once_a_minute(stand: Stand) -> None:
    with structlog.testing.capture_logs() as logged:
        for _ in range(5):
            await stand.outgoing.message(message(TOKEN))
        stand.clock.advance(61)
        await stand.outgoing.message(message(TOKEN))
    assert len(logged) == 2
    assert stand.stopped("answer") == 6


async def test_a_clean_message_stays_as_it_is(stand: Stand) -> None:
    clean = message("nothing to hide", buttons=(Button(action="a", label="b", value="c"),))
    assert await stand.outgoing.message(clean) == clean
    assert stand.outgoing.warnings() == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_a_text_file_is_sent_as_a_copy_without_the_secret(stand: Stand, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "report.txt"
    path.write_text("x" * 70_000 + f"\n{TOKEN[:30]}\n{TOKEN[30:]}\n", encoding=encoding)
    file = LocalFile(name=f"{TOKEN}.txt", media_type="text/plain", path=str(path), size=path.stat().st_size)
    (sent,) = (await stand.outgoing.message(message(attachments=(file,)))).attachments
    assert sent.name == f"{MASK}.txt"
    copy = Path(sent.path)
    assert copy != path
    assert copy.read_text(encoding=encoding) == "x" * 70_000 + f"\n{MASK}\n"
    assert (sent.size, copy.stat().st_mode & 0o777) == (copy.stat().st_size, 0o600)
    assert TOKEN[:30] in path.read_text(encoding=encoding)


async def test_files_that_are_no_text_or_hold_nothing_are_sent_as_they_are(stand: Stand, tmp_path: Path) -> None:
    contents = {"a.bin": b"\0\xff" + TOKEN.encode(), "b.txt": b"plain text", "c.png": b"\x89PNG\xff"}
    files = []
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        files.append(LocalFile(name=name, media_type="", path=str(tmp_path / name), size=len(data)))
    files.append(LocalFile(name="gone.txt", media_type="", path=str(tmp_path / "gone.txt"), size=10))
    assert (await stand.outgoing.message(message(attachments=tuple(files)))).attachments == tuple(files)


def test_a_draft_shows_no_beginning_of_a_secret(stand: Stand) -> None:
    for length in range(1, len(TOKEN) + 1):
        shown = stand.outgoing.growing(f"it is {TOKEN[:length]}", 100)
        assert shown.removeprefix("it is ") in ("", TOKEN[: min(length, 4)], MASK)
    assert stand.outgoing.growing("z" * 500 + TOKEN + "y" * 20, 40) == "…" + "z" * 17 + MASK + "y" * 20
    assert stand.outgoing.growing("y" * 90 + TOKEN + "z" * 30, 40) == "…" + "y" * 7 + MASK + "z" * 30


def test_what_an_app_asks_for_is_masked_with_its_shape_kept(stand: Stand) -> None:
    held_data = base64.b64encode(f"token: {TOKEN}".encode()).decode()
    link = "https://x.test/?signature=" + "1" * 30
    asked = {"channelId": "1", "content": TOKEN, "embeds": [{"title": TOKEN, "url": link, f"x {TOKEN}": 1}],
             "contentBase64": held_data, "count": 12345678901234567890, "flag": True, "none": None}  # fmt: skip
    done = stand.outgoing.params(asked, app="board")
    assert done["content"] == done["embeds"][0]["title"] == MASK
    assert done["embeds"][0]["url"] == link
    assert done["embeds"][0][f"x {MASK}"] == 1
    assert base64.b64decode(done["contentBase64"]) == f"token: {MASK}".encode()
    assert {name: done[name] for name in ("channelId", "count", "flag", "none")} == {
        name: asked[name] for name in ("channelId", "count", "flag", "none")
    }
    assert stand.stopped("bridge") == 4
