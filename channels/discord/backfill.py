"""What was said while we were away: how far we had seen, and a bounded look into the history since.

After a RESUME nothing is missing. After a new session (a restart, or an invalid session) Discord starts from now; then
each channel whose last message is newer than what we had seen is read from there on, at most so many messages and so
many channels. What was seen after all is a duplicate for the journal.

How far we had seen is one message id for the whole bot: ids are made in the order of time. It is written to disk every
few seconds, and is taken a little lower than it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Mapping
from pathlib import Path
from typing import Any

import structlog

from channels.discord.decode import items, number, snowflake_at, text
from channels.discord.disk import written
from channels.discord.intake import Intake
from channels.discord.memo import Memo
from channels.discord.place import THREADS
from channels.discord.rest import DiscordRest
from phantom.clock import Clock
from phantom.errors import AuthError, ChannelError

log = structlog.get_logger(__name__)

KEEP_EVERY = 2.0
MARGIN_SECONDS = 10.0
MAX_ABSENCE = 24 * 3600.0
MAX_CHANNELS = 100
MAX_DIRECTS = 50
PATIENCE = 30.0
"""Seconds that a new session may take to show its servers; what shows later is read too, but no longer waited for."""
_PAGE = 100
_RETRY_CAP = 30.0
_READERS = 4
_TALKATIVE = THREADS | {0, 2, 5, 13}
"""Types of channels that hold messages; forums hold threads, which are listed themselves."""


class Watermark:
    """The newest message id that the journal holds. Held still while something may be missing before it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._seen = 0
        self._held: int | None = None
        self._written = 0

    async def load(self, ahead: float) -> None:
        """Read the file; without one we begin now. `ahead`: seconds that our clock is ahead of Discord's."""
        text_of = await asyncio.to_thread(_read, self._path)
        now = snowflake_at(self._clock.now() - max(0.0, ahead))
        kept = int(text_of) if text_of.isascii() and text_of.isdigit() and len(text_of) <= 20 else now
        self._seen = max(self._seen, min(kept, now))

    def saw(self, message_id: str) -> None:
        """The journal holds that message."""
        if message_id.isdigit():
            self._seen = max(self._seen, int(message_id))

    def hold(self) -> None:
        """From here on something may be missed."""
        if self._held is None:
            self._held = self._seen

    def release(self) -> None:
        """Nothing is missing any more."""
        self._held = None

    @property
    def seen(self) -> int:
        """The newest message that the journal holds."""
        return self._seen

    @property
    def since(self) -> int:
        """The id after which to look."""
        base = self._seen if self._held is None else self._held
        oldest = snowflake_at(self._clock.now() - MAX_ABSENCE)
        return max(base - (int(MARGIN_SECONDS * 1000) << 22), oldest, 0)

    async def keep(self) -> None:
        """Write it down from time to time until cancelled."""
        while True:
            await self.save()
            await self._clock.sleep(KEEP_EVERY)

    async def save(self) -> None:
        """Write it down now."""
        value = self._seen if self._held is None else self._held
        if value == self._written:
            return
        try:
            await written(_write, self._path, str(value))
            self._written = value
        except OSError as error:
            log.warning("watermark_not_written", channel="discord", cure=error.strerror or "check the data folder")


