"""The parts of one FakeSlack, held together so that methods, user actions and transports reach one another."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from phantom.clock import Clock
from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.fake_slack.calls import ApiCall
from phantom.testing.fake_slack.changes import Feed
from phantom.testing.fake_slack.deliveries import Deliveries, Delivery
from phantom.testing.fake_slack.faults import Faults
from phantom.testing.fake_slack.hooks import Hooks
from phantom.testing.fake_slack.model import JSON, FakeChannel, FakeFile
from phantom.testing.fake_slack.payloads import event_callback, subscribed
from phantom.testing.fake_slack.views import Views
from phantom.testing.fake_slack.workspace import Workspace


@dataclass(slots=True, kw_only=True)
class Core:
    """One running workspace. `open_socket` makes a single-use WebSocket URL; `url` is the server's root, no slash."""

    clock: Clock
    feed: Feed
    app: FakeApp
    workspace: Workspace
    faults: Faults
    deliveries: Deliveries
    hooks: Hooks
    views: Views
    echo_own: bool = True
    url: str = ""
    calls: list[ApiCall] = field(default_factory=list)
    uploads: dict[str, FakeFile] = field(default_factory=dict)
    open_socket: Callable[[], str] = lambda: ""

    def emit(self, event: JSON, *, channel: FakeChannel | None = None, by: str = "") -> Delivery | None:
        """Send one inner event to the app, unless it is not subscribed to it or not in the channel."""
        if not subscribed(self.app, event, channel):
            return None
        if channel is not None and self.app.bot_user_id not in channel.members:
            return None
        if by == self.app.bot_user_id and not self.echo_own:
            return None
        event_id = f"Ev{uuid.uuid4().hex[:12].upper()}"
        sender = self.workspace.users.get(by)
        payload = event_callback(self, event, event_id, sender, channel)
        return self.deliveries.send("events_api", payload, event_id=event_id, retried=True)
