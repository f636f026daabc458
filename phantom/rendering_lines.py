"""What each line of a CommonMark text is to a splitter: how good a cut before it would be, and what a cut leaves open.

What does *not* live here: the cutting itself (`phantom/rendering.py`). This is no Markdown parser: it knows fences,
tables, list items and headings by their lines alone, which is enough to cut well and never wrong about fences at the
margin, in lists and in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

# Ranks of a break before a line. 0: only when forced.
NEVER, IN_BLOCK, LINE, ITEM, PARAGRAPH = range(5)

# Possessive quantifiers: a hostile line of a million quote marks is read once.
_FENCE = re.compile(
    r"(?P<prefix>[ \t]*+(?:(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))[ \t]*+)*+)(?P<marker>`{3,}+|~{3,}+)(?P<info>[^\n]*+)"
)
_MARKER = re.compile(r"( *)([-*+]|\d{1,9}[.)])( +|$)")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_DELIMITER_ROW = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_LIST_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?=[ \t])")


@dataclass(frozen=True, slots=True, eq=False)
class Fence:
    """An open code fence: the lines that open it again and close it. `indent`: the columns that its content is
    indented by; `container`: those that the list item around it asks for.
    """

    char: str
    length: int
    prefix: str
    info: str
    indent: int
    container: int

    @property
    def opener(self) -> str:
        return f"{self.prefix}{self.char * self.length}{self.info}\n"

    @property
    def bare_opener(self) -> str:
        return f"{self.prefix}{self.char * self.length}\n"

    def closer(self, *, at_margin: bool) -> str:
        """The closing line, where the fence was opened in place or again at the margin."""
        return f"{self.prefix}{'' if at_margin else ' ' * self.indent}{self.char * self.length}"

    def closed_by(self, line: str) -> bool:
        """Whether `line` is this fence's closing line (CommonMark 0.31, 4.5)."""
        bare = line.strip(" \t>" if ">" in self.prefix else " \t")
        if len(bare) < self.length or bare.strip(self.char):
            return False
        return ">" in self.prefix or _indent(line) <= self.indent + 3

    def abandoned_by(self, line: str) -> bool:
        """Whether `line` leaves the quote or list item that holds the fence, which ends it without a closing line."""
        if ">" in self.prefix:
            return not line.lstrip(" \t").startswith(">")
        return bool(line.strip()) and _indent(line) < self.container


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its line end. `rank`: how good a cut before it is. `inside`: the fence that is open before it (a
    cut there has to close it); `after`: the one open behind it; `closes`: the one that it closes. `table`: the header
    rows of the table whose later row this is. `at_margin`: the fence's indent has been taken away.
    `nested`: it belongs to a list item and is indented so far that it would read as code without that item.
    """

    text: str
    rank: int
    inside: Fence | None = None
    after: Fence | None = None
    closes: Fence | None = None
    table: str = ""
    at_margin: bool = False
    nested: bool = False

    def replaced(self, text: str) -> Line:
        return replace(self, text=text)

    def dedented(self, columns: int) -> Line:
        """Without up to `columns` leading spaces."""
        blank = len(self.text) - len(self.text.lstrip(" "))
        return replace(self, text=self.text[min(columns, blank) :], at_margin=True)


def read_lines(text: str) -> Iterator[Line]:
    """The lines of `text` in order. Joined, their texts are `text` (CR LF and CR are line ends of CommonMark too)."""
    reader = _Reader()
    for raw in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text):
        yield reader.read(raw)


class _Reader:
    def __init__(self) -> None:
        self._fence: Fence | None = None
        self._fence_is_new = False
        self._table = ""
        self._before = ""
        self._before_raw = ""
        self._after_heading = False
        self._contents: list[int] = []
        """Columns at which the contents of the open list items begin, outermost first."""

    def read(self, raw: str) -> Line:
        bare = raw.rstrip("\r\n")
        if self._fence is not None and not self._fence.abandoned_by(bare):
            line = self._in_fence(raw, bare, self._fence)
        else:
            self._fence = None
            line = self._in_text(raw, bare)
        self._before, self._before_raw = bare, raw
        return line

    def _in_fence(self, raw: str, bare: str, fence: Fence) -> Line:
        rank = NEVER if self._fence_is_new else IN_BLOCK
        self._fence_is_new = False
        if fence.closed_by(bare):
            self._fence = None
            return Line(raw, NEVER, inside=fence, closes=fence)
        return Line(raw, rank, inside=fence, after=fence)

    def _in_text(self, raw: str, bare: str) -> Line:
        if not bare.strip():
            self._table = ""
            return Line(raw, NEVER if self._after_heading else PARAGRAPH)
        self._follow_lists(bare)
        opened = self._opens_fence(bare)
        rank = self._rank(bare, opens=opened is not None)
        self._after_heading = bool(_HEADING.match(bare))
        if opened is not None:
            self._fence, self._fence_is_new, self._table = opened, True, ""
            return Line(raw, rank, after=opened, nested=self._is_nested(bare))
        return self._in_table(raw, bare, rank)

    def _in_table(self, raw: str, bare: str, rank: int) -> Line:
        """A delimiter row makes a table of the line before it and every later line with a pipe."""
        if "|" in bare and "|" in self._before and not self._table and _DELIMITER_ROW.match(bare):
            self._table = self._before_raw + raw
            return Line(raw, NEVER)
        if "|" not in bare:
            self._table = ""
        if not self._table:
            return Line(raw, rank, nested=self._is_nested(bare))
        first = self._table.endswith(self._before_raw)
        return Line(raw, NEVER if first else IN_BLOCK, table=self._table)

    def _is_nested(self, bare: str) -> bool:
        return bool(self._contents) and _indent(bare) >= 4

    def _follow_lists(self, bare: str) -> None:
        indent = _indent(bare)
        marker = _MARKER.match(bare)
        if marker or not self._before.strip():
            while self._contents and self._contents[-1] > indent:
                self._contents.pop()
        if marker and indent <= (self._contents[-1] if self._contents else 0) + 3:
            self._contents.append(marker.end(2) + (len(marker.group(3)) if 1 <= len(marker.group(3)) <= 4 else 1))

    def _rank(self, bare: str, *, opens: bool) -> int:
        indent = _indent(bare)
        after_blank = not self._before.strip()
        if self._after_heading or indent >= 4:
            return IN_BLOCK
        if _UNDERLINE.match(bare) and not after_blank:
            return NEVER
        marker = _MARKER.match(bare) is not None
        if _HEADING.match(bare) or opens or (after_blank and not marker):
            return PARAGRAPH if indent == 0 else ITEM
        return ITEM if marker and indent == 0 else LINE

    def _opens_fence(self, bare: str) -> Fence | None:
        match = _FENCE.match(bare)
        if match is None:
            return None
        prefix, marker, info = match.group("prefix"), match.group("marker"), match.group("info")
        if marker[0] == "`" and "`" in info:
            return None
        quoted = ">" in prefix
        columns = len(prefix.expandtabs(4))
        container = max((column for column in self._contents if column <= columns), default=0)
        if not quoted and columns > container + 3:
            return None
        return Fence(
            char=marker[0],
            length=len(marker),
            prefix=_LIST_ITEM.sub(lambda item: " " * len(item.group()), prefix) if quoted else "",
            info=info.rstrip(),
            indent=0 if quoted else columns,
            container=0 if quoted else container,
        )


def _indent(line: str) -> int:
    """Columns of leading white space, tabs to stops of four."""
    return len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(4))
