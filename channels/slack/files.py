"""Fetching files that people sent, with the bearer, from Slack's hosts only, never more than asked for.

What does *not* live here: sending files (`uploads.py`). Slack answers a download without a valid bearer or scope with
HTTP 200 and its login page, which must not be taken for the file. https://docs.slack.dev/reference/objects/file-object
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin

from channels.slack import errors
from channels.slack.uploads import safe_name
from channels.slack.web import SlackWeb
from phantom.errors import ChannelError, Forbidden
from phantom.messages import Attachment, LocalFile

if TYPE_CHECKING:
    import aiohttp

_CHUNK = 256 * 1024
_SILENCE = 30.0
_REDIRECTS = 3
_LOGIN = re.compile(rb"<title>[^<]*(?:sign in|log in|login)[^<]*</title>|/signin|data-qa=\"?login", re.IGNORECASE)
_CURE = "add the scope files:read under OAuth & Permissions and reinstall the app"


class LoginPage(ChannelError):
    """Slack sent its login page where the file should be."""

    code = "login_page"


class Files:
    """Downloads attachments into a folder."""

    def __init__(self, web: SlackWeb, max_bytes: int) -> None:
        self._web = web
        self._max_bytes = max_bytes

    async def download(self, attachment: Attachment, folder: Path, limit: int) -> LocalFile:
        """Fetch into `folder`; nothing of a file that fails is left there. Raises a `ChannelError` with a cure."""
        limit = min(limit, self._max_bytes)
        if limit <= 0:
            raise ChannelError("files are not fetched", code="files_off", hint="raise SLACK_MAX_FILE_BYTES")
        if attachment.size is not None and attachment.size > limit:
            raise _too_large(limit)
        path = folder / f"{safe_name(attachment.id)}-{safe_name(attachment.name)}"
        try:
            size = await self._fetch(attachment, path, limit)
        except LoginPage:
            # Either the token or a scope is missing. The first is told by auth.test, which also renews a stale token.
            me = await self._web.auth_test()
            if me.scopes and "files:read" not in me.scopes:
                raise Forbidden("Slack gave a login page instead of the file", code="login_page", hint=_CURE) from None
            size = await self._fetch(attachment, path, limit)
        return LocalFile(
            name=safe_name(attachment.name), media_type=attachment.media_type, path=str(path.absolute()), size=size
        )

    async def _fetch(self, attachment: Attachment, path: Path, limit: int) -> int:
        async with self._response(await self._address(attachment)) as response:
            _check(response)
            try:
                handle = await asyncio.to_thread(path.open, "wb")
            except OSError as error:
                raise ChannelError(
                    "the file cannot be stored", code="file_unwritable", hint=str(error.strerror)
                ) from error
            complete = False
            try:
                size = await _store(response, handle, attachment, limit)
                complete = True
            finally:
                await asyncio.to_thread(handle.close)
                if not complete:
                    await asyncio.to_thread(path.unlink, missing_ok=True)
        return size

    async def _address(self, attachment: Attachment) -> str:
        """Files of other workspaces come without an address; it has to be asked for (`check_file_info`)."""
        if attachment.url:
            return attachment.url
        answer = await self._web.call("files.info", {"file": attachment.id}, idempotent=True)
        file = answer.get("file") or {}
        return str(file.get("url_private_download") or file.get("url_private") or "")

    @asynccontextmanager
    async def _response(self, address: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer behind at most three redirects, each to a Slack host: `fetch` checks every one of them."""
        for _ in range(_REDIRECTS + 1):
            async with self._web.fetch(address, silence=_SILENCE) as response:
                location = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or not location:
                    yield response
                    return
                address = urljoin(address, location)
        raise ChannelError("Slack redirects the file in circles", code="redirects")


def _check(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status in (401, 403):
        raise Forbidden(f"Slack refused the file with HTTP {status}", code="file_forbidden", hint=_CURE)
    if status in (404, 410):
        raise ChannelError("the file is gone", code="file_gone", hint="ask for it to be sent again")
    wait = response.headers.get("Retry-After", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() else 1.0
    raise errors.from_status("file download", status, retry_after=seconds, idempotent=True)


async def _store(response: aiohttp.ClientResponse, handle: BinaryIO, attachment: Attachment, limit: int) -> int:
    """Write the body; stops reading at `limit`, and at the first bytes of a login page."""
    is_page = response.content_type == "text/html"
    wants_page = "html" in attachment.media_type or attachment.name.lower().endswith((".html", ".htm", ".xhtml"))
    if is_page and not wants_page:
        raise LoginPage("Slack gave a login page instead of the file", hint=_CURE)
    odd_page = is_page and (attachment.size is None or attachment.size != response.content_length)
    if not odd_page and response.content_length is not None and response.content_length > limit:
        raise _too_large(limit)
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        if odd_page and size == 0 and _LOGIN.search(chunk):
            raise LoginPage("Slack gave a login page instead of the file", hint=_CURE)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        await asyncio.to_thread(handle.write, chunk)
    return size


def _too_large(limit: int) -> ChannelError:
    return ChannelError(
        f"the file is larger than {limit} bytes", code="file_too_large", hint="raise SLACK_MAX_FILE_BYTES or send less"
    )
