"""Files that go out with a message, as the fields of a multipart form.

https://docs.discord.com/developers/reference#uploading-files: `payload_json` and `files[n]`; ten files a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from channels.discord.decode import JSON
from phantom.errors import MessageRejected
from phantom.messages import LocalFile

UPLOAD_SECONDS = 120.0
MAX_FILES = 10
MAX_BYTES = 25 * 1_048_576
"""Of all files of a message; Discord's own limit is 10 MiB in most servers and answers with code 40005."""


async def fields(form: JSON, files: Sequence[LocalFile]) -> list[dict[str, Any]]:
    """The fields for aiohttp's form. Raises `MessageRejected` when a file cannot be sent."""
    if len(files) > MAX_FILES:
        raise MessageRejected(f"a Discord message holds {MAX_FILES} files", code="too_many_files")
    if sum(file.size for file in files) > MAX_BYTES:
        raise MessageRejected("the files are too large for Discord", code="file_too_large")
    shown = [{"id": index, "filename": safe_name(file.name)} for index, file in enumerate(files)]
    found: list[dict[str, Any]] = [
        {
            "name": "payload_json",
            "value": orjson.dumps(form | {"attachments": shown}).decode(),
            "content_type": "application/json",
        }
    ]
    for index, file in enumerate(files):
        try:
            content = await asyncio.to_thread(Path(file.path).read_bytes)
        except OSError as error:
            raise MessageRejected(f"the file {safe_name(file.name)} cannot be read", code="file_unreadable") from error
        found.append(
            {
                "name": f"files[{index}]",
                "value": content,
                "filename": safe_name(file.name),
                "content_type": file.media_type or "application/octet-stream",
            }
        )
    return found


def safe_name(name: str) -> str:
    """A file name without folders or control characters, at most 120 characters, never empty."""
    bare = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name).strip(". ")
    if len(bare) > 120:
        stem, dot, ending = bare.rpartition(".")
        bare = f"{stem[: 119 - len(ending)]}.{ending}" if dot and len(ending) <= 12 else bare[:120]
    return bare or "file"
