"""Posts signed with a secret that was changed a moment ago, while somebody else's post already has it asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from channels.webhook import usage as usage_file
from channels.webhook.keyring import RECHECK_SECONDS, Keyring, Slot
from channels.webhook.secret_format import key_of
from channels.webhook.usage import Usage
from channels.webhook.verify import Claim, read, signed_headers
from phantom.secrets import Listener, Secret
from phantom.testing import ManualClock

FIRST, SECOND, THIRD = "first-secret-" * 3, "second-secret-" * 3, "third-secret-" * 3
BODY = b"{}"


class Origin:
    """A source that is asked: what it held when asked counts once the gate is open."""

    def __init__(self, text: str) -> None:
        self.there = self.known = text
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    def current(self) -> str:
        return self.known

    def previous(self) -> str | None:
        return None

    async def refresh(self) -> bool:
        self.asked += 1
        found = self.there
        await self.gate.wait()
        changed, self.known = found != self.known, found
        return changed

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return lambda: None


def post(clock: ManualClock, text: str) -> Claim:
    key = key_of(text)
    assert key is not None
    headers = signed_headers("msg_1", clock.now(), BODY, (key,))
    claim = read({name.lower().encode(): value.encode() for name, value in headers.items()}, clock.now())
    assert isinstance(claim, Claim)
    return claim


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_look_of_before_the_rotation_is_followed_by_one_more() -> None:
    clock, origin = ManualClock(), Origin(FIRST)
    keys = Keyring((Slot(name="default", where="it", secret=Secret("webhook_secret_default", origin)),), clock)
    origin.gate.clear()
    forged = asyncio.create_task(keys.recheck())
    await turns()
    origin.there = SECOND
    assert keys.worth_asking
    good = asyncio.create_task(keys.recheck())
    await turns()
    origin.gate.set()
    await asyncio.gather(forged, good)
    assert keys.verified(post(clock, SECOND), BODY) == "default"
    assert origin.asked == 2
    assert keys.worth_asking, "the look found something, so it was no forger's doing"
    origin.there = THIRD
    await keys.recheck()
    assert keys.verified(post(clock, THIRD), BODY) == "default"
    assert keys.verified(post(clock, SECOND), BODY) == ""


async def test_forgers_get_two_looks_in_a_while_at_most() -> None:
    clock, origin = ManualClock(), Origin(FIRST)
    keys = Keyring((Slot(name="default", where="it", secret=Secret("webhook_secret_default", origin)),), clock)
    origin.gate.clear()
    forged = [asyncio.create_task(keys.recheck()) for _ in range(3)]
    await turns()
    origin.gate.set()
    while not all(one.done() for one in forged):
        forged += [asyncio.create_task(keys.recheck())] if keys.worth_asking and len(forged) < 30 else []
        await asyncio.sleep(0)
    await asyncio.gather(*forged)
    assert origin.asked == 2
    assert not keys.worth_asking
    clock.advance(RECHECK_SECONDS)
    assert keys.worth_asking


async def test_the_last_count_of_uses_is_the_one_that_is_kept(tmp_path: Path) -> None:
    """A stop while a count is being written: the thread cannot be called back, and must not have the last word."""
    usage = Usage(tmp_path, ("default",), ManualClock())
    (tmp_path / "usage.part").mkdir()  # the first write fails, as late as it can
    usage.note("default", "backup")
    writing = asyncio.create_task(usage.flush())
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    (tmp_path / "usage.part").rmdir()
    await usage.flush()
    assert usage_file.read(tmp_path)["default"]["backup"].count == 1
