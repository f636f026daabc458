"""The workspace's state and the only ways to change it. Every change is published to the feed.

What does *not* live here: argument checks of the Web API (`methods_*.py`) and events to the app (`payloads.py`).
"""

from __future__ import annotations

import re
from itertools import count

from phantom.clock import Clock
from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.fake_slack.changes import ChannelChanged, Feed, MessageChanged, UserChanged
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import KINDS, FakeChannel, FakeFile, FakeTeam, FakeUser

_TYPED_NAME = re.compile(r"(?<!\w)@([a-z0-9][a-z0-9._-]*)")
_MASS = ("channel", "here", "everyone")


class Workspace:
    """Teams, users, channels, messages and files of one installed workspace and of those connected to it."""

    def __init__(self, clock: Clock, feed: Feed, app: FakeApp, team: FakeTeam) -> None:
        self.clock = clock
        self.feed = feed
        self.app = app
        self.team = team
        self.teams = {team.id: team}
        self.users: dict[str, FakeUser] = {}
        self.channels: dict[str, FakeChannel] = {}
        self.files: dict[str, FakeFile] = {}
        self.ephemerals: list[FakeMessage] = []
        self.deleted: list[FakeMessage] = []
        self._numbers = count(1)
        self._last_ts = 0
        self.bot = self._add_bot()

    def _add_bot(self) -> FakeUser:
        app = self.app
        bot = FakeUser(
            id=app.bot_user_id,
            name=app.bot_name,
            real_name=app.bot_name.title(),
            team_id=self.team.id,
            is_bot=True,
            bot_id=app.bot_id,
            app_id=app.app_id,
            enterprise_id=self.team.enterprise_id,
        )
        self.users[bot.id] = bot
        return bot

    def next_id(self, letter: str) -> str:
        """A fresh id in Slack's shape: a letter, then ten of A-Z0-9."""
        return f"{letter}0{next(self._numbers):09d}"

    def next_ts(self) -> str:
        """A message timestamp: seconds with six decimals, strictly increasing in the whole workspace."""
        self._last_ts = max(int(self.clock.now() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # people and places

    def add_team(self, name: str, *, enterprise_id: str | None = None) -> FakeTeam:
        """Another workspace, for Slack Connect or Enterprise Grid."""
        team = FakeTeam(id=self.next_id("T"), name=name, domain=name.lower(), enterprise_id=enterprise_id)
        self.teams[team.id] = team
        return team

    def add_user(self, user: FakeUser) -> FakeUser:
        """Register a user."""
        self.users[user.id] = user
        self.feed.publish(UserChanged(user=user))
        return user

    def add_channel(
        self, name: str, kind: str, members: list[str], *, connected: list[str] | None = None
    ) -> FakeChannel:
        """Create a conversation of `kind` (`channel`, `group`, `im`, `mpim`)."""
        channel = FakeChannel(
            id=self.next_id(KINDS[kind]),
            name=name,
            kind=kind,
            team_id=self.team.id,
            members=members,
            connected_teams=connected or [],
            created=int(self.clock.now()),
        )
        self.channels[channel.id] = channel
        self.feed.publish(ChannelChanged(what="created", channel=channel))
        return channel

    def direct(self, user: str) -> FakeChannel:
        """The DM between the bot and `user`, opened when there is none."""
        for channel in self.channels.values():
            if channel.kind == "im" and channel.members[0] == user:
                return channel
        return self.add_channel("", "im", [user, self.bot.id])

    def group_direct(self, users: list[str]) -> FakeChannel:
        """The group DM of the bot and `users`."""
        members = {*users, self.bot.id}
        for channel in self.channels.values():
            if channel.kind == "mpim" and set(channel.members) == members:
                return channel
        return self.add_channel(
            "mpdm-" + "--".join(self.users[who].name for who in users) + "-1", "mpim", sorted(members)
        )

    def channel_named(self, reference: str) -> FakeChannel | None:
        """By id, by `name` or `#name`, or the DM of a user id."""
        if reference in self.channels:
            return self.channels[reference]
        if reference in self.users and reference != self.bot.id:
            return self.direct(reference)
        name = reference.removeprefix("#")
        return next((one for one in self.channels.values() if one.name == name and one.name), None)

    def typed(self, text: str) -> str:
        """What Slack sends when a person types `text`: `&<>` escaped, `@name` and `@here` turned into mentions."""
        ids = {user.name: user.id for user in self.users.values()}
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

        def link(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in _MASS:
                return f"<!{name}>"
            return f"<@{ids[name]}>" if name in ids else match.group(0)

        return _TYPED_NAME.sub(link, escaped)

    # messages

    def post(self, message: FakeMessage) -> FakeMessage:
        """Add a message to its channel, and to its thread."""
        channel = self.channels[message.channel]
        channel.messages[message.ts] = message
        if message.thread_ts and message.thread_ts != message.ts:
            channel.threads.setdefault(message.thread_ts, []).append(message.ts)
            channel.status.pop(message.thread_ts, None)
        self.feed.publish(MessageChanged(what="posted", message=message, by=message.user))
        return message

    def post_ephemeral(self, message: FakeMessage) -> FakeMessage:
        """Show a message to one user; it is in no history."""
        self.ephemerals.append(message)
        self.feed.publish(MessageChanged(what="ephemeral", message=message, by=message.user))
        return message

    def touch(self, what: str, message: FakeMessage, by: str) -> None:
        """Publish that `message` was changed in place."""
        self.feed.publish(MessageChanged(what=what, message=message, by=by))

    def delete(self, message: FakeMessage, by: str) -> None:
        """Take a message away; `deleted` keeps it for assertions."""
        channel = self.channels[message.channel]
        message.deleted = True
        if message.ephemeral_for is None:
            channel.messages.pop(message.ts, None)
            if message.is_reply and message.thread_ts in channel.threads:
                channel.threads[message.thread_ts].remove(message.ts)
        elif message in self.ephemerals:
            self.ephemerals.remove(message)
        self.deleted.append(message)
        self.touch("deleted", message, by)

    def thread(self, channel: FakeChannel, thread_ts: str) -> list[FakeMessage]:
        """Root (when it is still there) and replies, oldest first."""
        root = channel.messages.get(thread_ts)
        replies = [channel.messages[ts] for ts in channel.threads.get(thread_ts, [])]
        return [root, *replies] if root else replies

    def thread_shape(self, channel: FakeChannel, message: FakeMessage) -> dict[str, object]:
        """The `reply_count`, `reply_users`, `latest_reply` of a thread's root, or `parent_user_id` of a reply."""
        if message.is_reply and message.thread_ts is not None:
            root = channel.messages.get(message.thread_ts)
            return {"parent_user_id": root.user} if root else {}
        replies = channel.threads.get(message.ts)
        if not replies:
            return {}
        users = list(dict.fromkeys(channel.messages[ts].user for ts in replies))
        return {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users_count": len(users),
            "latest_reply": replies[-1],
            "reply_users": users,
            "is_locked": False,
            "subscribed": True,
        }
