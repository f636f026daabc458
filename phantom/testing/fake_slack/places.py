"""Who and where: users, teams, channels and memberships of a FakeSlack, created and found."""

from __future__ import annotations

from collections.abc import Sequence

from phantom.testing.fake_slack.changes import ChannelChanged
from phantom.testing.fake_slack.core import Core
from phantom.testing.fake_slack.model import FakeChannel, FakeTeam, FakeUser

UserLike = FakeUser | str
ChannelLike = FakeChannel | str


class Places:
    """The workspace's people and conversations. Users and channels may be given as objects or by id."""

    core: Core

    def user(self, who: UserLike) -> FakeUser:
        """The user object; KeyError for an unknown id."""
        return who if isinstance(who, FakeUser) else self.core.workspace.users[who]

    def channel(self, where: ChannelLike) -> FakeChannel:
        """The channel object, by id or name; KeyError when there is none."""
        if isinstance(where, FakeChannel):
            return where
        found = self.core.workspace.channel_named(where)
        if found is None:
            raise KeyError(where)
        return found

    def add_user(
        self,
        name: str,
        *,
        guest: bool = False,
        single_channel_guest: bool = False,
        team: FakeTeam | None = None,
        is_bot: bool = False,
        owner: bool = False,
        deleted: bool = False,
    ) -> FakeUser:
        """A new person. `team` of another workspace makes them external (Slack Connect), a `stranger` to ours."""
        workspace = self.core.workspace
        home = team or workspace.team
        user = FakeUser(
            id=workspace.next_id("U"),
            name=name,
            real_name=name.title(),
            team_id=home.id,
            enterprise_id=home.enterprise_id,
            is_bot=is_bot,
            bot_id=workspace.next_id("B") if is_bot else None,
            app_id=workspace.next_id("A") if is_bot else None,
            is_owner=owner,
            is_restricted=guest or single_channel_guest,
            is_ultra_restricted=single_channel_guest,
            is_stranger=home.id != workspace.team.id,
            deleted=deleted,
        )
        return workspace.add_user(user)

    def add_team(self, name: str, *, enterprise_id: str | None = None) -> FakeTeam:
        """Another workspace, to connect by Slack Connect."""
        return self.core.workspace.add_team(name, enterprise_id=enterprise_id)

    def add_channel(
        self,
        name: str,
        *,
        private: bool = False,
        members: Sequence[UserLike] = (),
        with_bot: bool = True,
        shared_with: Sequence[FakeTeam] = (),
    ) -> FakeChannel:
        """A new channel; `shared_with` makes it a Slack Connect channel."""
        people = [self.user(who).id for who in members]
        if with_bot:
            people.append(self.core.workspace.bot.id)
        kind = "group" if private else "channel"
        return self.core.workspace.add_channel(name, kind, people, connected=[team.id for team in shared_with])

    def dm(self, user: UserLike) -> FakeChannel:
        """The direct message between `user` and the bot."""
        return self.core.workspace.direct(self.user(user).id)

    def group_dm(self, *users: UserLike) -> FakeChannel:
        """The group direct message of `users` and the bot."""
        return self.core.workspace.group_direct([self.user(who).id for who in users])

    async def archive(self, channel: ChannelLike) -> None:
        """Archive a channel; the app gets `channel_archive`, and posting there answers `is_archived`."""
        place = self.channel(channel)
        place.is_archived = True
        self.core.feed.publish(ChannelChanged(what="archived", channel=place))
        self.core.emit({"type": "channel_archive", "channel": place.id, "event_ts": self.core.workspace.next_ts()})

    async def invite_bot(self, channel: ChannelLike, by: UserLike) -> None:
        """Add the bot to a channel; it gets `member_joined_channel`."""
        place, bot = self.channel(channel), self.core.workspace.bot.id
        if bot not in place.members:
            place.members.append(bot)
        self.core.feed.publish(ChannelChanged(what="joined", channel=place))
        self.core.emit(
            {
                "type": "member_joined_channel",
                "user": bot,
                "channel": place.id,
                "channel_type": "C" if place.kind == "channel" else "G",
                "team": place.team_id,
                "inviter": self.user(by).id,
                "event_ts": self.core.workspace.next_ts(),
            }
        )

    async def remove_bot(self, channel: ChannelLike) -> None:
        """Take the bot out of a channel; it gets `channel_left`, and posting there answers `not_in_channel`."""
        place, bot = self.channel(channel), self.core.workspace.bot.id
        if bot in place.members:
            place.members.remove(bot)
        self.core.feed.publish(ChannelChanged(what="left", channel=place))
        name = "channel_left" if place.kind == "channel" else "group_left"
        self.core.emit({"type": name, "channel": place.id, "event_ts": self.core.workspace.next_ts()})
