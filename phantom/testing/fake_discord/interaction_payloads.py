"""The interaction object as the app gets it, over the gateway or over HTTP, and the data of each kind of interaction.

Facts: docs.discord.com, "Receiving and Responding to Interactions" and "Application Commands".
"""

from __future__ import annotations

from typing import Any

from phantom.testing.fake_discord.core import Core
from phantom.testing.fake_discord.interactions import FakeInteraction
from phantom.testing.fake_discord.message import FakeAttachment
from phantom.testing.fake_discord.model import JSON, FakeChannel, FakeGuild, FakeRole, FakeUser
from phantom.testing.fake_discord.permissions import ALL

SUB_COMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(1, 12)
FILE_LIMIT = 10 << 20


def payload_of(core: Core, interaction: FakeInteraction) -> JSON:
    """The whole interaction object, its token included."""
    world, channel, user = core.world, interaction.channel, interaction.user
    guild = world.guild_of(channel)
    shape: JSON = {
        "id": interaction.id,
        "application_id": core.app.id,
        "type": interaction.type,
        "data": interaction.data,
        "channel": channel.to_discord() | {"permissions": str(world.permissions(channel, user.id))},
        "channel_id": channel.id,
        "token": interaction.token,
        "version": 1,
        "app_permissions": str(world.permissions(channel, world.bot.id) if guild else ALL),
        "locale": "en-US",
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": {"0": guild.id if guild else "0"},
        "context": 0 if guild else 1,
        "attachment_size_limit": FILE_LIMIT,
    }
    if interaction.source is not None:
        shape["message"] = interaction.source.to_discord(me=world.bot.id)
    if guild is None:
        return shape | {"user": user.to_discord()}
    member = guild.members[user.id].to_discord() | {"permissions": str(world.permissions(channel, user.id))}
    guild_shape = {"id": guild.id, "locale": "en-US", "features": []}
    return shape | {"guild_id": guild.id, "guild": guild_shape, "guild_locale": "en-US", "member": member}


def command_data(
    core: Core,
    command: JSON,
    guild: FakeGuild | None,
    subcommand: str,
    options: dict[str, Any],
    *,
    focused: str = "",
) -> JSON:
    """The data of a slash command; `subcommand` may be `group sub`. Values may be users, channels, roles or files.

    Raises LookupError for a subcommand or option that is not registered, or a required one that is missing.
    """
    known, nest = command.get("options") or [], []
    for name in subcommand.split():
        found = next((one for one in known if one["name"] == name and one["type"] in (SUB_COMMAND, GROUP)), None)
        if found is None:
            raise LookupError(f"/{command['name']} has no subcommand {name}: {[one['name'] for one in known]}")
        nest.append(found)
        known = found.get("options") or []
    resolved: JSON = {}
    given = [_option(core, guild, resolved, known, name, value, focused) for name, value in options.items()]
    missing = [one["name"] for one in known if one.get("required") and one["name"] not in options]
    if missing and not focused:
        raise LookupError(f"/{command['name']} {subcommand} needs {missing}")
    for part in reversed(nest):
        given = [{"name": part["name"], "type": part["type"], "options": given}]
    shape: JSON = {"id": command["id"], "name": command["name"], "type": 1}
    shape |= {"options": given} if given else {}
    shape |= {"resolved": resolved} if resolved else {}
    return shape | ({"guild_id": command["guild_id"]} if "guild_id" in command else {})


def _option(
    core: Core, guild: FakeGuild | None, resolved: JSON, known: list[JSON], name: str, value: Any, focused: str
) -> JSON:
    definition = next((one for one in known if one["name"] == name), None)
    if definition is None:
        raise LookupError(f"no option {name}: {[one['name'] for one in known]}")
    shape = {"name": name, "type": definition["type"], "value": resolve(core, guild, resolved, value)}
    return shape | {"focused": True} if name == focused else shape


def resolve(core: Core, guild: FakeGuild | None, resolved: JSON, value: Any) -> Any:
    """The wire form of an option's or select's value; objects go into `resolved` and are named by id."""
    if isinstance(value, FakeUser):
        resolved.setdefault("users", {})[value.id] = value.to_discord()
        member = guild.members.get(value.id) if guild else None
        if member is not None:
            shape = member.to_discord(user=False) | {"permissions": "0"}
            resolved.setdefault("members", {})[value.id] = shape
        return value.id
    if isinstance(value, FakeChannel):
        permissions = {"permissions": str(core.world.permissions(value, core.world.bot.id))}
        resolved.setdefault("channels", {})[value.id] = value.to_discord() | permissions
        return value.id
    if isinstance(value, FakeRole):
        resolved.setdefault("roles", {})[value.id] = value.to_discord()
        return value.id
    if isinstance(value, FakeAttachment):
        resolved.setdefault("attachments", {})[value.id] = value.to_discord()
        return value.id
    return value


def modal_values(modal: JSON, values: dict[str, Any]) -> list[JSON]:
    """A modal's components as submitted: rows and labels with the values typed (or the prefilled ones)."""
    shown: list[JSON] = []
    for index, one in enumerate(modal.get("components") or [], 1):
        if one.get("type") == 1:
            inner = [_field(field, values, index * 10 + at) for at, field in enumerate(one["components"])]
            shown.append({"type": 1, "id": index, "components": inner})
        elif one.get("type") == 18:
            shown.append({"type": 18, "id": index, "component": _field(one["component"], values, index * 10)})
        else:
            shown.append({"type": one.get("type"), "id": index})
    return shown


def _field(field: JSON, values: dict[str, Any], number: int) -> JSON:
    name, kind = field["custom_id"], field["type"]
    value: Any = values.get(name, field.get("value", ""))
    if kind == 4:
        typed = str(value or "")
        if field.get("required", True) and not typed:
            raise LookupError(f"the modal needs {name}")
        if typed and not field.get("min_length", 0) <= len(typed) <= field.get("max_length", 4000):
            raise LookupError(f"the modal's {name} has {len(typed)} characters")
        return {"type": 4, "id": number, "custom_id": name, "value": typed}
    chosen = [value] if isinstance(value, str) and value else list(value or [])
    return {"type": kind, "id": number, "custom_id": name, "values": chosen}
