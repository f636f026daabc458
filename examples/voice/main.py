"""Keeps order in the voice channels of one server.

- Whoever deafens themselves is moved to the quiet channel (`VOICE_QUIET_CHANNEL`).
- In the listeners' channel (`VOICE_LISTEN_CHANNEL`) everybody is muted; whoever leaves it may speak again.

`VOICE_GUILD` is the server. Each variable is an id; without a channel its rule is off.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path

import structlog

from phantom.bridge.client import ActionFailed, BridgeApp, Event, read_manifest
from phantom.bridge.client_program import from_environment, run, serve
from phantom.errors import ConfigError

log = structlog.get_logger("voice")

MANIFEST = read_manifest(Path(__file__).with_name("manifest.yaml"))


class Voice:
    """Two rules. What somebody else has muted stays muted."""

    def __init__(self, app: BridgeApp, *, guild: str, quiet: str, listen: str) -> None:
        self._app = app
        self._quiet = quiet
        self._listen = listen
        self._muted: set[str] = set()
        """Whom we have muted."""
        app.on("voiceStateUpdate", self.changed, filter={"guildId": guild})

    async def changed(self, event: Event) -> None:
        """Somebody joined, left, moved, or was muted or deafened."""
        state, before = event.data["state"], event.data.get("oldState") or {}
        channel, user, guild = state.get("channelId"), state["userId"], state["guildId"]
        if channel is None:
            return  # Discord changes nobody who is not in voice; they are seen again when they come back
        actions = self._app.actions
        # The event's place in the stream makes the key: an event that comes again does nothing again.
        key = f"{event.stream}:{event.seq}"
        if self._quiet and state["selfDeaf"] and channel not in (self._quiet, self._listen):
            move = actions.move_member_voice(
                guild_id=guild, user_id=user, channel_id=self._quiet, reason="deafened", idempotency_key=f"{key}:move"
            )
            await self._try("move", user, move)
        if self._listen and channel == self._listen and not state["serverMute"]:
            self._muted.add(user)
            mute = actions.set_member_mute(guild_id=guild, user_id=user, mute=True, idempotency_key=f"{key}:mute")
            await self._try("mute", user, mute)
        ours = user in self._muted or before.get("channelId") == self._listen
        if self._listen and channel != self._listen and state["serverMute"] and ours:
            unmute = actions.set_member_mute(guild_id=guild, user_id=user, mute=False, idempotency_key=f"{key}:unmute")
            if await self._try("unmute", user, unmute):
                self._muted.discard(user)

    async def _try(self, what: str, user: str, action: Awaitable[object]) -> bool:
        """Whether it worked. It is not tried again: the next change of this person is as good a moment."""
        try:
            await action
        except ActionFailed as error:
            log.warning("not_done", what=what, user=user, code=error.bridge_code, cure=error.hint)
            return False
        log.info("done", what=what, user=user)
        return True


async def main() -> None:
    """Keep order until told to stop."""
    guild = os.environ.get("VOICE_GUILD", "")
    if not guild:
        raise ConfigError("is not set", where="VOICE_GUILD", hint="the id of the server to keep in order")
    app = from_environment("voice")
    Voice(
        app,
        guild=guild,
        quiet=os.environ.get("VOICE_QUIET_CHANNEL", ""),
        listen=os.environ.get("VOICE_LISTEN_CHANNEL", ""),
    )
    await serve(app, MANIFEST)


if __name__ == "__main__":
    run(main)