class Backfill:
    """One for a run of the gateway."""

    def __init__(
        self,
        rest: DiscordRest,
        intake: Intake,
        watermark: Watermark,
        directs: Memo,
        *,
        limit: int,
        with_members: bool,
        guilds: Container[str],
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.fetched = 0
        self._clock = clock
        self._rest = rest
        self._intake = intake
        self._watermark = watermark
        self._directs = directs
        self._limit = limit
        self._with_members = with_members
        self._guilds = guilds
        self._spawn = spawn
        self._expected: dict[str, int] = {}
        self._readers = asyncio.Semaphore(_READERS)
        self._under_way = 0
        self._channels = 0
        self._once_more: dict[str, int] = {}
        self._members: dict[tuple[str, str], Mapping[str, Any]] = {}

    def session_began(self, ready: Mapping[str, Any], *, with_directs: bool) -> None:
        """A new session: whatever was said since we last saw something may be missing."""
        since = self._watermark.since
        self._channels = 0
        for guild in items(ready, "guilds"):
            self._expected[text(guild, "id")] = since
        if self._limit and with_directs:
            for channel in self._directs.newest(MAX_DIRECTS):
                self._read(channel, "", "", since)

    def guild_shown(self, guild: Mapping[str, Any]) -> None:
        """A server shows itself: read its channels that have something new."""
        guild_id = text(guild, "id")
        since = self._expected.pop(guild_id, None)
        if since is None or not self._limit or guild_id not in self._guilds:
            return
        new = [
            (int(last), channel)
            for channel in (*items(guild, "channels"), *items(guild, "threads"))
            if (last := text(channel, "last_message_id")).isdigit()
            and int(last) > since
            and number(channel, "type") in _TALKATIVE
        ]
        for _, channel in sorted(new, key=lambda one: -one[0]):
            parent = text(channel, "parent_id") if number(channel, "type") in THREADS else ""
            self._read(text(channel, "id"), guild_id, parent, since)

    @property
    def awaited(self) -> bool:
        """Whether a server has yet to show itself."""
        return bool(self._expected)

    @property
    def reading(self) -> bool:
        """Whether something that was missed is not in the journal yet."""
        return self._under_way > 0

    def _read(self, channel: str, guild: str, parent: str, since: int) -> None:
        if self._channels >= MAX_CHANNELS:
            log.warning("backfill_cut_short", channel="discord", channels=self._channels)
            return
        if self._intake.park(channel):
            self._channels += 1
            self._under_way += 1
            self._spawn(self._read_channel(channel, guild, parent, since))
        else:
            self._once_more[channel] = since

    async def _read_channel(self, channel: str, guild: str, parent: str, since: int) -> None:
        """What is said there meanwhile waits, so that the order stays. A reading that is cut short by the end of the
        run leaves all of it to the next, which begins where this one did. Raises `AuthError`.
        """
        attempt = 0
        while True:
            try:
                async with self._readers:
                    await self._pages(channel, guild, parent, since)
            except AuthError:
                raise
            except ChannelError as error:
                log.info("history_not_read", channel="discord", code=error.code, cure=error.hint)
                if error.retryable:
                    attempt += 1
                    await self._clock.sleep(error.retry_after or min(_RETRY_CAP, 0.25 * 2**attempt))
                    continue
            again = self._once_more.pop(channel, None)
            if again is None:
                break
            since = again
        self._intake.unpark(channel, parent)
        self._under_way -= 1

    async def _pages(self, channel: str, guild: str, parent: str, since: int) -> None:
        left = self._limit
        while left > 0:
            answer = await self._rest.call(
                "GET",
                "/channels/{channel_id}/messages",
                channel_id=channel,
                params={"after": str(since), "limit": str(min(_PAGE, left))},
                idempotent=True,
            )
            page = sorted(items({"page": answer}, "page"), key=lambda one: int(text(one, "id") or 0))
            for message in page:
                self.fetched += 1
                self._intake.missed(await self._completed(message, guild), parent)
            if len(page) < min(_PAGE, left):
                return
            since, left = int(text(page[-1], "id")), left - len(page)
        log.warning(
            "backfill_cut_short",
            channel="discord",
            place=channel,
            messages=self._limit,
            cure="what was said there later is not answered; raise DISCORD_BACKFILL_MESSAGES",
        )

    async def _completed(self, message: Mapping[str, Any], guild: str) -> Mapping[str, Any]:
        """A message as the gateway would have given it: history names neither the server nor the author's roles."""
        if not guild:
            return message
        whole = {**message, "guild_id": guild}
        author = text(message.get("author") or {}, "id")
        if self._with_members and author and not message.get("webhook_id"):
            whole["member"] = await self._member(guild, author)
        return whole

    async def _member(self, guild: str, user: str) -> Mapping[str, Any]:
        if (guild, user) not in self._members:
            try:
                found = await self._rest.call(
                    "GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild, user_id=user, idempotent=True
                )
            except ChannelError as error:
                if error.retryable or isinstance(error, AuthError):
                    raise
                log.info("member_not_read", channel="discord", code=error.code)
                found = {}
            self._members[guild, user] = found if isinstance(found, dict) else {}
        return self._members[guild, user]


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(value, "ascii")
    fresh.replace(path)
