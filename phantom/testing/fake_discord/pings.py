"""Whom would this message notify? Reads content and `allowed_mentions` as Discord does, on the side of caution.

Facts: docs.discord.com, "Message", "Allowed Mentions Object": without it, everything in the content counts and a reply
notifies its author; with it, only what it lists, and `replied_user` is false unless said. `@everyone` and `@here` need
MENTION_EVERYONE, a role needs it too unless the role is mentionable. Mentions inside code count here, so that a test
never passes by a subtlety; mentions in embeds notify nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from phantom.testing.fake_discord.calls import DiscordError, invalid_form
from phantom.testing.fake_discord.message import FakeMessage, flat
from phantom.testing.fake_discord.model import JSON, FakeGuild, FakeUser

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_MASS = re.compile(r"@(everyone|here)")
_TEXT_DISPLAY = 10


@dataclass(slots=True, kw_only=True)
class Mentions:
    """What a message mentions, after `allowed_mentions` and permissions."""

    users: list[FakeUser] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    mass: list[str] = field(default_factory=list)
    replied: FakeUser | None = None

    @property
    def pings(self) -> list[str]:
        """`@everyone`, `@here`, `<@&role>`, `<@user>`, each once."""
        people = [user.mention for user in self.users] + ([self.replied.mention] if self.replied else [])
        return list(dict.fromkeys([*self.mass, *(f"<@&{role}>" for role in self.roles), *people]))


def check_allowed(allowed: object) -> JSON | None:
    """The `allowed_mentions` of a body. Raises 50035 for lists beside a `parse` of the same kind, or more than 100."""
    if not isinstance(allowed, dict):
        return None
    parse = allowed.get("parse") or []
    for kind in ("users", "roles"):
        listed = allowed.get(kind) or []
        if listed and kind in parse:
            raise invalid_form(f"allowed_mentions.{kind}", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "exclusive")
        if len(listed) > 100:
            raise invalid_form(f"allowed_mentions.{kind}", "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 100.")
    if any(kind not in ("users", "roles", "everyone") for kind in parse):
        raise DiscordError(400, 50035, "Invalid Form Body")
    return allowed


def mentions_of(
    text: str,
    allowed: JSON | None,
    *,
    users: dict[str, FakeUser],
    guild: FakeGuild | None,
    may_mass_mention: bool,
    replied_to: FakeMessage | None = None,
) -> Mentions:
    """Work out what `text` mentions. `allowed` is None when the call said nothing of it."""
    found = Mentions()
    for number in dict.fromkeys(_USER.findall(text)):
        if number in users and _permits(allowed, "users", number):
            found.users.append(users[number])
    for number in dict.fromkeys(_ROLE.findall(text)):
        role = guild.roles.get(number) if guild else None
        if role and (role.mentionable or may_mass_mention) and _permits(allowed, "roles", number):
            found.roles.append(number)
    if guild is not None and may_mass_mention and (allowed is None or "everyone" in (allowed.get("parse") or [])):
        found.mass = list(dict.fromkeys(f"@{word}" for word in _MASS.findall(text)))
    if replied_to is not None and (allowed is None or allowed.get("replied_user")):
        found.replied = replied_to.author
    return found


def text_of(content: str, components: list[JSON]) -> str:
    """Everything of a message that may mention: its content and its text displays."""
    shown = [str(one.get("content", "")) for one in flat(components) if one.get("type") == _TEXT_DISPLAY]
    return "\n".join([content, *shown])


def _permits(allowed: JSON | None, kind: str, number: str) -> bool:
    if allowed is None:
        return True
    listed = [str(one) for one in allowed.get(kind) or []]
    return kind in (allowed.get("parse") or []) or number in listed
