"""Text files on their way to chat: one that holds a known secret is sent as a copy without it.

Files that are not text, or are larger than `LARGEST`, are left alone. What does *not* live here: what counts as a
secret (`redaction.py`), and the alert (`outgoing.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from phantom.messages import LocalFile
from phantom.redaction import Redactor

LARGEST = 8 << 20
"""Bytes of a file that are read."""

_PIECE = 1 << 16
"""Characters looked at in one go; the interpreter is free for others in between."""
_OVERLAP = 1 << 12


def without_secrets(file: LocalFile, redactor: Redactor, folder: Path) -> tuple[LocalFile, tuple[str, ...]]:
    """The file to send, and the names of the secrets that were in it. A copy is written below `folder`. Blocking; a
    file that cannot be read is left to whoever sends it. Raises `OSError` when the copy cannot be written.
    """
    if not 0 < file.size <= LARGEST:
        return file, ()
    try:
        with Path(file.path).open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError:
        return file, ()
    encoding = _encoding(data)
    if encoding is None:
        return file, ()
    text = data.decode(encoding)
    if not any(redactor.holds(piece) for piece in _pieces(text)):
        return file, ()
    masked = redactor.inspect(text, shapes="none")
    if not masked.names:
        return file, ()
    digest = hashlib.blake2b(file.path.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    place = folder / f"masked-{digest}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = place / "file"
    copy.write_bytes(masked.text.encode(encoding))
    copy.chmod(0o600)
    return replace(file, path=str(copy), size=copy.stat().st_size), masked.names


def masked_bytes(data: bytes, redactor: Redactor) -> tuple[bytes, tuple[str, ...]]:
    """The same for a file's content that is at hand."""
    encoding = _encoding(data)
    if encoding is None:
        return data, ()
    masked = redactor.inspect(data.decode(encoding), shapes="none")
    return (masked.text.encode(encoding), masked.names) if masked.names else (data, ())


def _encoding(data: bytes) -> str | None:
    """How the text is encoded; None: it is no text, or too much of it."""
    if not data or len(data) > LARGEST:
        return None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    if encoding == "utf-8" and b"\0" in data:
        return None
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return encoding


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[max(0, start - _OVERLAP) : start + _PIECE]
