"""CommonMark to Slack's mrkdwn: `to_mrkdwn` for the `text` of a message, `to_sections` where native blocks are refused.

What does *not* live here: the native `markdown` block (`markup.py`). Everything from the text is escaped (`&amp;`,
`&lt;`, `&gt;`), and `<…>` is only ever written around addresses with a known scheme and around allowed mentions, so
nothing else can become one: not `[x](!channel)` either, which naive converters turn into `<!channel|x>`.
https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channels.slack.markup import ZERO_WIDTH, parser, split_mentions, without_bare

if TYPE_CHECKING:
    from markdown_it.token import Token

_ADDRESS = re.compile(r"(?:https?://|mailto:|tel:)[^\s\x00-\x1f]+", re.IGNORECASE)
_BARE_ADDRESS = re.compile(r"https?://[A-Za-z0-9\[][^\s<>|`\"\\\x00-\x1f]*", re.IGNORECASE)
_MARKS = {"strong": "*", "em": "_", "s": "~"}
_BULLETS = "•◦▪"
_UNCLOSED = re.compile(r"(?:<[^<>]*|&[a-z]{0,4})$")
_ENTITY = re.compile(r"&(?=(?:amp|lt|gt);)")


@dataclass(frozen=True, slots=True)
class Piece:
    """One top-level block in mrkdwn; `code` is its bare content when it is a code block."""

    text: str
    code: str | None = None


def to_mrkdwn(text: str, allowed: Set[str] = frozenset(), *, tight: bool = False) -> str:
    """`text` in mrkdwn. `tight` uses look-alikes for `&`, `<`, `>`, so that the result is hardly longer."""
    return "\n\n".join(piece.text for piece in _pieces(text, allowed, tight=tight))


def to_sections(text: str, limit: int, allowed: Set[str] = frozenset(), *, tight: bool = False) -> list[str]:
    """`text` in mrkdwn, cut into parts of at most `limit` characters that are well-formed each."""
    parts: list[str] = []
    for piece in _pieces(text, allowed, tight=tight):
        if parts and len(parts[-1]) + 2 + len(piece.text) <= limit:
            parts[-1] += "\n\n" + piece.text
        elif len(piece.text) <= limit:
            parts.append(piece.text)
        elif piece.code is not None:
            parts += [_fenced(cut) for cut in _cuts(piece.code, limit - 8)]
        else:
            parts += _cuts(piece.text, limit)
    return parts


def escape(text: str, *, tight: bool = False) -> str:
    """Text that Slack shows as it is."""
    if tight:
        return _ENTITY.sub("＆", text).replace("<", "‹").replace(">", "›")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pieces(text: str, allowed: Set[str], *, tight: bool) -> list[Piece]:
    return _Walk(parser().parse(text), allowed, tight=tight).pieces("")


class _Walk:
    """Goes over markdown-it's flat tokens once. Containers recurse; the parser bounds their depth."""

    def __init__(self, tokens: list[Token], allowed: Set[str], *, tight: bool) -> None:
        self._tokens = tokens
        self._at = 0
        self._allowed = allowed
        self._tight = tight
        self._depth = 0

    def pieces(self, until: str) -> list[Piece]:
        """The blocks up to the closing token `until` ("": all)."""
        found: list[Piece] = []
        while self._at < len(self._tokens):
            token = self._next()
            if token.type == until:
                break
            piece = self._piece(token)
            if piece is not None:
                found.append(piece)
        return found

    def _piece(self, token: Token) -> Piece | None:
        match token.type:
            case "inline":
                return Piece(self._inline(token))
            case "heading_open":
                text = self._inline(self._next(), bold=True)
                return Piece(f"*{text}*") if text.strip() else None
            case "fence" | "code_block":
                code = escape(token.content.rstrip("\n"), tight=self._tight).replace("```", f"``{ZERO_WIDTH}`")
                return Piece(_fenced(code), code)
            case "blockquote_open":
                inner = "\n\n".join(piece.text for piece in self.pieces("blockquote_close"))
                return Piece("\n".join(f"> {line}" for line in inner.split("\n")))
            case "bullet_list_open" | "ordered_list_open":
                return Piece(self._list(token))
            case "table_open":
                code = self._table()
                return Piece(_fenced(code), code)
            case "hr":
                return Piece("———")
        return None  # the opening and closing tokens of paragraphs and headings

    def _list(self, opening: Token) -> str:
        number = int(str(opening.attrs.get("start", 1))) if opening.type == "ordered_list_open" else None
        bullet = _BULLETS[min(self._depth, len(_BULLETS) - 1)]
        self._depth += 1
        lines: list[str] = []
        while self._next().type == "list_item_open":
            blocks = [piece.text for piece in self.pieces("list_item_close")]
            lead = f"{bullet} " if number is None else f"{number}. "
            first, *others = "\n".join(blocks).split("\n")
            lines.append(lead + first)
            lines += [f"    {line}" if line else "" for line in others]
            number = None if number is None else number + 1
        self._depth -= 1
        return "\n".join(lines)

    def _table(self) -> str:
        rows: list[list[str]] = []
        while (token := self._next()).type != "table_close":
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                plain = _plain(token.children or [])
                rows[-1].append(escape(plain, tight=self._tight).replace("```", f"``{ZERO_WIDTH}`"))
        return _aligned(rows)

    def _inline(self, token: Token, *, bold: bool = False) -> str:
        return _Inline(self._allowed, tight=self._tight, bold=bold).render(token.children or [])

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token


