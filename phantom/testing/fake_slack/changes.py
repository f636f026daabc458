"""What just happened in the workspace, as values, and the feed that hands them out. Used by tests and the dev page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phantom.testing import changes_feed

if TYPE_CHECKING:
    from phantom.testing.fake_slack.calls import ApiCall
    from phantom.testing.fake_slack.deliveries import Delivery
    from phantom.testing.fake_slack.message import FakeMessage
    from phantom.testing.fake_slack.model import FakeChannel, FakeUser, FakeView


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChanged:
    """`what` is posted, edited, deleted, reacted, unreacted or ephemeral; `message` is its state now."""

    what: str
    message: FakeMessage
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged:
    """`what` is created, archived, joined or left."""

    what: str
    channel: FakeChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged:
    """A user was added or altered."""

    user: FakeUser


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewChanged:
    """`what` is opened, updated, pushed, published, errors or closed."""

    what: str
    view: FakeView


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantChanged:
    """`what` is status, title or prompts, in one thread of a channel."""

    what: str
    channel: FakeChannel
    thread_ts: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """The app called a Web API method (or a response URL)."""

    call: ApiCall


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChanged:
    """`what` is created, attempted, acked, failed (one attempt) or gave_up."""

    what: str
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketChanged:
    """`what` is connected, disconnected or asked_to_leave; `open` is how many sockets are connected now."""

    what: str
    connection: str
    open: int


Change = (
    MessageChanged
    | ChannelChanged
    | UserChanged
    | ViewChanged
    | AssistantChanged
    | CallMade
    | DeliveryChanged
    | SocketChanged
)

Feed = changes_feed.Feed[Change]
Subscription = changes_feed.Subscription[Change]
