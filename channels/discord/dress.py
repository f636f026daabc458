"""What a message looks like: content or embed, buttons, who may be mentioned. Pure.

What does *not* live here: markup (`markup.py`), buttons and menus (`controls.py`) and sending (`egress.py`). Limits:
https://docs.discord.com/developers/resources/message#create-message (content 2000 characters, embed description 4096).
"""

from __future__ import annotations

import hashlib

from channels.discord.controls import components
from channels.discord.decode import JSON
from channels.discord.markup import neutral, to_discord
from phantom.errors import MessageRejected
from phantom.messages import OutboundMessage, Tone

MAX_CONTENT = 2000
MAX_EMBED = 4096
SUPPRESS_EMBEDS = 1 << 2
EPHEMERAL = 1 << 6

_COLOURS = {Tone.NOTICE: 0x5865F2, Tone.ERROR: 0xED4245}


def body(message: OutboundMessage) -> tuple[JSON, dict[str, str]]:
    """What to post or edit, and the values of buttons to remember by their reference."""
    rendered = to_discord(message.text, message.allow_mentions)
    if message.text.strip() and (not rendered or length(rendered) > MAX_EMBED):
        # Nothing is left of it, or its markup made more of it than Discord takes: then it is shown as it was written.
        rendered = neutral(message.text, message.allow_mentions)
    rows, values = components(message)
    form: JSON = {
        "content": "",
        "embeds": [],
        "components": rows,
        "allowed_mentions": {"parse": [], "users": sorted(message.allow_mentions)[:100], "replied_user": False},
    }
    if message.tone in _COLOURS or length(rendered) > MAX_CONTENT:
        # An embed holds twice as much: what markup made too long for the content is shown there.
        if length(rendered) > MAX_EMBED:
            raise MessageRejected("the message is too long for Discord", code="too_long")
        colour = _COLOURS.get(message.tone)
        form["embeds"] = [{"description": rendered} | ({} if colour is None else {"color": colour})]
    else:
        form["content"] = rendered
        form["flags"] = SUPPRESS_EMBEDS
    return form, values


def plainer(form: JSON) -> list[JSON]:
    """The same in forms that need ever fewer permissions: without Embed Links, then without Read Message History."""
    shown = [str(one["description"]) for one in form["embeds"]]
    content = "\n\n".join([*filter(None, [form["content"]]), *shown])
    found = []
    if shown and length(content) <= MAX_CONTENT:
        form = form | {"content": content, "embeds": []}
        found.append(form)
    if "message_reference" in form:
        found.append({name: value for name, value in form.items() if name != "message_reference"})
    return found


def length(text: str) -> int:
    """Discord counts UTF-16 code units in some clients and code points in others: the larger is safe."""
    return len(text) + sum(char > "\uffff" for char in text)


def nonce(key: str) -> str:
    """The nonce of a message: 25 characters at most, equal for equal idempotency keys."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def first_part(key: str) -> bool:
    """Whether this is the first of the messages that an answer is split into."""
    return key.removesuffix(".bare").endswith("/0")
