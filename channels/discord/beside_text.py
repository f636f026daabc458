"""What a message shows besides its words, as words: embeds, text displays, polls, stickers, quotations, forwards. Pure.

What does *not* live here: the words themselves (`text_in.py`) and files (`messages_in.py`). An agent sees text and
files only, so whatever a person sees and may ask about is written out. Previews of links are left out: their address
stands in the text. https://docs.discord.com/developers/resources/message#embed-object and
https://docs.discord.com/developers/resources/poll
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.discord.decode import items, mapping, number, text
from channels.discord.text_in import name_of, read

_QUOTED = 600
_SHOWN = 2000
_TEXT_DISPLAY = 10
_DEPTH = 6


def beside(payload: Mapping[str, Any]) -> list[str]:
    """What stands beside the text of a message; forwards and quotations excepted."""
    found = [_embed(one) for one in items(payload, "embeds") if text(one, "type") in ("", "rich")]
    found += _displays(payload, _DEPTH)
    found.append(_poll(mapping(payload, "poll")))
    found += [f"[sticker: {text(one, 'name')}]" for one in items(payload, "sticker_items")]
    return [one[:_SHOWN] for one in found if one]


def quoted(payload: Mapping[str, Any], me: str) -> str:
    """A message that somebody replied to, shortened; "" when it says nothing."""
    name = name_of(mapping(payload, "author")) or "someone"
    return _quotation(f"[In reply to {name}:]", payload, me)


def forwarded(payload: Mapping[str, Any], me: str) -> list[str]:
    """The messages that this one forwards, whole."""
    shots = [mapping(one, "message") for one in items(payload, "message_snapshots")]
    return [said for one in shots if (said := _quotation("[Forwarded message:]", one, me, room=0))]


def _quotation(head: str, payload: Mapping[str, Any], me: str, *, room: int = _QUOTED) -> str:
    said = "\n".join(one for one in (read(payload, me), *beside(payload)) if one)
    if not said:
        return ""
    if room and len(said) > room:
        said = said[: room - 1] + "…"
    lines = "\n".join(f"> {line}" for line in said.split("\n"))
    return f"{head}\n{lines}"


def _embed(embed: Mapping[str, Any]) -> str:
    head = text(embed, "title") or text(mapping(embed, "author"), "name")
    lines = [f"**{head}**" if head else "", text(embed, "description")]
    lines += [f"{text(one, 'name')}: {text(one, 'value')}" for one in items(embed, "fields")]
    return "\n".join(line for line in lines if line)


def _displays(source: Mapping[str, Any], depth: int) -> list[str]:
    """The text in a message that is made of components."""
    found = []
    for one in items(source, "components") if depth else ():
        if number(one, "type") == _TEXT_DISPLAY:
            found.append(text(one, "content"))
        found += _displays(one, depth - 1)
    return found


def _poll(poll: Mapping[str, Any]) -> str:
    question = text(mapping(poll, "question"), "text")
    if not question:
        return ""
    answers = [text(mapping(one, "poll_media"), "text") for one in items(poll, "answers")]
    return "\n".join([f"[poll: {question}]", *(f"- {one}" for one in answers if one)])
