"""Cutting CommonMark into messages: `split`. A message never ends inside an open code fence.

What does *not* live here: platform markup and escaping (each channel's own), pacing and sending (`phantom/egress.py`).

The text is read once, line by line, without a Markdown parser: model answers can be a megabyte long and a parser would
hold up the event loop. What a line is to a cut is told by `phantom/rendering_lines.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from phantom.rendering_lines import Fence, Line, read_lines

# Where to cut, best first: (at least this share of the limit is used, at least this rank of break).
_PREFERENCES = ((0.5, 4), (0.5, 3), (0.2, 4), (0.2, 3), (0.5, 2), (0.5, 1), (0.0, 2), (0.0, 1))
_SENTENCE_END = re.compile(r"(?:[.!?…]['\")\]*_]*\s)|[。！？]")
_MAX_CLUSTER = 16


def split(text: str, limit: int) -> list[str]:
    """`text` as parts of at most `limit` characters, in order; text that fits is one part, blank text is none.

    Cuts fall between paragraphs, else list items, lines, sentences, words, in that order of preference. A fence that is
    cut is closed and opened again with the same marker and info string; a table that is cut repeats its header. Apart
    from those added lines only white space at the cuts is lost. Raises `ValueError` when `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    if not text.strip():
        return []
    if len(text) <= limit:
        return [text]
    packer = _Packer(limit)
    for line in read_lines(text):
        packer.add(line)
    return packer.finish()


class _Packer:
    """Fills one part after the other. Holds the lines of the part under way and knows where it could be cut."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._header = ""
        self._reopened: Fence | None = None
        self._lines: list[Line] = []
        self._size = 0

    def add(self, line: Line) -> None:
        """Put `line` into the part under way, cutting as often as needed."""
        line = self._placed(line)
        while not self._fits(line):
            if line.closes is not None and self._fits_text(closer := self._closer(line.closes)):
                line = line.replaced(closer)
            elif self._lines and self._fits_alone(line):
                self._cut(line)
                line = self._placed(line)
            else:
                line = self._cut_inside(line)
        self._lines.append(line)
        self._size += len(line.text)

    def finish(self) -> list[str]:
        self._emit("".join(line.text for line in self._lines), None)
        return self._parts

    def _placed(self, line: Line) -> Line:
        """`line` as it reads in the part under way: what lost its list item to an earlier part moves to the margin."""
        if line.nested and not self._lines and self._parts:
            if line.after is None:
                return line.replaced(line.text.lstrip(" \t"))
            self._reopened = line.after
            return line.replaced(self._opener(line.after))
        owner = line.inside or line.closes
        if owner is not None and owner is self._reopened and owner.indent and not line.at_margin:
            return line.dedented(owner.indent)
        return line

    def _fits(self, line: Line) -> bool:
        return self._fits_text(line.text, self._reserve(line))

    def _fits_text(self, text: str, reserve: int = 0) -> bool:
        return len(self._header) + self._size + len(text) + reserve <= self._limit

    def _fits_alone(self, line: Line) -> bool:
        """Whether the line would fit a part of its own, behind the header that such a part would get."""
        return len(self._header_for(line)) + len(line.text) + self._reserve(line) <= self._limit

    def _reserve(self, line: Line) -> int:
        """Characters to keep free behind `line` for closing the fence that is open there."""
        fence = self._closable(line.after)
        return 0 if fence is None else len(self._closer(fence)) + 1

    def _closer(self, fence: Fence) -> str:
        return fence.closer(at_margin=fence is self._reopened)

    def _closable(self, fence: Fence | None) -> Fence | None:
        """The fence if closing and opening it again leaves half of the limit for text, else None: cut it plainly."""
        if fence is None or 2 * (len(self._opener(fence)) + len(fence.closer(at_margin=False)) + 1) > self._limit:
            return None
        return fence

    def _opener(self, fence: Fence) -> str:
        return fence.opener if 4 * len(fence.opener) <= self._limit else fence.bare_opener

    def _header_for(self, line: Line) -> str:
        """What a part that begins with `line` has to repeat first."""
        if line.inside is not None:
            fence = self._closable(line.inside)
            return "" if fence is None else self._opener(fence)
        return line.table if 4 * len(line.table) <= self._limit else ""

    def _cut(self, following: Line) -> None:
        """End the part at the best break before `following`; what is behind the break begins the next one."""
        at = self._best_break(following)
        rest = self._lines[at:]
        first = rest[0] if rest else following
        self._close("".join(line.text for line in self._lines[:at]), first)
        for line in rest:
            line = self._placed(line)
            if not self._lines and not line.text.strip() and line.inside is None:
                continue
            self._lines.append(line)
            self._size += len(line.text)

    def _best_break(self, following: Line) -> int:
        candidates: list[tuple[int, int, int]] = []
        size = len(self._header)
        for index, line in enumerate(self._lines):
            if index and line.rank:
                candidates.append((size, line.rank, index))
            size += len(line.text)
        if following.rank:
            candidates.append((size, following.rank, len(self._lines)))
        for share, rank in _PREFERENCES:
            fitting = [c for c in candidates if c[0] >= share * self._limit and c[1] >= rank]
            if fitting:
                return fitting[-1][2]
        return len(self._lines)

    def _cut_inside(self, line: Line) -> Line:
        """Cut a line that is too long for any part; returns what is left of it."""
        room = self._limit - len(self._header) - self._size - self._reserve(line)
        if self._lines and room < max(1, self._limit // 4):
            self._cut(line)
            return self._placed(line)
        verbatim = line.inside is not None
        at = _cut_point(line.text, max(room, 1), verbatim=verbatim)
        head, tail = line.text[:at], line.text[at:]
        rest = line.replaced(tail if verbatim else tail.lstrip(" \t"))
        self._close("".join(held.text for held in self._lines) + head, rest)
        return rest

    def _close(self, body: str, following: Line) -> None:
        """Emit a part; the next one begins with `following`."""
        fence = self._closable(following.inside)
        self._emit(body, fence)
        self._lines, self._size = [], 0
        self._header = self._header_for(following)
        self._reopened = fence

    def _emit(self, body: str, fence: Fence | None) -> None:
        text = self._header + body
        if fence is not None:
            text = f"{text}{'' if text.endswith(chr(10)) else chr(10)}{self._closer(fence)}"
        else:
            text = text.rstrip()
        if not self._header:
            text = _without_leading_blank_lines(text)
        if body.strip() or (body and fence is not None):
            self._parts.append(text)


def _without_leading_blank_lines(text: str) -> str:
    head = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, head) + 1 :]


def _cut_point(text: str, room: int, *, verbatim: bool) -> int:
    """Where to cut `text` so that the head has at most `room` characters: behind a sentence, a word, or hard."""
    if room >= len(text):
        return len(text)
    if not verbatim:
        for end in _soft_ends(text, room):
            if end > room // 3:
                return end
    at = room
    while at > 1 and room - at < _MAX_CLUSTER and _joins(text[at], text[at - 1]):
        at -= 1
    return at


def _soft_ends(text: str, room: int) -> Iterator[int]:
    """Ends of the last sentence (if it is in the second half) and of the last word before `room`."""
    last = 0
    for match in _SENTENCE_END.finditer(text, room // 2, room):
        last = match.end()
    if last:
        yield last
    yield max(text.rfind(" ", 0, room), text.rfind("\t", 0, room)) + 1


def _joins(char: str, before: str) -> bool:
    """Whether a cut before `char` would tear one visible character apart (combining marks, joiners, skin tones)."""
    return (
        unicodedata.combining(char) != 0
        or char in "\u200d\ufe0e\ufe0f"
        or before == "\u200d"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )
