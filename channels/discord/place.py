"""Where a payload happened and who did it: conversations and authors from Discord's fields. Pure.

The tenant of every key is application and server (`<application>:<server>` or `<application>:dm`), so a person's
direct messages never mix with what they say in a server.

Discord has three kinds of conversation. A thread or forum post is one of its own: place is the parent, thread its id.
Direct messages are one without threads. In a plain channel people talk in chains of replies: a mention begins a
conversation and answers go on as replies, so the thread is `re-<id of the first message>`, which is no channel of
Discord's (a thread made from a message has the message's id, hence the prefix). What somebody asks privately over a
command is a conversation of theirs there: `ask-<user id>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.discord.decode import Notes, mapping, strings, text
from phantom.messages import Author, ConversationKind, ConversationRef

CHANNEL = "discord"
DIRECT = "dm"
CHAIN = "re-"
ASIDE = "ask-"

THREADS = frozenset({10, 11, 12})
"""Channel types of threads (announcement, public, private), forum posts included.
https://docs.discord.com/developers/resources/channel#channel-object-channel-types
"""


def tenant_of(application: str, guild: str) -> str:
    """The tenant of an event in that server, "" for a direct message."""
    return f"{application}:{guild or DIRECT}"


def application_of(tenant: str) -> str:
    """The application's id in a tenant."""
    return tenant.partition(":")[0]


def guild_of(tenant: str) -> str:
    """The server's id in a tenant, "" for direct messages."""
    guild = tenant.partition(":")[2]
    return "" if guild == DIRECT else guild


def conversation(tenant: str, channel: str, parent: str, root: str) -> ConversationRef:
    """The conversation of something in `channel`; `root` is the message that begins its chain of replies."""
    if tenant.endswith(f":{DIRECT}"):
        return ConversationRef(channel=CHANNEL, tenant=tenant, place=channel, thread=None, kind=ConversationKind.DIRECT)
    if parent:
        return ConversationRef(
            channel=CHANNEL, tenant=tenant, place=parent, thread=channel, kind=ConversationKind.PUBLIC
        )
    thread = f"{CHAIN}{root}" if root else None
    return ConversationRef(channel=CHANNEL, tenant=tenant, place=channel, thread=thread, kind=ConversationKind.PUBLIC)


def aside(tenant: str, channel: str, parent: str, user: str, *, shared: bool = False) -> ConversationRef:
    """The private conversation of one person with us in a place: what commands begin. Our own direct messages with
    the person are that already, but not those between other people (`shared`), where a command may be used too.
    """
    direct = tenant.endswith(f":{DIRECT}")
    if direct and not shared:
        return conversation(tenant, channel, "", "")
    return ConversationRef(
        channel=CHANNEL,
        tenant=tenant,
        place=parent or channel,
        thread=f"{ASIDE}{user}",
        kind=ConversationKind.DIRECT if direct else ConversationKind.PUBLIC,
        within=channel if parent else "",
    )


def target(where: ConversationRef) -> str:
    """The id of the channel to post to."""
    thread = where.thread
    return thread if thread is not None and thread.isdigit() else where.place


def is_chain(where: ConversationRef) -> bool:
    """Whether the conversation lives in replies in a plain channel."""
    return where.thread is not None and where.thread.startswith(CHAIN)


def session_key(tenant: str, channel: str, parent: str, root: str) -> str:
    """`ConversationRef.key` without making one: the way to the journal is short."""
    if tenant.endswith(f":{DIRECT}"):
        return f"{CHANNEL}/{tenant}/{channel}/"
    return f"{CHANNEL}/{tenant}/{parent}/{channel}" if parent else f"{CHANNEL}/{tenant}/{channel}/{CHAIN}{root}"


def author(source: Mapping[str, Any], notes: Notes, *, webhook: str = "") -> Author:
    """Who wrote or pressed: `author` of a message, `member.user` or `user` of the rest."""
    member = mapping(source, "member")
    user = mapping(source, "author") or mapping(member, "user") or mapping(source, "user")
    user_id = text(user, "id")
    name = text(member, "nick") or text(user, "global_name") or text(user, "username")
    return Author(
        id=user_id,
        display_name=name,
        is_bot=user.get("bot") is True or bool(webhook) or user.get("system") is True,
        is_self=bool(user_id) and user_id == notes.me,
        roles=strings(member, "roles"),
    )
