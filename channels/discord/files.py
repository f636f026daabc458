"""Fetching files that people sent, from Discord's hosts only, never more than asked for.

What does *not* live here: sending files (`uploads.py`). An attachment's address is signed and works for about a day.
https://docs.discord.com/developers/reference#signed-attachment-cdn-urls
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from channels.discord import errors
from channels.discord.rest import DiscordRest
from channels.discord.uploads import safe_name
from phantom.errors import ChannelError, Forbidden
from phantom.messages import Attachment, LocalFile

if TYPE_CHECKING:
    import aiohttp

_CHUNK = 256 * 1024
_SILENCE = 30.0


class Files:
    """Downloads attachments into a folder."""

    def __init__(self, rest: DiscordRest, max_bytes: int) -> None:
        self._rest = rest
        self._max_bytes = max_bytes

    async def download(self, attachment: Attachment, folder: Path, limit: int) -> LocalFile:
        """Fetch into `folder`; nothing of a file that fails is left there. Raises a `ChannelError` with a cure."""
        limit = min(limit, self._max_bytes)
        if limit <= 0:
            raise ChannelError("files are not fetched", code="files_off", hint="raise DISCORD_MAX_FILE_BYTES")
        if attachment.size is not None and attachment.size > limit:
            raise _too_large(limit)
        path = folder / f"{safe_name(attachment.id)}-{safe_name(attachment.name)}"
        async with self._rest.fetch(attachment.url, silence=_SILENCE) as response:
            _check(response)
            if response.content_length is not None and response.content_length > limit:
                raise _too_large(limit)
            size = await _keep(response, path, limit)
        return LocalFile(
            name=safe_name(attachment.name), media_type=attachment.media_type, path=str(path.absolute()), size=size
        )


def _check(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status in (401, 403, 404, 410):
        raise Forbidden(
            f"Discord no longer gives out the file (HTTP {status})",
            code="file_gone",
            hint="its address has expired or it was deleted; ask for it to be sent again",
        )
    if 300 <= status < 400:
        raise Forbidden("the file's address leads elsewhere", code="redirects")
    raise errors.from_answer("file download", status, 0, retry_after=1.0, idempotent=True)


async def _keep(response: aiohttp.ClientResponse, path: Path, limit: int) -> int:
    try:
        handle = await asyncio.to_thread(path.open, "wb")
    except OSError as error:
        raise ChannelError("the file cannot be stored", code="file_unwritable", hint=str(error.strerror)) from error
    complete = False
    try:
        size = await _store(response, handle, limit)
        complete = True
    finally:
        await asyncio.to_thread(handle.close)
        if not complete:
            await asyncio.to_thread(path.unlink, missing_ok=True)
    return size


async def _store(response: aiohttp.ClientResponse, handle: BinaryIO, limit: int) -> int:
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        await asyncio.to_thread(handle.write, chunk)
    return size


def _too_large(limit: int) -> ChannelError:
    return ChannelError(
        f"the file is larger than {limit} bytes",
        code="file_too_large",
        hint="raise DISCORD_MAX_FILE_BYTES or send less",
    )
