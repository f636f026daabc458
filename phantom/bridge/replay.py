"""The last events, so that an app that was away can go on where it was: bounded in number, bytes and age.

They are kept in memory and, each batch before it is sent, appended to a file: a killed daemon goes on with the same
number line, and no app has seen a number that the file does not have. The file is written, not synced: it survives the
death of the process, not of the machine; after that the stream has a new name and every app is told of a gap.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson
import structlog

from phantom.apps import Facts
from phantom.bridge import protocol
from phantom.clock import Clock
from phantom.sealing import MAGIC, PLAIN, AtRest, DamagedRow, as_text, from_text, key_id_of, place_of

log = structlog.get_logger("phantom.bridge")

MIN_LINES = 1000
"""A file is not turned over for fewer events than that, unless they are large."""
GAP = "$gap"
"""The name of a kept note that events may be missing; no event is called so."""
_PLACE, _SEALED = "replay.line", "~"
"""What lines are sealed for, with the stream's name; and how a sealed line begins."""


class Kept(NamedTuple):
    """One event. `at` is epoch milliseconds; `data` the payload as JSON."""

    seq: int
    at: int
    name: str
    facts: Facts
    data: bytes


class _Row(msgspec.Struct, array_like=True):
    seq: int
    at: int
    name: str
    facts: dict[str, str | list[str]]
    data: msgspec.Raw


class Bounds(NamedTuple):
    """How much is kept: events, bytes of payload, seconds."""

    events: int = 10_000
    size: int = 32 * 1024 * 1024
    seconds: float = 600.0


