"""What Discord buttons answer with is not readable in the memo's file, and follows the key."""

from __future__ import annotations

from pathlib import Path

from channels.discord.memo import Memo
from phantom.metrics import PrometheusMeter
from phantom.sealing import PLAIN, SealedDatabase, SealedFile
from phantom.storage.key_ring import Ring, fresh_key
from phantom.storage.reseal import FileResealing
from phantom.storage.seal_scan import sealed_under
from phantom.storage.vault import Vault


async def test_values_are_sealed_and_written_anew_under_another_key(tmp_path: Path) -> None:
    path, old, new = tmp_path / "memo.jsonl", fresh_key(), fresh_key()
    before = Memo(path)
    await before.load()
    await before.remember({"button:1": "I take the green one"})

    kept: list[SealedFile | SealedDatabase] = []
    vault = Vault(Ring(keys=(old,)), PrometheusMeter(), kept.append)
    memo = Memo(path, at_rest=vault)
    await memo.load()
    (file,) = kept
    assert isinstance(file, SealedFile)
    sealing = FileResealing(file, vault)
    assert await sealing.left() == 1
    assert (await sealing.step(64)).over
    await memo.remember({"button:2": "I take the blue one"})
    assert b"I take" not in path.read_bytes()
    assert (await sealing.left(), sealed_under(tmp_path)) == (0, {old.id: 2})

    vault.use(Ring(keys=(new, old)))
    assert await sealing.left() == 1
    await sealing.step(64)
    assert sealed_under(tmp_path) == {new.id: 2}
    again = Memo(path, at_rest=vault)
    await again.load()
    assert (again.get("button:1"), again.get("button:2")) == ("I take the green one", "I take the blue one")
    lost = Memo(path, at_rest=PLAIN)
    await lost.load()
    assert lost.get("button:1") == "", "an old button does nothing"
