"""The moment of a rotation: from a new value until all are told of it, from a sealed text until it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from config.given_secrets import GivenSource
from phantom.at_rest import TURNS, EncryptionAtRest
from phantom.bridge.grants import Allow
from phantom.bridge.secret_book import Entry, SecretBook
from phantom.bridge.secret_value import digest, new_secret
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter
from phantom.redaction import MASK, Redactor
from phantom.sealing import place_of
from phantom.secrets import Secret, held
from phantom.storage.key_ring import Ring, fresh_key
from phantom.storage.reseal import Batch
from phantom.testing import ManualClock


async def test_a_value_that_lived_for_a_moment_stays_masked() -> None:
    """It was in use, so an error may still quote it; no text was written meanwhile that would have had it learned."""
    values = [f"moment-value-{number}-{'x' * 12}" for number in range(3)]
    source = GivenSource("a_token", values[0], ManualClock(), overlap_seconds=0)
    secret = Secret("a_token", source)
    redactor = Redactor(lambda: [secret])
    assert redactor.clean(values[0]) == MASK
    for value in values[1:]:
        source.rotate(value)
        await asyncio.sleep(0)
    assert secret.candidates() == (values[2],)
    for value in values:
        assert redactor.clean(f"refused: {value}") == f"refused: {MASK}"


async def test_a_secret_in_use_is_not_forgotten_for_all_that_rotate_beside_it() -> None:
    source = GivenSource("a_token", "a-token-that-rotates-0", ManualClock(), overlap_seconds=0)
    still, named = "a-password-that-stays-1", "a-value-given-by-name-2"
    secrets = [held("a_password", still), Secret("a_token", source)]
    redactor = Redactor(lambda: secrets)
    redactor.remember(named, name="given")
    assert redactor.clean_known(f"{still} {named}") == f"{MASK} {MASK}"
    for number in range(1, 300):
        source.rotate(f"a-token-that-rotates-{number}")
        await asyncio.sleep(0)
    for _ in range(2):
        assert redactor.clean_known(f"{still} {named} a-token-that-rotates-100") == f"{MASK} {MASK} {MASK}"
        assert redactor.clean_known("a-token-that-rotates-5 is long gone") == "a-token-that-rotates-5 is long gone"


async def test_a_bridge_secret_is_good_from_the_moment_that_its_source_has_it() -> None:
    old, new = new_secret(), new_secret()
    clock = ManualClock()
    source = GivenSource("bridge_secret", old, clock, overlap_seconds=0)
    entry = Entry(id="board", allow=Allow(), handle=Secret("bridge_secret", source))
    book = SecretBook([entry], None, clock)
    book.open()
    assert [found.id for found, _ in book.find(digest(old))] == ["board"]
    source.rotate(new)  # holders are told in the loop's next round
    assert [found.id for found, _ in book.find(digest(new))] == ["board"]
    assert book.find(digest(old)) == []
    await asyncio.sleep(0)
    assert [found.id for found, _ in book.find(digest(new))] == ["board"]
    book.close()


class NoTurns:
    """The turns' database, with nothing in it."""

    name = TURNS

    def rewind(self) -> None:
        return None

    async def left(self) -> int:
        return 0

    async def step(self, limit: int) -> Batch:
        return Batch(changed=0, damaged=0, over=True)

    async def under(self, key_id: str) -> int:
        return 0

    async def scrub(self, most_bytes: int) -> bool:
        return True

    async def checkpoint(self) -> None:
        return None


class KeySecrets:
    """A configuration with the encryption key alone."""

    def __init__(self, ring: Ring) -> None:
        self.source = GivenSource("encryption_key", ring.text, ManualClock(), overlap_seconds=0)
        self._secret = Secret("encryption_key", self.source)

    def find(self, name: str) -> Secret | None:
        return self._secret

    def at_hand(self, name: str) -> bool:
        return True


async def until(clock: ManualClock, found: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not found():
            clock.advance(0.1)
            await asyncio.sleep(0.001)


async def test_a_key_stays_while_a_late_value_is_sealed_with_it(tmp_path: Path) -> None:
    """A value was sealed before a rotation and its database took it only after the key was done with."""
    clock, first, second = ManualClock(), fresh_key(), fresh_key()
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=PrometheusMeter())
    await journal.open()
    secrets = KeySecrets(Ring(keys=(first,)))
    encryption = EncryptionAtRest(tmp_path, clock, PrometheusMeter())
    await encryption.open(journal, secrets, "required")
    encryption.look_after(NoTurns())
    place = place_of("messages", "text", "session", "1")
    late = encryption.at_rest.seal(b"what was said", place)
    running = asyncio.create_task(encryption.run())
    try:
        secrets.source.rotate(Ring(keys=(second, first)).text)
        vault = encryption.vault
        assert vault is not None
        await until(clock, lambda: vault.ring.ids == (second.id, first.id) and encryption.state == "done")
        assert (encryption.report() or {})["may_be_retired"] == [first.id]
        row = ("late", late)
        await journal.write(lambda db: db.execute("CREATE TABLE odd (name TEXT, text BLOB)") and None)
        await journal.write(lambda db: db.execute("INSERT INTO odd VALUES (?,?)", row) and None)
        secrets.source.rotate(Ring(keys=(second,)).text)
        await until(clock, lambda: encryption.warnings() or vault.ring.ids == (second.id,))
        assert vault.open(late, place) == b"what was said"
        assert first.id in encryption.warnings()[0]
        await journal.write(lambda db: db.execute("DELETE FROM odd") and None)
        secrets.source.rotate(Ring(keys=(second, first)).text)
        await until(clock, lambda: not encryption.warnings() and encryption.state == "done")
        await until(clock, lambda: (encryption.report() or {})["may_be_retired"] == [first.id])
        secrets.source.rotate(Ring(keys=(second,)).text)
        await until(clock, lambda: vault.ring.ids == (second.id,))
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await journal.aclose()