class ReplayLog:
    """`open` first; `add` for each event; `flush` before the batch is sent. `folder` None keeps memory only."""

    def __init__(
        self,
        folder: Path | None,
        clock: Clock,
        bounds: Bounds,
        clean: Callable[[bytes], bytes] = lambda data: data,
        at_rest: AtRest = PLAIN,
    ) -> None:
        self._folder = folder
        self._clean = clean
        """Takes secrets of the daemon's, which somebody may have pasted into chat, out of a payload."""
        self._clock = clock
        self._at_rest = at_rest
        self._key = ""
        """The id of the key that the files' first lines are sealed with, "" for none."""
        self.bounds = bounds
        self.stream = secrets.token_hex(8)
        self.seq = 0
        self.size = 0
        self.restored = False
        """Whether an earlier process's events were found."""
        self._kept: deque[Kept] = deque()
        self._pending: list[bytes] = []
        self._file = -1
        self._pending_size = 0
        self._file_size = self._file_lines = 0
        """Payload bytes and events in the current file: the measures of `bounds`, so that it holds all that is kept
        when it is full, and the other may go.
        """
        self._current = 0

    @property
    def depth(self) -> int:
        """Events kept now."""
        return len(self._kept)

    @property
    def oldest(self) -> int:
        """The first sequence number that can be replayed; one more than the last when nothing is kept."""
        return self._kept[0].seq if self._kept else self.seq + 1

    def open(self) -> None:
        """Read what an earlier process left. Blocking; files of at most twice the bound in bytes."""
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._read()
        self._compact()

    def add(self, at: int, name: str, facts: Facts, data: bytes) -> Kept:
        """Number an event and keep it."""
        self.seq += 1
        data = self._clean(data)
        kept = Kept(self.seq, at, name, facts, data)
        self._keep(kept)
        if self._file >= 0:
            self._pending.append(self._line(kept))
            self._pending_size += len(data)
        return kept

    def begin_anew(self) -> None:
        """Keep nothing of what was. Whoever comes back from before is told of a gap, also after a kill. Blocking for a
        moment.
        """
        self.flush()
        self.seq += 1
        self._forget()
        if self._file >= 0:
            self._let_go()
            self._compact()

    def flush(self) -> None:
        """Write what was added since the last call. One system call."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        self._file_size += self._pending_size
        self._file_lines += len(self._pending)
        self._pending.clear()
        self._pending_size = 0
        try:
            written = os.write(self._file, data)
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            self._give_up(error)
            return
        if self._file_size > self.bounds.size or self._file_lines > max(self.bounds.events, MIN_LINES):
            self._turn_over()

    def after(self, seq: int) -> Iterator[Kept]:
        """What came after `seq`, oldest first."""
        if self._kept:
            begin = max(0, seq + 1 - self._kept[0].seq)
            for number in range(begin, len(self._kept)):
                yield self._kept[number]

    def close(self) -> None:
        """Write the rest and let go of the file."""
        self.flush()
        self._let_go()

    def _let_go(self) -> None:
        """The number of a closed file may be somebody else's the next moment."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _keep(self, kept: Kept) -> None:
        self._kept.append(kept)
        self.size += len(kept.data)
        bounds, too_old = self.bounds, kept.at - self.bounds.seconds * 1000
        while self._kept and (len(self._kept) > bounds.events or self.size > bounds.size or self._kept[0].at < too_old):
            self.size -= len(self._kept.popleft().data)

    def _paths(self) -> tuple[Path, Path]:
        folder = self._folder
        if folder is None:
            raise RuntimeError("a replay log in memory has no files")
        return folder / "replay-1.jsonl", folder / "replay-2.jsonl"

    def _read(self) -> None:
        """Take over the number line of the files. The stream's name is in the first line of each."""
        found: list[tuple[int, str, list[_Row]]] = []
        for path in self._paths():
            try:
                lines = path.read_bytes().split(b"\n")
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("bridge_replay_unreadable", file=path.name, error=type(error).__name__)
                continue
            head = _head(lines[0])
            if head is not None:
                found.append((head[1], head[0], _rows(self._opened(head[0], lines[1:]))))
        if not found:
            return
        found.sort(key=lambda part: part[0])
        self.stream = found[-1][1]
        for first, stream, rows in found:
            if stream == self.stream:
                self._take_over(first, rows)
        self.restored = True

    def _take_over(self, first: int, rows: list[_Row]) -> None:
        """One file's events. The log has no holes: before one, nothing can be gone on from."""
        for row in rows:
            if row.seq <= self.seq:
                continue
            if row.seq != self.seq + 1:
                self._forget()
            self.seq = row.seq
            facts = {key: tuple(fact) if isinstance(fact, list) else fact for key, fact in row.facts.items()}
            self._keep(Kept(row.seq, row.at, row.name, facts, bytes(row.data)))
        if first - 1 > self.seq:  # the file was begun, and nothing came
            self._forget()
            self.seq = first - 1

    def _forget(self) -> None:
        self._kept.clear()
        self.size = 0

    def _compact(self) -> None:
        """One fresh file with what is kept; it replaces both in one step, so that dying here loses nothing."""
        one, two = self._paths()
        fresh = one.with_suffix(".new")
        lines = [_head_line(self.stream, self.oldest), *(self._line(kept) for kept in self._kept)]
        try:
            self._file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            with os.fdopen(os.dup(self._file), "wb") as file:
                file.writelines(lines)
            fresh.replace(one)
            two.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(error)
            return
        self._current, self._file_size, self._file_lines = 0, self.size, self.depth
        self._key = self.key_now

    @property
    def key_now(self) -> str:
        """The id of the key that lines are sealed with now, "" while they are plain."""
        return key_id_of(self._at_rest.seal(b"-", _PLACE))

    @property
    def key_of_files(self) -> str:
        """The id of the oldest key that lines in the files may be sealed with, "" for none."""
        return self._key

    def write_anew(self) -> None:
        """Write what is kept under the present key. Blocking for a moment."""
        self.flush()
        if self._file >= 0:
            self._let_go()
            self._compact()
        else:
            self._key = self.key_now

    def _line(self, kept: Kept) -> bytes:
        line = _line(kept)
        if not self._at_rest.ever_sealed:
            return line
        sealed = self._at_rest.seal(line, place_of(_PLACE, self.stream))
        return f"{_SEALED}{as_text(sealed)}\n".encode() if sealed.startswith(MAGIC) else line

    def _opened(self, stream: str, lines: list[bytes]) -> Iterator[bytes]:
        """The lines as they were before they were sealed; an end to them where one does not open."""
        for line in lines:
            if not line.startswith(_SEALED.encode()):
                yield line
                continue
            try:
                text = line.decode("ascii", "replace").removeprefix(_SEALED)
                yield self._at_rest.open(from_text(text), place_of(_PLACE, stream))
            except DamagedRow as error:
                log.warning("bridge_replay_does_not_open", what=error.message, cure=error.hint)
                return

    def _turn_over(self) -> None:
        """Go on in the other file, over what is older."""
        self._current = 1 - self._current
        self._let_go()
        try:
            self._file = os.open(
                self._paths()[self._current], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600
            )
            os.write(self._file, _head_line(self.stream, self.seq + 1))
        except OSError as error:
            self._give_up(error)
        self._file_size = self._file_lines = 0

    def _give_up(self, error: OSError) -> None:
        """Without the file a restart begins a new stream, so that every app learns of a gap. Live delivery goes on."""
        log.error(
            "bridge_replay_not_written",
            error=error.strerror,
            cure="free space in the data folder; until a restart, apps that were away cannot resume over one",
        )
        self._let_go()
        self._pending.clear()
        for path in self._paths():
            try:
                path.unlink(missing_ok=True)
            except OSError:
                log.warning("bridge_replay_left_behind", file=path.name)


def _line(kept: Kept) -> bytes:
    seq, at, name, facts, data = kept
    return b'[%d,%d,"%b",%b,%b]\n' % (seq, at, name.encode(), protocol.to_json(facts), data)


def _head_line(stream: str, first: int) -> bytes:
    return orjson.dumps([stream, first, _machine_run()]) + b"\n"


def _head(line: bytes) -> tuple[str, int] | None:
    """Stream and first number; None for a file that is none, or from before the machine was started: its end may be
    lost, and its numbers must not be given out twice.
    """
    try:
        stream, first, machine_run = msgspec.json.decode(line, type=tuple[str, int, str])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return (stream, first) if machine_run == _machine_run() else None


def _machine_run() -> str:
    """A name for this run of the machine (Linux, proc(5)); "" where there is none: then a crash of the machine is taken
    for one of the process.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _rows(lines: Iterable[bytes]) -> list[_Row]:
    """The whole lines; a torn last one is left out."""
    decoder = msgspec.json.Decoder(_Row)
    rows: list[_Row] = []
    for line in lines:
        if not line:
            continue
        try:
            rows.append(decoder.decode(line))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            break
    return rows
