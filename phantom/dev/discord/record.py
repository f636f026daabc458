"""What went to the daemon and what it called, as the rows behind the scenes: events, interactions, REST calls.

Discord hears nothing of what becomes of an event, so an event's row only says whether somebody was there to get it. An
interaction is answered, and its row says how fast.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from phantom.dev.side import ENTRIES, JSON
from phantom.testing.fake_discord import ApiCall, FakeDiscord, FakeInteraction
from phantom.testing.fake_discord.changes import GatewayChanged
from phantom.testing.fake_discord.gateway_session import EventSent

INTERACTION = "INTERACTION_CREATE"
_KINDS = {2: "command", 3: "component", 4: "autocomplete", 5: "form"}
_ANSWERS = {4: "message", 5: "thinking…", 6: "deferred", 7: "update", 8: "choices", 9: "form"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    number: int
    at: float
    type: str
    about: str
    state: str
    outcome: str
    data: JSON = field(repr=False)

    def entry(self) -> JSON:
        return {
            "sort": "delivery",
            "key": f"g{self.number}",
            "at": self.at,
            "type": self.type,
            "about": self.about,
            "state": self.state,
            "outcome": self.outcome,
        }


class Record:
    """Keeps the newest `ENTRIES` events; calls and interactions are kept by FakeDiscord itself.

    Without a `gateway` (over signed posts) there are no events to tell of, but interactions.
    """

    def __init__(self, discord: FakeDiscord, *, gateway: bool) -> None:
        self._discord = discord
        self._gateway = gateway
        self._rows: deque[_Row] = deque(maxlen=ENTRIES)
        self._number = 0
        self._numbers: dict[int, int] = {}

    # --- what happens ---

    def event(self, sent: EventSent) -> JSON | None:
        """A gateway event; none for what the app did not ask for. An interaction has a row of its own."""
        unwanted = not (sent.sent or sent.kept) and bool(self._discord.gateway.sessions)
        if sent.event == INTERACTION or unwanted or not self._gateway:
            return None
        state, outcome = "sent", "sent"
        if not sent.sent:
            state, outcome = ("held", "kept for RESUME") if sent.kept else ("nobody", "nobody connected")
        return self._row(sent.event, _about(sent.data), state, outcome, sent.data)

    def connection(self, change: GatewayChanged) -> JSON:
        """Something about the gateway connection itself."""
        state = {"refused": "gave_up", "disconnected": "held"}.get(change.what, "ok")
        code = f" {change.code}" if change.code else ""
        facts: JSON = {"what": change.what, "shard": change.shard, "open": change.open, "code": change.code}
        if change.what == "resumed" and self._discord.gateway.resumes:
            facts["replayed"] = self._discord.gateway.resumes[-1].replayed
            return self._row("gateway", f"{facts['replayed']} events replayed", state, "resumed", facts)
        return self._row("gateway", "", state, f"{change.what}{code}", facts)

    def interaction(self, one: FakeInteraction) -> JSON:
        """An interaction's state, as its change."""
        return {"what": "entry", "entry": _interaction(one)}

    def called(self, call: ApiCall) -> JSON:
        """A call's state, as its change. One may be told of twice."""
        calls = self._discord.calls
        for number in range(len(self._numbers), len(calls)):
            self._numbers[id(calls[number])] = number
        return {"what": "entry", "entry": _call(self._numbers[id(call)], call)}

    def _row(self, kind: str, about: str, state: str, outcome: str, data: JSON) -> JSON:
        self._number += 1
        row = _Row(
            number=self._number,
            at=self._discord.core.clock.now(),
            type=kind,
            about=about,
            state=state,
            outcome=outcome,
            data=data,
        )
        self._rows.append(row)
        return {"what": "entry", "entry": row.entry()}

    # --- what a page that is opened later gets ---

    def entries(self) -> list[JSON]:
        """The newest events, interactions and calls."""
        calls = self._discord.calls
        first = max(0, len(calls) - ENTRIES)
        return [
            *(row.entry() for row in self._rows),
            *(_interaction(one) for one in self._discord.interactions[-ENTRIES:]),
            *(_call(first + index, one) for index, one in enumerate(calls[first:])),
        ]

    def details(self, key: str) -> JSON:
        """The whole of one entry; KeyError when there is none. No token is shown."""
        if key.startswith("q") and key[1:].isdecimal() and int(key[1:]) < len(self._discord.calls):
            call = self._discord.calls[int(key[1:])]
            return {"path": f"{call.method} {call.path}", "query": call.query, "body": call.body, "files": call.files}
        for one in self._discord.interactions:
            if f"i{one.id}" == key:
                return {"payload": {**one.payload, "token": "…"}, "answer": one.response, "error": one.error}
        for row in self._rows:
            if f"g{row.number}" == key:
                return {"payload": row.data}
        raise KeyError(key)


def _interaction(one: FakeInteraction) -> JSON:
    answer = _ANSWERS.get(one.response_type or 0, "")
    state = "acked" if one.acknowledged else "gave_up" if one.error else "sending"
    outcome = f"{answer} {_ms(one.latency)}" if one.acknowledged else one.error or "waiting"
    return {
        "sort": "delivery",
        "key": f"i{one.id}",
        "at": one.sent_at,
        "type": f"interaction · {_KINDS.get(one.type, one.type)}",
        "about": _used(one.data),
        "state": state,
        "outcome": outcome,
    }


def _used(data: JSON) -> str:
    """A few words that tell one interaction from another."""
    words = [str(data.get("name") or data.get("custom_id") or "")]
    for option in data.get("options", []):
        words.append(str(option.get("name", "")))
        words += [str(inner.get("value", "")) for inner in option.get("options", [])]
    return " ".join(words)[:80]


def _about(data: JSON) -> str:
    emoji = data.get("emoji")
    if isinstance(emoji, dict):
        return str(emoji.get("name") or "")
    return str(data.get("content") or data.get("name") or "")[:80]


def _call(number: int, one: ApiCall) -> JSON:
    """`state`: ok, error, limited (429), lost (no answer left) or sending."""
    state, outcome = "ok", "ok"
    if one.lost:
        state, outcome = "lost", "answer lost"
    elif one.status == 429:
        state, outcome = "limited", "rate limited"
    elif one.status >= 400:
        state, outcome = "error", f"{one.status} · {one.code}" if one.code else f"HTTP {one.status}"
    elif one.status == 0:
        state = outcome = "sending"
    return {
        "sort": "call",
        "key": f"q{number}",
        "at": one.at,
        "type": one.route,
        "about": _sent(one.body) or one.path.removeprefix("/api/v10"),
        "state": state,
        "outcome": outcome,
    }


def _sent(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    data = body.get("data")
    inner = data if isinstance(data, dict) else body
    embeds = inner.get("embeds") or [{}]
    return str(inner.get("content") or embeds[0].get("description") or "")[:80]


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"
