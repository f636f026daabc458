"""What a page can do to the daemon over Discord: cut, refuse, forge, delay, revoke. All of it happens in fact.

What does *not* live here: how a fault works (`phantom.testing.fake_discord`), what people do (`actions.py`).
"""

from __future__ import annotations

from phantom.dev.discord.guild import LocalGuild
from phantom.dev.side import JSON, Table

POST = "create_message"


class Disturbances:
    """`table` maps the request's `do` to its function; `armed` counts what waits for its occasion."""

    def __init__(self, guild: LocalGuild) -> None:
        self._guild = guild
        self._faults = guild.discord.faults
        self.table: Table = {
            "drop_gateway": self._drop_gateway,
            "reconnect": self._reconnect,
            "invalidate": self._invalidate,
            "zombie": self._zombie,
            "refuse_resume": self._refuse_resume,
            "rate_limit": self._rate_limit,
            "storm": self._storm,
            "global_limit": self._global_limit,
            "fail": self._fail,
            "lose_answer": self._lose_answer,
            "forbid": self._forbid,
            "corrupt": self._corrupt,
            "stale": self._stale,
            "replay": self._replay,
            "revoke": self._revoke,
            "rotate": self._rotate,
            "intent_off": self._intent_off,
            "intent_on": self._intent_on,
            "clear": self._clear,
        }

    def armed(self) -> dict[str, int]:
        """What is armed and has not happened yet."""
        discord, faults = self._guild.discord, self._faults
        return {
            **faults.armed(),
            "refuse_resume": discord.gateway.refused_resumes,
            "forbid": int(None in discord.core.world.withdrawn),
            "corrupt": faults.http.bad_signatures,
            "stale": len(faults.http.clock_skews),
        }

    # --- the gateway ---

    async def _drop_gateway(self, request: JSON) -> JSON | None:
        self._faults.drop_gateway()
        return None

    async def _reconnect(self, request: JSON) -> JSON | None:
        self._faults.reconnect()
        return None

    async def _invalidate(self, request: JSON) -> JSON | None:
        self._faults.invalidate_session()
        return None

    async def _zombie(self, request: JSON) -> JSON | None:
        self._faults.zombie()
        return None

    async def _refuse_resume(self, request: JSON) -> JSON | None:
        self._faults.refuse_resumes()
        return None

    # --- what Discord answers the daemon ---

    async def _rate_limit(self, request: JSON) -> JSON | None:
        self._faults.rate_limit(POST, retry_after=2)
        return None

    async def _storm(self, request: JSON) -> JSON | None:
        self._faults.rate_limit(POST, retry_after=1, times=5, scope="shared")
        return None

    async def _global_limit(self, request: JSON) -> JSON | None:
        self._faults.rate_limit("*", retry_after=2, scope="global")
        return None

    async def _fail(self, request: JSON) -> JSON | None:
        self._faults.reply(POST, 503, b"<html>upstream unavailable</html>")
        return None

    async def _lose_answer(self, request: JSON) -> JSON | None:
        self._faults.drop_after(POST)
        return None

    async def _forbid(self, request: JSON) -> JSON | None:
        if None in self._guild.discord.core.world.withdrawn:
            del self._guild.discord.core.world.withdrawn[None]
        else:
            self._faults.withdraw_permission("SEND_MESSAGES")
        return None

    # --- signed posts ---

    async def _corrupt(self, request: JSON) -> JSON | None:
        self._only_http()
        self._faults.corrupt_signature()
        return None

    async def _stale(self, request: JSON) -> JSON | None:
        self._only_http()
        self._faults.shift_timestamp(-3600)
        return None

    async def _replay(self, request: JSON) -> JSON | None:
        """The very bytes of the last post, signature and all, as somebody who recorded it could send them."""
        self._only_http()
        posted = self._guild.discord.sender.posted
        if not posted:
            raise ValueError("nothing was posted yet: use a command first")
        again = await self._guild.discord.sender.replay(posted[-1])
        return {"status": again.status}

    def _only_http(self) -> None:
        if self._guild.transport != "http":
            raise ValueError("only signed posts can do this: start with DISCORD_TRANSPORT=http")

    # --- credentials and intents ---

    async def _revoke(self, request: JSON) -> JSON | None:
        self._guild.revoke_token()
        return None

    async def _rotate(self, request: JSON) -> JSON | None:
        self._guild.issue_token()
        return None

    async def _intent_off(self, request: JSON) -> JSON | None:
        self._guild.grant_content(granted=False)
        return None

    async def _intent_on(self, request: JSON) -> JSON | None:
        self._guild.grant_content(granted=True)
        return None

    async def _clear(self, request: JSON) -> JSON | None:
        """Everything as at the beginning, but for what has happened."""
        self._faults.clear()
        self._guild.grant_content(granted=True)
        return None
