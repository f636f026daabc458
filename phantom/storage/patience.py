"""Waiting out a disk that cannot be written: what was acknowledged must not be forgotten because of it.

What does *not* live here: saying that the disk is full (`service.py` watches the journal and says it once).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog

from phantom.clock import Clock
from phantom.errors import StorageError

log = structlog.get_logger("phantom.storage")

P = ParamSpec("P")
T = TypeVar("T")

RETRY_SECONDS = 0.5


async def patiently(clock: Clock, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """`call`, repeated until the data folder takes it. For calls that undo themselves when they fail."""
    while True:
        try:
            return await call(*args, **kwargs)
        except StorageError as error:
            log.debug("storage_retried", what=error.message)
            await clock.sleep(RETRY_SECONDS)
