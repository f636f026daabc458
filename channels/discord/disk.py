"""Writing small files beside the loop, to the end. What does *not* live here: what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


async def written(write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run `write` in a thread. A thread cannot be cancelled: whoever is cancelled meanwhile waits for it, so that the
    next write of the same file comes after this one, and none comes after the end.
    """
    work = asyncio.ensure_future(asyncio.to_thread(write, *args, **kwargs))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait((work,))
        work.exception()  # seen: whoever would have told of it is gone
        raise
