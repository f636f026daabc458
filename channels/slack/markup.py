"""CommonMark that cannot ping, for Slack's native `markdown` block: `native`.

What does *not* live here: Slack's own mrkdwn (`mrkdwn.py`), blocks and limits (`blocks.py`).

The rule. Slack reads `<!channel>`, `<@U…>`, `<#C…>`, `<!subteam^S…>` wherever a text holds them, in code too. Every
such opening is broken with U+200B (zero width space) behind the `<`, written `&lt;` outside code and left `<` inside,
where an entity would be shown literally. A `<` that ends a text is broken too: the next piece of a stream may go on
with `!channel>`. Entities of `<` (`&lt;!channel&gt;`, `&#60;@U1>`, `&amp;lt;!here>`) get the same
space, so that a reader that decodes once too often sees no ping either. All other `&`, `<`, `>` stay as they are: the
block takes standard Markdown. Inside code only what Slack could read as a mention is broken (no white space before `>`
or `|`), so that `<!DOCTYPE html>` and `List<@NonNull String>` can be copied. A bare `@channel`, `@here`, `@everyone` or
`@group` outside code gets the space too: some of Slack's text objects parse them. Which part of the text is code only
decides about the looks, never about the break.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Set
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

ZERO_WIDTH = "\u200b"
SUBSTITUTE = "\u2039"
"""Stands for a dangerous `<` where a text has no room to grow."""

_LESS = r"<|&(?:amp;|\#0*38;|\#x0*26;){0,9}(?:lt|\#0{0,5}60|\#x0{0,5}3c);?"
_SIGN = r"(?:[!@\#]|&(?:amp;)*(?:excl|commat|num|\#0{0,5}(?:33|64|35)|\#x0{0,5}(?:21|40|23));?)"
_MORE = r"&(?:amp;)*(?:gt|\#0{0,5}62|\#x0{0,5}3e);?"
_OPENING = re.compile(rf"(?P<less>{_LESS})(?=[\\*_~`\[]*(?:<|{_SIGN}|\Z))", re.IGNORECASE)
_IN_CODE = re.compile(rf"(?P<less>{_LESS})(?=(?!!--|!\[)\\*{_SIGN}[^\s<>|]*?(?:[>|]|{_MORE}))", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![A-Za-z0-9])(?:@|&(?:amp;)*(?:commat|\#0{0,5}64|\#x0{0,5}40);?)(?=(?P<name>channel|here|everyone|group)\b)",
    re.IGNORECASE,
)
_TARGET = re.compile(rf"(?P<opening>\]\([ \t\n]*+|\]:[ \t\n]*+)(?=\\*{_SIGN})", re.IGNORECASE)
_MENTION = re.compile(r"<(?:[@#]|!(?:subteam\^)?)(?P<id>[A-Za-z0-9]+)(?:\|[^<>\n]*)?>")
_TICKS = re.compile(r"`+")


def native(text: str, allowed: Set[str] = frozenset(), *, tight: bool = False) -> str:
    """`text` with every mention broken except of the ids in `allowed` (`U…`, `C…`, `S…`, `channel`, `here`).

    `tight` replaces the dangerous `<` by `‹` instead, so that the text does not grow.
    """
    if not (_OPENING.search(text) or _TARGET.search(text) or _BARE.search(text)):
        return text
    pieces: list[str] = []
    at = 0
    for start, end in code_ranges(text):
        pieces += (_neutral(text[at:start], allowed, tight=tight), _neutral_code(text[start:end], tight=tight))
        at = end
    pieces.append(_neutral(text[at:], allowed, tight=tight))
    return "".join(pieces)


def without_bare(text: str, allowed: Set[str] = frozenset(), *, tight: bool = False) -> str:
    """`text` with `@channel` and the like broken; `tight` takes a wide `＠` instead of growing."""

    def broken(match: re.Match[str]) -> str:
        if match.group("name").lower() in allowed:
            return match.group()
        return "\uff20" if tight else match.group() + ZERO_WIDTH

    return _BARE.sub(broken, text)


def split_mentions(text: str, allowed: Set[str]) -> list[tuple[str, bool]]:
    """`text` as pieces in order, each with whether it is an allowed mention."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for match in _MENTION.finditer(text) if allowed else ():
        if match.group("id") in allowed:
            pieces += ((text[at : match.start()], False), (match.group(), True))
            at = match.end()
    pieces.append((text[at:], False))
    return pieces


def _neutral(text: str, allowed: Set[str], *, tight: bool) -> str:
    text = _TARGET.sub(lambda match: f"{match.group('opening')}./", text)
    out: list[str] = []
    for piece, is_mention in split_mentions(text, allowed):
        if not is_mention:
            piece = _OPENING.sub(lambda match: _broken(match, tight=tight), piece)
            piece = without_bare(piece, allowed, tight=tight)
        out.append(piece)
    return "".join(out)


def _broken(match: re.Match[str], *, tight: bool) -> str:
    less = match.group("less")
    if tight:
        return SUBSTITUTE
    before = match.string[: match.start()]
    escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    return ("&lt;" if less == "<" and not escaped else less) + ZERO_WIDTH


def _neutral_code(text: str, *, tight: bool) -> str:
    return _IN_CODE.sub(lambda match: SUBSTITUTE if tight else match.group("less") + ZERO_WIDTH, text)


def code_ranges(text: str) -> list[tuple[int, int]]:
    """Start and end of every code block and code span, in order (spans by their backticks alone)."""
    starts = [0]
    for match in re.finditer(r"\r\n|\r|\n", text):
        starts.append(match.end())
    starts.append(len(text))
    ranges: list[tuple[int, int]] = []
    for token in parser().parse(text):
        if token.map is None:
            continue
        start, end = starts[token.map[0]], starts[min(token.map[1], len(starts) - 1)]
        if token.type in ("fence", "code_block"):
            ranges.append((start, end))
        elif token.type == "inline":
            ranges += [(start + a, start + b) for a, b in _spans(text[start:end])]
    return sorted(ranges)


def _spans(text: str) -> list[tuple[int, int]]:
    """Code spans: a run of backticks up to the next run of the same length (CommonMark 0.31, 6.1)."""
    runs = [(match.start(), match.end()) for match in _TICKS.finditer(text)]
    places: dict[int, list[int]] = {}
    for start, end in runs:
        places.setdefault(end - start, []).append(start)
    found: list[tuple[int, int]] = []
    free_from = 0
    for start, end in runs:
        if start < free_from:
            continue
        same = places[end - start]
        after = bisect_right(same, start)
        if after < len(same):
            free_from = same[after] + (end - start)
            found.append((start, free_from))
    return found


@lru_cache(maxsize=1)
def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough; HTML is text. Imported on first use: it costs start-up time."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
