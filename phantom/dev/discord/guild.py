"""The local Discord: a server with people and channels of every kind, and the application that the daemon is.

What does *not* live here: how Discord behaves (`phantom.testing.fake_discord`).
"""

from __future__ import annotations

from pathlib import Path

import orjson

from phantom.dev.secret_desk import SecretDesk
from phantom.testing.fake_discord import FakeChannel, FakeDiscord, FakeUser
from phantom.testing.fake_discord.application import MEMBERS, MESSAGE_CONTENT

FOUNDED = 1_704_067_200.0
"""When the server's people and channels were made: their ids are the same at every start, so that a kept data folder
still fits.
"""
HEARTBEAT = 5.0
SILENCE = "12"
"""Discord beats every 41 seconds and Phantom waits 60; here one wants to see a dead connection noticed."""
INTERACTIONS = "/discord/interactions"
EVENTS = "/discord/events"


class LocalGuild:
    """FakeDiscord with its people and places. `transport`: gateway or http (interactions only, as signed posts).

    `kept` is a file for what Discord itself keeps while the daemon's data is kept: the registered commands.
    """

    def __init__(self, transport: str, desk: SecretDesk, kept: Path) -> None:
        self.transport = transport
        self._desk = desk
        self._kept = kept
        self.discord = discord = FakeDiscord(heartbeat_interval=HEARTBEAT, founded=FOUNDED)
        discord.guild.name = "Local"
        self.guild = discord.guild
        self.token_ok = True
        team = discord.add_role("Team", mentionable=True)
        guest = discord.add_role("Guest")
        sam = discord.add_user("sam", roles=[team])
        gina = discord.add_user("gina", roles=[guest])
        discord.add_user("buzz", is_bot=True)
        discord.general.topic = "Mention @phantom, and it answers with a reply"
        self.forum = discord.add_channel("ideas", kind="forum", topic="One post, one conversation")
        self.side_talk = discord.add_channel("team", topic="Sam and Olivia at work")
        self.home = discord.general
        # Opened now, so that these ids are the same each time too.
        for user in (discord.owner, sam, gina):
            discord.dm(user)
        desk.give("discord_bot_token", discord.token)
        # It would do without, but a place that is asked for a secret and has none is worth a warning on the screen.
        desk.give("discord_public_key", discord.public_key)

    @property
    def people(self) -> list[FakeUser]:
        """Everybody, the bot too."""
        return list(self.discord.core.world.users.values())

    def channels(self) -> list[FakeChannel]:
        """Every channel, thread and direct message."""
        return list(self.discord.core.world.channels.values())

    def variables(self) -> dict[str, str]:
        """What the daemon needs to find this Discord."""
        return {
            "DISCORD_TRANSPORT": self.transport,
            "DISCORD_API_BASE_URL": self.discord.api_url,
            "DISCORD_HEARTBEAT_TIMEOUT": SILENCE,
        }

    def deliver_to(self, url: str) -> None:
        """Over HTTP: post interactions and webhook events to the daemon at `url`, signed."""
        if self.transport == "http":
            self.discord.deliver_interactions_over_http(url + INTERACTIONS)
            self.discord.deliver_events_over_http(url + EVENTS)

    # --- credentials and intents ---

    def revoke_token(self) -> None:
        """The token of the daemon is refused from now on."""
        self.discord.faults.revoke_token()
        self.token_ok = False

    def issue_token(self) -> None:
        """A new token, where the daemon looks for it; the old one is revoked."""
        token = self.discord.faults.revoke_token() if self.token_ok else self.discord.token
        self._desk.give("discord_bot_token", token)
        self.token_ok = True

    @property
    def content_granted(self) -> bool:
        """Whether Message Content Intent is switched on in the portal."""
        return bool(self.discord.app.granted & MESSAGE_CONTENT)

    def grant_content(self, *, granted: bool) -> None:
        """Flip the portal's switch. Off: the session ends too, and the next identify is refused with 4014."""
        self.discord.app.granted = MEMBERS | MESSAGE_CONTENT if granted else MEMBERS
        if not granted:
            self.discord.faults.invalidate_session()

    # --- what Discord keeps ---

    def recall(self) -> None:
        """The commands that were registered when this data folder was used last."""
        if self._kept.exists():
            self.discord.core.commands.commands[None] = orjson.loads(self._kept.read_bytes())

    def remember(self) -> None:
        """Write the registered commands down."""
        self._kept.write_bytes(orjson.dumps(self.discord.core.commands.commands.get(None, {})))
