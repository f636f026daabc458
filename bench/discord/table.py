"""Rounds of several contestants as a Markdown table: medians, and ratios to one of them in the same round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One round of one contestant. `rate` a second, CPU microseconds an event, latencies 0 where none was taken."""

    rate: float
    cpu_us: float
    peak_mb: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0


def render(found: Mapping[str, Mapping[str, Sequence[Measured]]], *, beside: str, latency: bool) -> str:
    """`found` by load and contestant. The ratios are medians of each round's own, as a busy machine slows whole
    rounds.
    """
    lines = [
        "| contestant | load | a second | × | p50 ms | p99 ms | CPU µs each | × | peak MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for what, contestants in found.items():
        bare = contestants[beside]
        for name, rounds in contestants.items():
            rates = statistics.median(one.rate / base.rate for one, base in zip(rounds, bare, strict=True))
            costs = statistics.median(one.cpu_us / base.cpu_us for one, base in zip(rounds, bare, strict=True))
            p50 = statistics.median(one.p50_ms for one in rounds)
            p99 = statistics.median(one.p99_ms for one in rounds)
            times = f"{p50:.2f} | {p99:.2f}" if latency or p50 else " | "
            lines.append(
                f"| {name} | {what} | {statistics.median(one.rate for one in rounds):,.0f} | {rates:.2f} | {times}"
                f" | {statistics.median(one.cpu_us for one in rounds):.1f} | {costs:.2f}"
                f" | {max(one.peak_mb for one in rounds):.0f} |"
            )
    return "\n".join(lines)
