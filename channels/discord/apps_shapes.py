"""Discord's objects as bridge apps see them: camelCase keys, ids as text, times in ISO 8601. Pure, from raw payloads.

What does *not* live here: events (`apps_events.py`), interactions (`apps_interaction_shape.py`), the typed description
of the same shapes (`apps_catalogue.py`). Raises `KeyError` or `TypeError` for a payload that lacks what every object of
its kind has. These run for every frame, so they copy nothing that can be shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.discord.decode import JSON
from channels.discord.place import THREADS

Raw = Mapping[str, Any]

CDN = "https://cdn.discordapp.com"
UNKNOWN = "unknown"
"""The name of somebody of whom Discord told the id alone."""


def when(stamp: Any) -> str | None:
    """A time of Discord's (microseconds, `+00:00`) in the form that browsers write: milliseconds and `Z`."""
    if type(stamp) is not str:
        return None
    if not stamp.endswith("+00:00"):
        return stamp
    return f"{stamp[:23]}Z" if len(stamp) == 32 else f"{stamp[:19]}.000Z"


def avatar_url(user_id: str, avatar: Any, discriminator: str) -> str:
    """Where a user's picture is. https://docs.discord.com/developers/reference#image-formatting"""
    if type(avatar) is str and avatar:
        return f"{CDN}/avatars/{user_id}/{avatar}.{'gif' if avatar.startswith('a_') else 'webp'}"
    index = (int(user_id) >> 22) % 6 if discriminator in ("0", "0000") else int(discriminator) % 5
    return f"{CDN}/embed/avatars/{index}.png"


def user(raw: Raw) -> JSON:
    """User {id username discriminator globalName? avatarUrl? bot system}."""
    number, discriminator = raw["id"], raw.get("discriminator") or "0"
    return {
        "id": number,
        "username": raw.get("username") or UNKNOWN,
        "discriminator": discriminator,
        "globalName": raw.get("global_name"),
        "avatarUrl": avatar_url(number, raw.get("avatar"), discriminator),
        "bot": raw.get("bot") is True,
        "system": raw.get("system") is True,
    }


def unknown_user(number: str) -> JSON:
    """The same of somebody of whom the id alone is known."""
    return {"id": number, "username": UNKNOWN, "discriminator": "0", "bot": False, "system": False}


def member(raw: Raw, guild: str, shown: JSON) -> JSON:
    """Member {id guildId user? displayName? nickname? roles joinedAt? premiumSince? pending?
    communicationDisabledUntil?}; `shown` is the user's own shape.
    """
    nick = raw.get("nick")
    found: JSON = {
        "id": shown["id"],
        "guildId": guild,
        "user": shown,
        "displayName": nick or shown.get("globalName") or shown["username"],
        "nickname": nick,
        "roles": raw.get("roles") or [],
        "joinedAt": when(raw.get("joined_at")),
        "premiumSince": when(raw.get("premium_since")),
        "communicationDisabledUntil": when(raw.get("communication_disabled_until")),
    }
    if type(pending := raw.get("pending")) is bool:
        found["pending"] = pending
    return found


def attachment(raw: Raw) -> JSON:
    """Attachment {id name url contentType? size}."""
    return {
        "id": raw["id"],
        "name": raw["filename"],
        "url": raw["url"],
        "contentType": raw.get("content_type"),
        "size": raw["size"],
    }


def reference(raw: Raw) -> JSON:
    """MessageReference {messageId? channelId? guildId?}."""
    named = (("messageId", "message_id"), ("channelId", "channel_id"), ("guildId", "guild_id"))
    return {ours: value for ours, theirs in named if (value := raw.get(theirs))}


