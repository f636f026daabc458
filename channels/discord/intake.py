"""What happens to a gateway payload before it is the engine's: is it ours, where is it from, into the journal.

What does *not* live here: the socket (`gateway_client.py`), meaning (`normalise.py`), policy (the engine).

The gateway wants no acknowledgement and gives nothing twice, so what the journal cannot take now is held here, in
order, until it can. A message whose channel nobody knows yet waits, with all that follow it there, for one look-up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
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
from phantom.channel import Admission, ChannelContext, Envelope, Inbox

log = structlog.get_logger(__name__)

REQUESTS = "phantom_receiver_requests_total"
_HELD_PAUSE = 0.5
_MAX_PARKED = 1000


class Atlas(Protocol):
    """Who knows where channels are."""

    def whereabouts(self, guild: str, channel: str) -> str | None:
        """The parent of a thread, "" for a plain channel, None when it is not known."""
        ...

    def our_role(self, guild: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """What the intake needs of its surroundings. `look_up` asks Discord for a channel's parent; `respond` sends the
    first answer to an interaction; `seen` is told each message id that the journal holds.
    """

    inbox: Inbox
    me: str
    application: str
    guilds: frozenset[str]
    memo: Memo
    directs: Memo
    echoes: Echoes
    look_up: Callable[[str], Awaitable[str]]
    respond: Callable[[Mapping[str, Any], Mapping[str, Any]], Coroutine[Any, Any, None]]
    seen: Callable[[str], None]
    spawn: Callable[[Coroutine[Any, Any, None]], None]


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

    def take(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Take one dispatch."""
        self.last_event_at = self._clock.now()
        guild = text(payload, "guild_id")
        if guild and self._ears.guilds and guild not in self._ears.guilds:
            if kind == INTERACTION:
                self._ears.spawn(self._ears.respond(payload, answers.FOREIGN_GUILD))
            return self._count("foreign_guild")
        if kind == INTERACTION:
            return self._ears.spawn(self._interaction(payload))
        unwanted = self._unwanted(kind, payload)
        if unwanted:
            return self._count(unwanted)
        channel = text(payload, "channel_id")
        parked = self._parked.get(channel)
        if parked is not None:
            if len(parked) >= _MAX_PARKED:
                return self._count("overflow")
            return parked.append((kind, payload))
        parent = self._atlas.whereabouts(guild, channel) if guild else ""
        if parent is not None:
            return self._admit(kind, payload, parent)
        self._parked[channel] = deque([(kind, payload)])
        return self._ears.spawn(self._locate(channel))

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
        else:
            self._admit(MESSAGE, payload, parent)

    def _unwanted(self, kind: str, payload: Mapping[str, Any]) -> str:
        """Why the payload is dropped unread: what we said ourselves, link previews, Discord's own messages."""
        me = self._ears.me
        if kind == MESSAGE:
            if is_own(payload, me):
                nonce = payload.get("nonce")
                if isinstance(nonce, str) and nonce:
                    self._ears.echoes.note(nonce, text(payload, "id"))
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
            return memo.get(f"root:{text(mapping(payload, 'message_reference'), 'message_id')}")
        return memo.get(f"root:{text(payload, 'message_id')}")

    def _submit(self, envelope: Envelope, message_id: str) -> None:
        if self._held:
            self._held.append((envelope, message_id))
            return

        def done(admission: Admission) -> None:
            if admission.stored:
                self._stored(message_id, admission)
                return
            self._count("storage")
            self._held.append((envelope, message_id))
            if len(self._held) == 1:
                self._ears.spawn(self._again())

        self._ears.inbox.submit(envelope, done)

    def _stored(self, message_id: str, admission: Admission) -> None:
        self._count("duplicate" if admission.duplicate else "accepted")
        if message_id:
            self._ears.seen(message_id)

    async def _again(self) -> None:
        """Offer what the journal could not take, oldest first, until it takes all of it."""
        log.warning("discord_events_held", channel=CHANNEL, cure="the journal cannot be written; see the storage fault")
        while self._held:
            envelope, message_id = self._held[0]
            admission = await self._ears.inbox.admit(envelope)
            if admission.stored:
                self._held.popleft()
                self._stored(message_id, admission)
            else:
                await self._clock.sleep(_HELD_PAUSE)

    async def _locate(self, channel: str) -> None:
        parent = await self._ears.look_up(channel)
        self.unpark(channel, parent)

    async def _interaction(self, payload: Mapping[str, Any]) -> None:
        """Journal first, then the first answer; a journal that cannot take it is said so, since nobody asks twice."""
        ears = self._ears
        tenant = tenant_of(ears.application, text(payload, "guild_id"))
        author = answers.author_of(payload)
        if not answers.is_kept(payload):
            await ears.respond(payload, await answers.immediate(payload, ears.inbox, tenant, author))
            return self._count("immediate")
        value = await answers.value_of(payload, ears.memo, ears.inbox, tenant, author)
        envelope = interaction_envelope(
            payload, payload, tenant, ears.me, ears.memo, value=value, now=self._clock.now()
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
        if channel and not self._ears.directs.get(channel):
            self._ears.spawn(self._ears.directs.remember({channel: "1"}))

    def _count(self, outcome: str) -> None:
        self._meter.count(REQUESTS, channel=CHANNEL, outcome=outcome)


def interaction_envelope(
    payload: Mapping[str, Any],
    raw: Mapping[str, Any] | bytes,
    tenant: str,
    me: str,
    memo: Memo,
    *,
    value: str,
    now: float,
) -> Envelope:
    """The journal's row of an interaction, however it came. `raw` is what is kept: the bytes where there are any."""
    _, parent = place_of(payload)
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
