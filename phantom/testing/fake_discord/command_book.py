"""The application commands that the app has registered, global and by guild, and the daily quota of new ones.

Facts: docs.discord.com, "Application Commands": 200 creates a day and guild; a command whose name exists is updated and
costs nothing; a bulk write replaces all of them, keeping the id of those whose name and type stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from phantom.testing.fake_discord.application import COMMAND_QUOTA, FakeApplication
from phantom.testing.fake_discord.calls import refused
from phantom.testing.fake_discord.model import JSON
from phantom.testing.fake_discord.snowflakes import Snowflakes

CHAT_INPUT, USER, MESSAGE = 1, 2, 3


@dataclass(slots=True)
class CommandBook:
    """`written` counts the writes (bulk or single), to see that unchanged commands are not synced again."""

    app: FakeApplication
    ids: Snowflakes
    commands: dict[str | None, dict[str, JSON]] = field(default_factory=dict)
    written: int = 0

    def all(self, guild_id: str | None) -> list[JSON]:
        """The commands of a guild, or the global ones."""
        return list(self.commands.get(guild_id, {}).values())

    def find(self, name: str, kind: int, guild_id: str | None) -> JSON | None:
        """The command that a user in this guild (None: in a DM) sees by this name; a guild's own comes first."""
        for place in dict.fromkeys((guild_id, None)):
            for command in self.all(place):
                if command["name"] == name and command["type"] == kind:
                    return command
        return None

    def put(self, body: JSON, guild_id: str | None) -> JSON:
        """Create a command, or update that of the same name and type. Raises 30034 beyond the quota."""
        kind = body.get("type") or CHAT_INPUT
        book = self.commands.setdefault(guild_id, {})
        old = next((one for one in book.values() if (one["name"], one["type"]) == (body["name"], kind)), None)
        if old is None:
            self._spend(guild_id)
        number = self.ids.next() if old is None else str(old["id"])
        defaults: JSON = {
            "description": "",
            "options": [],
            "default_member_permissions": None,
            "nsfw": False,
            "dm_permission": True,
            "contexts": None,
            "integration_types": [0],
            "name_localizations": None,
            "description_localizations": None,
        }
        changed = old is None or any(old.get(key) != value for key, value in body.items() if key != "id")
        version = self.ids.next() if changed or old is None else old["version"]
        command = (
            (old or defaults)
            | body
            | {
                "id": number,
                "type": kind,
                "application_id": self.app.id,
                "version": version,
            }
        )
        if guild_id is not None:
            command["guild_id"] = guild_id
        book[number] = command
        return command

    def replace(self, bodies: list[JSON], guild_id: str | None) -> list[JSON]:
        """The bulk write: these commands and no others."""
        kept = [self.put(body, guild_id) for body in bodies]
        self.commands[guild_id] = {str(one["id"]): one for one in kept}
        return kept

    def _spend(self, guild_id: str | None) -> None:
        key = guild_id or ""
        if self.app.commands_created.get(key, 0) >= COMMAND_QUOTA:
            raise refused(30034)
        self.app.commands_created[key] = self.app.commands_created.get(key, 0) + 1
