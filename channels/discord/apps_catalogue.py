"""The one table of what Discord offers to bridge apps: 25 events, 40 actions, 13 filter keys.

Validation, the reference page and the client's typed methods come from it. What does *not* live here: how an event is
built and how an action is done.
"""

from __future__ import annotations

from msgspec import Struct

from channels.discord import apps_catalogue_data as data
from channels.discord import apps_catalogue_events as events
from channels.discord import apps_catalogue_params as params
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
    "parentChannelId",
    "threadId",
    "voiceChannelId",
)
_PLACE = ("guildId", "channelId", "channelType", "parentChannelId", "threadId")
"""Where something is. `threadId` is there only inside a thread; `parentChannelId` is a thread's channel, or a channel's
category."""
_MESSAGE = (*_PLACE, "messageId")
_REACTION = (*_MESSAGE, "emoji")
_MEMBER = ("guildId", "userId")
_INTERACTION = (*_PLACE, "userId", "interactionId", "commandName", "customId", "interactionKind")


def _event(name: str, payload: type[Struct], summary: str, *filters: str, intent: str = "") -> EventSpec:
    known = tuple(key for key in FILTERS if key in filters)
    return EventSpec(name=name, data=payload, intent=intent, filters=known, summary=summary)


def _guilds(name: str, payload: type[Struct], summary: str, *filters: str) -> EventSpec:
    return _event(name, payload, summary, *filters, intent="Guilds")


def _messages(name: str, payload: type[Struct], summary: str, *filters: str) -> EventSpec:
    return _event(name, payload, summary, *filters, intent="GuildMessages")


def _reactions(name: str, payload: type[Struct], summary: str, *filters: str) -> EventSpec:
    return _event(name, payload, summary, *filters, intent="GuildMessageReactions")


def _members(name: str, payload: type[Struct], summary: str) -> EventSpec:
    return _event(name, payload, summary, *_MEMBER, intent="GuildMembers")


EVENTS = (
    _event("ready", events.Ready, "The bot is connected."),
    _event("interactionCreate", events.InteractionCreate, "A command, button, menu or form was used.", *_INTERACTION),
    _messages("messageCreate", events.MessageCreate, "A message was posted.", *_MESSAGE, "userId"),
    _messages("messageUpdate", events.MessageUpdate, "A message changed.", *_MESSAGE, "userId"),
    _messages("messageDelete", events.MessageDelete, "A message was deleted.", *_MESSAGE),
    _messages("messageBulkDelete", events.MessageBulkDelete, "Messages were deleted at once.", *_MESSAGE),
    _reactions("messageReactionAdd", events.ReactionChange, "Somebody reacted.", *_REACTION, "userId"),
    _reactions("messageReactionRemove", events.ReactionChange, "A reaction was taken back.", *_REACTION, "userId"),
    _reactions("messageReactionRemoveAll", events.ReactionsCleared, "A message lost all reactions.", *_MESSAGE),
    _reactions("messageReactionRemoveEmoji", events.ReactionChange, "An emoji was removed from a message.", *_REACTION),
    _guilds("guildCreate", events.GuildChange, "The bot joined a guild, or it became available.", "guildId"),
    _guilds("guildDelete", events.GuildChange, "The bot left a guild.", "guildId"),
    _guilds("guildUpdate", events.GuildUpdate, "A guild changed.", "guildId"),
    _members("guildMemberAdd", events.MemberChange, "Somebody joined a guild."),
    _members("guildMemberRemove", events.MemberChange, "Somebody left a guild or was removed."),
    _members("guildMemberUpdate", events.MemberUpdate, "A member's name, roles or timeout changed."),
    _guilds("threadCreate", events.ThreadChange, "A thread was made, or the bot was added to it.", *_PLACE),
    _guilds("threadUpdate", events.ThreadUpdate, "A thread changed.", *_PLACE),
    _guilds("threadDelete", events.ThreadChange, "A thread was deleted.", *_PLACE),
    _guilds("channelCreate", events.ChannelChange, "A channel was made.", *_PLACE[:-1]),
    _guilds("channelUpdate", events.ChannelUpdate, "A channel changed.", *_PLACE[:-1]),
    _guilds("channelDelete", events.ChannelChange, "A channel was deleted.", *_PLACE[:-1]),
    _event(
        "typingStart", events.TypingStart, "Somebody began to type.", *_PLACE, "userId", intent="GuildMessageTyping"
    ),
    _event("webhooksUpdate", events.WebhooksUpdate, "A channel's webhooks changed.", *_PLACE, intent="GuildWebhooks"),
    _event(
        "voiceStateUpdate",
        events.VoiceStateUpdate,
        "Somebody joined, left, moved or was muted in voice.",
        *_MEMBER,
        "channelId",
        "parentChannelId",
        "voiceChannelId",
        intent="GuildVoiceStates",
    ),
)


_NOT_REPEATABLE = frozenset(
    {
        "replyToInteraction",
        "deferInteraction",
        "deferUpdateInteraction",
        "followUpInteraction",
        "updateInteraction",
        "showModal",
        "kickMember",
        "timeoutMember",
        "createChannel",
        "createThread",
        "moveMemberVoice",
        "runRaw",
    }
)
"""Done again, these do more, or meet somebody who came back meanwhile. Posting has a nonce, so it is not here."""


