"""Slack's mrkdwn to CommonMark, for what people write. Pure.

What does *not* live here: the way out (`markup.py`). The format: https://docs.slack.dev/messaging/formatting-message-text.
Only `&amp; &lt; &gt;` are escaped on the wire; `<…>` is a link, mention or command; code is left as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<fence>```.*?```)|(?P<code>`[^`\n]+`)|<(?P<angle>[^<>\n]{1,3000})>"
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]{0,3000}[^\s*])?)\*(?![\w*])"
    r"|(?<![\w~])~(?P<strike>[^\s~](?:[^~\n]{0,3000}[^\s~])?)~(?![\w~])",
    re.DOTALL,
)
_QUOTE = re.compile(r"^&gt; ?", re.MULTILINE)
_SPACES = re.compile(r"[ \t]{2,}")
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a text says: CommonMark without our own mention, and who is mentioned."""

    text: str
    mentions_me: bool = False
    mentions_others: bool = False


def read(text: str, me: str = "") -> Read:
    """Understand `text` as a person wrote it; `me` is our bot's user id, "" when unknown."""
    found: set[str] = set()
    rendered = _render(_QUOTE.sub("> ", text), me, found, 0)
    mine = bool(me) and me in found
    if mine:
        rendered = "\n".join(_SPACES.sub(" ", line).strip() if "\0" in line else line for line in rendered.split("\n"))
        rendered = rendered.replace("\0 ", "").replace("\0", "")
    return Read(text=rendered.strip(), mentions_me=mine, mentions_others=bool(found - {me}))


def unescape(text: str) -> str:
    """Undo the three escapes of the wire; `&amp;` last, so that `&amp;lt;` stays `&lt;`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _render(text: str, me: str, found: set[str], depth: int) -> str:
    text = text.replace("\0", "") if depth == 0 else text
    parts: list[str] = []
    end = 0
    for match in _TOKEN.finditer(text):
        parts.append(unescape(text[end : match.start()]))
        parts.append(_token(match, me, found, depth))
        end = match.end()
    parts.append(unescape(text[end:]))
    return "".join(parts)


def _token(match: re.Match[str], me: str, found: set[str], depth: int) -> str:
    kind = match.lastgroup
    if kind == "angle":
        return _angle(match["angle"], me, found)
    if kind in ("fence", "code"):
        return _code(match[kind])
    if depth >= _MAX_DEPTH:
        return unescape(match[0])
    mark, inner = ("**", match["bold"]) if kind == "bold" else ("~~", match["strike"])
    return f"{mark}{_render(inner, me, found, depth + 1)}{mark}"


def _code(text: str) -> str:
    """Code keeps its marks; the wire still wraps links in it, so those are unwrapped. A name in code calls nobody."""

    def plain(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        if target[:1] in "@#!":
            return _angle(match[1], "", set())
        return label or target

    return unescape(re.sub(r"<([^<>\n]{1,3000})>", plain, text))


def _angle(inside: str, me: str, found: set[str]) -> str:
    target, _, label = inside.partition("|")
    label = unescape(label)
    sign, rest = target[:1], target[1:]
    if sign == "@":
        found.add(rest)
        return "\0" if me and rest == me else f"@{label.lstrip('@') or rest}"
    if sign == "#":
        return f"#{label or rest}"
    if sign == "!":
        return _command(rest, label, found)
    return _link(unescape(target), label)


def _command(rest: str, label: str, found: set[str]) -> str:
    if rest.startswith("subteam^"):
        found.add(rest)
        return f"@{label.lstrip('@') or rest.removeprefix('subteam^')}"
    if rest.startswith("date^"):
        return label or rest
    return f"@{label.lstrip('@') or rest}"


def _link(target: str, label: str) -> str:
    """A link whose label only repeats the address stays the bare address."""
    address = target.removeprefix("mailto:")
    if not label or label in (target, address):
        return address
    safe = label.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    where = target.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    return f"[{safe}]({where})"
