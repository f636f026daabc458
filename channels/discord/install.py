"""Which install this is, by the settings and by the metadata service, followed while the channel runs.

The service is asked only where this Phantom was pointed at one. What it says is taken whole or not at all: an
application that is not the configured one, or another than before, ends the run; so does an install that is withdrawn,
or that nobody confirmed for a quarter of an hour. What does *not* live here: which public keys are in force
(`public_keys.py`), proving the token (`boot.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import structlog

from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext
from phantom.clock import Clock
from phantom.errors import ChannelError, MetadataError
from phantom.identity import DiscordInstall, IdentityProvider, SupportsConfigured

log = structlog.get_logger(__name__)

POLL_SECONDS = 60.0
RETRY_SECONDS = 15.0
STALE_SECONDS = 900.0
"""The same patience as with secrets: the last good word counts for so long while the service fails."""
OVERLAP_SECONDS = 300.0
"""How long the key before a rotation stays acceptable (metadata contract)."""
_GONE = frozenset({401, 403, 404, 410})
_ID = re.compile(r"[0-9]{1,20}", re.ASCII)
_KEY = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
REPAIR = "repair identity.discord of this tenant at the metadata service"


class ServedGuilds:
    """The servers whose events count: those that the settings list, and of these those that the install names."""

    def __init__(self, configured: Sequence[str]) -> None:
        self._configured = frozenset(configured) or None
        self._installed: frozenset[str] | None = None

    def limit(self, installed: Sequence[str] | None) -> bool:
        """The install's own list, None for no list. True when it is another than before."""
        before, self._installed = self._installed, None if installed is None else frozenset(installed)
        return before != self._installed

    @property
    def listed(self) -> frozenset[str] | None:
        """All of them; None where there is no list and every server is served."""
        if self._configured is None or self._installed is None:
            return self._installed if self._configured is None else self._configured
        return self._configured & self._installed

    def __contains__(self, guild: object) -> bool:
        served = self._configured is None or guild in self._configured
        return served and (self._installed is None or guild in self._installed)


class RotatingKey:
    """A public key that may change: the one in force, and the one before it while the overlap lasts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current = self._previous = ""
        self._until = 0.0

    def take(self, key: str) -> bool:
        """`key` is in force from now on. True when it replaced another one."""
        old = self._current
        if key == old:
            return False
        self._previous, self._current = old, key
        self._until = self._clock.monotonic() + OVERLAP_SECONDS
        return bool(old)

    def forget(self) -> None:
        """Nothing is in force."""
        self._current = self._previous = ""

    def candidates(self) -> tuple[str, ...]:
        """What may be accepted now, the key in force first."""
        if self._previous and self._clock.monotonic() >= self._until:
            self._previous = ""
        return tuple(key for key in (self._current, self._previous) if key)


class Install:
    """What the settings and the metadata service say of this install. `read` at boot, `follow` while it runs."""

    def __init__(self, settings: DiscordSettings, context: ChannelContext) -> None:
        provider = context.identity
        known = isinstance(provider, SupportsConfigured) and provider.configured
        self.guilds = ServedGuilds(settings.allowed_guilds)
        self.key = RotatingKey(context.clock)
        self.named = ""
        """The application that the service names, "" where it names none."""
        self._provider: IdentityProvider | None = provider if known else None
        self._configured = settings.application_id
        self._clock = context.clock
        self._confirmed_at = 0.0
        self._serving = ""

    async def read(self) -> None:
        """Ask the service, where there is one. Raises `MetadataError` when it fails, `ChannelError` when what it says
        cannot be used; nothing is served then.
        """
        if self._provider is None:
            return
        install = (await self._provider()).discord
        self._confirmed_at = self._clock.monotonic()
        if install is None:
            if self.named:
                raise _withdrawn()
            return
        check_install(install)
        if self._configured and install.application_id != self._configured:
            raise ChannelError(
                f"DISCORD_APPLICATION_ID is {self._configured}, identity.discord names {install.application_id}",
                hint=f"correct or unset DISCORD_APPLICATION_ID, or {REPAIR}",
                code="install_mismatch",
                retryable=True,
            )
        if install.application_id != self.named:
            self.key.forget()
        self.named = install.application_id
        self._take(install)

    def check(self, application: str) -> None:
        """The token speaks for `application`, which is served from now on. Raises `ChannelError` when the service names
        another one.
        """
        self._serving = self.named
        if self.named and self.named != application:
            raise ChannelError(
                f"the bot token belongs to application {application}, identity.discord names {self.named}",
                hint="the metadata service gives another application's token; repair the tenant's secrets",
                code="wrong_application",
                retryable=True,
            )

    async def follow(self) -> None:
        """Ask again every minute, until cancelled. Raises `ChannelError` when the channel must not go on like this."""
        pause = POLL_SECONDS
        while True:
            await self._clock.sleep(pause)
            pause = await self.confirm()

    async def confirm(self) -> float:
        """Ask once. The result is how many seconds to wait before the next time."""
        try:
            await self.read()
        except MetadataError as error:
            if error.status in _GONE:
                raise _withdrawn() from error
            age = self._clock.monotonic() - self._confirmed_at
            if age >= STALE_SECONDS and self.named:
                raise ChannelError(
                    f"the install was not confirmed for {age / 60:.0f} minutes: {error.message}",
                    hint="look at the metadata service; the channel goes on once it answers",
                    code="install_stale",
                    retryable=True,
                ) from error
            log.warning("discord_install_not_confirmed", channel="discord", detail=error.message)
            return RETRY_SECONDS
        if self.named != self._serving:
            raise ChannelError(
                f"identity.discord names another application now, {self.named}",
                hint="nothing: the channel begins anew with it",
                code="install_changed",
                retryable=True,
            )
        return POLL_SECONDS

    @property
    def followed(self) -> bool:
        """Whether there is a service to follow."""
        return self._provider is not None

    def _take(self, install: DiscordInstall) -> None:
        if self.key.take(install.public_key.lower()):
            log.info("discord_public_key_changed", channel="discord", source="identity")
        if self.guilds.limit(install.guild_ids):
            served = self.guilds.listed
            log.info("discord_servers_limited", channel="discord", servers="all" if served is None else len(served))
            if served is not None and not served:
                cure = "name the servers in identity.discord.guild_ids, or correct DISCORD_ALLOWED_GUILDS"
                log.warning("discord_serves_no_server", channel="discord", cure=cure)


def check_install(install: DiscordInstall) -> None:
    """Raises `ChannelError` naming the field that is not in Discord's form, never what it holds."""
    if not _ID.fullmatch(install.application_id):
        raise _malformed("application_id is not a Discord id")
    if not _KEY.fullmatch(install.public_key):
        raise _malformed("public_key is not 64 hex digits")
    if not all(_ID.fullmatch(guild) for guild in install.guild_ids or ()):
        raise _malformed("guild_ids is not a list of Discord ids")


def _malformed(what: str) -> ChannelError:
    return ChannelError(f"metadata: identity field discord.{what}", hint=REPAIR, code="bad_install", retryable=True)


def _withdrawn() -> ChannelError:
    return ChannelError(
        "the metadata service no longer names a Discord install",
        hint="install the app again for this tenant; the channel goes on by itself",
        code="install_withdrawn",
        retryable=True,
    )
