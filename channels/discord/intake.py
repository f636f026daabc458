"""What happens to a gateway payload before it is the engine's: is it ours, where is it from, into the journal.

What does *not* live here: the socket (`gateway_client.py`), meaning (`normalise.py`), policy (the engine).

The gateway wants no acknowledgement and gives nothing twice, so what the journal cannot take now is held here, in
order, until it can. A message whose channel nobody knows yet waits, with all that follow it there, for one look-up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Container, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from channels.discord import answers
from channels.discord.decode import (
    DELETED,
    DELETED_BULK,
    EDITED,
    INTERACTION,
    MESSAGE,
    REACTION_REMOVED,
    Notes,
    iso_time,
    mapping,
    number,
    pack,
    strings,
    text,
)
from channels.discord.egress import Echoes
from channels.discord.glance import addresses_us, glance, is_own
from channels.discord.interactions_in import place_of
from channels.discord.memo import Memo
from channels.discord.messages_in import SPOKEN, root_of
from channels.discord.place import CHANNEL, session_key, tenant_of
from channels.discord.token_seal import TokenSeal
from phantom.channel import Admission, ChannelContext, Envelope, Inbox
from phantom.refused_posts import REQUESTS

log = structlog.get_logger(__name__)

_HELD_PAUSE = 0.5
_TOKEN_CHARS = 16
"""What is shorter may stand elsewhere in a payload too."""
_MAX_PARKED = 1000
_TOUCH_SECONDS = 3600.0
_MAX_PENDING = 512
"""Events on their way into the journal at which no more frames are read: the gateway's buffers hold the rest."""
MAX_HELD = 5_000
"""The same for events that the journal could not take, so that a full disk does not fill the memory too. What the
gateway does not keep for so long is fetched from the channels' history.
"""


class Missed(Protocol):
    """Tells bridge apps of a message that was fetched from a channel's history."""

    def __call__(self, payload: Mapping[str, Any], *, kept: bool) -> None: ...


