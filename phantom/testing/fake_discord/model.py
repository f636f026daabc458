"""The things in Discord, each able to say how Discord's API shows it. State only, no behaviour of the server.

What does *not* live here: messages (`message.py`), how things are made and found (`world.py`), who is told about them.
Ids are decimal text, as on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phantom.testing.fake_discord.snowflakes import made_at, timestamp

if TYPE_CHECKING:
    from phantom.testing.fake_discord.message import FakeMessage
    from phantom.testing.fake_discord.voice import FakeVoiceState

JSON = dict[str, Any]
"""A JSON object as it goes over the wire."""

TEXT, DM, VOICE, CATEGORY, NEWS, PUBLIC_THREAD, PRIVATE_THREAD, STAGE, FORUM = 0, 1, 2, 4, 5, 11, 12, 13, 15
KINDS = {"text": TEXT, "voice": VOICE, "category": CATEGORY, "news": NEWS, "stage": STAGE, "forum": FORUM}
"""Discord's channel types, and the names that `add_channel` takes."""


@dataclass(slots=True, kw_only=True)
class FakeUser:
    """A person or a bot."""

    id: str
    name: str
    global_name: str | None = None
    is_bot: bool = False
    dms_open: bool = True

    @property
    def mention(self) -> str:
        """`<@id>`, as it stands in a message's content."""
        return f"<@{self.id}>"

    def to_discord(self) -> JSON:
        """The user object."""
        return {
            "id": self.id,
            "username": self.name,
            "discriminator": "0000" if self.is_bot else "0",
            "global_name": self.global_name,
            "avatar": None,
            "bot": self.is_bot,
            "public_flags": 0,
        }


@dataclass(slots=True, kw_only=True)
class FakeRole:
    """A role; the one whose id is the guild's is `@everyone`."""

    id: str
    name: str
    permissions: int = 0
    position: int = 0
    mentionable: bool = False
    managed: bool = False

    @property
    def mention(self) -> str:
        """`<@&id>`."""
        return f"<@&{self.id}>"

    def to_discord(self) -> JSON:
        """The role object."""
        return {
            "id": self.id,
            "name": self.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "icon": None,
            "unicode_emoji": None,
            "position": self.position,
            "permissions": str(self.permissions),
            "managed": self.managed,
            "mentionable": self.mentionable,
            "flags": 0,
        }


@dataclass(slots=True, kw_only=True)
class FakeMember:
    """A user in a guild. `roles` are ids, without `@everyone`."""

    user: FakeUser
    joined_at: float
    roles: list[str] = field(default_factory=list)
    nick: str | None = None
    timed_out_until: float | None = None
    deaf: bool = False
    mute: bool = False

    def to_discord(self, *, user: bool = True) -> JSON:
        """The member object; in a message it goes without `user`."""
        until = self.timed_out_until
        shape: JSON = {
            "nick": self.nick,
            "avatar": None,
            "banner": None,
            "roles": list(self.roles),
            "joined_at": timestamp(self.joined_at),
            "premium_since": None,
            "deaf": self.deaf,
            "mute": self.mute,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": None if until is None else timestamp(until),
        }
        return shape | {"user": self.user.to_discord()} if user else shape


@dataclass(slots=True, kw_only=True)
class FakeGuild:
    """A server."""

    id: str
    name: str
    owner_id: str
    roles: dict[str, FakeRole] = field(default_factory=dict)
    members: dict[str, FakeMember] = field(default_factory=dict)
    bans: dict[str, str | None] = field(default_factory=dict)
    unavailable: bool = False
    voice: dict[str, FakeVoiceState] = field(default_factory=dict)

    def to_discord(self) -> JSON:
        """The guild object as `GET /guilds/{id}` shows it: no channels, no members."""
        return {
            "id": self.id,
            "name": self.name,
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "owner_id": self.owner_id,
            "afk_channel_id": None,
            "afk_timeout": 300,
            "verification_level": 1,
            "default_message_notifications": 1,
            "explicit_content_filter": 0,
            "roles": [role.to_discord() for role in self.roles.values()],
            "emojis": [],
            "stickers": [],
            "features": [],
            "mfa_level": 0,
            "application_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "public_updates_channel_id": None,
            "max_members": 500000,
            "vanity_url_code": None,
            "description": None,
            "banner": None,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "nsfw_level": 0,
            "premium_progress_bar_enabled": False,
        }


@dataclass(slots=True, kw_only=True)
class Overwrite:
    """What a channel allows and denies one role (`type` 0) or member (`type` 1), as bit fields."""

    id: str
    type: int
    allow: int = 0
    deny: int = 0

    def to_discord(self) -> JSON:
        """The overwrite object."""
        return {"id": self.id, "type": self.type, "allow": str(self.allow), "deny": str(self.deny)}


@dataclass(slots=True, kw_only=True)
class FakeChannel:
    """A channel, a thread (`parent_id` is its channel) or a DM (`recipient`). `messages` is ordered by id."""

    id: str
    type: int
    name: str = ""
    guild_id: str | None = None
    parent_id: str | None = None
    owner_id: str | None = None
    recipient: FakeUser | None = None
    topic: str | None = None
    position: int = 0
    slowmode: int = 0
    overwrites: dict[str, Overwrite] = field(default_factory=dict)
    messages: dict[str, FakeMessage] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)
    archived: bool = False
    locked: bool = False
    archived_at: float | None = None
    auto_archive: int = 1440
    tags: list[str] = field(default_factory=list)

    @property
    def is_thread(self) -> bool:
        """A thread or a forum post."""
        return self.type in (PUBLIC_THREAD, PRIVATE_THREAD, 10)

    @property
    def is_dm(self) -> bool:
        """A direct message with one person."""
        return self.type == DM

    @property
    def mention(self) -> str:
        """`<#id>`."""
        return f"<#{self.id}>"

    @property
    def last_message_id(self) -> str | None:
        """Of the newest message that is still there."""
        return next(reversed(self.messages), None)

    def to_discord(self) -> JSON:
        """The channel object."""
        shape: JSON = {
            "id": self.id,
            "type": self.type,
            "last_message_id": self.last_message_id,
            "flags": 0,
        }
        if self.is_dm:
            people = [self.recipient.to_discord()] if self.recipient else []
            return shape | {"recipients": people}
        shape |= {
            "guild_id": self.guild_id,
            "name": self.name,
            "parent_id": self.parent_id,
            "rate_limit_per_user": self.slowmode,
        }
        return shape | (self._thread() if self.is_thread else self._guild_channel())

    def _thread(self) -> JSON:
        at = timestamp(self.archived_at or made_at(self.id))
        return {
            "owner_id": self.owner_id,
            "message_count": len(self.messages),
            "member_count": len(self.members),
            "total_message_sent": len(self.messages),
            "applied_tags": self.tags,
            "thread_metadata": {
                "archived": self.archived,
                "archive_timestamp": at,
                "auto_archive_duration": self.auto_archive,
                "locked": self.locked,
                "create_timestamp": timestamp(made_at(self.id)),
            }
            | ({"invitable": True} if self.type == PRIVATE_THREAD else {}),
        }

    def _guild_channel(self) -> JSON:
        shape: JSON = {
            "position": self.position,
            "permission_overwrites": [one.to_discord() for one in self.overwrites.values()],
            "nsfw": False,
            "topic": self.topic,
        }
        if self.type in (VOICE, STAGE):
            shape |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None}
        if self.type == FORUM:
            shape |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
            shape |= {"default_forum_layout": 0}
        return shape
