"""The replay log: bounds, files that were cut off anywhere, and a disk that does not take any more."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantom.bridge.replay import Bounds, ReplayLog
from phantom.testing.manual_clock import ManualClock


def log(folder: Path | None, bounds: Bounds | None = None) -> ReplayLog:
    made = ReplayLog(folder, ManualClock(), bounds or Bounds())
    made.open()
    return made


def fill(made: ReplayLog, count: int, *, at: int = 0, size: int = 2) -> None:
    for _ in range(count):
        made.add(at, "messageCreate", {"guildId": "7", "ids": ("1", "2")}, b'"' + b"x" * (size - 2) + b'"')
        made.flush()


def numbers(made: ReplayLog, after: int = 0) -> list[int]:
    return [kept.seq for kept in made.after(after)]


def test_bounds_by_events_bytes_and_age() -> None:
    made = log(None, Bounds(events=3))
    fill(made, 5)
    assert (numbers(made), made.oldest, made.depth) == ([3, 4, 5], 3, 3)
    made = log(None, Bounds(size=100))
    fill(made, 30, size=10)
    assert (made.depth, made.size) == (10, 100)
    fill(made, 1, size=101)
    assert (made.depth, made.size, made.oldest) == (0, 0, made.seq + 1)
    made = log(None, Bounds(seconds=10))
    fill(made, 2, at=0)
    fill(made, 1, at=10_001)
    assert numbers(made) == [3]
    made = log(None, Bounds(events=0))
    fill(made, 2)
    assert (numbers(made), made.oldest) == ([], 3)


def test_after_gives_exactly_what_came_later() -> None:
    made = log(None, Bounds(events=4))
    fill(made, 10)
    assert numbers(made, 0) == numbers(made, 6) == [7, 8, 9, 10]
    assert numbers(made, 8) == [9, 10]
    assert numbers(made, 10) == numbers(made, 99) == []


def test_what_was_written_is_there_again_with_the_same_numbers(tmp_path: Path) -> None:
    first = log(tmp_path)
    fill(first, 5)
    second = log(tmp_path)  # the first was killed: it closed nothing
    assert (second.stream, second.seq, numbers(second), second.restored) == (first.stream, 5, [1, 2, 3, 4, 5], True)
    assert next(second.after(4)).facts == {"guildId": "7", "ids": ("1", "2")}
    third = log(tmp_path)
    fill(third, 1)
    assert (third.stream, third.seq) == (first.stream, 6)
    assert numbers(log(tmp_path), 4) == [5, 6]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_files_take_turns_and_stay_small(tmp_path: Path) -> None:
    bounds = Bounds(size=2000)
    made = log(tmp_path, bounds)
    for _ in range(20):
        fill(made, 10, size=50)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * 2000 * 3, "three times what the payload is"
        again = ReplayLog(tmp_path, ManualClock(), bounds)
        again._read()
        assert numbers(again) == numbers(made)
        assert (again.seq, again.stream) == (made.seq, made.stream)
    made.close()
    many = log(tmp_path, bounds)
    assert numbers(many) == numbers(made)


def test_nothing_was_kept_and_the_numbers_still_go_on(tmp_path: Path) -> None:
    for _ in range(3):
        made = log(tmp_path, Bounds(events=0))
        fill(made, 2)
        made.close()
    assert log(tmp_path, Bounds(events=0)).seq == 6


@settings(max_examples=60)
@given(st.data())
def test_a_file_that_was_cut_or_spoiled_anywhere(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("replay")
    made = log(folder, Bounds(size=600))
    fill(made, data.draw(st.integers(1, 60)), size=20)
    for path in sorted(folder.iterdir()):
        content = bytearray(path.read_bytes())
        harm = data.draw(st.sampled_from(["none", "cut", "spoil", "gone"]))
        place = data.draw(st.integers(0, max(0, len(content) - 1)))
        if harm == "cut":
            del content[place:]
        elif harm == "spoil" and content:
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        if harm == "gone":
            path.unlink()
    again = log(folder, Bounds(size=600))
    kept = numbers(again)
    assert kept == list(range(again.oldest, again.seq + 1)), "no hole: what is asked for is what comes"
    fill(again, 3)
    assert again.seq - 2 in numbers(again)
    again.close()


def test_a_full_disk(tmp_path: Path) -> None:
    made = log(tmp_path)
    fill(made, 2)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, made._file)
    os.close(full)
    fill(made, 2)
    assert numbers(made) == [1, 2, 3, 4], "memory goes on"
    assert not list(tmp_path.iterdir()), "nobody resumes over a hole"
    fill(made, 1)
    made.close()
    assert log(tmp_path).stream != made.stream


def test_a_folder_that_is_lost_while_files_take_turns(tmp_path: Path) -> None:
    folder = tmp_path / "bridge"
    made = log(folder, Bounds(size=100))
    fill(made, 2, size=20)
    number = made._file
    ours = os.fstat(number)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    fill(made, 20, size=20)
    assert made._file == -1
    with contextlib.suppress(OSError):  # it is nobody's, or by now that of a file in another thread
        assert not os.path.samestat(os.fstat(number), ours), "closed, and not written to again"
    made.close()
    assert numbers(made, 20) == [21, 22]


def test_after_the_machine_was_started_anew_the_stream_is_another(tmp_path: Path) -> None:
    before = log(tmp_path)
    fill(before, 3)
    before.close()
    path = tmp_path / "replay-1.jsonl"
    head, _, rest = path.read_bytes().partition(b"\n")
    stream, first, machine_run = orjson.loads(head)
    same = log(tmp_path)
    assert (same.stream, same.seq) == (stream, 3)
    same.close()
    path.write_bytes(orjson.dumps([stream, first, f"{machine_run}-earlier"]) + b"\n" + rest)
    after = log(tmp_path)
    assert after.stream != stream
    assert not after.restored
    after.close()
