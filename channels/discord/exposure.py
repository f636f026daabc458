"""What can be done by API about a Discord bot token that got out: ask whether Discord still takes it.

There is no call that resets one: that is the button Reset Token on the application's page Bot
(https://docs.discord.com/developers/topics/oauth2#bots). What does *not* live here: what the operator is told
(`phantom secrets exposed`).
"""

from __future__ import annotations

from channels.discord.rest import DiscordRest
from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import AuthError
from phantom.secrets import Secret


async def is_accepted(token: Secret, *, base_url: str, clock: Clock, meter: Meter) -> bool:
    """Whether Discord still takes the token. Raises a `ChannelError` when Discord cannot be asked."""
    rest = DiscordRest(token=token, base_url=base_url, clock=clock, meter=meter)
    try:
        await rest.call("GET", "/users/@me", idempotent=True)
    except AuthError:
        return False
    finally:
        await rest.aclose()
    return True
