"""The one table of what Slack offers to bridge apps: 8 events and 9 actions, named `slack.…`.

Filters have the keys that Discord's have, so that one filter language serves both: `guildId` is the team, `messageId` a
`ts`, `threadId` a thread's, `customId` an action's or callback's id. What does *not* live here: how an event is built
and how an action is done.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from msgspec import Struct

from channels.slack import apps_catalogue_data as data
from channels.slack import apps_catalogue_params as params
from phantom.apps import ActionSpec, EventSpec, Table

FILTERS = (
    "guildId",
    "channelId",
    "userId",
    "messageId",
    "interactionId",
    "commandName",
    "customId",
    "interactionKind",
    "emoji",
    "channelType",
    "threadId",
)
HISTORY = "history"
"""Stands for any of the four scopes that let messages arrive; which of them decides from where."""
_HISTORY_SCOPES = frozenset({"channels:history", "groups:history", "im:history", "mpim:history"})
_MESSAGE = ("guildId", "channelId", "channelType", "messageId", "threadId")


def intents(scopes: AbstractSet[str]) -> frozenset[str]:
    """What the granted bot scopes make possible, by the names that the events use."""
    held = frozenset(scopes)
    return held | {HISTORY} if held & _HISTORY_SCOPES else held


def _event(name: str, payload: type[Struct], summary: str, intent: str, *filters: str) -> EventSpec:
    known = tuple(key for key in FILTERS if key in filters)
    return EventSpec(name=name, data=payload, intent=intent, filters=known, summary=summary)


EVENTS = (
    _event("slack.message", data.SlackMessageEvent, "A message was posted.", HISTORY, *_MESSAGE, "userId"),
    _event("slack.message_changed", data.SlackMessageChanged, "A message changed.", HISTORY, *_MESSAGE, "userId"),
    _event("slack.message_deleted", data.SlackMessageDeleted, "A message was deleted.", HISTORY, *_MESSAGE),
    _event(
        "slack.app_mention",
        data.SlackMessageEvent,
        "Somebody addressed the bot in a channel.",
        "app_mentions:read",
        *_MESSAGE,
        "userId",
    ),
    _event(
        "slack.reaction_added",
        data.SlackReactionEvent,
        "Somebody reacted.",
        "reactions:read",
        *("guildId", "channelId", "userId", "messageId", "emoji"),
    ),
    _event(
        "slack.reaction_removed",
        data.SlackReactionEvent,
        "A reaction was taken back.",
        "reactions:read",
        *("guildId", "channelId", "userId", "messageId", "emoji"),
    ),
    _event(
        "slack.interaction",
        data.SlackInteractionEvent,
        "A button, menu, shortcut or form was used.",
        "",
        *("guildId", "channelId", "userId", "messageId", "threadId", "interactionId", "customId", "interactionKind"),
    ),
    _event(
        "slack.command",
        data.SlackCommandEvent,
        "A slash command was used.",
        "commands",
        *("guildId", "channelId", "userId", "interactionId", "commandName"),
    ),
)


_NOT_REPEATABLE = frozenset({"slack.postEphemeral", "slack.openModal", "slack.uploadFile"})
"""Done again, these do more. A post is looked up by its key before it is sent again, so it is not here."""


def _action(name: str, takes: type[Struct], gives: type[Struct] | None, summary: str, *target: str) -> ActionSpec:
    return ActionSpec(
        name=name,
        params=takes,
        result=gives,
        target=target,
        summary=summary,
        repeatable=name not in _NOT_REPEATABLE,
    )


_ON_MESSAGE = ("channelId", "messageId")

ACTIONS = (
    _action("slack.postMessage", params.PostMessage, data.SlackPosted, "Post a message.", "channelId", "threadId"),
    _action(
        "slack.updateMessage", params.UpdateMessage, data.SlackPosted, "Change a message of the bot.", *_ON_MESSAGE
    ),
    _action("slack.deleteMessage", params.OneMessage, data.SlackDeleted, "Delete a message of the bot.", *_ON_MESSAGE),
    _action(
        "slack.postEphemeral",
        params.PostEphemeral,
        data.SlackPosted,
        "Post a message that one person alone sees.",
        "channelId",
        "userId",
    ),
    _action("slack.fetchMessage", params.FetchMessage, data.SlackMessage, "Read a message.", *_ON_MESSAGE),
    _action("slack.addReaction", params.MessageReaction, data.SlackReacted, "React to a message.", *_ON_MESSAGE),
    _action(
        "slack.removeReaction", params.MessageReaction, data.SlackReacted, "Take the bot's reaction back.", *_ON_MESSAGE
    ),
    _action("slack.openModal", params.OpenModal, data.SlackModalOpened, "Show a form.", "interactionId"),
    _action("slack.uploadFile", params.UploadFile, data.SlackUploaded, "Share a file.", "channelId", "threadId"),
)

TABLE = Table(channel="slack", events=EVENTS, actions=ACTIONS, filters=FILTERS)
