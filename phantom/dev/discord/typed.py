"""What a person types, as Discord stores it: `@name`, `@Role` and `#channel` become mentions, code stays as it is."""

from __future__ import annotations

import re

from phantom.testing.fake_discord import FakeDiscord, FakeGuild

_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_NAME = re.compile(r"(?<![\w<])([@#])([\w-]{1,100})")


def typed(discord: FakeDiscord, guild: FakeGuild, text: str) -> str:
    """The stored form of `text`."""
    users = {user.name.lower(): user.mention for user in discord.core.world.users.values()}
    roles = {role.name.lower(): role.mention for role in guild.roles.values() if role.id != guild.id}
    places = {one.name.lower(): one.mention for one in discord.core.world.channels.values() if one.name}

    def link(match: re.Match[str]) -> str:
        known = places if match[1] == "#" else roles | users
        return known.get(match[2].lower(), match[0])

    parts = _CODE.split(text)
    return "".join(part if index % 2 else _NAME.sub(link, part) for index, part in enumerate(parts))