class _Inline:
    """One run of inline tokens. Flat on purpose: emphasis may nest thousands deep."""

    def __init__(self, allowed: Set[str], *, tight: bool, bold: bool) -> None:
        self._allowed = allowed
        self._tight = tight
        self._open = {"strong": int(bold), "em": 0, "s": 0}
        self._out: list[str] = []
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
            code = escape(token.content, tight=self._tight).replace("`", "\u02cb")
            self._out.append(f"`{code}`")
        elif token.type == "link_open":
            self._link = (str(token.attrs.get("href", "")), len(self._out))
        elif token.type == "link_close" and self._link is not None:
            (address, start), self._link = self._link, None
            label = "".join(self._out[start:])
            self._out[start:] = [self._linked(address, label)]
        elif token.type == "image":
            alt = self._escaped(_plain(token.children or []))
            self._out.append(alt if self._link else self._linked(str(token.attrs.get("src", "")), alt))
        else:
            self._out.append(self._text(token.content))

    def _mark(self, name: str, *, opens: bool) -> None:
        outermost = self._open[name] == 0 if opens else self._open[name] == 1
        self._open[name] += 1 if opens else -1
        if outermost:
            self._out.append(_MARKS[name])

    def _text(self, text: str) -> str:
        if self._link is not None:
            return self._escaped(text).replace("\n", " ")
        out: list[str] = []
        for piece, is_mention in split_mentions(text, self._allowed):
            out.append(piece if is_mention else self._with_addresses(piece))
        return "".join(out)

    def _with_addresses(self, text: str) -> str:
        """Bare addresses become links: Slack is told to leave plain text alone (`verbatim`), so it does not do it."""
        out: list[str] = []
        at = 0
        for match in _BARE_ADDRESS.finditer(text):
            address = match.group().rstrip(".,;:!?'\"")
            if address.endswith(")") and "(" not in address:
                address = address.rstrip(")")
            out += (self._escaped(text[at : match.start()]), self._linked(address, ""))
            at = match.start() + len(address)
        return "".join([*out, self._escaped(text[at:])])

    def _escaped(self, text: str) -> str:
        return escape(without_bare(text, self._allowed, tight=self._tight), tight=self._tight)

    def _linked(self, address: str, label: str) -> str:
        if not _ADDRESS.fullmatch(address):
            shown = self._escaped(address)
            return f"{label} ({shown})" if label and shown else label or shown
        safe = address.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace("&", "&amp;")
        plain = label.replace("\n", " ").strip()
        return f"<{safe}|{plain}>" if plain and plain not in (safe, address) else f"<{safe}>"


def _plain(tokens: list[Token]) -> str:
    """The words of inline tokens without any markup."""
    words = {"softbreak": " ", "hardbreak": " "}
    return "".join(words.get(t.type, t.content if not t.children else _plain(t.children)) for t in tokens)


def _aligned(rows: list[list[str]]) -> str:
    """A table in columns of equal width, unless one wide cell would blow all rows up."""
    columns = max((len(row) for row in rows), default=0)
    widths = [max((_width(row[n]) for row in rows if n < len(row)), default=0) for n in range(columns)]
    bare = sum(len(cell) + 3 for row in rows for cell in row)
    wide = (sum(widths) + 3 * columns) * len(rows) > 3 * bare + 500
    lines = [
        " | ".join(cell if wide else cell + " " * (widths[n] - _width(cell)) for n, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    rule = "-" * 3 if wide else "-|-".join("-" * max(width, 1) for width in widths)
    return "\n".join([*lines[:1], rule, *lines[1:]])


def _width(text: str) -> int:
    """Columns in a monospaced font, of text whose entities will be shown as one character."""
    text = text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _fenced(code: str) -> str:
    return f"```\n{code}\n```"


def _cuts(text: str, limit: int) -> list[str]:
    """`text` in parts of at most `limit`, cut at lines, else words, never inside `<…>` or an entity."""
    parts: list[str] = []
    while len(text) > limit:
        at = max(text.rfind("\n", limit // 2, limit), 0) or max(text.rfind(" ", limit // 2, limit), 0) or limit
        torn = _UNCLOSED.search(text[max(0, at - 2_500) : at])
        if torn and torn.start() + max(0, at - 2_500) > 0:
            at = torn.start() + max(0, at - 2_500)
        parts.append(text[:at].rstrip())
        text = text[at + 1 :] if text[at] in "\n " else text[at:]
    return [part for part in [*parts, text] if part.strip()]
