"""The public keys that posts may be signed with, from where they are named, followed without a restart.

The first of these counts: the secret `discord_public_key` (DISCORD_PUBLIC_KEY), what the metadata service says of this
install, what Discord itself says of the application. After a rotation the old key is accepted for five minutes beside
the new one. What does *not* live here: signature arithmetic (`verify.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from channels.discord.boot import KEY_CURE, check_public_key
from channels.discord.decode import text
from channels.discord.install import Install, RotatingKey
from channels.discord.rest import DiscordRest
from channels.discord.verify import Claim, Keys
from phantom.clock import Clock
from phantom.errors import ConfigError, MetadataError, PhantomError, SecretError
from phantom.secrets import Secret

log = structlog.get_logger(__name__)

RECHECK_EVERY = 10.0
"""Seconds between two looks at the origin, so that forged posts cannot make Phantom hammer it."""
RECHECK_WITHIN = 2.0
"""Discord waits three seconds for an answer."""
MAX_WAITING = 64
"""Posts that may wait for one look; their bodies are held meanwhile."""


class PublicKeys:
    """Judges signatures by the keys in force. `settle` at each boot, before the first post."""

    def __init__(self, secret: Secret | None, install: Install, rest: DiscordRest, clock: Clock) -> None:
        self.origin = "unknown"
        """Where the key comes from: set, identity, discord."""
        self.trouble = "no public key is known"
        self._secret = secret
        self._install = install
        self._rest = rest
        self._clock = clock
        self._asked = RotatingKey(clock)
        self._named: tuple[str, ...] | None = None
        self._keys: Keys | None = None  # made at the first use: cryptography is imported late
        self._checked_at: float | None = None
        self._waiting: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    async def settle(self, verify_key: str) -> None:
        """Find the key; `verify_key` is what Discord names. Raises `ConfigError` for none or one that is no key, and
        `MetadataError` when the secret cannot be read.
        """
        self.origin = await self._origin()
        self._asked.take(verify_key.lower())
        named = self._candidates()
        if not named:
            raise ConfigError("is not set, and Discord did not name it", where="DISCORD_PUBLIC_KEY", hint=KEY_CURE)
        key = check_public_key(named[0])
        self._named = None
        self.refreshed()
        if verify_key and key != verify_key.lower():
            cure = "posts will be refused: see `phantom doctor`"
            log.warning("discord_public_key_differs", channel="discord", source=self.origin, cure=cure)

    @property
    def current(self) -> str:
        """The key in force, in lower case; "" when there is none."""
        named = self._candidates()
        return named[0].strip().lower() if named else ""

    def signed(self, claim: Claim, body: bytes) -> bool:
        """Whether one of the keys in force signed timestamp and body."""
        self.refreshed()
        return self._keys is not None and self._keys.signed(claim, body)

    def refreshed(self) -> None:
        """Make the keys ready that are in force now. One that is no key is left out, and `trouble` says so."""
        named = self._candidates()
        if named == self._named:
            return
        fit: list[str] = []
        self.trouble = "" if named else "no public key is known"
        for key in named:
            try:
                fit.append(check_public_key(key))
            except ConfigError as error:
                self.trouble = f"the public key {error.message}"
                log.error("discord_public_key_unfit", channel="discord", source=self.origin, cure=error.hint)
        self._keys, self._named = Keys(fit), named

    def after_recheck(self, then: Callable[[], None]) -> bool:
        """Call `then` on the loop once the key was asked for again. False when it was a moment ago already."""
        if self._task is None:
            now = self._clock.monotonic()
            if self._checked_at is not None and now - self._checked_at < RECHECK_EVERY:
                return False
            self._checked_at = now
            self._task = asyncio.get_running_loop().create_task(self._recheck(), name="discord-key-recheck")
        elif len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append(then)
        return True

    def close(self) -> None:
        """End a look that is under way; who waits for it is told at once."""
        if self._task is not None:
            self._task.cancel()

    async def _origin(self) -> str:
        if self._secret is not None and _is_known(self._secret):
            return "set"
        if self._install.key.candidates():
            return "identity"
        if self._secret is not None:
            try:
                await self._secret.refresh()
            except MetadataError as error:
                if error.status != 404:  # it is nowhere said that there is one
                    raise
            else:
                return "set"
        return "discord"

    def _candidates(self) -> tuple[str, ...]:
        if self.origin == "identity":
            return self._install.key.candidates()
        if self.origin == "set" and self._secret is not None:
            try:
                return self._secret.candidates()
            except SecretError:  # withdrawn, or too old: nothing is accepted, and `trouble` says so
                return ()
        return self._asked.candidates()

    async def _recheck(self) -> None:
        try:
            async with asyncio.timeout(RECHECK_WITHIN):
                await self._ask()
        except (PhantomError, TimeoutError) as error:
            log.warning("discord_public_key_not_refreshed", channel="discord", error=type(error).__name__)
        finally:
            waiting, self._waiting, self._task = self._waiting, [], None
            for then in waiting:
                then()

    async def _ask(self) -> None:
        if self.origin == "identity":
            await self._install.read()
        elif self.origin == "set" and self._secret is not None:
            await self._secret.refresh()
        else:
            app: Any = await self._rest.call("GET", "/applications/@me", idempotent=True)
            named = text(app if isinstance(app, dict) else {}, "verify_key")
            if named and self._asked.take(named.lower()):
                log.info("discord_public_key_changed", channel="discord", source="discord")


def _is_known(secret: Secret) -> bool:
    """Whether its value is at hand; one at the metadata service may yet turn out to be missing."""
    try:
        secret.reveal()
    except SecretError:
        return False
    return True
