"""discord.py's exceptions and the gateway's close codes, translated once into `phantom.errors`.

https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
"""

from __future__ import annotations

import zlib

from channels.discord import errors
from phantom.errors import AuthError, ChannelError, ConnectError, PhantomError

PORTAL = "https://discord.com/developers/applications"
INTENT_CURE = (
    f"switch on Message Content Intent under Bot → Privileged Gateway Intents at {PORTAL}, then start Phantom again;"
    " or set DISCORD_MESSAGE_CONTENT=off"
)
GARBLED = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, zlib.error)
"""What discord.py's reader raises for a frame that is no gateway message; it ends the client."""
_SHARD_CURE = (
    "set DISCORD_SHARD_COUNT to the number that Discord recommends (GET /gateway/bot), or unset it; then start again"
)


def from_gateway(error: BaseException, *, counted: bool) -> PhantomError:
    """The error with which a run ends. Never quotes what Discord sent. `counted`: the number of shards is set."""
    import discord

    if isinstance(error, discord.LoginFailure):
        return AuthError("Discord refuses the bot token", hint=errors.REFUSED_CURE)
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return intent_missing()
    if isinstance(error, discord.ConnectionClosed):
        return from_close(error.code, counted=counted)
    if isinstance(error, discord.HTTPException):
        wait = 1.0
        return errors.from_answer("the gateway's login", error.status, error.code, retry_after=wait, idempotent=True)
    if isinstance(error, GARBLED):
        return ConnectError(f"the gateway sent something odd ({type(error).__name__})", code="gateway_garbled")
    return unreachable(f"the gateway connection failed ({type(error).__name__})")


def from_close(code: int | None, *, counted: bool) -> PhantomError:
    """The error for a connection that Discord closed and that is not to be resumed. What no repetition can cure rests
    this channel; the daemon and the other channels go on.
    """
    if code == 4004:
        return AuthError("the gateway refuses the bot token (close code 4004)", hint=errors.REFUSED_CURE)
    if code == 4014:
        return intent_missing()
    if code == 4011 and not counted:
        return unreachable("the gateway wants more shards (close code 4011), and is asked how many")
    if code in (4010, 4011):
        return AuthError(f"the gateway refuses the shards (close code {code})", hint=_SHARD_CURE, code="bad_shards")
    if code in (4012, 4013):
        cure = "upgrade Phantom and discord.py, then start Phantom again"
        return AuthError(f"the gateway refuses this client (close code {code})", hint=cure, code="bad_client")
    return unreachable(f"the gateway closed the connection (code {code})")


def intent_missing() -> ChannelError:
    """The application may not have what we asked for. Permanent until someone flips the switch."""
    return AuthError(
        "the gateway refuses the intents (close code 4014): Message Content Intent is switched off",
        hint=INTENT_CURE,
        code="disallowed_intents",
    )


def unreachable(what: str) -> ConnectError:
    """Worth another try."""
    return ConnectError(what, hint="Discord or the network is in trouble; it is tried again", code="gateway_lost")
