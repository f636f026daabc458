"""What each Discord action takes. Keys are the wire's (camelCase); unknown ones are refused, and so is what Discord's
documented limits do not allow. What does *not* live here: the contents of messages (`apps_catalogue_messages.py`).

Discord's limits: https://discord.com/developers/docs/resources/channel, …/guild, …/audit-log, …/interactions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from channels.discord.apps_catalogue_messages import (
    CustomId,
    MessageParams,
    NewMessageParams,
    Params,
    Snowflake,
    check_components,
)

Reason = Annotated[str, Meta(max_length=512, description="for the guild's audit log")]
ChannelName = Annotated[str, Meta(min_length=1, max_length=100)]
Topic = Annotated[str, Meta(max_length=4096)]
EmojiText = Annotated[
    str, Meta(min_length=1, max_length=100, description="a Unicode emoji, `name:id`, or `<:name:id>`")
]
MAX_TIMEOUT_MS = 2_419_200_000
"""28 days."""


class SendMessage(NewMessageParams, frozen=True, kw_only=True):
    """`sendMessage`."""

    channelId: Snowflake


class SendDirectMessage(NewMessageParams, frozen=True, kw_only=True):
    """`sendDirectMessage`."""

    userId: Snowflake


class EditMessage(MessageParams, frozen=True, kw_only=True):
    """`editMessage`: what is not given stays as it is."""

    channelId: Snowflake
    messageId: Snowflake


class OneMessage(Params, frozen=True, kw_only=True):
    """A message by its place."""

    channelId: Snowflake
    messageId: Snowflake


class PinMessage(OneMessage, frozen=True, kw_only=True):
    """`pinMessage`, `unpinMessage`."""

    reason: Reason | UnsetType = UNSET


class BulkDeleteMessages(Params, frozen=True, kw_only=True):
    """`bulkDeleteMessages`."""

    channelId: Snowflake
    messageIds: Annotated[list[Snowflake], Meta(min_length=1, max_length=100)]
    filterOld: Annotated[bool, Meta(description="skip messages older than 14 days; true when absent")] | UnsetType = (
        UNSET
    )

    def __post_init__(self) -> None:
        if len(set(self.messageIds)) != len(self.messageIds):
            raise ValueError("`messageIds`: names a message twice")


class ReplyToInteraction(NewMessageParams, frozen=True, kw_only=True):
    """`replyToInteraction`, `followUpInteraction`."""

    interactionId: Snowflake
    ephemeral: bool | UnsetType = UNSET


class DeferInteraction(Params, frozen=True, kw_only=True):
    """`deferInteraction`."""

    interactionId: Snowflake
    ephemeral: bool | UnsetType = UNSET


class OneInteraction(Params, frozen=True, kw_only=True):
    """An interaction by its id."""

    interactionId: Snowflake


class EditInteraction(MessageParams, frozen=True, kw_only=True):
    """`editInteractionReply`, `updateInteraction`."""

    interactionId: Snowflake


class ShowModal(Params, frozen=True, kw_only=True):
    """`showModal`: a form."""

    interactionId: Snowflake
    title: Annotated[str, Meta(min_length=1, max_length=45)]
    customId: CustomId
    components: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=5)]

    def __post_init__(self) -> None:
        check_components(self.components)


class FetchChannel(Params, frozen=True, kw_only=True):
    """`fetchChannel`."""

    channelId: Snowflake


class FetchThread(Params, frozen=True, kw_only=True):
    """`fetchThread`."""

    threadId: Snowflake


class FetchGuild(Params, frozen=True, kw_only=True):
    """`fetchGuild`."""

    guildId: Snowflake


class OneMember(Params, frozen=True, kw_only=True):
    """A member by guild and user."""

    guildId: Snowflake
    userId: Snowflake


class MemberWithReason(OneMember, frozen=True, kw_only=True):
    """Something done to a member."""

    reason: Reason | UnsetType = UNSET


class BanMember(MemberWithReason, frozen=True, kw_only=True):
    """`banMember`. `deleteMessageSeconds`: how far back messages are deleted, at most 7 days."""

    deleteMessageSeconds: Annotated[int, Meta(ge=0, le=604_800)] | UnsetType = UNSET


class MemberRole(MemberWithReason, frozen=True, kw_only=True):
    """`addMemberRole`, `removeMemberRole`."""

    roleId: Snowflake


class MessageReaction(OneMessage, frozen=True, kw_only=True):
    """`addMessageReaction`, `removeOwnMessageReaction`."""

    emoji: EmojiText


class TimeoutMember(MemberWithReason, frozen=True, kw_only=True):
    """`timeoutMember`."""

    durationMs: Annotated[float, Meta(ge=1, le=MAX_TIMEOUT_MS, description="milliseconds; at most 28 days")]


class CreateChannel(Params, frozen=True, kw_only=True):
    """`createChannel`."""

    guildId: Snowflake
    name: ChannelName
    type: Annotated[int, Meta(ge=0, le=255, description="Discord's channel type; 0 (text) when absent")] | UnsetType = (
        UNSET
    )
    parentId: Snowflake | UnsetType = UNSET
    topic: Topic | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET


class EditChannel(Params, frozen=True, kw_only=True):
    """`editChannel`: null takes a parent or topic away."""

    channelId: Snowflake
    name: ChannelName | UnsetType | None = UNSET
    parentId: Snowflake | UnsetType | None = UNSET
    topic: Topic | UnsetType | None = UNSET
    reason: Reason | UnsetType = UNSET


class DeleteChannel(Params, frozen=True, kw_only=True):
    """`deleteChannel`."""

    channelId: Snowflake
    reason: Reason | UnsetType = UNSET


class CreateThread(Params, frozen=True, kw_only=True):
    """`createThread`."""

    parentChannelId: Snowflake
    name: ChannelName
    messageId: Annotated[Snowflake, Meta(description="the message that the thread hangs on")] | UnsetType = UNSET
    type: Literal["public", "private"] | UnsetType = UNSET
    autoArchiveDuration: Annotated[Literal[60, 1440, 4320, 10080], Meta(description="minutes")] | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET


class ArchiveThread(Params, frozen=True, kw_only=True):
    """`archiveThread`."""

    threadId: Snowflake
    archived: Annotated[bool, Meta(description="true when absent")] | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET


class MoveMemberVoice(MemberWithReason, frozen=True, kw_only=True):
    """`moveMemberVoice`."""

    channelId: Annotated[Snowflake | None, Meta(description="null or absent: out of voice")] | UnsetType = UNSET


class SetMemberMute(MemberWithReason, frozen=True, kw_only=True):
    """`setMemberMute`."""

    mute: bool


class SetMemberDeaf(MemberWithReason, frozen=True, kw_only=True):
    """`setMemberDeaf`."""

    deaf: bool


class SetMemberSuppressed(MemberWithReason, frozen=True, kw_only=True):
    """`setMemberSuppressed`."""

    suppressed: bool


class RunRaw(Params, frozen=True, kw_only=True):
    """A dotted name no part of which is private; which names are listed is the configuration's business."""

    method: Annotated[
        str,
        Meta(
            max_length=128,
            pattern=r"^[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*){0,3}\Z",
            description="one of the methods that the configuration lists",
        ),
    ]
    args: Annotated[list[Any], Meta(max_length=16)] | UnsetType = UNSET
