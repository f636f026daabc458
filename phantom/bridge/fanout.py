"""Events to apps: numbered and kept, matched once, serialised once, written once a pass of the event loop.

Here too: which events are worth building at all, and steering those who catch up. What does *not* live here: who may
have what (`gatekeeper.py`), matching itself (`subscriptions.py`), keeping (`replay.py`), one app's way back
(`catch_up.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from phantom.apps import AppEvent
from phantom.bridge import protocol
from phantom.bridge.catalogue import Catalogue
from phantom.bridge.catch_up import PAUSE_SECONDS, PIECE, PIECE_EVENTS, CatchUp
from phantom.bridge.replay import GAP, Kept, ReplayLog
from phantom.bridge.scopes import reaches
from phantom.bridge.subscriptions import Filter, Index
from phantom.channel import Meter
from phantom.clock import Clock

if TYPE_CHECKING:
    from phantom.bridge.connection import AppConnection

log = structlog.get_logger("phantom.bridge")

STICKY = "ready"
"""The event that late subscribers get too, as the last one was."""


class Fanout:
    """`phantom.apps.AppSink`, and every subscription. `allowed` tells the events that any secret allows."""

    def __init__(
        self,
        catalogue: Catalogue,
        replay: ReplayLog,
        allowed: Callable[[], frozenset[str]],
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._catalogue = catalogue
        self._allowed = allowed
        self._clock = clock
        self._meter = meter
        self._loop: asyncio.AbstractEventLoop
        self._index: Index[AppConnection] = Index()
        self._numbered: dict[AppConnection, None] = {}
        """Version-3 connections: those that are told of gaps and may come back."""
        self._behind: dict[AppConnection, CatchUp] = {}
        """Those that catch up: live events reach them through the log."""
        self._dirty: list[AppConnection] = []
        self._sticky: Kept | None = None
        self._listening: frozenset[str] = frozenset()
        self._resumable_until = 0.0
        self._keeping = False
        """Whether anybody may come back and ask for events. Where all apps speak version 2, nobody can."""
        self.replay = replay
        self.events_out = self.bytes_out = self.gaps = 0

    def open(self) -> None:
        """Take over what an earlier process kept. On the event loop; blocking for a moment."""
        self._loop = asyncio.get_running_loop()
        self.replay.open()
        self._keeping = self.replay.restored
        if self.replay.restored:
            self._may_come_back()
        self.listen_anew()

    def close(self) -> None:
        """Write what is left."""
        self.replay.close()

    # --- events in ---

    def wants(self, name: str) -> bool:
        return name in self._listening

    def publish(self, event: AppEvent) -> None:
        name, facts = event.name, event.facts
        try:
            # A copy: the encoder's own buffer is larger than what it holds, and this one is kept for long.
            data = b"%b" % protocol.to_json(event.data)
        except (TypeError, ValueError, RecursionError) as error:
            log.error("bridge_event_not_sent", name=name, error=type(error).__name__)
            self.gap(self._catalogue.channel_of(name), "source_interrupted")
            return
        if self._keeping or name == STICKY:
            kept = self.replay.add(self._now_ms(), name, facts, data)
        else:
            kept = Kept(self.replay.seq, self._now_ms(), name, facts, data)
        if name == STICKY:
            self._sticky = kept
        spec = self._catalogue.events[name]
        frames: dict[int, bytes] = {}
        for connection in self._index.match(name, facts):
            grant = connection.grant
            if grant is None or connection in self._behind or not reaches(grant, facts, spec):
                continue
            frame = frames.get(connection.version)
            if frame is None:
                frame = frames[connection.version] = _message(connection.version, kept)
            self._give(connection, frame)
        if not frames and not self._dirty:
            self._loop.call_soon(self.replay.flush)

    def gap(self, channel: str, reason: str) -> None:
        if not self._listening:
            return
        self.gaps += 1
        self._meter.count("phantom_bridge_gaps_total", reason=reason)
        if not self._keeping:
            return
        kept = self.replay.add(self._now_ms(), GAP, {"channel": channel}, orjson.dumps(reason))
        for connection in list(self._numbered):
            if connection.filters and connection not in self._behind:
                connection.send("gap", _gap_note(kept))

    # --- apps come and go ---

    def joined(self, connection: AppConnection) -> None:
        """A connection has logged in."""
        if connection.version >= 3:
            self._numbered[connection] = None
            self.listen_anew()

    def left(self, connection: AppConnection) -> None:
        """A connection that had logged in is over."""
        for name, wanted in connection.filters:
            self._index.remove(connection, name, wanted)
        self._behind.pop(connection, None)
        if connection in self._numbered:
            del self._numbered[connection]
            self._may_come_back()
        self.listen_anew()

    def _may_come_back(self) -> None:
        self._resumable_until = self._clock.now() + self.replay.bounds.seconds

    def listen_anew(self) -> None:
        """Recompute which events are worth building: those subscribed to, and while somebody may still come back and
        ask, all that are allowed. Only then are they kept; once that is over, nobody can go on from before.
        """
        names = {STICKY, *self._index.names}
        keeping = bool(self._numbered) or self._clock.now() < self._resumable_until
        if keeping:
            names |= self._allowed()
        elif self._keeping:
            self.replay.begin_anew()
        self._keeping = keeping
        self._listening = frozenset(names)

    def tick(self) -> None:
        """Once a second: nobody may come back any more."""
        if self._resumable_until and not self._numbered and self._clock.now() >= self._resumable_until:
            self._resumable_until = 0.0
            self.listen_anew()

    def reached(self, connection: AppConnection) -> int:
        """The number up to which the app was sent what is for it. While it catches up, that is not the last one."""
        behind = self._behind.get(connection)
        return self.replay.seq if behind is None else min(behind.cursor, self.replay.seq)

    # --- subscriptions and resuming ---

    def subscribed(self, connection: AppConnection, fresh: Sequence[tuple[str, Filter]]) -> None:
        """New subscriptions of a connection. In version 2 the sticky event follows at once."""
        for name, wanted in fresh:
            self._index.add(connection, name, wanted)
        if fresh:
            self.listen_anew()
        if connection.version < 3:
            self._stick(connection, fresh)

    def unsubscribed(self, connection: AppConnection, pairs: Sequence[tuple[str, Filter]]) -> None:
        for name, wanted in pairs:
            self._index.remove(connection, name, wanted)
        if connection in self._behind:
            self._behind[connection].forget(pairs)
        self.listen_anew()

    def resume(
        self,
        connection: AppConnection,
        since: protocol.Resume | None,
        fresh: Sequence[tuple[str, Filter]],
        answer: Callable[[dict[str, Any]], None],
    ) -> None:
        """Send what a version-3 app missed of its new subscriptions, or a gap; then `answer` what `subscribe.ok` tells.
        A little is sent at once, much in pieces.
        """
        told = {"stream": self.replay.stream, "seq": self.replay.seq, "replayed": 0}
        if since is None:
            self._stick(connection, fresh)
            answer(told | {"seq": self.reached(connection)})
            return
        begin, reason = since.seq, self._gap_since(since)
        if reason:
            begin = self._skip(connection, since.seq if reason == "replay_exceeded" else 0, reason)
        behind = self._behind.get(connection)
        first = behind is None
        if behind is None:
            behind = self._behind[connection] = CatchUp(connection=connection, cursor=begin, live_after=self.replay.seq)

        def done(replayed: int) -> None:
            if reason:
                self._stick(connection, fresh)
            answer(told | {"replayed": replayed})

        behind.add(begin, self.replay.seq, fresh, done)
        if first:
            self._catch_up(behind)

    def _skip(self, connection: AppConnection, last: int, reason: str) -> int:
        """Tell of a gap after `last` up to what is kept; where to go on."""
        begin = self.replay.oldest - 1
        self._meter.count("phantom_bridge_gaps_total", reason=reason)
        connection.send("gap", {"seq": begin, "from": last + 1, "to": begin, "reason": reason})
        return begin

    def _gap_since(self, since: protocol.Resume) -> str:
        if since.stream != self.replay.stream or since.seq > self.replay.seq:
            return "stream_changed"
        return "replay_exceeded" if since.seq < self.replay.oldest - 1 else ""

    def _catch_up(self, behind: CatchUp) -> None:
        """The next piece for an app that catches up, as soon as it has taken the last; again until it is there."""
        connection = behind.connection
        if self._behind.get(connection) is not behind:
            return
        if connection.wire.waiting() <= PIECE and self._piece(behind):
            behind.passed(self.replay.seq)
            del self._behind[connection]
            return
        self._loop.call_later(PAUSE_SECONDS, self._catch_up, behind)

    def _piece(self, behind: CatchUp) -> bool:
        """Look at the next kept events. True when there are no more."""
        if behind.cursor < self.replay.oldest - 1:
            behind.passed(self._skip(behind.connection, behind.cursor, "replay_exceeded"))
        size = 0
        for count, kept in enumerate(self.replay.after(behind.cursor)):
            if size >= PIECE or count >= PIECE_EVENTS:
                return False
            size += self._again(behind, kept)
            behind.passed(kept.seq)
        return True

    def _again(self, behind: CatchUp, kept: Kept) -> int:
        """Send a kept event if it is for this app. Returns the bytes."""
        connection = behind.connection
        if kept.name == GAP:
            connection.send("gap", _gap_note(kept))
            return 0
        grant, spec = connection.grant, self._catalogue.events.get(kept.name)
        if grant is None or spec is None or kept.name not in grant.events or not reaches(grant, kept.facts, spec):
            return 0
        if not behind.wants(kept, self._index):
            return 0
        message = _message(connection.version, kept)
        self._give(connection, message)
        return len(message)

    def _stick(self, connection: AppConnection, fresh: Sequence[tuple[str, Filter]]) -> None:
        kept = self._sticky
        if kept is not None and any(name == STICKY for name, _ in fresh):
            self._give(connection, _message(connection.version, kept))

    # --- out ---

    def _give(self, connection: AppConnection, message: bytes) -> None:
        connection.events_out += 1
        self.events_out += 1
        connection.push(message)

    def dirty(self, connection: AppConnection) -> None:
        """A connection has something to write: all are written once, at the end of this pass of the event loop."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(connection)

    def _flush(self) -> None:
        self.replay.flush()
        dirty, self._dirty = self._dirty, []
        joined: list[bytes] = []
        data = b""
        for connection in dirty:
            messages = connection.take_out()
            if messages != joined:  # most want the same events: the same bytes then, joined once
                joined, data = messages, messages[0] if len(messages) == 1 else b"".join(messages)
            if messages:
                self.bytes_out += len(data)
                connection.write(data)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _message(version: int, kept: Kept) -> bytes:
    return protocol.text_message(protocol.event_frame(version, kept.name, kept.at, kept.seq, kept.facts, kept.data))


def _gap_note(kept: Kept) -> Mapping[str, Any]:
    return {
        "seq": kept.seq,
        "from": kept.seq,
        "to": kept.seq,
        "reason": orjson.loads(kept.data),
        "channel": kept.facts["channel"],
    }
