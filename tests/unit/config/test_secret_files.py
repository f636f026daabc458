"""Secrets in files: what is read at different moments is never mixed, and never goes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from config.file_secret import FileSecret, Reading
from config.file_secrets import FileSecrets, together
from phantom.clock import SystemClock
from phantom.errors import SecretError
from phantom.testing import ManualClock

DEFAULT, BACKUP = "webhook_secret_default", "webhook_secret_backup"
LONG = 30.0
"""Seconds that a look at a file may take: these tests are about its order, not about a machine that is busy."""


class Folder:
    """A folder with two secrets of a webhook, and the handles on them."""

    def __init__(self, path: Path, *, clock: ManualClock | SystemClock | None = None) -> None:
        self.path = path
        self.write(DEFAULT, "first")
        self.write(BACKUP, "before")
        self.files = FileSecrets([path], clock or SystemClock(), production=False, overlap_seconds=0, patience=LONG)
        self.default, self.backup = self.files.source(DEFAULT), self.files.source(BACKUP)

    def write(self, name: str, text: str) -> None:
        """As `phantom secrets rotate` does: whole, under its name at once."""
        fresh = self.path / f".{name}.new"
        fresh.write_text(text)
        fresh.replace(self.path / name)

    def rotate(self, fresh: str) -> None:
        self.write(BACKUP, (self.path / DEFAULT).read_text())
        self.write(DEFAULT, fresh)

    @property
    def in_force(self) -> tuple[str, str]:
        return self.default.current(), self.backup.current()


async def test_a_rotation_between_two_reads_is_taken_whole(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    backup_read = asyncio.Event()
    rotated = False

    async def read(secret: FileSecret) -> Reading | None:
        nonlocal rotated
        if secret is folder.backup:
            found = await secret.look()
            backup_read.set()
            return found
        await backup_read.wait()
        if not rotated:
            rotated = True
            folder.rotate("second")
        return await secret.look()

    found = await together((folder.backup, folder.default), read)
    assert folder.in_force == ("first", "before"), "nothing is taken yet"
    for secret, reading in found.items():
        assert reading is not None
        secret.take(reading, patient=True)
    assert folder.in_force == ("second", "first")


@pytest.mark.parametrize("look", ["tick", "reread"])
async def test_both_files_change_at_once(tmp_path: Path, look: str) -> None:
    folder = Folder(tmp_path)
    seen = []
    for secret in (folder.default, folder.backup):
        secret.subscribe(lambda: seen.append(folder.in_force))
    for fresh, old in (("second", "first"), ("third", "second")):
        folder.rotate(fresh)
        await getattr(folder.files, look)()
        assert folder.in_force == (fresh, old)
    await asyncio.sleep(0)
    assert set(seen) <= {("second", "first"), ("third", "second")}


async def test_a_read_that_began_earlier_does_not_bring_the_old_value_back(tmp_path: Path) -> None:
    clock = ManualClock()
    folder = Folder(tmp_path, clock=clock)
    slow = await folder.default.read()
    folder.rotate("second")
    assert await folder.default.refresh()
    assert slow is not None
    assert not folder.default.take(slow)
    assert folder.default.current() == "second"
    gone = await folder.default.read()
    assert gone is not None
    (tmp_path / DEFAULT).unlink()
    await folder.default.refresh()
    clock.advance(3)
    with pytest.raises(SecretError, match="has no file"):
        await folder.default.refresh()
    assert not folder.default.take(gone, patient=True)
    with pytest.raises(SecretError, match="has no file"):
        folder.default.current()


async def test_a_file_that_is_gone_for_a_moment_withdraws_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    folder = Folder(tmp_path, clock=clock)
    (tmp_path / BACKUP).unlink()
    await folder.files.tick()
    assert folder.in_force == ("first", "before")
    folder.write(BACKUP, "again")
    await folder.files.tick()
    assert folder.in_force == ("first", "again")
    (tmp_path / BACKUP).unlink()
    await folder.files.tick()
    clock.advance(3)
    await folder.files.tick()
    with pytest.raises(SecretError, match="has no file"):
        folder.backup.current()
    assert folder.default.current() == "first"


def test_no_repr_shows_a_text(tmp_path: Path) -> None:
    reading = Reading(number=1, path=tmp_path, text="fake-plain-text")
    assert "fake-plain" not in repr(reading)
