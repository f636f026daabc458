"""Discord's error codes and the HTTP client's exceptions, translated once into `phantom.errors`.

What does *not* live here: deciding what to do about one (`rest.py`, the engine). Messages carry the call and Discord's
number, never a response body: it may quote the message. Codes:
https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
"""

from __future__ import annotations

from phantom.errors import (
    AuthError,
    ChannelError,
    ConnectError,
    ConversationGone,
    DeliveryError,
    DeliveryUnknown,
    Forbidden,
    MessageRejected,
    RateLimited,
)

GONE = frozenset({10003, 10004, 50083, 160005})
"""Unknown channel or server; the thread is archived or locked."""
SLOWED = frozenset({20016, 20028, 20029, 31001, 31002})
"""Slowmode, and limits on writing to one channel or server."""
COMMAND_QUOTA = 30034
"""The commands that an application may create in a day are used up."""
GONE_MESSAGE = frozenset({10008})
FORBIDDEN = frozenset({50001, 50013, 50007, 50005, 20022, 40001, 40002, 40066, 50024, 240000})
UNKNOWN_INTERACTION = frozenset({10062, 10015, 50027})
"""The interaction, its webhook or its token is no more: it was answered too late or has expired."""
REJECTED = frozenset({50035, 50006, 50008, 50109, 40005, 30007, 50045, 50068, 220001})

REFUSED_CURE = (
    "reset the token on the application's page Bot (https://discord.com/developers/applications) and set"
    " DISCORD_BOT_TOKEN"
)

_CURES = {
    50001: "give the bot's role View Channel there, or add the bot to the private channel or thread",
    50013: "give the bot's role Send Messages, Send Messages in Threads, Embed Links, Attach Files, Add Reactions and"
    " Read Message History there",
    50007: "the person does not take direct messages from members of this server",
    10003: "the channel or thread was deleted",
    10004: "the bot is no longer in that server",
    50083: "the thread is archived; write there to open it again",
    40005: "the file is larger than the server allows",
    COMMAND_QUOTA: "an application may create 200 commands a day: find what else creates them; start again tomorrow",
    10062: "it was answered later than three seconds after it came, or twice",
    10015: "an interaction can be answered for fifteen minutes",
    50027: "an interaction can be answered for fifteen minutes",
}


class InteractionExpired(MessageRejected):
    """The interaction can no longer be answered over its token."""

    code = "interaction_expired"


def from_answer(call: str, status: int, code: int, *, retry_after: float, idempotent: bool) -> ChannelError:
    """The error for an answer of Discord's. `code` is its JSON code, 0 when it gave none."""
    said = f"Discord answered {call} with HTTP {status}" + (f", code {code}" if code else "")
    hint = _CURES.get(code, "")
    word = f"discord_{code}" if code else f"http_{status}"
    if code in UNKNOWN_INTERACTION:  # before the status: an expired token of an interaction is answered 401 too
        return InteractionExpired(said, hint=hint)
    if status == 401:
        return AuthError(said, hint=REFUSED_CURE)
    if code == COMMAND_QUOTA:
        return RateLimited(said, hint=hint, code=word, retry_after=retry_after)
    if status == 429 or code in SLOWED:
        return RateLimited(said, hint=f"Discord asks to wait {retry_after:g} s", retry_after=retry_after)
    if status >= 500:
        return lost(call, said, idempotent=idempotent)
    if code in GONE_MESSAGE:
        return ConversationGone(said, hint="the message was deleted", code="message_gone")
    if code in GONE:
        return ConversationGone(said, hint=hint, code=word)
    if code in FORBIDDEN or status == 403:
        return Forbidden(said, hint=hint or "look at the bot's permissions there", code=word)
    if code in REJECTED or status in (400, 413):
        return MessageRejected(said, hint=hint, code=word)
    return DeliveryError(said, hint=hint or "check DISCORD_API_BASE_URL", code=word)


def expired(call: str, code: int) -> InteractionExpired:
    """The error for an interaction's token that Discord does not take; it says nothing of the bot's own."""
    return InteractionExpired(f"Discord refuses the interaction's token for {call}", hint=_CURES.get(code, ""))


def lost(call: str, said: str, *, idempotent: bool) -> ChannelError:
    """The error for a request whose fate is unknown: harmless to repeat when idempotent, else to be looked up."""
    if idempotent:
        return ConnectError(said, hint="Discord or the network is in trouble; it is tried again")
    return DeliveryUnknown(said, hint=f"{call} may have been done; it is looked up before it is sent again")


def refused_connection(call: str) -> ConnectError:
    """The error for a connection that never came about: the request surely did not leave."""
    return ConnectError(f"cannot connect to Discord for {call}", hint="check the network, DNS and DISCORD_API_BASE_URL")


def retry_after(header: str, *, longest: float) -> float:
    """Seconds to wait, from the header of that name, at most `longest`; one when it says nothing."""
    try:
        return min(max(0.0, float(header)), longest)  # 0.0 first: so `nan` is none
    except ValueError:
        return 1.0


def limited(call: str, retry_after: float) -> RateLimited:
    """The error for a call that was not even made: its bucket stays empty for longer than we wait."""
    return RateLimited(
        f"Discord's rate limit for {call} is used up",
        hint=f"it is free again in {retry_after:.0f} s",
        retry_after=retry_after,
    )
