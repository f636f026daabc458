"""Signed posts from Discord: the checks in their order, and the answer to each. Sans I/O.

What does *not* live here: the server (paths, methods, reading with a deadline), signature arithmetic (`verify.py`),
what the answers say (`answers.py`), meaning (`normalise.py`). What belongs into the journal is answered only once it is
there; a post that came twice is answered twice and happens once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from channels.discord import answers, verify
from channels.discord.decode import WEBHOOK_EVENT, Notes, json_object, mapping, number, pack, text
from channels.discord.intake import interaction_envelope
from channels.discord.interactions_in import PING
from channels.discord.memo import Memo
from channels.discord.place import CHANNEL, tenant_of
from channels.discord.public_keys import PublicKeys
from channels.discord.token_seal import TokenSeal
from channels.discord.verify import Claim
from phantom.channel import Admission, Envelope, Inbox, Meter
from phantom.clock import Clock
from phantom.errors import MalformedEvent
from phantom.refused_posts import REQUESTS, RefusedPosts
from phantom.webhooks import AnswerSink, HttpAnswer, RequestHead

log = structlog.get_logger(__name__)

INTERACTIONS, EVENTS = b"/discord/interactions", b"/discord/events"
CURES = {
    "bad_header": "nothing, if a scanner posts here; else see that every proxy passes Discord's headers as they come",
    "bad_signature": "nothing, if it is one now and then: Discord tests this endpoint; else another application's key,"
    " or a proxy that changes the body: `phantom doctor` compares the keys",
    "foreign_application": "another application's endpoint points here: correct it, or the token",
    "too_large": "set DISCORD_MAX_BODY higher if Discord really sends more",
    "not_configured": "this daemon takes Discord over the gateway: DISCORD_TRANSPORT=http, or clear the endpoint's URL",
}
_RETRY = (("Retry-After", "5"),)


def _error(status: int, what: str, *, retry: bool = False) -> HttpAnswer:
    return HttpAnswer(status, orjson.dumps({"error": what}), headers=_RETRY if retry else ())


NOT_CONFIGURED = _error(503, "discord interactions not configured", retry=True)
NOT_READY = _error(503, "discord channel not ready", retry=True)
STORAGE = _error(503, "storage unavailable", retry=True)
TOO_LARGE = _error(413, "payload too large")
TIMEOUT = _error(408, "request timeout")
UNAUTHORIZED = _error(401, "invalid request signature")
MALFORMED = _error(400, "bad request")
FORBIDDEN = _error(403, "forbidden")
NO_CONTENT = HttpAnswer(204, b"")
ACCEPTED = HttpAnswer(202, b"")
"""The answer comes over the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What the receiver needs while it serves."""

    inbox: Inbox
    keys: PublicKeys
    application: str
    me: str
    memo: Memo
    seal: TokenSeal
    guilds: Container[str]
    left_to_apps: Callable[[Mapping[str, Any]], bool]


class DiscordHttpReceiver:
    """A `SignedRoute` for interactions and webhook events. Answers 503 until `open`, and again after `close`."""

    paths = frozenset({INTERACTIONS, EVENTS})

    def __init__(
        self,
        *,
        clock: Clock,
        meter: Meter,
        configured: bool = True,
        max_body: int = 1_048_576,
        body_timeout: float = 10.0,
    ) -> None:
        self.max_body = max_body
        self.body_timeout = body_timeout
        self.last_event_at: float | None = None
        self._clock = clock
        self._meter = meter
        self._configured = configured
        self._serving: Serving | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        refused = RefusedPosts(
            "discord_post_refused", channel=CHANNEL, say=log.warning, meter=meter, clock=clock, cures=CURES
        )
        self._refuse = refused.refuse

    def open(self, serving: Serving) -> None:
        """Begin to admit."""
        self._serving = serving

    def close(self) -> None:
        """Answer 503 from now on."""
        self._serving = None

    def screen(self, head: RequestHead) -> HttpAnswer | None:
        if self._serving is None:
            return self._unready()
        if head.content_length is not None and head.content_length > self.max_body:
            return self._refuse("too_large", TOO_LARGE)
        claim = verify.read(head.headers, self._clock.now())
        return self._refuse(claim, UNAUTHORIZED) if isinstance(claim, str) else None

    def refused(self, status: int) -> HttpAnswer:
        if status == 413:
            return self._refuse("too_large", TOO_LARGE)
        if status == 408:
            return self._refuse("timeout", TIMEOUT)
        return self._refuse("malformed", HttpAnswer(status, MALFORMED.body))

    def accept(self, head: RequestHead, body: bytes, answer: AnswerSink) -> None:
        serving = self._serving
        if serving is None:
            return answer(self._unready())
        now = self._clock.now()
        claim = verify.read(head.headers, now)
        if isinstance(claim, str):
            return answer(self._refuse(claim, UNAUTHORIZED))
        if len(body) > self.max_body:
            return answer(self._refuse("too_large", TOO_LARGE))
        if not serving.keys.signed(claim, body):
            return self._doubted(serving, head, body, claim, answer)
        return self._authentic(serving, head, body, claim, answer)

    def _doubted(self, serving: Serving, head: RequestHead, body: bytes, claim: Claim, answer: AnswerSink) -> None:
        """Perhaps the key changed a moment ago: ask its origin once before the post is refused."""

        def again() -> None:
            if self._serving is not serving:
                return answer(self._unready())
            if serving.keys.signed(claim, body):
                return self._authentic(serving, head, body, claim, answer)
            return answer(self._refuse("bad_signature", UNAUTHORIZED))

        if not serving.keys.after_recheck(again):
            answer(self._refuse("bad_signature", UNAUTHORIZED))

    def _authentic(self, serving: Serving, head: RequestHead, body: bytes, claim: Claim, answer: AnswerSink) -> None:
        try:
            payload = json_object(body)
            if not _is_ours(payload, serving.application, 0 if head.path == EVENTS else PING):
                return answer(self._refuse("foreign_application", FORBIDDEN))
            if head.path == EVENTS:
                return self._event(serving, payload, body, claim, answer)
            return self._interaction(serving, payload, body, answer)
        except MalformedEvent:
            return answer(self._refuse("malformed", MALFORMED))

    def _event(
        self, serving: Serving, payload: Mapping[str, Any], body: bytes, claim: Claim, answer: AnswerSink
    ) -> None:
        """https://docs.discord.com/developers/events/webhook-events: type 0 asks whether we are there, 1 tells."""
        kind = number(payload, "type")
        if kind == 0:
            self._count("ping")
            return answer(NO_CONTENT)
        if kind != 1 or not text(mapping(payload, "event"), "type"):
            raise MalformedEvent("no webhook event")
        # They have no id: the same bytes at the same second are the same event.
        key = f"w{claim.signature.hex()[:40]}"
        tenant = tenant_of(
            serving.application, text(mapping(mapping(mapping(payload, "event"), "data"), "guild"), "id")
        )
        envelope = Envelope(CHANNEL, tenant, key, WEBHOOK_EVENT, pack(body, Notes(me=serving.me)), self._clock.now())
        return self._admit(serving, envelope, NO_CONTENT, answer)

    def _interaction(self, serving: Serving, payload: Mapping[str, Any], body: bytes, answer: AnswerSink) -> None:
        if number(payload, "type") == PING:
            self._count("ping")
            return answer(_json(answers.PONG))
        author, guild = answers.author_of(payload), text(payload, "guild_id")
        if not text(payload, "id").isdigit() or not author or not text(payload, "token"):
            raise MalformedEvent("the interaction has no id, user or token")
        if guild and guild not in serving.guilds:
            self._count("foreign_guild")
            return answer(_json(answers.FOREIGN_GUILD))
        if serving.left_to_apps(payload):
            self._count("left_to_apps")
            return answer(ACCEPTED)
        tenant = tenant_of(serving.application, guild)
        if not answers.is_kept(payload, tenant):
            return self._spawn(self._immediate(serving, payload, tenant, author, answer))
        if answers.chosen_conversation(payload):
            return self._spawn(self._checked(serving, payload, body, tenant, author, answer))
        value = answers.button_value(payload, serving.memo, tenant)
        return self._keep(serving, payload, body, tenant, value, answer)

    def _keep(
        self,
        serving: Serving,
        payload: Mapping[str, Any],
        body: bytes,
        tenant: str,
        value: str,
        answer: AnswerSink,
    ) -> None:
        envelope = interaction_envelope(
            payload, body, tenant, serving.me, serving.memo, serving.seal, value=value, now=self._clock.now()
        )
        self._admit(serving, envelope, _json(answers.deferred(payload)), answer)

    def _admit(self, serving: Serving, envelope: Envelope, then: HttpAnswer, answer: AnswerSink) -> None:
        self.last_event_at = envelope.received_at

        def done(admission: Admission) -> None:
            if not admission.stored:
                return answer(self._refuse("storage", STORAGE))
            self._count("duplicate" if admission.duplicate else "accepted")
            return answer(then)

        serving.inbox.submit(envelope, done)

    async def _immediate(
        self, serving: Serving, payload: Mapping[str, Any], tenant: str, author: str, answer: AnswerSink
    ) -> None:
        said = await answers.immediate(payload, serving.inbox, tenant, author)
        self._count("immediate")
        answer(_json(said))

    async def _checked(
        self,
        serving: Serving,
        payload: Mapping[str, Any],
        body: bytes,
        tenant: str,
        author: str,
        answer: AnswerSink,
    ) -> None:
        value = await answers.value_of(payload, serving.memo, serving.inbox, tenant, author)
        self._keep(serving, payload, body, tenant, value, answer)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="discord-interaction")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _unready(self) -> HttpAnswer:
        if not self._configured:
            return self._refuse("not_configured", NOT_CONFIGURED)
        return self._refuse("not_ready", NOT_READY)

    def _count(self, outcome: str) -> None:
        self._meter.count(REQUESTS, channel=CHANNEL, outcome=outcome)


def _is_ours(payload: Mapping[str, Any], application: str, ping: int) -> bool:
    """Whether it is for our application. A ping that names none proves itself by its signature."""
    if text(payload, "application_id") == application:
        return True
    return payload.get("application_id") is None and number(payload, "type") == ping


def _json(value: Mapping[str, Any]) -> HttpAnswer:
    return HttpAnswer(200, orjson.dumps(value))
