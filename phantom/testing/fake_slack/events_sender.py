"""Sends deliveries as signed HTTP posts, the way Slack does itself (`direct`) or a gateway does for it (`gateway`).

Bodies: events are JSON; interactions are a form with one field `payload`; commands are a form. Retries and their
headers follow docs.slack.dev, "Events API": another try unless the answer is 2xx within 3 s, `X-Slack-Retry-Num`,
`X-Slack-Retry-Reason`, and no more tries after an answer with `X-Slack-No-Retry: 1`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
import orjson

from phantom.clock import Clock
from phantom.testing.fake_slack.deliveries import SLACK_SCHEDULE, Attempt, Deliveries, Delivery, RetrySchedule
from phantom.testing.fake_slack.faults import Faults
from phantom.testing.fake_slack.model import JSON
from phantom.testing.fake_slack.signing import sign_direct, sign_gateway_v1, sign_gateway_v2
from phantom.testing.hunt_record import leave

PATHS = {"events_api": "/slack/events", "interactive": "/slack/interactivity", "slash_commands": "/slack/commands"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where and how to send. `url` is the app's root; `secret` is asked for at each post, so it may rotate.

    `profile`: `gateway` (signed by `version` 1 or 2; 2 needs `tenant` and `kid`) or `direct` (Slack's own v0).
    """

    url: str
    profile: str
    secret: Callable[[], str]
    version: int = 1
    tenant: str = ""
    kid: str = "k1"
    parallel: int = 64
    timeout: float = 3.0
    schedule: RetrySchedule = SLACK_SCHEDULE


def body_of(kind: str, payload: JSON) -> tuple[bytes, str]:
    """(body, content type) of a delivery."""
    if kind == "events_api":
        return orjson.dumps(payload), "application/json"
    if kind == "interactive":
        fields = {"payload": orjson.dumps(payload).decode()}
    else:
        fields = {key: str(value) for key, value in payload.items() if value is not None}
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


class HttpSender:
    """The HTTP transport. Keeps trying while the app is away, as its schedule says."""

    name = "http"

    def __init__(self, target: Target, deliveries: Deliveries, faults: Faults, clock: Clock) -> None:
        self.target = target
        self._deliveries = deliveries
        self._faults = faults
        self._clock = clock
        self._slots = asyncio.Semaphore(target.parallel)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._run(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def replay(self, delivery: Delivery) -> int:
        """Send the very bytes and headers of the last attempt again; returns the HTTP status. Changes no record."""
        if delivery.last_request is None:
            raise ValueError("this delivery was never posted")
        headers, body = delivery.last_request
        async with self._client().post(self._url(delivery), data=body, headers=headers) as answer:
            return answer.status

    async def post_raw(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Post anything at all to the app, for hostile input; returns status and body."""
        async with self._client().post(self.target.url.rstrip("/") + path, data=body, headers=headers) as answer:
            said = await answer.read()
        leave("pages", f"{path.partition('?')[0]} answered {said.decode('utf-8', 'replace')}")
        return answer.status, said

    async def post_signed(
        self, kind: str, body: bytes | JSON, *, event_id: str = "", content_type: str = ""
    ) -> tuple[int, bytes]:
        """Post any body, authentically signed, to the path of `kind`: probes, odd payloads. Changes no record."""
        if isinstance(body, dict):
            body, content_type = body_of(kind, body)
        headers = self.signed_headers(kind, body, content_type or "application/json", event_id)
        return await self.post_raw(PATHS[kind], body, headers)

    def signed_headers(self, kind: str, body: bytes, content_type: str, event_id: str = "") -> dict[str, str]:
        """The headers of an authentic post of `body`, under the faults that are armed."""
        target = self.target
        skew = self._faults.clock_skews.pop(0) if self._faults.clock_skews else 0.0
        now = self._clock.now() + skew
        headers = {"Content-Type": content_type, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        if target.profile == "direct":
            stamp = int(now)
            headers["X-Slack-Request-Timestamp"] = str(stamp)
            headers["X-Slack-Signature"] = self._spoil(sign_direct(target.secret(), stamp, body))
            return headers
        stamp = int(now * 1000)
        headers["X-Phantom-Forwarded-At"] = str(stamp)
        if event_id:
            headers["X-Phantom-Slack-Event-Id"] = event_id
        if target.version == 1:
            signature = sign_gateway_v1(target.secret(), stamp, event_id, body)
        else:
            signature = sign_gateway_v2(
                target.secret(),
                kid=target.kid,
                method="POST",
                path=PATHS[kind],
                tenant_id=target.tenant,
                forwarded_at_ms=stamp,
                event_id=event_id,
                body=body,
            )
        headers["X-Phantom-Signature"] = self._spoil(signature)
        return headers

    def _spoil(self, signature: str) -> str:
        if self._faults.bad_signatures <= 0:
            return signature
        self._faults.bad_signatures -= 1
        prefix, _, rest = signature.partition("=")
        return f"{prefix}={'0' if rest[0] != '0' else '1'}{rest[1:]}"

    async def _run(self, delivery: Delivery) -> None:
        retry, reason = 0, ""
        while True:
            async with self._slots:
                attempt, final = await self._post(delivery, retry, reason)
            self._deliveries.attempted(delivery, attempt)
            if attempt.outcome == "acked":
                return
            retry, reason = retry + 1, attempt.outcome
            delay = self.target.schedule.delay(retry) if delivery.retried and not final else None
            if delay is None:
                self._deliveries.give_up(delivery)
                return
            if delay:
                await self._clock.sleep(delay)

    async def _post(self, delivery: Delivery, retry: int, reason: str) -> tuple[Attempt, bool]:
        """One try; the second value says that the app asked for no further ones."""
        body, content_type = body_of(delivery.kind, delivery.payload)
        headers = self.signed_headers(delivery.kind, body, content_type, delivery.event_id)
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
        delivery.last_request = (headers, body)
        at, started = self._clock.now(), self._clock.monotonic()
        status: int | None = None
        final = False
        try:
            async with (
                asyncio.timeout(self.target.timeout),
                self._client().post(self._url(delivery), data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
                text = await answer.read()
                final = answer.headers.get("X-Slack-No-Retry") == "1"
        except TimeoutError:
            outcome = "http_timeout"
        except aiohttp.ClientError:
            outcome = "connection_failed"
        else:
            outcome = "acked" if 200 <= status < 300 else "http_error"
            if outcome == "acked" and self._faults.take_lost_ack():
                outcome = "http_timeout"
            elif outcome == "acked":
                _keep_response(delivery, text)
        latency = self._clock.monotonic() - started
        return Attempt(at=at, outcome=outcome, latency=latency, retry=retry, status=status), final

    def _url(self, delivery: Delivery) -> str:
        return self.target.url.rstrip("/") + PATHS[delivery.kind]

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=False), auto_decompress=True
            )
        return self._session


def _keep_response(delivery: Delivery, body: bytes) -> None:
    """An answer to an interaction or a command is JSON, or plain text for the user."""
    if not body:
        return
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        delivery.response_text = body.decode("utf-8", "replace")
        return
    if isinstance(value, dict):
        delivery.response = value
    else:
        delivery.response_text = body.decode("utf-8", "replace")
