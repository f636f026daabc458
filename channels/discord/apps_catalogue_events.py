"""The payloads of Discord's events for apps. What does *not* live here: the things inside (`apps_catalogue_data.py`)
and which event has which payload (`apps_catalogue.py`).
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from channels.discord import apps_catalogue_data as data


class Event(Struct, kw_only=True):
    """What every event carries: when the bot got it, and by which shard when there are several."""

    receivedAt: data.Millis
    shardId: int | UnsetType = UNSET


class Ready(Event, kw_only=True):
    """The bot is connected."""

    user: data.User


class InteractionCreate(Event, kw_only=True):
    """Somebody used a command, a component or a form of the bot."""

    interaction: data.Interaction


class MessageCreate(Event, kw_only=True):
    """A message was posted."""

    message: data.Message


class MessageUpdate(Event, kw_only=True):
    """A message changed. `oldMessage` is there when it was still known."""

    oldMessage: data.Message | UnsetType = UNSET
    message: data.Message


class MessageDelete(Event, kw_only=True):
    """A message was deleted."""

    message: data.DeletedMessage


class MessageBulkDelete(Event, kw_only=True):
    """Several messages were deleted at once."""

    channelId: data.Id
    guildId: data.Id
    messageIds: list[data.Id]
    channelType: data.ChannelType | UnsetType = UNSET
    parentChannelId: data.Id | UnsetType = UNSET


class ReactionChange(Event, kw_only=True):
    """A reaction came or went."""

    reaction: data.Reaction


class ReactionsCleared(Event, kw_only=True):
    """All reactions of a message were removed."""

    channelId: data.Id
    messageId: data.Id
    guildId: data.Id | UnsetType = UNSET


class GuildChange(Event, kw_only=True):
    """The bot is in a guild, or no longer."""

    guild: data.Guild


class GuildUpdate(Event, kw_only=True):
    """A guild changed."""

    oldGuild: data.Guild | UnsetType = UNSET
    guild: data.Guild


class MemberChange(Event, kw_only=True):
    """Somebody joined or left."""

    member: data.Member


class MemberUpdate(Event, kw_only=True):
    """A member changed: name, roles, timeout."""

    oldMember: data.Member | UnsetType = UNSET
    member: data.Member


class ThreadChange(Event, kw_only=True):
    """A thread came or went."""

    thread: data.Thread


class ThreadUpdate(Event, kw_only=True):
    """A thread changed."""

    oldThread: data.Thread | UnsetType = UNSET
    thread: data.Thread


class ChannelChange(Event, kw_only=True):
    """A channel came or went."""

    channel: data.Channel


class ChannelUpdate(Event, kw_only=True):
    """A channel changed."""

    oldChannel: data.Channel | UnsetType = UNSET
    channel: data.Channel


class TypingStart(Event, kw_only=True):
    """Somebody began to type. `startedAt` is in milliseconds since the epoch."""

    channelId: data.Id
    userId: data.Id
    startedAt: data.Millis
    guildId: data.Id | UnsetType = UNSET


class WebhooksUpdate(Event, kw_only=True):
    """A channel's webhooks changed; Discord does not say which."""

    channelId: data.Id
    guildId: data.Id


class VoiceStateUpdate(Event, kw_only=True):
    """Somebody joined, left or moved in voice, or was muted."""

    oldState: data.VoiceState | UnsetType = UNSET
    state: data.VoiceState