def message(raw: Raw, guild: str, parent: str, kind: int | None) -> JSON:
    """Message {id channelId guildId? author? member? content? createdAt? editedAt? attachments embeds components?
    reference? channelType? parentChannelId?}. `parent` is the channel of a thread, "" where it is none or not known;
    `kind` the channel's type. A webhook's author has no member.
    """
    found: JSON = {"id": raw["id"], "channelId": raw["channel_id"]}
    if guild:
        found["guildId"] = guild
    if author := raw.get("author"):
        found["author"] = shown = user(author)
        if guild and (known := raw.get("member")):
            found["member"] = member(known, guild, shown)
    if type(content := raw.get("content")) is str:
        found["content"] = content
    if created := raw.get("timestamp"):
        found["createdAt"] = when(created)
        found["editedAt"] = when(raw.get("edited_timestamp"))
    files = raw.get("attachments")
    found["attachments"] = [attachment(file) for file in files] if files else []
    found["embeds"] = raw.get("embeds") or []
    if components := raw.get("components"):
        found["components"] = components
    if answered := raw.get("message_reference"):
        found["reference"] = reference(answered)
    if kind is not None:
        found["channelType"] = kind
    if parent:
        found["parentChannelId"] = parent
    return found


def emoji(raw: Raw) -> JSON:
    """Emoji {id? name? animated?}."""
    found: JSON = {"name": raw.get("name")}
    if number := raw.get("id"):
        found["id"] = number
    if type(animated := raw.get("animated")) is bool:
        found["animated"] = animated
    return found


def emoji_forms(raw: Raw) -> tuple[str, ...]:
    """How a filter may name an emoji: the character, or of a server's own one its id, name and both."""
    name, number = raw.get("name") or "", raw.get("id")
    if not number:
        return (name,)
    return (number, name, f"{name}:{number}", f"<{'a' if raw.get('animated') else ''}:{name}:{number}>")


def guild(raw: Raw) -> JSON:
    """Guild {id name icon? ownerId?}."""
    found: JSON = {"id": raw["id"], "name": raw.get("name") or "Unknown", "icon": raw.get("icon")}
    if owner := raw.get("owner_id"):
        found["ownerId"] = owner
    return found


def is_thread(raw: Raw) -> bool:
    """Whether a channel is a thread."""
    return raw.get("type") in THREADS


def thread(raw: Raw, guild_id: str = "") -> JSON:
    """Thread {id guildId parentId name type archived? locked?}."""
    found: JSON = {
        "id": raw["id"],
        "guildId": raw.get("guild_id") or guild_id,
        "parentId": raw.get("parent_id"),
        "name": raw.get("name") or "",
        "type": raw["type"],
    }
    if facts := raw.get("thread_metadata"):
        found["archived"] = facts.get("archived") is True
        found["locked"] = facts.get("locked") is True
    return found


def channel(raw: Raw, guild_id: str = "") -> JSON:
    """Channel {id type name? guildId? parentId?}."""
    found: JSON = {"id": raw["id"], "type": raw["type"], "name": raw.get("name")}
    if placed := raw.get("guild_id") or guild_id:
        found["guildId"] = placed
        found["parentId"] = raw.get("parent_id")
    return found


def voice_state(raw: Raw, guild_id: str = "") -> JSON:
    """VoiceState {guildId userId channelId? sessionId? selfMute selfDeaf selfVideo selfStream serverMute serverDeaf
    suppress requestToSpeakTimestamp?}.
    """
    return {
        "guildId": raw.get("guild_id") or guild_id,
        "userId": raw["user_id"],
        "channelId": raw.get("channel_id"),
        "sessionId": raw.get("session_id"),
        "selfMute": raw.get("self_mute") is True,
        "selfDeaf": raw.get("self_deaf") is True,
        "selfVideo": raw.get("self_video") is True,
        "selfStream": raw.get("self_stream") is True,
        "serverMute": raw.get("mute") is True,
        "serverDeaf": raw.get("deaf") is True,
        "suppress": raw.get("suppress") is True,
        "requestToSpeakTimestamp": when(raw.get("request_to_speak_timestamp")),
    }
