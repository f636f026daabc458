"""CommonMark to Discord's dialect: `to_discord`. Nothing in the result can ping, whatever the text holds.

What does *not* live here: limits and embeds (`dress.py`). The text is parsed and written anew, so that nothing is read
by Discord otherwise than CommonMark means it: `__x__` is bold there and underlined here, `||` hides text, `-#` makes it
small. Tables become aligned code blocks, or lists where they are too wide for one; images become links.
https://docs.discord.com/developers/reference#message-formatting and
https://support.discord.com/hc/en-us/articles/210298617

Mentions (`<@…>`, `<@&…>`, `<#…>`, `@everyone`, `@here`) are broken with U+200B outside code. That is for the looks and
for whoever copies the text; that nobody is notified `allowed_mentions` sees to.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

ZERO_WIDTH = "\u200b"
MAX_TABLE_WIDTH = 90
"""Columns of a code block that a desktop client shows without wrapping."""
MAX_PADDING = 600
"""Characters of padding that a table may cost."""

_MARKS = {"strong": "**", "em": "*", "s": "~~"}
_MENTION = re.compile(r"<@!?(?P<id>[0-9]{1,20})>")
_PINGS = re.compile(r"<(?=@|\#|&|/|id:|t:|a?:\w)")
_EVERYONE = re.compile(r"@(?=everyone\b|here\b)", re.IGNORECASE)
_SPECIAL = re.compile(r"[\\*_`]|~(?=~)|(?<=~)~|\|(?=\|)|(?<=\|)\||\](?=\()")
_LINE_START = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>#{1,6}(?=\s)|>|-\#|[-+](?=\s)|\d+[.)](?=\s))")
_NUMBERED = re.compile(r"(\d+)([.)])")
_BARE = re.compile(r"https?://[^\s<>\\`|]+", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9_+.#-]{1,30}")
_LINKED = re.compile(r"https?://\S+", re.IGNORECASE)


def to_discord(text: str, allowed: Set[str] = frozenset()) -> str:
    """`text` in Discord's dialect. Mentions of the user ids in `allowed` are left as they are."""
    return "\n\n".join(block for block in _Walk(parser().parse(text), allowed).blocks("") if block.strip())


@lru_cache(maxsize=1)
def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough; HTML is text. Imported on first use: it costs start-up time."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def neutral(text: str, allowed: Set[str] = frozenset()) -> str:
    """`text` with every mention broken except of the people in `allowed`."""
    out: list[str] = []
    at = 0
    for match in _MENTION.finditer(text) if allowed else ():
        if match["id"] in allowed:
            out += (_broken(text[at : match.start()]), match[0])
            at = match.end()
    out.append(_broken(text[at:]))
    return "".join(out)


def _broken(text: str) -> str:
    return _EVERYONE.sub(f"@{ZERO_WIDTH}", _PINGS.sub(f"<{ZERO_WIDTH}", text))


def plain(text: str) -> str:
    """Text that Discord shows as it is, apart from mentions; bare addresses stay clickable."""
    out: list[str] = []
    at = 0
    for match in _BARE.finditer(text):
        out += (_SPECIAL.sub(r"\\\g<0>", text[at : match.start()]), match[0])
        at = match.end()
    out.append(_SPECIAL.sub(r"\\\g<0>", text[at:]))
    return "".join(out)


