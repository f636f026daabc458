"""What a page may ask for: of a side what that side does, of the daemon that it starts anew."""

from __future__ import annotations

from collections.abc import Sequence

from phantom.dev.daemon_part import DaemonPart
from phantom.dev.side import JSON, Side, StoredFile


class Requests:
    """`{"side": "slack", "do": …}` goes to that side; without a side it is about the daemon or the page."""

    def __init__(self, sides: Sequence[Side], daemon: DaemonPart) -> None:
        self._sides = {side.name: side for side in sides}
        self._daemon = daemon

    async def perform(self, request: JSON) -> JSON | None:
        """Do it. KeyError, TypeError, ValueError or a `PhantomError` say why not."""
        do = str(request["do"])
        if "side" in request:
            side = self._sides[str(request["side"])]
            return side.details(str(request["key"])) if do == "details" else await side.perform(do, request)
        if do != "restart":
            raise KeyError(do)
        await self._daemon.restart()
        return None

    def file(self, side: str, file_id: str) -> StoredFile | None:
        """A file that was shared on a side."""
        found = self._sides.get(side)
        return None if found is None else found.file(file_id)
