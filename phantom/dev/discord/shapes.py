"""The server's things as the page gets them: plain JSON, nothing that the page does not show, and no secret.

What does *not* live here: when they are sent (`side.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from phantom.dev.side import JSON
from phantom.testing.fake_discord import FakeAttachment, FakeChannel, FakeDiscord, FakeGuild, FakeMessage, FakeUser
from phantom.testing.fake_discord.message import COMMAND, CONTEXT_MENU, THREAD_CREATED
from phantom.testing.fake_discord.model import FORUM, PRIVATE_THREAD
from phantom.testing.fake_discord.permissions import BITS

EXCERPT = 120


def user(one: FakeUser, guild: FakeGuild) -> JSON:
    """`badge` is what stands beside the name: owner, the roles, or bot."""
    member = guild.members.get(one.id)
    roles = [guild.roles[role].name for role in member.roles if not guild.roles[role].managed] if member else []
    role = "bot" if one.is_bot else "owner" if one.id == guild.owner_id else "member"
    badge = role if role != "member" else ", ".join(roles)
    return {"id": one.id, "name": one.name, "full_name": one.global_name or one.name, "role": role, "badge": badge}


def role_list(guild: FakeGuild) -> list[JSON]:
    """The roles that can be mentioned by name."""
    return [{"id": one.id, "name": one.name} for one in guild.roles.values() if one.id != guild.id]


def channel(one: FakeChannel, discord: FakeDiscord) -> JSON:
    """`kind`: im, thread, forum or channel; `parent` is a thread's channel; `seen_by`: who may open it."""
    if one.is_dm:
        people = [one.recipient.id] if one.recipient else []
        return _place(one, "im", [*people, discord.bot.id], people)
    guild, world = discord.guild, discord.core.world
    seen = [who for who in guild.members if world.permissions(one, who) & BITS["VIEW_CHANNEL"]]
    if one.type == PRIVATE_THREAD:
        seen = [who for who in seen if who in one.members]
    kind = "thread" if one.is_thread else "forum" if one.type == FORUM else "channel"
    return _place(one, kind, one.members if one.is_thread else seen, seen)


def _place(one: FakeChannel, kind: str, members: Iterable[str], seen_by: Iterable[str]) -> JSON:
    return {
        "id": one.id,
        "name": one.name,
        "kind": kind,
        "parent": one.parent_id if one.is_thread else None,
        "members": list(members),
        "seen_by": list(seen_by),
        "about": one.topic or "",
        "archived": one.archived,
        "private": one.type == PRIVATE_THREAD,
        "started_by": one.owner_id,
    }


def message(one: FakeMessage) -> JSON:
    """`text`, `embeds` and `components` are untrusted. `notice`: Discord's own line, not a person's."""
    return {
        "channel": one.channel_id,
        "id": one.id,
        "at": one.sent_at,
        "user": one.author.id,
        "text": one.content,
        "edited": one.edited_at is not None and not one.interaction,
        "only_for": one.ephemeral_for,
        "loading": one.loading,
        "embeds": one.embeds,
        "components": one.components,
        "files": [file(item) for item in one.attachments],
        "reactions": {name: list(who) for name, who in one.reactions.items()},
        "answers": _excerpt(one.replied_to) if one.replied_to is not None else None,
        "asked_by": _asked_by(one),
        "opens": str(one.thread["id"]) if one.thread else None,
        "notice": _notice(one),
        "pings": one.pings,
    }


def _excerpt(one: FakeMessage) -> JSON:
    text = one.content or str((one.embeds or [{}])[0].get("description") or "") or "a file"
    return {"id": one.id, "user": one.author.id, "text": "" if one.deleted else text[:EXCERPT], "gone": one.deleted}


def _asked_by(one: FakeMessage) -> str | None:
    """Who used the command that the message answers."""
    if one.type not in (COMMAND, CONTEXT_MENU) or one.interaction is None:
        return None
    return str(one.interaction["user"]["id"])


def _notice(one: FakeMessage) -> JSON | None:
    if one.type != THREAD_CREATED:
        return None
    return {"sort": "thread", "place": (one.reference or {}).get("channel_id")}


def file(one: FakeAttachment) -> JSON:
    return {
        "id": one.id,
        "name": one.filename,
        "size": one.size,
        "type": one.content_type,
        "url": f"/files/discord/{one.id}",
    }


def command(one: JSON) -> JSON:
    """A registered command as the box offers it: name, type 1 (typed) or 3 (menu of a message), words with options."""
    return {
        "name": one["name"],
        "type": one["type"],
        "about": one.get("description", ""),
        "words": [
            {
                "name": word["name"],
                "about": word.get("description", ""),
                "options": [
                    {
                        "name": option["name"],
                        "about": option.get("description", ""),
                        "required": bool(option.get("required")),
                        "suggests": bool(option.get("autocomplete")),
                    }
                    for option in word.get("options", [])
                ],
            }
            for word in one.get("options", [])
            if word.get("type") == 1
        ],
    }
