"""What just happened, as values, and the feed that hands them out. Used by tests and by the development page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phantom.testing import changes_feed

if TYPE_CHECKING:
    from phantom.testing.fake_discord.calls import ApiCall
    from phantom.testing.fake_discord.interactions import FakeInteraction
    from phantom.testing.fake_discord.message import FakeMessage
    from phantom.testing.fake_discord.model import FakeChannel, FakeGuild, FakeUser


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChanged:
    """`what` is posted, edited, deleted, reacted, unreacted, pinned or unpinned; `message` is its state now."""

    what: str
    message: FakeMessage
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged:
    """`what` is created, changed or deleted; threads and DMs are channels too."""

    what: str
    channel: FakeChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class GuildChanged:
    """`what` is created, changed, left, unavailable or available; `user` when it is about a member."""

    what: str
    guild: FakeGuild
    user: FakeUser | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged:
    """A user was added."""

    user: FakeUser


@dataclass(frozen=True, slots=True, kw_only=True)
class TypingStarted:
    """`user` (the bot too) shows as typing for ten seconds."""

    channel: FakeChannel
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionChanged:
    """`what` is sent, acknowledged, failed, followup or edited."""

    what: str
    interaction: FakeInteraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsChanged:
    """The commands of `guild_id` (None: the global ones) were written."""

    guild_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """The app made a REST call. One that is delayed or hangs on command is told of before that too."""

    call: ApiCall


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayChanged:
    """`what` is connected, identified, resumed, disconnected or refused; `open` counts the open connections."""

    what: str
    shard: int
    open: int
    code: int | None = None


Change = (
    MessageChanged
    | ChannelChanged
    | GuildChanged
    | UserChanged
    | TypingStarted
    | InteractionChanged
    | CommandsChanged
    | CallMade
    | GatewayChanged
)

Feed = changes_feed.Feed[Change]
Subscription = changes_feed.Subscription[Change]
