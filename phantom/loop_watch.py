"""How late the event loop is: one timed sleep, measured. Also the service manager's sign of life comes from here,
because a loop that does not get to it is not alive.
"""

from __future__ import annotations

from phantom.channel import Meter
from phantom.clock import Clock
from phantom.service_manager import ServiceManager

INTERVAL = 0.5


class LoopWatch:
    """`lag` is the last sleep's lateness in seconds."""

    def __init__(self, clock: Clock, meter: Meter, manager: ServiceManager) -> None:
        self._clock = clock
        self._meter = meter
        self._manager = manager
        self.lag = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        told = self._clock.monotonic()
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(INTERVAL)
            now = self._clock.monotonic()
            self.lag = max(0.0, now - before - INTERVAL)
            self._meter.gauge("phantom_loop_lag_seconds", self.lag)
            every = self._manager.watchdog_seconds
            if every is not None and now - told >= min(every, every - INTERVAL):
                self._manager.alive()
                told = now
