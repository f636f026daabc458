"""Discord's CDN: the bytes of attachments, to anybody who has the address."""

from __future__ import annotations

import asyncio

from aiohttp import web

from phantom.testing.fake_discord.core import Core
from phantom.testing.fake_discord.rest import cut


class Cdn:
    """Serves `/attachments/{channel}/{attachment}/{filename}`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.downloads: list[str] = []

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        """The bytes, whatever the message said of their size; 404 when there is no such file. Faults: `attachment`."""
        attachment = self._core.world.attachments.get(request.match_info["attachment"])
        self.downloads.append(request.path)
        fault = self._core.faults.take("attachment")
        if fault is not None:
            if fault.action in ("drop_before", "drop_after"):
                return cut(request)
            if fault.action == "hang":
                await asyncio.Event().wait()
            if fault.action == "delay":
                await self._core.clock.sleep(fault.seconds)
            else:
                return web.Response(status=fault.status, body=fault.body)
        if attachment is None or attachment.filename != request.match_info["filename"]:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=attachment.data, headers={"Content-Type": attachment.content_type})
