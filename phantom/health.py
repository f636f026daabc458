"""What the daemon observes about itself, as one value. Nothing here is intention: every field was seen.

What does *not* live here: how it is shown (`health_page.py`, `webapp.py`, the `status` command).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phantom.channel import ChannelHealth
from phantom.errors import ConfigError, PhantomError


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """One channel, with how often it was restarted and since when it has been in its state (epoch seconds)."""

    name: str
    health: ChannelHealth
    restarts: int = 0
    since: float | None = None


def never_started(disabled: Mapping[str, ConfigError], since: float) -> tuple[ChannelReport, ...]:
    """Channels whose section is wrong: configured, so they count against health, but never run."""
    return tuple(
        ChannelReport(
            name=name,
            health=ChannelHealth(state="disabled", detail=f"{error.where}: {error.message}", cure=error.hint),
            since=since,
        )
        for name, error in sorted(disabled.items())
    )


def distinct(lines: Sequence[str]) -> tuple[str, ...]:
    """Each line once, and without those that only lead up to another one: two parts may see the same thing."""
    once = dict.fromkeys(lines)
    return tuple(line for line in once if not any(line.endswith(f": {other}") for other in once))


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeReport:
    """How the bridge is. `state` is serving, troubled or disabled; `trouble` says why, `cure` what to do."""

    state: str
    trouble: str = ""
    cure: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.state == "serving"

    def as_json(self) -> Mapping[str, object]:
        return {"state": self.state, "detail": self.trouble, "cure": self.cure, **self.facts}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """The whole daemon. `ok`: every configured channel is up, the journal writes, and turns have their database.
    `ready`: it admits events, which wait where turns cannot begin.
    """

    name: str
    version: str
    now: float
    started_at: float
    agent: str
    channels: tuple[ChannelReport, ...]
    journal_fault: str = ""
    backlog: int = 0
    turns_running: int = 0
    turns_state: str = "starting"
    turns_trouble: PhantomError | None = None
    loop_lag: float = 0.0
    draining: bool = False
    warnings: tuple[str, ...] = field(default=())
    bridge: BridgeReport | None = None
    encryption: Mapping[str, object] | None = None
    """How far the data folder is under the present key; None without one."""

    @property
    def ok(self) -> bool:
        """What `/health` answers 200 for."""
        fine = all(report.health.ok for report in self.channels) and (self.bridge is None or self.bridge.ok)
        working = not self.journal_fault and self.turns_trouble is None and self.turns_state != "failed"
        return fine and working and not self.draining

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """What stands between the daemon and `/ready`: at least one channel must admit and ack."""
        missing = []
        if self.draining:
            missing.append("draining")
        if self.journal_fault:
            missing.append("journal")
        if not any(report.health.ok for report in self.channels):
            missing.extend(f"channel {report.name}: {report.health.state}" for report in self.channels)
            if not self.channels:
                missing.append("no channel is configured")
        return tuple(missing)

    @property
    def ready(self) -> bool:
        return not self.waiting_for

    def as_json(self) -> Mapping[str, object]:
        """The `/health` document. Times are epoch seconds, ages and durations seconds."""
        bridge = {} if self.bridge is None else {"bridge": self.bridge.as_json()}
        return {
            "status": "ok" if self.ok else "unhealthy",
            "name": self.name,
            "version": self.version,
            "uptime_seconds": round(self.now - self.started_at, 3),
            "agent": self.agent,
            "draining": self.draining,
            "journal": {"fault": self.journal_fault or None, "backlog": self.backlog},
            "turns": {
                "state": self.turns_state,
                "running": self.turns_running,
                "fault": self.turns_trouble.message if self.turns_trouble else None,
                "cure": self.turns_trouble.hint if self.turns_trouble else None,
            },
            "loop_lag_seconds": round(self.loop_lag, 4),
            "channels": {report.name: self._channel(report) for report in self.channels},
            **bridge,
            **({} if self.encryption is None else {"encryption": self.encryption}),
            "warnings": list(self.warnings),
        }

    def _channel(self, report: ChannelReport) -> Mapping[str, object]:
        health = report.health
        return {
            "state": health.state,
            "ok": health.ok,
            "detail": health.detail,
            "cure": health.cure,
            "last_event_age_seconds": _age(self.now, health.last_event_at),
            "last_contact_age_seconds": _age(self.now, health.last_contact_at),
            "in_state_seconds": _age(self.now, report.since),
            "restarts": report.restarts,
            **health.facts,
        }


def _age(now: float, then: float | None) -> float | None:
    return None if then is None else round(max(0.0, now - then), 3)
