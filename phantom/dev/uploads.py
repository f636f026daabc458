"""Files that a page has sent and no message has shared yet."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

MAX_BYTES = 32 << 20
MAX_WAITING = 20
SHOWN_INLINE = frozenset({"image/png", "image/jpeg"})
"""Types that a browser may show by itself; everything else is only ever saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFile:
    """A file without a message."""

    id: str
    name: str
    data: bytes = field(repr=False)


class Uploads:
    """Keeps at most `MAX_WAITING` files; the oldest gives way."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[str, WaitingFile] = {}

    def add(self, name: str, data: bytes) -> WaitingFile:
        """A new file. The name loses what could be part of a path."""
        plain = "".join(char for char in name if char.isprintable() and char not in '/\\?#%"<>:*|')[-100:] or "file"
        file = WaitingFile(id=f"w{next(self._numbers)}", name=plain, data=data)
        self._waiting[file.id] = file
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        return file

    def take(self, ids: list[str]) -> list[WaitingFile]:
        """The files to share now; KeyError for one that is not waiting."""
        return [self._waiting.pop(one) for one in ids]
