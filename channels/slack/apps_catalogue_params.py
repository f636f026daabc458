"""What each Slack action takes. Keys are camelCase; unknown ones are refused, and so is what Slack's documented limits
do not allow. What does *not* live here: what Slack itself calls these things.

Limits: https://docs.slack.dev/reference/methods and https://docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

ChannelId = Annotated[str, Meta(pattern=r"^[CDG][A-Z0-9]{1,31}\Z", description="id of a conversation")]
UserId = Annotated[str, Meta(pattern=r"^[UW][A-Z0-9]{1,31}\Z", description="id of a person")]
Ts = Annotated[str, Meta(pattern=r"^[0-9]{1,12}\.[0-9]{6}\Z", description="a message's timestamp id")]
InteractionId = Annotated[str, Meta(min_length=1, max_length=128, description="id of an interaction or a command")]
Text = Annotated[str, Meta(max_length=40_000, description="mrkdwn")]
EmojiName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\s:/]+(?:::skin-tone-[2-6])?\Z")]
Blocks = Annotated[list[dict[str, Any]], Meta(max_length=50, description="Block Kit")]
_Label = Annotated[str, Meta(min_length=1, max_length=24)]


class Params(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that an app sends: unknown keys are refused."""


class TextParams(Params, frozen=True, kw_only=True):
    """A message must say something; with blocks, `text` is what notifications show."""

    text: Text | UnsetType = UNSET
    blocks: Blocks | UnsetType = UNSET
    allowMassMentions: (
        Annotated[bool, Meta(description="else @channel, @here, @everyone and user groups are shown and ping nobody")]
        | UnsetType
    ) = UNSET

    def __post_init__(self) -> None:
        if not (self.text or self.blocks):
            raise ValueError("`text`: an empty message; give text or blocks")
        check_blocks(self.blocks or [])


class PostMessage(TextParams, frozen=True, kw_only=True):
    """`slack.postMessage`."""

    channelId: ChannelId
    threadId: Ts | UnsetType = UNSET
    replyBroadcast: Annotated[bool, Meta(description="show a thread's answer in the channel, too")] | UnsetType = UNSET
    unfurlLinks: bool | UnsetType = UNSET
    unfurlMedia: bool | UnsetType = UNSET


class UpdateMessage(TextParams, frozen=True, kw_only=True):
    """`slack.updateMessage`."""

    channelId: ChannelId
    messageId: Ts


class PostEphemeral(TextParams, frozen=True, kw_only=True):
    """`slack.postEphemeral`."""

    channelId: ChannelId
    userId: UserId
    threadId: Ts | UnsetType = UNSET


class OneMessage(Params, frozen=True, kw_only=True):
    """A message by its place."""

    channelId: ChannelId
    messageId: Ts


class FetchMessage(OneMessage, frozen=True, kw_only=True):
    """`slack.fetchMessage`. A message inside a thread is found only with its `threadId`."""

    threadId: Ts | UnsetType = UNSET


class MessageReaction(OneMessage, frozen=True, kw_only=True):
    """`slack.addReaction`, `slack.removeReaction`."""

    emoji: Annotated[EmojiName, Meta(description="a name without colons")]


class OpenModal(Params, frozen=True, kw_only=True):
    """`slack.openModal`: a form, answering an interaction or a command within three seconds."""

    interactionId: InteractionId
    title: _Label
    blocks: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=100, description="Block Kit")]
    submit: _Label | UnsetType = UNSET
    close: _Label | UnsetType = UNSET
    customId: Annotated[str, Meta(min_length=1, max_length=255, description="callback id")] | UnsetType = UNSET
    privateMetadata: Annotated[str, Meta(max_length=3000)] | UnsetType = UNSET
    notifyOnClose: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_blocks(self.blocks)


class UploadFile(Params, frozen=True, kw_only=True):
    """`slack.uploadFile`: either `content` as text or `contentBase64`; a frame of the bridge bounds both."""

    channelId: ChannelId
    fileName: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^/\\\x00-\x1f]+\Z")]
    content: str | UnsetType = UNSET
    contentBase64: Annotated[str, Meta(min_length=4, pattern=r"^[A-Za-z0-9+/]+={0,2}\Z")] | UnsetType = UNSET
    title: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    comment: Annotated[str, Meta(max_length=4000, description="posted with the file")] | UnsetType = UNSET
    threadId: Ts | UnsetType = UNSET

    def __post_init__(self) -> None:
        if bool(self.content) is bool(self.contentBase64):
            raise ValueError("`content`: give either content or contentBase64, and not empty")
        if isinstance(self.contentBase64, str) and len(self.contentBase64) % 4:
            raise ValueError("`contentBase64`: not base64 with its padding")


def check_blocks(blocks: list[dict[str, Any]]) -> None:
    """Every block is of a named type. Raises `ValueError`."""
    for index, block in enumerate(blocks):
        if not isinstance(block.get("type"), str) or len(str(block.get("block_id", ""))) > 255:
            raise ValueError(f"`blocks[{index}]`: must have a type, and a block_id of at most 255 characters")
