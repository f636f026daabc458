"""Slack over Socket Mode: how many links, when each is replaced, and what happens to an envelope before its ack.

What does *not* live here: one WebSocket (`socket_link.py`), its frames (`socket_frames.py`), waiting before another try
(the supervisor). Why not slack_sdk's own client: docs/explanation/decisions/0004-socket-mode-own-loop.md.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp
import orjson
import structlog

from channels.slack import socket_frames, suggest
from channels.slack.apps_events import AppEvents
from channels.slack.boot import APP_CURE, Bound, boot_token, check_app_token
from channels.slack.decode import COMMAND, EVENT, JSON
from channels.slack.event_key import clean
from channels.slack.glance import glance
from channels.slack.place import CHANNEL
from channels.slack.socket_frames import Frame, ack
from channels.slack.socket_link import SocketLink
from channels.slack.team import judge
from channels.slack.web import SlackWeb
from phantom.channel import Admission, ChannelContext, Envelope, Inbox
from phantom.errors import AuthError, ChannelError, ConnectError, Forbidden, PhantomError
from phantom.refused_posts import REQUESTS
from phantom.secrets import Secret
from phantom.webhooks import SignedRoute

log = structlog.get_logger(__name__)

APP_TOKEN_CHANGED = "app_token_changed"  # noqa: S105 - a reason, no token
_MAX_PAUSE = 30.0
"""Longest pause, in seconds, before one of several links is opened again while another lives."""


class SocketTransport:
    """Holds `connections` links. All times are seconds; Slack pings about every ten and wants acks within three."""

    name = "socket"

    def __init__(
        self,
        context: ChannelContext,
        web: SlackWeb,
        app_web: SlackWeb,
        *,
        bot_token: Secret,
        app_token: Secret,
        connections: int = 1,
        ping_interval: float = 10.0,
        stale_after: float = 30.0,
        hello_timeout: float = 15.0,
        linger: float = 5.0,
        unconfigured: Sequence[SignedRoute] = (),
        events: AppEvents | None = None,
    ) -> None:
        self.secrets = (bot_token, app_token)
        self.last_event_at: float | None = None
        self._context = context
        self._clock = context.clock
        self._meter = context.meter
        self._web = web
        self._app_web = app_web
        self._connections = connections
        self._ping_interval = ping_interval
        self._stale_after = stale_after
        self._hello_timeout = hello_timeout
        self._linger = linger
        self._unconfigured = unconfigured
        self._events = events
        self._links: set[SocketLink] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._replaced = 0
        self._app_token_changes = 0
        self._last_contact_at: float | None = None

    @property
    def last_contact_at(self) -> float | None:
        seen = [link.last_contact_at for link in self._links if link.last_contact_at is not None]
        self._last_contact_at = max(seen, default=self._last_contact_at)
        return self._last_contact_at

    def facts(self) -> dict[str, str | int | float | bool]:
        """For health: what is special about this transport."""
        return {"sockets": len(self._links), "sockets_wanted": self._connections, "sockets_replaced": self._replaced}

    def routes(self) -> Sequence[SignedRoute]:
        """No posts are taken in Socket Mode; the paths say so."""
        return self._unconfigured

    async def boot(self) -> Bound:
        bound = await boot_token(self._web, self.secrets, self.secrets[0])
        check_app_token(self.secrets[1])
        return bound

    async def serve(self, inbox: Inbox, bound: Bound, live: Callable[[], None]) -> None:
        """Receive until cancelled. Raises `ConnectError` when no link is left, `AuthError` when Slack refuses us."""
        intake = _Intake(self, inbox, bound)
        async with aiohttp.ClientSession() as session:
            keepers = [
                asyncio.create_task(self._keep(session, intake, live), name=f"slack-socket-{number}")
                for number in range(self._connections)
            ]
            # The old token may die at any time from now on, and its links with it: move while they still live.
            end = self.secrets[1].on_change(self._app_token_changed)
            try:
                done, _ = await asyncio.wait(keepers, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                end()
                for task in (*keepers, *self._tasks):
                    task.cancel()
                await asyncio.gather(*keepers, *self._tasks, return_exceptions=True)

    async def _keep(self, session: aiohttp.ClientSession, intake: _Intake, live: Callable[[], None]) -> None:
        """Keep one link: replace it when Slack asks, open it again after a loss while another lives."""
        failures = 0
        link: SocketLink | None = None
        while True:
            try:
                link = await self._open(session, intake)
                failures = 0
                live()
                await self._until_lost(session, intake, link)
            except ConnectError as error:
                self._meter.count("phantom_socket_reconnects_total", channel=CHANNEL, cause=error.code)
                if not self._links:
                    raise
                failures += 1
                pause = min(_MAX_PAUSE, 2.0**failures) * random.uniform(0.5, 1.0)  # noqa: S311 (jitter, no secret)
                log.warning("slack_socket_lost", channel=CHANNEL, cause=error.code, others=len(self._links))
                await self._clock.sleep(max(pause, error.retry_after or 0.0))

    async def _until_lost(self, session: aiohttp.ClientSession, intake: _Intake, link: SocketLink) -> None:
        """Read `link` and its successors. Raises `ConnectError` when one ends without Slack having asked for it."""
        while True:
            pump = asyncio.create_task(link.pump(), name="slack-socket-reader")
            successor: SocketLink | None = None
            try:
                successor = await self._until_succeeded(session, intake, link, pump)
                if successor is None:
                    pump.result()
            finally:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
                await self._retire(link)
            if successor is None:
                raise ConnectError(f"the Slack socket was lost: {link.reason}", code=f"socket_{link.reason}")
            link = successor

    async def _until_succeeded(
        self, session: aiohttp.ClientSession, intake: _Intake, link: SocketLink, pump: asyncio.Task[None]
    ) -> SocketLink | None:
        """Wait until `link` is to be left or ends; the successor, or None for one that ended by itself."""
        while True:
            leaving = asyncio.create_task(link.leaving.wait(), name="slack-socket-leaving")
            try:
                await asyncio.wait((pump, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
            if not link.leaving.is_set():
                return None
            _raise_if_final(link.reason)
            changes = self._app_token_changes
            try:
                # Make before break: Slack still delivers on the old link until the new one has said hello.
                successor = await self._open(session, intake)
            except PhantomError as error:
                if link.reason != APP_TOKEN_CHANGED or pump.done():
                    raise
                # Nobody asked this link to go. It serves on, until it ends or the token changes again.
                log.error("slack_app_token_not_usable", channel=CHANNEL, what=error.message, cure=error.hint)
                if changes == self._app_token_changes:  # else the next token is there already
                    link.reason = ""
                    link.leaving.clear()
                continue
            self._replaced += 1
            self._meter.count("phantom_socket_reconnects_total", channel=CHANNEL, cause="refresh")
            log.info("slack_socket_replaced", channel=CHANNEL, reason=link.reason, age=round(link.age))
            await link.flush(self._linger)
            return successor

    def _app_token_changed(self) -> None:
        self._app_token_changes += 1
        for link in self._links:
            self._leave(link)

    @staticmethod
    def _leave(link: SocketLink) -> None:
        if not link.leaving.is_set():
            link.reason = APP_TOKEN_CHANGED
            link.leaving.set()

    async def _open(self, session: aiohttp.ClientSession, intake: _Intake) -> SocketLink:
        link = SocketLink(
            session, self._clock, intake.frame, ping_interval=self._ping_interval, stale_after=self._stale_after
        )
        changes = self._app_token_changes
        url = await self._address()
        try:
            await link.open(url, self._hello_timeout)
        except ConnectError:
            _raise_if_final(link.reason)
            raise
        self._links.add(link)
        if changes != self._app_token_changes:
            self._leave(link)  # its address may have been got with the old token
        self._meter.count("phantom_socket_frames_total", channel=CHANNEL, type="hello")
        self._meter.gauge("phantom_socket_connected", len(self._links), channel=CHANNEL)
        return link

    async def _address(self) -> str:
        """A fresh address from `apps.connections.open`; each works once."""
        try:
            answer = await self._app_web.call("apps.connections.open", {}, idempotent=True)
        except (AuthError, ConnectError):
            raise
        except Forbidden as error:
            raise AuthError(
                f"Slack refuses this app-level token: {error.code}", hint=APP_CURE, code=error.code
            ) from error
        except ChannelError as error:
            raise ConnectError(
                f"apps.connections.open failed: {error.code}", hint=error.hint, retry_after=error.retry_after
            ) from error
        url = answer.get("url")
        if not isinstance(url, str) or not url:
            raise ConnectError("apps.connections.open gave no address")
        return url

    async def _retire(self, link: SocketLink) -> None:
        if link.last_contact_at is not None:
            self._last_contact_at = max(self._last_contact_at or 0.0, link.last_contact_at)
        self._links.discard(link)
        self._meter.gauge("phantom_socket_connected", len(self._links), channel=CHANNEL)
        self._meter.observe("phantom_socket_connection_seconds", link.age, channel=CHANNEL)
        await link.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a short job beside the readers; it ends with `serve`."""
        task = asyncio.create_task(work, name="slack-suggestion")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Intake:
    """What happens to each frame's payload: team check, journal, ack."""

    def __init__(self, transport: SocketTransport, inbox: Inbox, bound: Bound) -> None:
        self._transport = transport
        self._inbox = inbox
        self._bound = bound
        self._clock = transport._clock
        self._meter = transport._meter
        self._events = transport._events

    def frame(self, link: SocketLink, frame: Frame) -> None:
        self._meter.count("phantom_socket_frames_total", channel=CHANNEL, type=frame.type)
        if frame.payload is None:
            # An unknown type is acknowledged, since a redelivery would not be better understood; garbage is not.
            if frame.type == socket_frames.UNKNOWN and frame.envelope_id:
                link.owe()
                link.settle(ack(frame.envelope_id))
            return
        link.owe()
        verdict = judge(frame.payload, self._bound.binding)
        if verdict:
            self._outcome(verdict)
            link.settle(ack(frame.envelope_id))
        elif frame.payload.get("type") == "block_suggestion":
            self._transport.spawn(self._suggest(link, frame))
        else:
            self._admit(link, frame)

    def _admit(self, link: SocketLink, frame: Frame) -> None:
        payload = frame.payload or {}
        now = self._transport.last_event_at = self._clock.now()
        sent = payload.get("event_id") if frame.kind == EVENT else None
        event_id = clean(sent if isinstance(sent, str) and sent else frame.envelope_id)
        events = self._events
        idle, session = glance(payload, self._bound.binding.team_id, self._bound.me.user_id)
        if frame.kind == COMMAND and events is not None:
            idle = events.left_to_apps(payload)

        def done(admission: Admission) -> None:
            if not admission.stored:
                # No ack: Slack delivers it again, here or on another socket.
                self._outcome("storage")
                return link.settle(None)
            self._outcome("duplicate" if admission.duplicate else "accepted")
            if events is not None and events.listens and not admission.duplicate:
                events.hear(frame.kind, payload, event_id, now)
            return link.settle(ack(frame.envelope_id))

        self._inbox.submit(
            Envelope(
                channel=CHANNEL,
                tenant=self._bound.binding.team_id,
                event_id=event_id,
                kind=frame.kind,
                body=orjson.dumps(payload),
                received_at=now,
                encoding=JSON,
                idle=idle,
                session=session,
            ),
            done,
        )

    async def _suggest(self, link: SocketLink, frame: Frame) -> None:
        options = await suggest.options(frame.payload or {}, self._inbox, self._bound.binding.team_id)
        self._outcome("suggestion")
        link.settle(ack(frame.envelope_id, options))

    def _outcome(self, outcome: str) -> None:
        self._meter.count(REQUESTS, channel=CHANNEL, outcome=outcome)


def _raise_if_final(reason: str) -> None:
    """Some goodbyes cannot be cured by another try."""
    if reason == "link_disabled":
        raise AuthError(
            "Slack closed the socket: Socket Mode is switched off for this app",
            hint="switch Socket Mode on in the app's settings, or set SLACK_TRANSPORT=http",
            code="socket_mode_disabled",
        )
    if reason == "too_many_websockets":
        raise ConnectError(
            "Slack closed the socket: the app has too many connections",
            hint="at most ten sockets may share an app; stop other daemons that use this app-level token",
            code="too_many_websockets",
        )