def _action(name: str, takes: type[Struct], gives: type[Struct] | None, summary: str, *target: str) -> ActionSpec:
    return ActionSpec(
        name=name,
        params=takes,
        result=gives,
        target=target,
        summary=summary,
        opt_in=name == "runRaw",
        global_read=name in {"runRaw", "sendDirectMessage"},
        repeatable=name not in _NOT_REPEATABLE,
    )


_ON_MESSAGE = ("channelId", "messageId")
_ON_MEMBER = ("guildId", "userId")

ACTIONS = (
    _action("sendMessage", params.SendMessage, data.Message, "Post a message.", "channelId"),
    _action(
        "sendDirectMessage",
        params.SendDirectMessage,
        data.Message,
        "Post a message to one person. A secret that is limited to guilds or channels may not.",
        "userId",
    ),
    _action("editMessage", params.EditMessage, data.Message, "Change a message of the bot.", *_ON_MESSAGE),
    _action("deleteMessage", params.OneMessage, data.Deleted, "Delete a message.", *_ON_MESSAGE),
    _action("pinMessage", params.PinMessage, data.Pinned, "Pin a message.", *_ON_MESSAGE),
    _action("unpinMessage", params.PinMessage, data.Pinned, "Unpin a message.", *_ON_MESSAGE),
    _action("bulkDeleteMessages", params.BulkDeleteMessages, data.BulkDeleted, "Delete several messages.", "channelId"),
    _action("replyToInteraction", params.ReplyToInteraction, data.Message, "Answer it.", "interactionId"),
    _action(
        "deferInteraction", params.DeferInteraction, data.Deferred, "Acknowledge it; answer later.", "interactionId"
    ),
    _action(
        "deferUpdateInteraction",
        params.OneInteraction,
        data.Deferred,
        "Acknowledge a component; its message may change later.",
        "interactionId",
    ),
    _action("followUpInteraction", params.ReplyToInteraction, data.Message, "Post a further answer.", "interactionId"),
    _action("editInteractionReply", params.EditInteraction, data.Message, "Change the answer.", "interactionId"),
    _action("deleteInteractionReply", params.OneInteraction, data.ReplyDeleted, "Delete the answer.", "interactionId"),
    _action(
        "updateInteraction", params.EditInteraction, data.Message, "Change the component's message.", "interactionId"
    ),
    _action("showModal", params.ShowModal, data.ModalShown, "Answer with a form.", "interactionId"),
    _action("fetchMessage", params.OneMessage, data.Message, "Read a message.", *_ON_MESSAGE),
    _action("fetchChannel", params.FetchChannel, data.Channel, "Read a channel.", "channelId"),
    _action("fetchThread", params.FetchThread, data.Thread, "Read a thread.", "threadId"),
    _action("fetchGuild", params.FetchGuild, data.Guild, "Read a guild.", "guildId"),
    _action("fetchMember", params.OneMember, data.Member, "Read a member.", *_ON_MEMBER),
    _action("fetchVoiceState", params.OneMember, data.VoiceState, "Read where a member is in voice.", *_ON_MEMBER),
    _action("banMember", params.BanMember, data.Moderated, "Ban somebody.", *_ON_MEMBER),
    _action("unbanMember", params.MemberWithReason, data.Moderated, "Lift a ban.", *_ON_MEMBER),
    _action("kickMember", params.MemberWithReason, data.Moderated, "Remove a member.", *_ON_MEMBER),
    _action("addMemberRole", params.MemberRole, data.Member, "Give a role.", *_ON_MEMBER, "roleId"),
    _action("removeMemberRole", params.MemberRole, data.Member, "Take a role away.", *_ON_MEMBER, "roleId"),
    _action("addMessageReaction", params.MessageReaction, data.Reacted, "React to a message.", *_ON_MESSAGE),
    _action(
        "removeOwnMessageReaction", params.MessageReaction, data.Reacted, "Take the bot's reaction back.", *_ON_MESSAGE
    ),
    _action("timeoutMember", params.TimeoutMember, data.Moderated, "Silence a member for a while.", *_ON_MEMBER),
    _action("removeMemberTimeout", params.MemberWithReason, data.Member, "End a timeout.", *_ON_MEMBER),
    _action("createChannel", params.CreateChannel, data.Channel, "Make a channel.", "guildId", "parentId"),
    _action("editChannel", params.EditChannel, data.Channel, "Change a channel.", "channelId"),
    _action("deleteChannel", params.DeleteChannel, data.ChannelDeleted, "Delete a channel.", "channelId"),
    _action("createThread", params.CreateThread, data.Thread, "Make a thread.", "parentChannelId", "messageId"),
    _action("archiveThread", params.ArchiveThread, data.Thread, "Archive a thread, or bring it back.", "threadId"),
    _action(
        "moveMemberVoice",
        params.MoveMemberVoice,
        data.VoiceState,
        "Move within voice or out.",
        *_ON_MEMBER,
        "channelId",
    ),
    _action("setMemberMute", params.SetMemberMute, data.VoiceState, "Mute in voice.", *_ON_MEMBER),
    _action("setMemberDeaf", params.SetMemberDeaf, data.VoiceState, "Deafen in voice.", *_ON_MEMBER),
    _action("setMemberSuppressed", params.SetMemberSuppressed, data.VoiceState, "Suppress on a stage.", *_ON_MEMBER),
    _action(
        "runRaw",
        params.RunRaw,
        None,
        "Call a listed method of the bot's client. Off unless the configuration lists methods; `*` never means it.",
        "method",
    ),
)

TABLE = Table(channel="discord", events=EVENTS, actions=ACTIONS, filters=FILTERS)
