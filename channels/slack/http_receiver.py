"""Signed posts from a gateway or from Slack: the checks in their order, and the answer to each. Sans I/O.

What does *not* live here: the server (paths, methods, reading with a deadline), signature arithmetic (`verify.py`),
team binding (`team.py`), meaning (`normalise.py`). A post is answered 200 only after the journal holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from channels.slack import http_answers as answers
from channels.slack import suggest
from channels.slack.apps_events import AppEvents
from channels.slack.decode import (
    COMMAND,
    EVENT,
    FORM,
    INTERACTIVE,
    INTERACTIVE_TYPES,
    JSON,
    form_fields,
    interactive_payload,
    json_object,
)
from channels.slack.event_key import event_key
from channels.slack.glance import glance
from channels.slack.place import CHANNEL
from channels.slack.rotation import Recheck
from channels.slack.team import FOREIGN, NO_TEAM, Binding, judge, judge_form
from channels.slack.verify import Claim, Scheme
from phantom.channel import Admission, Envelope, Inbox, Meter
from phantom.clock import Clock
from phantom.errors import MalformedEvent, MetadataError, SecretError
from phantom.refused_posts import REQUESTS, RefusedPosts
from phantom.webhooks import AnswerSink, HttpAnswer, RequestHead

log = structlog.get_logger(__name__)

EVENTS, INTERACTIVITY, COMMANDS = b"/slack/events", b"/slack/interactivity", b"/slack/commands"
SECRETS_FOR = 1.0
"""Seconds for which the secrets in force are not asked for again. A MAC that is wrong asks at once."""
CURES = {
    "version_refused": "the gateway signs in a way that this tenant no longer allows: identity.webhook.versions",
    "bad_signature": "the sender signs with another secret, or a proxy changes the body: `phantom doctor`,"
    " and compare rotation ids with the sender's",
    FOREIGN: "a payload for another workspace: correct the gateway's routing, or this tenant's identity",
    NO_TEAM: "a payload that names no workspace: see what posts here; Slack always names one",
    "too_large": "set SLACK_MAX_BODY higher if Slack really sends more",
    "no_secret": "no signing secret can be had: `phantom secrets list` and `phantom doctor` say why; senders try again",
    "not_configured": "this daemon takes Slack over Socket Mode: SLACK_TRANSPORT=http, or clear the sender's address",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What the receiver needs while it serves: where events go, for whom they must be, how they are signed."""

    inbox: Inbox
    binding: Binding
    scheme: Scheme
    me: str = ""
    """Our own user id, "" when it is not known."""


class SigningSecrets(Protocol):
    """What the receiver needs of `signing.Signing`."""

    def plaintexts(self) -> Sequence[str]:
        """The texts in force now. Raises `SecretError` or `MetadataError` when there are none."""
        ...

    def matched(self, place: int) -> None:
        """A post was signed with the text at that place of what `plaintexts` gave last."""
        ...

    async def refresh(self) -> object:
        """Read them again at their origin. Raises the same."""
        ...


