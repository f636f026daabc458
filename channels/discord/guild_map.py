"""Where channels are and which role is ours, in each server: all that is kept of what the gateway shows of servers.

discord.py would make an object of every channel, role and emoji, several times the memory, and look them up through
numbers. What does *not* live here: who listens (`gateway_client.py`), channels that nobody showed (`gateway_run.py`
asks Discord). Facts: https://docs.discord.com/developers/events/gateway-events#guilds, #channels and #threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from channels.discord.decode import items, mapping, number, strings, text
from channels.discord.place import THREADS

_Taker = Callable[["GuildMap", Mapping[str, Any]], None]


class GuildMap:
    """Fed by `take`. Ids are decimal text."""

    def __init__(self) -> None:
        self._parents: dict[str, dict[str, str]] = {}
        self._roles: dict[str, str] = {}
        self.me = ""
        """Our user id, from READY: the role that Discord made for us carries it."""

    def whereabouts(self, guild: str, channel: str) -> str | None:
        """The parent of a thread, "" for a plain channel, None when the channel is not known."""
        known = self._parents.get(guild)
        return known.get(channel) if known is not None else None

    def our_role(self, guild: str) -> str:
        """The role that Discord made for us in that server; people name it as often as us. "" when not known."""
        return self._roles.get(guild, "")

    def take(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Take one dispatch whose kind is in `KINDS`."""
        _TAKERS[kind](self, payload)

    def _shown(self, guild: Mapping[str, Any]) -> None:
        known: dict[str, str] = {}
        for channel in (*items(guild, "channels"), *items(guild, "threads")):
            known[text(channel, "id")] = _parent(channel)
        self._parents[text(guild, "id")] = known
        for role in items(guild, "roles"):
            self._note_role(text(guild, "id"), role)

    def _gone(self, guild: Mapping[str, Any]) -> None:
        if guild.get("unavailable") is not True:  # an outage; its channels come back as they were
            self._parents.pop(text(guild, "id"), None)
            self._roles.pop(text(guild, "id"), None)

    def _placed(self, channel: Mapping[str, Any]) -> None:
        known = self._parents.get(text(channel, "guild_id"))
        if known is None:
            return
        if mapping(channel, "thread_metadata").get("archived") is True:
            known.pop(text(channel, "id"), None)  # there is no end to them; one that is spoken in is shown again
        else:
            known[text(channel, "id")] = _parent(channel)

    def _removed(self, channel: Mapping[str, Any]) -> None:
        known = self._parents.get(text(channel, "guild_id"), {})
        known.pop(text(channel, "id"), None)
        if number(channel, "type") not in THREADS:
            for thread in [one for one, parent in known.items() if parent == text(channel, "id")]:
                del known[thread]

    def _listed(self, payload: Mapping[str, Any]) -> None:
        """Active threads, of some channels (`channel_ids`) or of all: those that are not in the list are not active."""
        known = self._parents.get(text(payload, "guild_id"))
        if known is None:
            return
        parents = frozenset(strings(payload, "channel_ids"))
        for thread in [one for one, parent in known.items() if parent and (not parents or parent in parents)]:
            del known[thread]
        for thread_shown in items(payload, "threads"):
            known[text(thread_shown, "id")] = _parent(thread_shown)

    def _role_shown(self, payload: Mapping[str, Any]) -> None:
        self._note_role(text(payload, "guild_id"), mapping(payload, "role"))

    def _role_removed(self, payload: Mapping[str, Any]) -> None:
        if self._roles.get(text(payload, "guild_id")) == text(payload, "role_id"):
            del self._roles[text(payload, "guild_id")]

    def _note_role(self, guild: str, role: Mapping[str, Any]) -> None:
        if self.me and text(mapping(role, "tags"), "bot_id") == self.me:
            self._roles[guild] = text(role, "id")


def _parent(channel: Mapping[str, Any]) -> str:
    return text(channel, "parent_id") if number(channel, "type") in THREADS else ""


_TAKERS: dict[str, _Taker] = {
    "GUILD_CREATE": GuildMap._shown,
    "GUILD_DELETE": GuildMap._gone,
    "CHANNEL_CREATE": GuildMap._placed,
    "CHANNEL_UPDATE": GuildMap._placed,
    "CHANNEL_DELETE": GuildMap._removed,
    "THREAD_CREATE": GuildMap._placed,
    "THREAD_UPDATE": GuildMap._placed,
    "THREAD_DELETE": GuildMap._removed,
    "THREAD_LIST_SYNC": GuildMap._listed,
    "GUILD_ROLE_CREATE": GuildMap._role_shown,
    "GUILD_ROLE_UPDATE": GuildMap._role_shown,
    "GUILD_ROLE_DELETE": GuildMap._role_removed,
}
KINDS = frozenset(_TAKERS)
"""The dispatches that it wants."""
