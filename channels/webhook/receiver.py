"""Signed posts to one endpoint: the checks in their order, and the answer to each. Sans I/O but for what it hands on.

Two paths: `/webhook/<name>` takes questions, `/webhook/<name>/tasks` tells what became of one. Both are POST and signed
alike, so that one way of signing does for everything and no task can be asked for unsigned. What does *not* live here:
the server, signature arithmetic (`verify.py`), what a post may say (`request.py`), what follows (`intake.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine

import structlog

from channels.webhook import answers, callback_urls, verify
from channels.webhook.endpoints import Endpoint
from channels.webhook.intake import Intake
from channels.webhook.normalise import CHANNEL
from channels.webhook.request import BadRequest, parse_ask, parse_fetch
from channels.webhook.usage import Usage
from channels.webhook.verify import Claim
from phantom.channel import Inbox, Meter
from phantom.clock import Clock
from phantom.refused_posts import RefusedPosts
from phantom.webhooks import AnswerSink, HttpAnswer, RequestHead

log = structlog.get_logger(__name__)

VERIFIED = "phantom_webhook_verified_total"
CURES = {
    "ambiguous": "the sender signs in both ways at once: it must take one",
    "malformed_id": "the sender names its posts by other than up to 128 letters, digits and _ : -",
    "bad_signature": "the sender signs other bytes than it sends, or with another secret than this endpoint's:"
    " `phantom secrets list` shows when ours changed",
    "too_large": "set WEBHOOK_MAX_BODY higher if the sender really has more to say",
    "no_secret": "no secret of this endpoint can be used: `phantom secrets list` and `phantom doctor` say why",
    "conflict": "the sender used one id for two questions: a fresh id for each, the old one for retries only",
    "busy": "more answers are awaited than WEBHOOK_MAX_WAITING allows; senders try again",
}


class EndpointReceiver:
    """A `SignedRoute` for one endpoint. Answers 503 until `open`, and again after `close`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        intake: Intake,
        usage: Usage,
        clock: Clock,
        meter: Meter,
        max_body: int,
        body_timeout: float,
        insecure_callbacks: bool,
    ) -> None:
        self.max_body = max_body
        self.body_timeout = body_timeout
        self.last_event_at: float | None = None
        self._endpoint = endpoint
        self._asks = endpoint.path.encode()
        self._fetches = self._asks + b"/tasks"
        self.paths = frozenset({self._asks, self._fetches})
        self._intake = intake
        self._usage = usage
        self._clock = clock
        self._meter = meter
        self._insecure = insecure_callbacks
        self._inbox: Inbox | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._refuse = RefusedPosts(
            "webhook_post_refused",
            channel=CHANNEL,
            endpoint=endpoint.name,
            say=log.warning,
            meter=meter,
            clock=clock,
            cures=CURES,
        ).refuse

    def open(self, inbox: Inbox) -> None:
        """Begin to admit."""
        self._inbox = inbox

    def close(self) -> None:
        """Answer 503 from now on. What is under way goes on."""
        self._inbox = None

    async def settled(self) -> None:
        """Wait until no post is between its signature and the journal."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def screen(self, head: RequestHead) -> HttpAnswer | None:
        if self._inbox is None:
            return self._refuse("not_ready", answers.NOT_READY)
        if head.content_length is not None and head.content_length > self.max_body:
            return self._refuse("too_large", answers.TOO_LARGE)
        claim = verify.read(head.headers, self._clock.now())
        return self._refuse(claim, answers.UNAUTHORIZED) if isinstance(claim, str) else None

    def refused(self, status: int) -> HttpAnswer:
        if status == 413:
            return self._refuse("too_large", answers.TOO_LARGE)
        if status == 408:
            return self._refuse("timeout", answers.TIMEOUT)
        return self._refuse("malformed", answers.bad_request(BadRequest("bad request", status=status)))

    def accept(self, head: RequestHead, body: bytes, answer: AnswerSink) -> None:
        inbox = self._inbox
        if inbox is None:
            return answer(self._refuse("not_ready", answers.NOT_READY))
        claim = verify.read(head.headers, self._clock.now())
        if isinstance(claim, str):
            return answer(self._refuse(claim, answers.UNAUTHORIZED))
        if len(body) > self.max_body:
            return answer(self._refuse("too_large", answers.TOO_LARGE))
        slot = self._endpoint.keys.verified(claim, body)
        if slot:
            return self._authentic(inbox, head.path, claim, body, slot, answer)
        if not self._endpoint.keys.worth_asking:
            return answer(self._unverified())
        looked = self._endpoint.keys.recheck()
        return self._spawn(self._doubted(inbox, head.path, claim, body, answer, looked))

    async def _doubted(
        self,
        inbox: Inbox,
        path: bytes,
        claim: Claim,
        body: bytes,
        answer: AnswerSink,
        looked: Awaitable[None],
    ) -> None:
        """Perhaps the secret changed a moment ago: its origin is asked once before the post is refused."""
        await looked
        slot = self._endpoint.keys.verified(claim, body)
        if slot and self._inbox is inbox:
            return self._authentic(inbox, path, claim, body, slot, answer)
        if slot:
            return answer(self._refuse("not_ready", answers.NOT_READY))
        return answer(self._unverified())

    def _unverified(self) -> HttpAnswer:
        if not self._endpoint.keys.usable:
            return self._refuse("no_secret", answers.NOT_READY)
        return self._refuse("bad_signature", answers.UNAUTHORIZED)

    def _authentic(self, inbox: Inbox, path: bytes, claim: Claim, body: bytes, slot: str, answer: AnswerSink) -> None:
        endpoint = self._endpoint
        self._meter.count(VERIFIED, endpoint=endpoint.name, secret=slot)
        self._usage.note(endpoint.name, slot)
        self.last_event_at = self._clock.now()
        try:
            if path == self._fetches:
                return self._spawn(self._intake.fetch(endpoint, parse_fetch(body), answer, self._refuse))
            ask = parse_ask(body)
            self._check_callback(ask.callback_url)
        except BadRequest as error:
            return answer(self._refuse("malformed", answers.bad_request(error)))
        return self._spawn(self._intake.take(inbox, endpoint, claim, ask, answer, self._refuse))

    def _check_callback(self, url: str) -> None:
        if not url:
            return
        reason = callback_urls.why_refused(url, hosts=self._endpoint.callback_hosts, insecure=self._insecure)
        if reason:
            raise BadRequest(reason, "callback_url")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"webhook post {self._endpoint.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
