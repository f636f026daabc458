"""A connection behind aiohttp, as every port of the daemon has it: quotes nothing, logs no stranger, names no version.

What does *not* live here: the ports (`webapp.py`, `bridge/listener.py`), the lane for signed posts (`ingress.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

SOFTWARE = "phantom"
"""What answers call their server: aiohttp would name its version and Python's to anyone who asks."""


def runner(app: web.Application) -> web.AppRunner:
    """aiohttp's half of a port: no access log, no signal handlers, two seconds for what is under way at the end."""
    app.on_response_prepare.append(_named)
    return web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0, logger=_log())


def connections(server: web.Server) -> Callable[[], Connection]:
    """What makes a connection of `server`, which comes from a `runner` that was set up."""
    loop = asyncio.get_running_loop()
    no_log: Any = None  # documented by aiohttp as "no access log", but not in its types
    log = _log()
    # Bodies stay as they came: a signature covers these bytes, and a small body must not unpack to a large one.
    return lambda: Connection(server, loop=loop, access_log=no_log, logger=log, auto_decompress=False)


class Connection(web.RequestHandler):
    """Where aiohttp answers what is no HTTP, or failed, it quotes what was sent: a token in an address, say."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Log as aiohttp does and answer without a quotation."""
        super().handle_error(request, status, exc, message)
        error = b'{"error":"bad request"}' if status < 500 else b'{"error":"internal server error"}'
        headers = {hdrs.SERVER: SOFTWARE}
        answer = web.Response(status=status, body=error, content_type="application/json", headers=headers)
        answer.force_close()
        return answer


def _log() -> logging.Logger:
    log = logging.getLogger("phantom.http")
    log.addFilter(_worth_a_line)
    return log


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Not what strangers send: aiohttp logs a malformed request as an error, with a traceback that quotes it."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return not isinstance(error, HttpProcessingError)


async def _named(request: web.BaseRequest, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = SOFTWARE