class SlackHttpReceiver:
    """A `SignedRoute` for the three Slack paths. Answers 503 until `open`, and again after `close`.

    `signing` knows the secrets in force (None: no Slack over HTTP is configured). `events` tells bridge apps.
    """

    paths = frozenset({EVENTS, INTERACTIVITY, COMMANDS})

    def __init__(
        self,
        *,
        clock: Clock,
        meter: Meter,
        signing: SigningSecrets | None = None,
        max_body: int = 1_048_576,
        body_timeout: float = 10.0,
        events: AppEvents | None = None,
    ) -> None:
        self.max_body = max_body
        self.body_timeout = body_timeout
        self.last_event_at: float | None = None
        self._clock = clock
        self._meter = meter
        self._events = events
        self._signing = signing
        self._plaintexts: Sequence[str] = ()
        self._plaintexts_at = 0.0
        self._accepted = meter.counter(REQUESTS, channel=CHANNEL, outcome="accepted")
        self._duplicate = meter.counter(REQUESTS, channel=CHANNEL, outcome="duplicate")
        self._recheck = None if signing is None else Recheck(signing.refresh, clock)
        self._serving: Serving | None = None
        self._screened: tuple[RequestHead, Claim] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        refused = RefusedPosts(
            "slack_post_refused", channel=CHANNEL, say=log.warning, meter=meter, clock=clock, cures=CURES
        )
        self._refuse = refused.refuse

    def open(self, serving: Serving) -> None:
        """Begin to admit."""
        self._serving = serving

    def close(self) -> None:
        """Answer 503 from now on; the sender retries."""
        self._serving = None

    def screen(self, head: RequestHead) -> HttpAnswer | None:
        serving = self._serving
        if serving is None:
            return self._unready()
        if head.content_length is not None and head.content_length > self.max_body:
            return self._refuse("too_large", answers.TOO_LARGE)
        claim = serving.scheme.read(head.headers, self._clock.now())
        if isinstance(claim, str):
            return self._refuse(claim, answers.UNAUTHORIZED)
        self._screened = (head, claim)
        return None

    def refused(self, status: int) -> HttpAnswer:
        if status == 413:
            return self._refuse("too_large", answers.TOO_LARGE)
        if status == 408:
            return self._refuse("timeout", answers.TIMEOUT)
        return self._refuse("malformed", HttpAnswer(status, answers.MALFORMED.body))

    def accept(self, head: RequestHead, body: bytes, answer: AnswerSink) -> None:
        self._judge(head, body, answer, last=False)

    def _judge(self, head: RequestHead, body: bytes, answer: AnswerSink, *, last: bool) -> None:
        """Authenticate, then go on. `last`: the secret was just read again, so a wrong MAC is final."""
        serving = self._serving
        if serving is None or self._signing is None:
            return answer(self._unready())
        now = self._clock.now()
        # Most bodies arrive with their head, so one remembered claim spares a second reading; where another request
        # came between, or a lane forgot to screen, the head is judged now.
        screened, self._screened = self._screened, None
        claim = screened[1] if screened and screened[0] is head else serving.scheme.read(head.headers, now)
        if isinstance(claim, str):
            return answer(self._refuse(claim, answers.UNAUTHORIZED))
        if len(body) > self.max_body:
            return answer(self._refuse("too_large", answers.TOO_LARGE))
        known = self._secrets_at(now)
        if known is None:
            return answer(self._refuse("no_secret", answers.NOT_READY))
        post = (claim, head.method, head.path, body)
        place = serving.scheme.which(*post, known)
        if place < 0 and self._changed(known, now):
            place = serving.scheme.which(*post, self._plaintexts)
        if place >= 0:
            self._signing.matched(place)
            return self._authentic(serving, head.path, body, claim, now, answer)
        if not last and self._recheck is not None:

            def again() -> None:
                self._judge(head, body, answer, last=True)

            if self._recheck.after_refresh(again):
                return None
        return answer(self._refuse("bad_signature", answers.UNAUTHORIZED))

    def _secrets_at(self, now: float) -> Sequence[str] | None:
        """The plaintexts in force, asked for once a second; None when there are none."""
        if 0 <= now - self._plaintexts_at < SECRETS_FOR:
            return self._plaintexts
        if self._signing is None:
            return None
        try:
            self._plaintexts, self._plaintexts_at = self._signing.plaintexts(), now
        except (SecretError, MetadataError):
            return None
        return self._plaintexts

    def _changed(self, known: Sequence[str], now: float) -> bool:
        """Ask at once; whether the secrets are others than `known`."""
        self._plaintexts_at = now - SECRETS_FOR
        fresh = self._secrets_at(now)
        return fresh is not None and tuple(fresh) != tuple(known)

    def _authentic(
        self, serving: Serving, path: bytes, body: bytes, claim: Claim, now: float, answer: AnswerSink
    ) -> None:
        """Parse by path, check the team, admit."""
        try:
            if path == EVENTS:
                self._event(serving, body, claim, now, answer)
            elif path == INTERACTIVITY:
                self._interactive(serving, body, claim, now, answer)
            else:
                self._command(serving, body, claim, now, answer)
        except MalformedEvent:
            answer(self._refuse("malformed", answers.MALFORMED))

    def _event(self, serving: Serving, body: bytes, claim: Claim, now: float, answer: AnswerSink) -> None:
        payload = json_object(body)
        kind = payload.get("type")
        verdict = judge(payload, serving.binding)
        if kind == "url_verification":
            return self._challenge(payload, verdict, answer)
        if kind not in ("event_callback", "app_rate_limited"):
            raise MalformedEvent("this payload does not belong on the events path")
        if verdict:
            return answer(self._refuse(verdict, answers.FORBIDDEN))
        if kind == "app_rate_limited":
            self._meter.count(REQUESTS, channel=CHANNEL, outcome="platform_rate_limited")
            log.warning("slack_events_rate_limited", channel=CHANNEL, cure="Slack drops events of this app for a while")
        key = event_key(claim.event_id, payload.get("event_id"), claim.mac)
        seen = glance(payload, serving.binding.team_id, serving.me)
        return self._admit(serving, EVENT, JSON, key, body, payload, now, answer, *seen)

    def _challenge(self, payload: dict[str, Any], verdict: str, answer: AnswerSink) -> None:
        challenge = payload.get("challenge")
        if verdict and (verdict != NO_TEAM or type(challenge) is not str):
            return answer(self._refuse(verdict, answers.FORBIDDEN))
        if type(challenge) is not str:
            raise MalformedEvent("the challenge is not a string")
        self._meter.count(REQUESTS, channel=CHANNEL, outcome="url_verification")
        return answer(answers.plain(challenge))

    def _interactive(self, serving: Serving, body: bytes, claim: Claim, now: float, answer: AnswerSink) -> None:
        form = form_fields(body)
        payload = interactive_payload(form)
        if payload.get("type") not in INTERACTIVE_TYPES:
            raise MalformedEvent("this payload does not belong on the interactivity path")
        verdict = judge_form(payload, form, serving.binding)
        if verdict:
            return answer(self._refuse(verdict, answers.FORBIDDEN))
        if payload["type"] == "block_suggestion":
            return self._spawn(self._suggest(serving, payload, answer))
        key = event_key(claim.event_id, None, claim.mac)
        return self._admit(serving, INTERACTIVE, FORM, key, body, payload, now, answer)

    def _command(self, serving: Serving, body: bytes, claim: Claim, now: float, answer: AnswerSink) -> None:
        form = form_fields(body)
        if form.get("ssl_check") == "1" and "command" not in form:
            self._meter.count(REQUESTS, channel=CHANNEL, outcome="ssl_check")
            return answer(answers.OK)
        if not form.get("command", "").startswith("/") or "payload" in form:
            raise MalformedEvent("this payload does not belong on the commands path")
        verdict = judge(form, serving.binding)
        if verdict:
            return answer(self._refuse(verdict, answers.FORBIDDEN))
        key = event_key(claim.event_id, None, claim.mac)
        left = self._events is not None and self._events.left_to_apps(form)
        return self._admit(serving, COMMAND, FORM, key, body, form, now, answer, left)

    def _admit(
        self,
        serving: Serving,
        kind: str,
        encoding: str,
        key: str,
        body: bytes,
        payload: Mapping[str, Any],
        now: float,
        answer: AnswerSink,
        idle: bool = False,
        session: str = "",
    ) -> None:
        self.last_event_at = now
        events = self._events

        def done(admission: Admission) -> None:
            if not admission.stored:
                return answer(self._refuse("storage", answers.STORAGE))
            if admission.duplicate:
                self._duplicate()
            else:
                self._accepted()
                if events is not None and events.listens:
                    events.hear(kind, payload, key, now)
            return answer(answers.OK)

        serving.inbox.submit(
            Envelope(CHANNEL, serving.binding.team_id, key, kind, body, now, encoding, idle, session),
            done,
        )

    async def _suggest(self, serving: Serving, payload: dict[str, Any], answer: AnswerSink) -> None:
        options = await suggest.options(payload, serving.inbox, serving.binding.team_id)
        self._meter.count(REQUESTS, channel=CHANNEL, outcome="suggestion")
        answer(answers.json(options))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work, name="slack-suggestion")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _unready(self) -> HttpAnswer:
        if self._signing is None:
            return self._refuse("not_configured", answers.NOT_CONFIGURED)
        return self._refuse("not_ready", answers.NOT_READY)
