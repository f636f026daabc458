"""The audit file: rows that were cut off, files that take turns, a disk that is full, a folder that is not ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phantom.bridge.audit import KEEP_FILES, MAX_BYTES, NAME, Audit, rows
from phantom.clock import SystemClock
from phantom.errors import ConfigError


def opened(folder: Path, *, max_bytes: int = MAX_BYTES) -> Audit:
    audit = Audit(folder, SystemClock(), max_bytes=max_bytes)
    audit.open()
    return audit


def outcomes(folder: Path) -> list[str]:
    return [str(row["outcome"]) for row in rows(folder)]


def test_empty_facts_are_left_out(tmp_path: Path) -> None:
    audit = opened(tmp_path)
    audit.row("action", outcome="ok", code="", target={}, ms=0.0, app=None)
    [row] = rows(tmp_path)
    assert set(row) == {"ts", "kind", "outcome", "ms"}
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_row_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    audit = opened(tmp_path)
    audit.row("auth", outcome="first")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"ts":1,"kind":"au')
    again = opened(tmp_path)
    again.row("auth", outcome="second")
    again.row("auth", outcome="third")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b"7\n[]\nnull\n\xff\n")
    assert outcomes(tmp_path) == ["first", "second", "third"]


def test_files_take_turns(tmp_path: Path) -> None:
    audit = opened(tmp_path, max_bytes=200)
    for number in range(60):
        audit.row("auth", outcome=str(number))
    assert len(list(tmp_path.iterdir())) == KEEP_FILES
    kept = outcomes(tmp_path)
    assert kept == [str(number) for number in range(60 - len(kept), 60)]
    assert len(kept) > 10
    beside = opened(tmp_path, max_bytes=0)  # the command, while the daemon writes
    beside.row("admin", outcome="revoked")
    audit.row("auth", outcome="after")
    assert outcomes(tmp_path)[-2:] == ["revoked", "after"]


def test_a_full_disk_is_told_and_got_over(tmp_path: Path) -> None:
    audit = opened(tmp_path)
    audit.row("auth", outcome="before")
    kept, full = os.dup(audit._file), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, audit._file)
    audit.row("auth", outcome="lost")
    assert audit.failed
    os.dup2(kept, audit._file)
    audit.row("auth", outcome="after")
    assert not audit.failed
    assert outcomes(tmp_path) == ["before", "after"]


def test_a_folder_that_is_lost_while_files_take_turns(tmp_path: Path) -> None:
    folder = tmp_path / "bridge"
    audit = opened(folder, max_bytes=100)
    (folder / NAME).unlink()
    folder.rmdir()
    for number in range(5):
        audit.row("auth", outcome=str(number))
    assert audit.failed
    strangers = os.open("/dev/null", os.O_WRONLY)  # gets the number that was free
    audit.row("auth", outcome="nowhere")
    os.close(strangers)
    folder.mkdir()
    audit.row("auth", outcome="here")
    assert outcomes(folder) == ["here"]
    assert not audit.failed


def test_where_we_may_not_write(tmp_path: Path) -> None:
    (tmp_path / "bridge").write_text("")
    with pytest.raises(ConfigError) as error:
        opened(tmp_path / "bridge")
    assert error.value.hint