class Atlas(Protocol):
    """Who knows where channels are."""

    def whereabouts(self, guild: str, channel: str) -> str | None:
        """The parent of a thread, "" for a plain channel, None when it is not known."""
        ...

    def our_role(self, guild: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """What the intake needs of its surroundings. `look_up` asks Discord for a channel's parent; `respond` sends the
    first answer to an interaction; `seen` is told each message id that the journal holds. `left_to_apps` tells bridge
    apps of an interaction, and whether they answer it; `missed` tells them of a message that we were not there for.
    """

    inbox: Inbox
    me: str
    application: str
    guilds: Container[str]
    memo: Memo
    directs: Memo
    echoes: Echoes
    seal: TokenSeal
    look_up: Callable[[str], Awaitable[str]]
    respond: Callable[[Mapping[str, Any], Mapping[str, Any]], Coroutine[Any, Any, None]]
    seen: Callable[[str], None]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    left_to_apps: Callable[[Mapping[str, Any]], bool]
    missed: Missed


class Intake:
    """One for a run of the gateway."""

    def __init__(self, ears: Ears, atlas: Atlas, context: ChannelContext) -> None:
        self.last_event_at: float | None = None
        self._ears = ears
        self._atlas = atlas
        self._clock = context.clock
        self._meter = context.meter
        self._parked: dict[str, deque[tuple[str, Mapping[str, Any]]]] = {}
        self._held: deque[tuple[Envelope, str]] = deque()
        self._fetched: dict[str, Mapping[str, Any]] = {}
        self._pending = 0
        self._eased = asyncio.Event()
        self._counters: dict[str, Callable[[], None]] = {}

    @property
    def waiting(self) -> bool:
        """Whether something was taken that is not on its way into the journal yet."""
        return bool(self._parked or self._held)

    @property
    def behind(self) -> bool:
        """Whether so much is on its way into the journal that nothing more should be read."""
        return self._pending >= _MAX_PENDING or len(self._held) >= MAX_HELD

    async def caught_up(self) -> None:
        """Wait until half of it is there."""
        self._eased.clear()
        await self._eased.wait()

    def take(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Take one dispatch."""
        self.last_event_at = self._clock.now()
        guild = text(payload, "guild_id")
        if guild and guild not in self._ears.guilds:
            if kind == INTERACTION:
                self._ears.spawn(self._ears.respond(payload, answers.FOREIGN_GUILD))
            return self._count("foreign_guild")
        if kind == INTERACTION:
            if self._ears.left_to_apps(payload):
                return self._count("left_to_apps")
            return self._ears.spawn(self._interaction(payload))
        channel = text(payload, "channel_id")
        unwanted = self._unwanted(kind, payload)
        if unwanted:
            return self._count(unwanted)
        parked = self._parked.get(channel)
        if parked is not None:
            if len(parked) >= _MAX_PARKED:
                return self._count("overflow")
            return parked.append((kind, payload))
        parent = self._atlas.whereabouts(guild, channel) if guild else ""
        new = not guild and kind == MESSAGE and not self._ears.directs.get(channel)
        if parent is not None and not new:
            return self._admit(kind, payload, parent)
        self._parked[channel] = deque([(kind, payload)])
        return self._ears.spawn(self._acquaint(channel) if new else self._locate(channel))

    def park(self, channel: str) -> bool:
        """Hold back what comes from there until `unpark`. False when it is held back already."""
        if channel in self._parked:
            return False
        self._parked[channel] = deque()
        return True

    def unpark(self, channel: str, parent: str) -> None:
        """Take what was held back, in its order."""
        for kind, payload in self._parked.pop(channel, ()):
            self._admit(kind, payload, parent)

    def missed(self, payload: Mapping[str, Any], parent: str) -> None:
        """Take a message that was fetched from a channel's history; one that was seen before is a duplicate."""
        unwanted = self._unwanted(MESSAGE, payload)
        if unwanted:
            self._count(unwanted)
            self._ears.missed(payload, kept=False)
        else:
            self._fetched[text(payload, "id")] = payload
            self._admit(MESSAGE, payload, parent)

    def _unwanted(self, kind: str, payload: Mapping[str, Any]) -> str:
        """Why the payload is dropped unread: what we said ourselves, link previews, Discord's own messages."""
        me = self._ears.me
        if kind == MESSAGE:
            if is_own(payload, me):
                nonce = payload.get("nonce")
                if isinstance(nonce, str) and nonce:
                    self._ears.echoes.note(nonce, text(payload, "id"))
                if not text(payload, "guild_id"):
                    self._note_direct(text(payload, "channel_id"))
                return "own"
            if number(payload, "type") not in (None, *SPOKEN):
                return "system_message"
        elif kind == EDITED:
            if is_own(payload, me):
                return "own"
            if iso_time(text(payload, "edited_timestamp")) is None:
                return "not_an_edit"
        elif text(payload, "user_id") == me:
            return "own"
        return "" if text(payload, "channel_id") else "malformed"

    def _admit(self, kind: str, payload: Mapping[str, Any], parent: str) -> None:
        now = self._clock.now()
        guild, me = text(payload, "guild_id"), self._ears.me
        tenant = tenant_of(self._ears.application, guild)
        role = self._atlas.our_role(guild) if guild and payload.get("mention_roles") else ""
        root = self._root(kind, payload)
        idle, session = False, ""
        message_id = ""
        if kind == MESSAGE:
            message_id = text(payload, "id")
            beginning = root or root_of(payload, Notes(me=me))
            idle, session = glance(payload, tenant, me, parent=parent, root=beginning, role=role)
            if idle and root:  # an answer to us, although Discord did not show what it answers
                idle, session = False, session_key(tenant, text(payload, "channel_id"), parent, beginning)
            if not guild:
                self._note_direct(text(payload, "channel_id"))
        elif kind == EDITED and guild and not addresses_us(payload, me, role):
            idle, session = True, session_key(tenant, text(payload, "channel_id"), parent, root or text(payload, "id"))
        notes = Notes(me=me, parent=parent, root=root, role=role)
        event_id = _event_id(kind, payload, now)
        envelope = Envelope(CHANNEL, tenant, event_id, kind, pack(payload, notes), now, "json", idle, session)
        self._submit(envelope, message_id)

    def _root(self, kind: str, payload: Mapping[str, Any]) -> str:
        """Where the chain of replies began, if one of our messages is concerned."""
        memo = self._ears.memo
        if kind in (MESSAGE, EDITED):
            reference = mapping(payload, "message_reference")
            if number(reference, "type"):
                return ""  # a forward answers nothing
            # Our answer may be newer than what we noted of it; what it answers was noted before.
            replied = mapping(payload, "referenced_message")
            ours = is_own(replied, self._ears.me)
            asked = text(mapping(replied, "message_reference"), "message_id") if ours else ""
            return memo.get(f"root:{text(reference, 'message_id')}") or (memo.get(f"asked:{asked}") if asked else "")
        return memo.get(f"root:{text(payload, 'message_id')}")

    def _submit(self, envelope: Envelope, message_id: str) -> None:
        if self._held:
            self._held.append((envelope, message_id))
            return

        def done(admission: Admission) -> None:
            self._pending -= 1
            if self._pending == _MAX_PENDING // 2:
                self._eased.set()
            if admission.stored:
                self._stored(message_id, admission)
                return
            self._count("storage")
            self._held.append((envelope, message_id))
            if len(self._held) == 1:
                self._ears.spawn(self._again())

        self._pending += 1
        self._ears.inbox.submit(envelope, done)

    def _stored(self, message_id: str, admission: Admission) -> None:
        self._count("duplicate" if admission.duplicate else "accepted")
        if message_id:
            self._ears.seen(message_id)
            fetched = self._fetched.pop(message_id, None)
            if fetched is not None and not admission.duplicate:
                self._ears.missed(fetched, kept=True)

    async def _again(self) -> None:
        """Offer what the journal could not take, oldest first, until it takes all of it."""
        log.warning("discord_events_held", channel=CHANNEL, cure="the journal cannot be written; see the storage fault")
        while self._held:
            envelope, message_id = self._held[0]
            admission = await self._ears.inbox.admit(envelope)
            if admission.stored:
                self._held.popleft()
                if len(self._held) == MAX_HELD // 2:
                    self._eased.set()
                self._stored(message_id, admission)
            else:
                await self._clock.sleep(_HELD_PAUSE)

    async def _locate(self, channel: str) -> None:
        parent = await self._ears.look_up(channel)
        self.unpark(channel, parent)

    async def _acquaint(self, channel: str) -> None:
        """Direct messages are listed nowhere: unless we know of them, nobody finds what was said there in our absence.
        So they are noted before the first is answered for.
        """
        await self._ears.directs.remember({channel: self._stamp()})
        self.unpark(channel, "")

    async def _interaction(self, payload: Mapping[str, Any]) -> None:
        """Journal first, then the first answer; a journal that cannot take it is said so, since nobody asks twice."""
        ears = self._ears
        tenant = tenant_of(ears.application, text(payload, "guild_id"))
        author = answers.author_of(payload)
        if not answers.is_kept(payload, tenant):
            await ears.respond(payload, await answers.immediate(payload, ears.inbox, tenant, author))
            return self._count("immediate")
        await ears.seal.ready()
        value = await answers.value_of(payload, ears.memo, ears.inbox, tenant, author)
        envelope = interaction_envelope(
            payload, payload, tenant, ears.me, ears.memo, ears.seal, value=value, now=self._clock.now()
        )
        admission = await ears.inbox.admit(envelope)
        if not admission.stored:
            self._count("storage")
            return await ears.respond(payload, answers.UNAVAILABLE)
        self._count("duplicate" if admission.duplicate else "accepted")
        if not admission.duplicate:
            await ears.respond(payload, answers.deferred(payload))
        return None

    def _note_direct(self, channel: str) -> None:
        """Somebody is in touch there. It is written down once an hour, so that those of last are found first."""
        if channel and self._ears.directs.get(channel) != (stamp := self._stamp()):
            self._ears.spawn(self._ears.directs.remember({channel: stamp}))

    def _stamp(self) -> str:
        return str(int(self._clock.now() // _TOUCH_SECONDS))

    def _count(self, outcome: str) -> None:
        count = self._counters.get(outcome)
        if count is None:
            count = self._counters[outcome] = self._meter.counter(REQUESTS, channel=CHANNEL, outcome=outcome)
        count()


def interaction_envelope(
    payload: Mapping[str, Any],
    raw: Mapping[str, Any] | bytes,
    tenant: str,
    me: str,
    memo: Memo,
    seal: TokenSeal,
    *,
    value: str,
    now: float,
) -> Envelope:
    """The journal's row of an interaction, however it came. `raw` is what is kept: the bytes where there are any. Its
    token is sealed.
    """
    _, parent = place_of(payload)
    token = text(payload, "token")
    sealed = seal.seal(token)
    plain = token.encode("utf-8", "surrogatepass")
    if isinstance(raw, bytes) and len(plain) >= _TOKEN_CHARS and plain in raw:
        raw = raw.replace(plain, sealed.encode())
    else:  # already parsed, or written in an odd way
        raw = {**payload, "token": sealed}
    root = memo.get(f"root:{answers.component_message(payload)}")
    body = pack(raw, Notes(me=me, parent=parent, root=root, value=value))
    return Envelope(CHANNEL, tenant, f"i{text(payload, 'id')}", INTERACTION, body, now)


def _event_id(kind: str, payload: Mapping[str, Any], now: float) -> str:
    """The key under which a repetition is known: by RESUME, by backfill. Reactions have no id of their own and may
    come and go again, so a repeated one is a new event; rating twice is rating once.
    """
    if kind == MESSAGE:
        return f"m{text(payload, 'id')}"
    if kind == EDITED:
        return f"e{text(payload, 'id')}:{round((iso_time(text(payload, 'edited_timestamp')) or now) * 1000)}"
    if kind == DELETED:
        return f"d{text(payload, 'id')}"
    if kind == DELETED_BULK:
        return f"b{(strings(payload, 'ids') or ('',))[0]}"
    sign = "-" if kind == REACTION_REMOVED else "+"
    what = f"{text(payload, 'message_id')}:{text(payload, 'user_id')}:{round(now * 1000)}"
    return f"r{what}{sign}{_emoji_key(payload)}"


def _emoji_key(payload: Mapping[str, Any]) -> str:
    name = text(mapping(payload, "emoji"), "name")
    return "".join(f"{ord(char):x}" for char in name[:3])
