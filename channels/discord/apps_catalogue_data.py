"""What apps see of Discord's things: the shapes inside events and results. What does *not* live here: how they are
filled from Discord's own payloads.

Keys are camelCase, ids are text, times are ISO 8601 unless a name ends in `At` of an event (epoch milliseconds). A key
that is not known is left out. An interaction's token is in none of these.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Id = Annotated[str, Meta(description="a snowflake as text")]
Time = Annotated[str, Meta(description="ISO 8601")]
Yes = Annotated[bool, Meta(description="true")]
Millis = Annotated[int, Meta(description="milliseconds since the epoch")]
ChannelType = Annotated[int, Meta(description="Discord's channel type")]
InteractionKind = Literal[
    "chatInput",
    "contextMenu",
    "button",
    "stringSelect",
    "userSelect",
    "roleSelect",
    "mentionableSelect",
    "channelSelect",
    "modalSubmit",
    "unknown",
]


class User(Struct, kw_only=True):
    """A person or a bot."""

    id: Id
    username: str
    discriminator: str
    globalName: str | UnsetType | None = UNSET
    avatarUrl: str | UnsetType | None = UNSET
    bot: bool
    system: bool


class Member(Struct, kw_only=True):
    """A user in a guild. `id` is the user's."""

    id: Id
    guildId: Id
    user: User | UnsetType = UNSET
    displayName: str | UnsetType = UNSET
    nickname: str | UnsetType | None = UNSET
    roles: list[Id]
    joinedAt: Time | UnsetType | None = UNSET
    premiumSince: Time | UnsetType | None = UNSET
    pending: bool | UnsetType = UNSET
    communicationDisabledUntil: Time | UnsetType | None = UNSET


class Attachment(Struct, kw_only=True):
    """A file of a message. `size` is in bytes."""

    id: Id
    name: str
    url: str
    contentType: str | UnsetType | None = UNSET
    size: int


class MessageReference(Struct, kw_only=True):
    """What a message answers or forwards."""

    messageId: Id | UnsetType = UNSET
    channelId: Id | UnsetType = UNSET
    guildId: Id | UnsetType = UNSET


class Message(Struct, kw_only=True):
    """A message. `embeds` and `components` are as Discord's API has them. `parentChannelId` is a thread's channel, or a
    channel's category.
    """

    id: Id
    channelId: Id
    guildId: Id | UnsetType = UNSET
    author: User | UnsetType = UNSET
    member: Member | UnsetType = UNSET
    content: str | UnsetType = UNSET
    createdAt: Time | UnsetType = UNSET
    editedAt: Time | UnsetType | None = UNSET
    attachments: list[Attachment]
    embeds: list[dict[str, Any]]
    components: list[dict[str, Any]] | UnsetType = UNSET
    reference: MessageReference | UnsetType = UNSET
    channelType: ChannelType | UnsetType = UNSET
    parentChannelId: Id | UnsetType = UNSET


class DeletedMessage(Struct, kw_only=True):
    """What is left to say of a message that is gone. `deletedAt` is when the bot was told."""

    id: Id
    channelId: Id
    guildId: Id | UnsetType = UNSET
    deletedAt: Time
    channelType: ChannelType | UnsetType = UNSET
    parentChannelId: Id | UnsetType = UNSET


class Emoji(Struct, kw_only=True):
    """`id` is set for a guild's own emoji, `name` alone for a Unicode one."""

    id: Id | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    animated: bool | UnsetType = UNSET


class Reaction(Struct, kw_only=True):
    """One emoji on one message."""

    messageId: Id
    channelId: Id
    guildId: Id | UnsetType = UNSET
    user: User | UnsetType = UNSET
    emoji: Emoji


class Guild(Struct, kw_only=True):
    """A server. `icon` is the hash of its picture."""

    id: Id
    name: str
    icon: str | UnsetType | None = UNSET
    ownerId: Id | UnsetType = UNSET


class Thread(Struct, kw_only=True):
    """A thread or a forum's post."""

    id: Id
    guildId: Id
    parentId: Id | None
    name: str
    type: ChannelType
    archived: bool | UnsetType = UNSET
    locked: bool | UnsetType = UNSET


class Channel(Struct, kw_only=True):
    """A channel that is no thread, or a direct conversation."""

    id: Id
    type: ChannelType
    name: str | UnsetType | None = UNSET
    guildId: Id | UnsetType = UNSET
    parentId: Id | UnsetType | None = UNSET


class VoiceState(Struct, kw_only=True):
    """Where somebody is in voice, and how. `channelId` is null for nowhere."""

    guildId: Id
    userId: Id
    channelId: Id | UnsetType | None = UNSET
    sessionId: str | UnsetType | None = UNSET
    selfMute: bool
    selfDeaf: bool
    selfVideo: bool
    selfStream: bool
    serverMute: bool
    serverDeaf: bool
    suppress: bool
    requestToSpeakTimestamp: Time | UnsetType | None = UNSET


class Interaction(Struct, kw_only=True):
    """A command, a press, a choice or a filled-in form. The actions on it take its `id`."""

    id: Id
    applicationId: Id
    kind: InteractionKind
    guildId: Id | UnsetType = UNSET
    channelId: Id | UnsetType = UNSET
    channelType: ChannelType | UnsetType = UNSET
    parentChannelId: Id | UnsetType = UNSET
    user: User
    member: Member | UnsetType = UNSET
    commandName: str | UnsetType = UNSET
    customId: str | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    values: list[str] | UnsetType = UNSET
    fields: dict[str, str] | UnsetType = UNSET
    message: Message | UnsetType = UNSET


class Deleted(Struct, kw_only=True):
    """A message that was deleted."""

    deleted: Yes
    channelId: Id
    messageId: Id


class Pinned(Struct, kw_only=True):
    """Whether the message is pinned now."""

    pinned: bool
    channelId: Id
    messageId: Id


class BulkDeleted(Struct, kw_only=True):
    """What was deleted; with `filterOld`, messages older than 14 days are not among them."""

    channelId: Id
    deletedCount: int
    deletedMessageIds: list[Id]


class Deferred(Struct, kw_only=True):
    """An interaction that was acknowledged for now."""

    deferred: Yes
    interactionId: Id


class ReplyDeleted(Struct, kw_only=True):
    """An interaction whose answer was deleted."""

    deleted: Yes
    interactionId: Id


class ModalShown(Struct, kw_only=True):
    """An interaction that was answered with a form."""

    shown: Yes
    interactionId: Id


class Moderated(Struct, kw_only=True):
    """Whom it was done to, and where."""

    guildId: Id
    userId: Id


class Reacted(Struct, kw_only=True):
    """The reaction that was put on or taken away, as it was asked for."""

    messageId: Id
    channelId: Id
    emoji: str


class ChannelDeleted(Struct, kw_only=True):
    """A channel that was deleted."""

    deleted: Yes
    channelId: Id
