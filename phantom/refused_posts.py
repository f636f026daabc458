"""What is told of posts that a channel refuses: each is counted, and now and then a line names the reason and the cure.

What does *not* live here: why a post is refused, and what its sender gets to read (the channels' receivers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from phantom.channel import Meter
from phantom.clock import Clock
from phantom.webhooks import HttpAnswer

REQUESTS = "phantom_receiver_requests_total"
"""Posts by channel and outcome; a refused one's outcome is the reason."""
INTERVAL = 10.0
"""Seconds between two lines about the same reason; `count` says how many posts a line stands for."""

_CLOCKS = "synchronise the clocks of both machines: they differ by more than 5 minutes"
CURES: Mapping[str, str] = {
    "unsigned": "nothing, if a scanner posts here; else see that sender and proxies pass the signature's headers",
    "malformed_signature": "nothing, if a scanner posts here; else the sender signs in another way than this one",
    "malformed_timestamp": "nothing, if a scanner posts here; else the sender counts its timestamps in another unit",
    "stale": _CLOCKS,
    "future": _CLOCKS,
    "malformed": "the sender posts what this address does not take; its answer says so",
    "timeout": "a slow sender or proxy: the body did not arrive in time",
    "not_ready": "`phantom status` names the channel's state and cure; senders try again",
    "storage": "free space in the data folder and see to its permissions; senders try again",
}
"""By reason, what holds for every channel."""


class RefusedPosts:
    """`refuse` for each. `say` writes a warning: the event's name, then fields. No body and no signature is told."""

    def __init__(
        self,
        event: str,
        *,
        channel: str,
        say: Callable[..., object],
        meter: Meter,
        clock: Clock,
        cures: Mapping[str, str],
        endpoint: str = "",
    ) -> None:
        self._event = event
        self._channel = channel
        self._about = {"channel": channel, "endpoint": endpoint} if endpoint else {"channel": channel}
        self._say = say
        self._meter = meter
        self._clock = clock
        self._cures = {**CURES, **cures}
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def refuse(self, reason: str, answer: HttpAnswer) -> HttpAnswer:
        """Count a post that gets `answer`, and give that back. `reason` is one of a few fixed words."""
        self._meter.count(REQUESTS, channel=self._channel, outcome=reason)
        count = self._untold.get(reason, 0) + 1
        now = self._clock.monotonic()
        if now - self._told.get(reason, -INTERVAL) < INTERVAL:
            self._untold[reason] = count
            return answer
        self._told[reason], self._untold[reason] = now, 0
        cure = self._cures.get(reason, "the answer that the sender got says more")
        self._say(self._event, **self._about, reason=reason, status=answer.status, count=count, cure=cure)
        return answer
