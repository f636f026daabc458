"""Sending files: ask for an address, post the bytes there, share what was uploaded.

What does *not* live here: fetching files (`files.py`). https://docs.slack.dev/messaging/working-with-files

Bytes go up before the message is posted, where a failure is seen by nobody; sharing comes after it and is never
repeated blindly: if it fails, the receipt says that the message arrived without its files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from channels.slack.web import SlackWeb
from phantom.errors import ChannelError, MessageRejected
from phantom.messages import LocalFile, Outcome, Receipt

_UPLOAD_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that Slack has but nobody sees yet."""

    id: str
    title: str


class Uploads:
    """Puts local files into conversations."""

    def __init__(self, web: SlackWeb) -> None:
        self._web = web

    async def upload(self, files: Sequence[LocalFile]) -> list[Uploaded]:
        """Carry the bytes to Slack. Raises a `ChannelError`; nothing is visible then."""
        return [await self._upload(file) for file in files]

    async def share(self, files: Sequence[Uploaded], channel: str, thread: str | None, posted: Receipt) -> Receipt:
        """Show uploaded files below the message that `posted` stands for; PARTIAL when that fails."""
        params: dict[str, object] = {
            "files": [{"id": file.id, "title": file.title} for file in files],
            "channel_id": channel,
            "thread_ts": thread,
        }
        try:
            await self._web.call("files.completeUploadExternal", params, timeout=30.0)
        except ChannelError as error:
            # Any error: the message stands, so whoever raised here would have it sent a second time.
            return replace(posted, outcome=Outcome.PARTIAL, detail=f"files:{error.code}")
        return posted

    @staticmethod
    def confirmed(posted: Receipt, files: Sequence[LocalFile], ours: Sequence[Mapping[str, Any]]) -> Receipt:
        """`posted`, or PARTIAL when not every file shows up in messages of ours since."""
        seen = {str(shown.get("name")) for found in ours for shown in found.get("files") or ()}
        if all(safe_name(file.name) in seen for file in files):
            return posted
        return replace(posted, outcome=Outcome.PARTIAL, detail="files:unconfirmed")

    async def _upload(self, file: LocalFile) -> Uploaded:
        try:
            handle, size = await asyncio.to_thread(_open, Path(file.path))
        except OSError as error:
            raise MessageRejected(f"the file {safe_name(file.name)} cannot be read", code="file_unreadable") from error
        with handle:
            if size == 0:
                raise MessageRejected(f"the file {safe_name(file.name)} is empty; Slack takes none", code="file_empty")
            params = {"filename": safe_name(file.name), "length": size}
            ticket = await self._web.call("files.getUploadURLExternal", params, idempotent=True)
            status, _ = await self._web.post(
                str(ticket.get("upload_url") or ""), data=handle, what="file_upload", seconds=_UPLOAD_SECONDS
            )
        if status != 200:
            raise MessageRejected(f"Slack refused the upload with HTTP {status}", code="upload_failed")
        return Uploaded(str(ticket.get("file_id") or ""), file.name[:255])


def _open(path: Path) -> tuple[BinaryIO, int]:
    return path.open("rb"), path.stat().st_size


def safe_name(name: str) -> str:
    """A file name without folders or control characters, at most 120 characters, never empty."""
    bare = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name).strip(". ")
    if len(bare) > 120:
        stem, dot, ending = bare.rpartition(".")
        bare = f"{stem[: 119 - len(ending)]}.{ending}" if dot and len(ending) <= 12 else bare[:120]
    return bare or "file"