class _Walk:
    """Goes over markdown-it's flat tokens once. Containers recurse; the parser bounds their depth."""

    def __init__(self, tokens: list[Token], allowed: Set[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._allowed = allowed

    def blocks(self, until: str) -> list[str]:
        """The blocks up to the closing token `until` ("": all)."""
        found: list[str] = []
        while self._at < len(self._tokens):
            token = self._next()
            if token.type == until:
                break
            block = self._block(token)
            if block is not None:
                found.append(block)
        return found

    def _block(self, token: Token) -> str | None:
        match token.type:
            case "inline":
                return self._paragraph(token)
            case "heading_open":
                return self._heading(int(token.tag[1:]))
            case "fence" | "code_block":
                return _fenced(token.content.rstrip("\n"), token.info.strip() if token.type == "fence" else "")
            case "blockquote_open":
                inner = "\n\n".join(self.blocks("blockquote_close"))
                return "\n".join(f"> {line}" for line in inner.split("\n"))
            case "bullet_list_open" | "ordered_list_open":
                return self._list(token)
            case "table_open":
                return self._table()
            case "hr":
                return "─" * 12
        return None  # the opening and closing tokens of paragraphs and headings

    def _paragraph(self, token: Token) -> str:
        return "\n".join(_line_escaped(line) for line in self._inline(token).split("\n"))

    def _heading(self, level: int) -> str | None:
        text = self._inline(self._next()).replace("\n", " ").strip()
        if not text:
            return None
        return f"{'#' * level} {text}" if level <= 3 else f"**{text.replace('**', '')}**"

    def _list(self, opening: Token) -> str:
        number = int(str(opening.attrs.get("start", 1))) if opening.type == "ordered_list_open" else None
        lines: list[str] = []
        while self._next().type == "list_item_open":
            first, *others = "\n".join(self.blocks("list_item_close")).split("\n")
            lead = "- " if number is None else f"{number}. "
            lines.append(lead + first)
            lines += _indented(others, " " * len(lead))
            number = None if number is None else number + 1
        return "\n".join(lines)

    def _table(self) -> str:
        rows: list[list[str]] = []
        rich: list[list[str]] = []
        while (token := self._next()).type != "table_close":
            if token.type == "tr_open":
                rows.append([])
                rich.append([])
            elif token.type == "inline":
                rows[-1].append(shown(token.children or []))
                rich[-1].append(self._inline(token))
        aligned = _aligned(rows)
        return _fenced(aligned, "") if aligned is not None else _as_list(rich)

    def _inline(self, token: Token) -> str:
        return neutral(_Inline().render(token.children or []), self._allowed)

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token


class _Inline:
    """One run of inline tokens. Flat on purpose: emphasis may nest thousands deep."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._open = dict.fromkeys(_MARKS, 0)
        self._link: tuple[str, int] | None = None

    def render(self, tokens: list[Token]) -> str:
        for token in tokens:
            self._add(token)
        return "".join(self._out)

    def _add(self, token: Token) -> None:
        name, _, side = token.type.rpartition("_")
        if name in _MARKS:
            self._mark(name, opens=side == "open")
        elif token.type in ("softbreak", "hardbreak"):
            self._out.append("\n" if self._link is None else " ")
        elif token.type == "code_inline":
            self._out.append(_code(token.content))
        elif token.type == "link_open":
            self._link = (str(token.attrs.get("href", "")), len(self._out))
        elif token.type == "link_close" and self._link is not None:
            (address, start), self._link = self._link, None
            label = "".join(self._out[start:])
            self._out[start:] = [_linked(address, label)]
        elif token.type == "image":
            label = plain(shown(token.children or []))
            source = str(token.attrs.get("src", ""))
            self._out.append(label if self._link else _linked(source, label or "image"))
        else:
            self._out.append(plain(token.content))

    def _mark(self, name: str, *, opens: bool) -> None:
        outermost = self._open[name] == 0 if opens else self._open[name] == 1
        self._open[name] += 1 if opens else -1
        if outermost:
            self._out.append(_MARKS[name])


def shown(tokens: list[Token]) -> str:
    """The words of inline tokens without their markup."""
    parts: list[str] = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif token.children:
            parts.append(shown(token.children))
        else:
            parts.append(token.content)
    return "".join(parts)


def _line_escaped(line: str) -> str:
    """A line of a paragraph that Discord would take for the start of a heading, quote or list is told not to be."""
    match = _LINE_START.match(line)
    if match is None:
        return line
    mark = match["mark"]
    numbered = _NUMBERED.fullmatch(mark)
    escaped = f"{numbered[1]}\\{numbered[2]}" if numbered else f"\\{mark}"
    return match["indent"] + escaped + line[match.end() :]


def _indented(lines: list[str], by: str) -> list[str]:
    """Continuation lines of a list item; a code block keeps its own columns and so stands at the margin."""
    inside = False
    out: list[str] = []
    for line in lines:
        fence = line.lstrip().startswith("```")
        out.append(line.lstrip() if fence else line if inside or not line else by + line)
        inside = inside != fence
    return out


def _fenced(code: str, info: str) -> str:
    """A code block. Discord ends it at the first three backticks wherever they stand."""
    language = info.split()[0] if info.split() and _LANGUAGE.fullmatch(info.split()[0]) else ""
    safe = code.replace("```", f"``{ZERO_WIDTH}`")
    if safe.endswith("`"):
        safe += ZERO_WIDTH
    return f"```{language}\n{safe or ' '}\n```"


def _code(text: str) -> str:
    if "`" not in text:
        return f"`{text}`" if text.strip() else text
    return f"`` {text.replace('``', f'`{ZERO_WIDTH}`')} ``"


def _linked(address: str, label: str) -> str:
    """A link. Only web addresses can be one on Discord; an address that is its own label is left bare."""
    if not _LINKED.fullmatch(address):
        return f"{label} ({plain(address)})" if address and address not in label else label
    safe = address.replace("(", "%28").replace(")", "%29").replace("<", "%3C").replace(">", "%3E")
    if not label.strip() or label in (address, safe):
        return safe
    # A label that is an address itself makes Discord show the whole link as text.
    return f"[{label.replace('://', f':{ZERO_WIDTH}//')}]({safe})"


def _aligned(rows: list[list[str]]) -> str | None:
    """Rows in columns of equal width, a line under the head; None when that would be too wide."""
    rows = [[" ".join(cell.split()) for cell in row] for row in rows]
    count = max((len(row) for row in rows), default=0)
    rows = [row + [""] * (count - len(row)) for row in rows]
    widths = [max((_width(row[at]) for row in rows), default=0) for at in range(count)]
    padding = sum(sum(widths) - sum(_width(cell) for cell in row) for row in rows)
    if sum(widths) + 3 * max(count - 1, 0) > MAX_TABLE_WIDTH or padding > MAX_PADDING:
        return None
    lines = [
        " | ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines[:1], "-+-".join("-" * width for width in widths), *lines[1:]])


def _as_list(rows: list[list[str]]) -> str:
    """A table that is too wide: an entry for each row, its cells under their heads."""
    head, *body = rows if len(rows) > 1 else [[], *rows]
    lines: list[str] = []
    for row in body:
        for at, cell in enumerate(row):
            name = head[at].replace("**", "") if at < len(head) else ""
            said = f"**{name}**: {cell}" if name.strip() else cell
            lines.append(f"{'- ' if at == 0 else '  '}{said}".rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns that the text takes in a monospaced font."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else unicodedata.combining(char) == 0 for char in text)
