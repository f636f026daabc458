"""How many actions a minute a secret may ask for: a bucket each that fills evenly."""

from __future__ import annotations

from phantom.clock import Clock


class Pace:
    """Buckets by secret. One for each secret with a limit, so their number is bounded by the configuration."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, secret_id: str, per_minute: int) -> float:
        """Take one. 0.0 when there was one, else the seconds until there is."""
        if not per_minute:
            return 0.0
        now = self._clock.monotonic()
        left, then = self._buckets.get(secret_id, (float(per_minute), now))
        left = min(float(per_minute), left + (now - then) * per_minute / 60)
        if left < 1:
            self._buckets[secret_id] = (left, now)
            return (1 - left) * 60 / per_minute
        self._buckets[secret_id] = (left - 1, now)
        return 0.0
