"""What apps see of Slack's things, and the payloads of its events. What does *not* live here: how they are filled.

Keys are camelCase. A message's id is its `ts`, a thread's the `ts` of its first message; both are text. Tokens, trigger
ids and response addresses are in none of these.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Id = Annotated[str, Meta(description="Slack's id")]
Ts = Annotated[str, Meta(description="Slack's timestamp id, for example 1712345678.000100")]
Time = Annotated[str, Meta(description="ISO 8601")]
Yes = Annotated[bool, Meta(description="true")]
Millis = Annotated[int, Meta(description="milliseconds since the epoch")]
ChannelKind = Literal["channel", "group", "im", "mpim"]
InteractionKind = Literal["button", "select", "modalSubmit", "modalClosed", "shortcut", "messageShortcut", "unknown"]


class SlackFile(Struct, kw_only=True):
    """A file of a message. Its content is not public: the address wants a token. `size` is in bytes."""

    id: Id
    name: str
    contentType: str | UnsetType = UNSET
    size: int | UnsetType = UNSET


class SlackMessage(Struct, kw_only=True):
    """A message. `text` and `blocks` are as Slack has them (mrkdwn). `threadId` is there inside a thread."""

    id: Ts
    channelId: Id
    teamId: Id | UnsetType = UNSET
    channelType: ChannelKind | UnsetType = UNSET
    threadId: Ts | UnsetType = UNSET
    userId: Id | UnsetType = UNSET
    botId: Id | UnsetType = UNSET
    text: str
    blocks: list[dict[str, Any]] | UnsetType = UNSET
    files: list[SlackFile] | UnsetType = UNSET
    createdAt: Time
    editedAt: Time | UnsetType = UNSET


class SlackDeletedMessage(Struct, kw_only=True):
    """What is left to say of a message that is gone."""

    id: Ts
    channelId: Id
    teamId: Id | UnsetType = UNSET
    channelType: ChannelKind | UnsetType = UNSET
    threadId: Ts | UnsetType = UNSET
    deletedAt: Time


class SlackReaction(Struct, kw_only=True):
    """One emoji, by its name without colons, on one message. `authorId` wrote the message."""

    messageId: Ts
    channelId: Id
    teamId: Id | UnsetType = UNSET
    userId: Id
    emoji: str
    authorId: Id | UnsetType = UNSET


class SlackInteraction(Struct, kw_only=True):
    """A press, a choice, a shortcut or a form. `slack.openModal` takes its `id`, for three seconds. `customId` is the
    action's id, or the callback id of a shortcut or form. `values` are what was chosen, `fields` what was filled
    in: by block id, then by action id, a text, a list of texts, rich text as Slack has it, or null.
    """

    id: Id
    kind: InteractionKind
    teamId: Id | UnsetType = UNSET
    channelId: Id | UnsetType = UNSET
    userId: Id
    customId: str | UnsetType = UNSET
    blockId: str | UnsetType = UNSET
    values: list[str] | UnsetType = UNSET
    fields: dict[str, Any] | UnsetType = UNSET
    privateMetadata: str | UnsetType = UNSET
    message: SlackMessage | UnsetType = UNSET


class SlackCommand(Struct, kw_only=True):
    """A slash command. `commandName` begins with the slash. `slack.openModal` takes its `id`, for three seconds."""

    id: Id
    teamId: Id | UnsetType = UNSET
    channelId: Id
    userId: Id
    commandName: str
    text: str


class SlackEvent(Struct, kw_only=True):
    """What every event carries: when the bot got it."""

    receivedAt: Millis


class SlackMessageEvent(SlackEvent, kw_only=True):
    """A message was posted."""

    message: SlackMessage


class SlackMessageChanged(SlackEvent, kw_only=True):
    """A message changed."""

    oldMessage: SlackMessage | UnsetType = UNSET
    message: SlackMessage


class SlackMessageDeleted(SlackEvent, kw_only=True):
    """A message was deleted."""

    message: SlackDeletedMessage


class SlackReactionEvent(SlackEvent, kw_only=True):
    """A reaction came or went."""

    reaction: SlackReaction


class SlackInteractionEvent(SlackEvent, kw_only=True):
    """Somebody used a component, shortcut or form of the bot."""

    interaction: SlackInteraction


class SlackCommandEvent(SlackEvent, kw_only=True):
    """Somebody used a slash command of the bot."""

    command: SlackCommand


class SlackPosted(Struct, kw_only=True):
    """Where a message is now."""

    channelId: Id
    messageId: Ts
    threadId: Ts | UnsetType = UNSET


class SlackDeleted(Struct, kw_only=True):
    """A message that was deleted."""

    deleted: Yes
    channelId: Id
    messageId: Ts


class SlackReacted(Struct, kw_only=True):
    """The reaction that was put on or taken away."""

    channelId: Id
    messageId: Ts
    emoji: str


class SlackModalOpened(Struct, kw_only=True):
    """The form that is shown."""

    viewId: Id
    interactionId: Id


class SlackUploaded(Struct, kw_only=True):
    """The file that was shared."""

    fileId: Id
    channelId: Id
    threadId: Ts | UnsetType = UNSET
