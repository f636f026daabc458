"""Follows everything that happens and tells every open page: a snapshot at first, then one small JSON a change.

What does *not* live here: the pages' connections (`page_server.py`), what people do (`actions.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, assert_never

import orjson

from phantom.dev import shapes
from phantom.dev.daemon_part import DaemonPart
from phantom.dev.log_feed import LogFeed
from phantom.dev.workspace import LocalWorkspace
from phantom.testing.fake_slack.calls import ApiCall
from phantom.testing.fake_slack.changes import (
    AssistantChanged,
    CallMade,
    Change,
    ChannelChanged,
    DeliveryChanged,
    MessageChanged,
    SocketChanged,
    UserChanged,
    ViewChanged,
)
from phantom.testing.fake_slack.deliveries import Delivery

JSON = dict[str, Any]
ENTRIES = 250
"""Deliveries and calls that a page which is opened later still sees; older ones are in memory, but not sent."""


class Hub:
    """One for all pages. `join` gives a page its queue."""

    def __init__(self, workspace: LocalWorkspace, daemon: DaemonPart, log_feed: LogFeed) -> None:
        self._workspace = workspace
        self._slack = workspace.slack
        self._daemon = daemon
        self._log_feed = log_feed
        self._pages: set[asyncio.Queue[bytes]] = set()
        self._calls: list[ApiCall] = []
        self._log_number = 0
        self._task: asyncio.Task[None] | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._last_report: object = None
        daemon.on_change = self._poke
        log_feed.on_line = self._logged
        self._poked = asyncio.Event()
        self.arming: Callable[[], JSON] = dict

    def start(self) -> None:
        """Follow the workspace from now on."""
        self._task = asyncio.create_task(self._follow(), name="dev hub")
        self._pulse = asyncio.create_task(self._watch_daemon(), name="dev pulse")

    async def stop(self) -> None:
        for task in (self._task, self._pulse):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        self._log_feed.on_line = lambda line: None
        self._daemon.on_change = lambda: None

    # --- pages ---

    async def join(self) -> asyncio.Queue[bytes]:
        """A queue that begins with the snapshot."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        report = await self._daemon.report()
        queue.put_nowait(orjson.dumps(self._snapshot(report)))
        self._pages.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[bytes]) -> None:
        self._pages.discard(queue)

    def tell(self, what: JSON) -> None:
        """Send one change to every page."""
        if self._pages:
            data = orjson.dumps(what)
            for page in self._pages:
                page.put_nowait(data)

    def tell_controls(self) -> None:
        """Send what is armed, held and connected now."""
        self.tell({"what": "controls", "controls": self.controls()})

    def _snapshot(self, report: object) -> JSON:
        workspace = self._slack.core.workspace
        messages = [one for place in workspace.channels.values() for one in place.messages.values()]
        return {
            "what": "snapshot",
            "team": workspace.team.name,
            "transport": self._workspace.transport,
            "bot": workspace.bot.id,
            "home": self._workspace.home.id,
            "users": [shapes.user(one) for one in workspace.users.values()],
            "channels": [shapes.channel(one) for one in workspace.channels.values()],
            "messages": [shapes.message(one) for one in [*messages, *workspace.ephemerals]],
            "views": {who: [shapes.view(one) for one in stack] for who, stack in self._slack.core.views.stacks.items()},
            "entries": self._entries(),
            "logs": [self._log_shape(line) for line in self._log_feed.lines],
            "daemon": self._daemon_shape(report),
            "controls": self.controls(),
        }

    def _entries(self) -> list[JSON]:
        held = self._slack.delivered.held
        entries = [shapes.delivery(one, held=one in held) for one in self._slack.delivered.all[-ENTRIES:]]
        first = max(0, len(self._calls) - ENTRIES)
        entries += [shapes.call(first + n, one) for n, one in enumerate(self._calls[first:])]
        return sorted(entries, key=lambda entry: float(entry["at"]))

    def delivery(self, key: str) -> Delivery:
        """The delivery of an entry; KeyError when there is none."""
        for one in self._slack.delivered.all:
            if f"d{one.id}" == key:
                return one
        raise KeyError(key)

    def details(self, key: str) -> JSON:
        """The whole of one entry: payload and answer of a delivery, arguments of a call."""
        if key.startswith("c") and key[1:].isdecimal() and int(key[1:]) < len(self._calls):
            return {"arguments": self._calls[int(key[1:])].args}
        one = self.delivery(key)
        found: JSON = {"payload": one.payload}
        if one.response is not None or one.response_text:
            found["answer"] = one.response if one.response is not None else one.response_text
        return found

    def controls(self) -> JSON:
        slack = self._slack
        return {
            "holding": slack.delivered.holding,
            "held": len(slack.delivered.held),
            "token": slack.app.token_error or "",
            "sockets": len(slack.sockets.connections),
            **self.arming(),
        }

    # --- following ---

    async def _follow(self) -> None:
        async with self._slack.subscribe() as changes:
            async for change in changes:
                shape = self._shape(change)
                if shape is not None:
                    self.tell(shape)

    def _shape(self, change: Change) -> JSON | None:
        match change:
            case MessageChanged():
                return self._message(change)
            case ChannelChanged():
                return {"what": "channel", "channel": shapes.channel(change.channel)}
            case AssistantChanged():
                return {"what": "channel", "channel": shapes.channel(change.channel)}
            case UserChanged():
                return {"what": "user", "user": shapes.user(change.user)}
            case ViewChanged():
                who = change.view.user
                stack = self._slack.core.views.stacks.get(who, [])
                return {"what": "views", "user": who, "stack": [shapes.view(one) for one in stack]}
            case CallMade():
                self._calls.append(change.call)
                self.tell_controls()
                return {"what": "entry", "entry": shapes.call(len(self._calls) - 1, change.call)}
            case DeliveryChanged():
                return self._delivered(change.delivery)
            case SocketChanged():
                self._poke()
                return {"what": "controls", "controls": self.controls()}
            case _:
                assert_never(change)

    def _message(self, change: MessageChanged) -> JSON:
        if change.what == "deleted" or change.message.deleted:
            return {"what": "deleted", "channel": change.message.channel, "ts": change.message.ts}
        return {"what": "message", "change": change.what, "message": shapes.message(change.message)}

    def _delivered(self, one: Delivery) -> JSON:
        held = one in self._slack.delivered.held
        if held:
            self.tell_controls()
        return {"what": "entry", "entry": shapes.delivery(one, held=held)}

    def tell_delivery(self, one: Delivery) -> None:
        """Send a delivery's state, which the feed does not announce when it is released."""
        self.tell(self._delivered(one))

    def _logged(self, line: JSON) -> None:
        self.tell({"what": "log", "line": self._log_shape(line)})

    def _log_shape(self, line: JSON) -> JSON:
        self._log_number += 1
        known = ("timestamp", "level", "logger", "event")
        fields = {key: value for key, value in line.items() if key not in known}
        return {
            "key": f"l{self._log_number}",
            "at": line["timestamp"],
            "level": line["level"],
            "logger": line["logger"],
            "event": line["event"],
            "fields": fields,
        }

    # --- the daemon's state ---

    def _poke(self) -> None:
        self._poked.set()

    def _daemon_shape(self, report: object) -> JSON:
        return {
            "state": self._daemon.state,
            "health": self._daemon.health_url if self._daemon.port else "",
            "starts": self._daemon.starts,
            "report": report,
        }

    async def _watch_daemon(self) -> None:
        """The report at every change of state, and twice a second while somebody looks: channels change silently."""
        while True:
            try:
                async with asyncio.timeout(0.5):
                    await self._poked.wait()
            except TimeoutError:
                pass
            self._poked.clear()
            if not self._pages:
                continue
            shape = self._daemon_shape(await self._daemon.report())
            if shape != self._last_report:
                self._last_report = shape
                self.tell({"what": "daemon", "daemon": shape})
