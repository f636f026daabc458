"""Every metric Phantom exposes, in one table, and the `Meter` that fills it.

Values are plain dictionary entries that a scrape turns into Prometheus samples: an increment on the hot path costs a
dictionary operation and no lock, and prometheus-client is only imported when somebody scrapes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from prometheus_client import Metric

_FAST = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 3.0)
_SLOW = (0.01, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric: kind is counter, gauge or histogram; histogram values are seconds."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, text: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind="counter", help=text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind="gauge", help=text, labels=labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind="histogram", help=text, labels=labels, buckets=buckets)


METRICS: tuple[MetricSpec, ...] = (
    _counter("phantom_receiver_requests_total", "Signed posts received, by outcome.", "channel", "outcome"),
    _counter("phantom_webhook_verified_total", "Webhook posts, by the secret that fits.", "endpoint", "secret"),
    _counter("phantom_slack_verified_total", "Slack's and the gateway's posts, by the secret that fits.", "secret"),
    _counter("phantom_events_total", "Events after the journal, by what became of them.", "channel", "outcome"),
    _counter("phantom_journal_admitted_total", "Rows offered to the journal in committed batches."),
    _histogram("phantom_journal_commit_seconds", "Time of one group commit.", _FAST),
    _gauge("phantom_journal_pending_writes", "Writes waiting for the next commit."),
    _gauge("phantom_journal_backlog", "Admitted events that still need work."),
    _gauge("phantom_journal_fault", "1 while the journal cannot write."),
    _gauge("phantom_encryption_values_left", "Stored values that are not yet under the present encryption key."),
    _counter("phantom_encryption_failures_total", "Stored values that did not open, by reason.", "reason"),
    _histogram("phantom_event_dispatch_seconds", "From admission to the start of the turn.", _SLOW, "channel"),
    _histogram("phantom_turn_seconds", "Duration of a turn, by outcome.", _SLOW, "outcome"),
    _gauge("phantom_turns_running", "Turns under way."),
    _gauge("phantom_turns_database_up", "1 while the PostgreSQL database of turns can be used."),
    _counter("phantom_deliveries_total", "Outbound messages, by outcome.", "channel", "outcome"),
    _histogram("phantom_delivery_seconds", "Time of one outbound platform call.", _SLOW, "channel"),
    _counter(
        "phantom_api_requests_total", "Platform API calls, by method and outcome.", "channel", "method", "outcome"
    ),
    _gauge("phantom_channel_up", "1 while the channel is ready.", "channel"),
    _counter("phantom_channel_restarts_total", "Restarts of a channel, by cause.", "channel", "cause"),
    _gauge("phantom_socket_connected", "Sockets that have said hello.", "channel"),
    _counter("phantom_socket_reconnects_total", "Socket reconnects, by cause.", "channel", "cause"),
    _histogram("phantom_socket_connection_seconds", "How long a socket lived.", _SLOW, "channel"),
    _counter("phantom_socket_frames_total", "Socket frames, by type.", "channel", "type"),
    _counter("phantom_feedback_total", "Ratings given by people.", "rating"),
    _counter("phantom_secret_leaks_stopped_total", "Texts with a known secret, masked on their way out.", "place"),
    _gauge("phantom_metadata_stale", "1 while a secret is served from the last good answer."),
    _gauge("phantom_secret_age_seconds", "Time since the secret last changed, as far as it was seen.", "name"),
    _gauge("phantom_secret_due_seconds", "Time until the secret must be rotated; below 0 it is overdue.", "name"),
    _gauge("phantom_bridge_apps", "Bridge apps that are logged in."),
    _counter("phantom_bridge_logins_total", "Logins of bridge apps, by outcome.", "outcome"),
    _counter("phantom_bridge_verified_total", "Logins of bridge apps, by the value that fits.", "secret", "value"),
    _counter("phantom_bridge_disconnects_total", "Ended connections of bridge apps, by reason.", "reason"),
    _gauge("phantom_bridge_events_out", "Events sent to bridge apps since the start."),
    _gauge("phantom_bridge_bytes_out", "Bytes sent to bridge apps since the start."),
    _gauge("phantom_bridge_replay_events", "Events kept for bridge apps that come back."),
    _gauge("phantom_bridge_replay_bytes", "Payload bytes kept for bridge apps that come back."),
    _counter("phantom_bridge_gaps_total", "Gaps told to bridge apps, by reason.", "reason"),
    _counter("phantom_bridge_slow_readers_total", "Bridge apps cut because they did not read."),
    _counter("phantom_bridge_subscriptions_refused_total", "Refused subscriptions, by diagnosis.", "code"),
    _counter("phantom_bridge_frames_ignored_total", "Frames of a type that the bridge does not know."),
    _counter("phantom_bridge_actions_total", "Actions of bridge apps, by outcome.", "action", "outcome"),
    _histogram("phantom_bridge_action_seconds", "From request to answer of an action.", _SLOW, "action"),
    _gauge("phantom_bridge_actions_running", "Actions under way."),
    _gauge("phantom_bridge_actions_waiting", "Actions that wait for their turn."),
    _gauge("phantom_loop_lag_seconds", "How late the event loop woke from its last timed sleep."),
)

_SPECS = {spec.name: spec for spec in METRICS}


_Key = tuple[str, tuple[str, ...]]
_T = TypeVar("_T")


class _Observed:
    """One histogram's counts: `counts[i]` values up to `bounds[i]` (and above the one before), the last without end."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Prometheus' buckets: upper bound and how many values were at most that."""
        seen = 0
        for bound, count in zip((*(str(float(bound)) for bound in self.bounds), "+Inf"), self.counts, strict=True):
            seen += count
            yield bound, seen


class PrometheusMeter:
    """The daemon's `Meter`. `on_scrape` functions set gauges that are cheaper to read than to track."""

    def __init__(self) -> None:
        self._values: dict[_Key, float] = {}
        self._observed: dict[_Key, _Observed] = {}
        self._on_scrape: list[Callable[[], None]] = []

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        key = (name, tuple(labels.values()))
        try:
            self._values[key] += amount
        except KeyError:
            self._values[self._checked(name, "counter", labels)] = amount

    def counter(self, name: str, **labels: str) -> Callable[[], None]:
        key = self._checked(name, "counter", labels)
        values = self._values
        values.setdefault(key, 0)

        def increment() -> None:
            values[key] += 1

        return increment

    def gauge(self, name: str, value: float, **labels: str) -> None:
        key = (name, tuple(labels.values()))
        if key not in self._values:
            key = self._checked(name, "gauge", labels)
        self._values[key] = value

    def series(self, gauge: str, values: Mapping[str, float]) -> None:
        """Replace all series of a gauge that has one label: by the label's value. Others are there no longer."""
        kept = {key: value for key, value in self._values.items() if key[0] != gauge}
        label = _SPECS[gauge].labels[0]
        kept |= {self._checked(gauge, "gauge", {label: name}): value for name, value in values.items()}
        self._values.clear()
        self._values.update(kept)

    def observe(self, name: str, value: float, **labels: str) -> None:
        key = (name, tuple(labels.values()))
        observed = self._observed.get(key)
        if observed is None:
            key = self._checked(name, "histogram", labels)
            observed = self._observed[key] = _Observed(_SPECS[name].buckets)
        observed.counts[bisect_left(observed.bounds, value)] += 1
        observed.total += value

    def on_scrape(self, function: Callable[[], None]) -> None:
        """Run `function` before each scrape."""
        self._on_scrape.append(function)

    def value(self, name: str, **labels: str) -> float:
        """The current value of a counter or gauge, 0 when it was never touched."""
        return self._values.get((name, tuple(labels.values())), 0.0)

    def render(self) -> bytes:
        """The Prometheus text exposition format."""
        from prometheus_client import CollectorRegistry, generate_latest

        for function in self._on_scrape:
            function()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus-client at a scrape."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for spec in METRICS:
            if spec.kind == "histogram":
                histogram = HistogramMetricFamily(spec.name, spec.help, labels=spec.labels)
                for labels, observed in self._series(spec.name, self._observed):
                    histogram.add_metric(labels, list(observed.cumulative()), observed.total)
                yield histogram
                continue
            make = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family: CounterMetricFamily | GaugeMetricFamily = make(spec.name, spec.help, labels=spec.labels)
            for labels, value in self._series(spec.name, self._values):
                family.add_metric(labels, value)
            yield family

    def describe(self) -> Iterable[Metric]:
        """No descriptions up front: the table above is checked by a test instead."""
        return ()

    @staticmethod
    def _series(name: str, values: Mapping[_Key, _T]) -> list[tuple[tuple[str, ...], _T]]:
        return [(labels, value) for (found, labels), value in list(values.items()) if found == name]

    @staticmethod
    def _checked(name: str, kind: str, labels: dict[str, str]) -> tuple[str, tuple[str, ...]]:
        """The key of a metric seen for the first time. A wrong name or label order is a programming error."""
        spec = _SPECS[name]
        if spec.kind != kind or spec.labels != tuple(labels):
            raise ValueError(f"metric {name} is a {spec.kind} with labels {spec.labels}")
        return name, tuple(labels.values())


def render_reference() -> str:
    """The metrics reference page, as Markdown."""
    lines = ["# Metrics", "", "Served at `/metrics` in the Prometheus text format.", ""]
    lines += ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{spec.name}` | {spec.kind} | {', '.join(f'`{label}`' for label in spec.labels)} | {spec.help} |"
        for spec in METRICS
    ]
    return "\n".join(lines) + "\n"
