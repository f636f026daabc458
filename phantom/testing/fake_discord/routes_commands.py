"""REST routes of application commands, global and of a guild: list, bulk write, create, get, edit, delete."""

from __future__ import annotations

import re

from phantom.testing.fake_discord.access import guild_of
from phantom.testing.fake_discord.calls import Call, invalid_form, refused, route
from phantom.testing.fake_discord.changes import CommandsChanged
from phantom.testing.fake_discord.command_book import CHAT_INPUT
from phantom.testing.fake_discord.model import JSON

_NAME = re.compile(r"[-_'\w]{1,32}", re.UNICODE)
_GLOBAL, _GUILD = "/applications/{application_id}/commands", "/applications/{application_id}/guilds/{guild_id}/commands"


@route("list_application_commands", "GET", _GLOBAL)
@route("list_guild_application_commands", "GET", _GUILD)
def list_commands(call: Call) -> list[JSON]:
    """All of them."""
    return call.core.commands.all(_place(call))


@route("bulk_set_application_commands", "PUT", _GLOBAL)
@route("bulk_set_guild_application_commands", "PUT", _GUILD)
def bulk_set_commands(call: Call) -> list[JSON]:
    """These and no others."""
    place = _place(call)
    bodies = [_checked(body, f"{index}") for index, body in enumerate(call.body or [])]
    if sum((body.get("type") or CHAT_INPUT) == CHAT_INPUT for body in bodies) > 100:
        raise invalid_form("commands", "APPLICATION_COMMANDS_MAX", "100 at most")
    call.core.commands.written += 1
    result = call.core.commands.replace(bodies, place)
    call.core.feed.publish(CommandsChanged(guild_id=place))
    return result


@route("create_application_command", "POST", _GLOBAL)
@route("create_guild_application_command", "POST", _GUILD)
def create_command(call: Call) -> JSON:
    """Create, or update that of the same name."""
    place = _place(call)
    call.core.commands.written += 1
    command = call.core.commands.put(_checked(call.form, ""), place)
    call.core.feed.publish(CommandsChanged(guild_id=place))
    return command


@route("get_application_command", "GET", _GLOBAL + "/{command_id}")
@route("get_guild_application_command", "GET", _GUILD + "/{command_id}")
def get_command(call: Call) -> JSON:
    """One of them."""
    command = call.core.commands.commands.get(_place(call), {}).get(call.params["command_id"])
    if command is None:
        raise refused(10063)
    return command


@route("update_application_command", "PATCH", _GLOBAL + "/{command_id}")
@route("update_guild_application_command", "PATCH", _GUILD + "/{command_id}")
def update_command(call: Call) -> JSON:
    """Change one."""
    command = get_command(call)
    call.core.commands.written += 1
    command |= _checked(command | call.form, "") | {"version": call.core.world.ids.next()}
    call.core.feed.publish(CommandsChanged(guild_id=_place(call)))
    return command


@route("delete_application_command", "DELETE", _GLOBAL + "/{command_id}")
@route("delete_guild_application_command", "DELETE", _GUILD + "/{command_id}")
def delete_command(call: Call) -> None:
    """Remove one."""
    command = get_command(call)
    del call.core.commands.commands[_place(call)][str(command["id"])]
    call.core.feed.publish(CommandsChanged(guild_id=_place(call)))


def _place(call: Call) -> str | None:
    if call.params["application_id"] != call.core.app.id:
        raise refused(50001)
    return guild_of(call).id if "guild_id" in call.params else None


def _checked(body: JSON, path: str) -> JSON:
    prefix = f"{path}." if path else ""
    name, chat = str(body.get("name", "")), (body.get("type") or CHAT_INPUT) == CHAT_INPUT
    good = _NAME.fullmatch(name) is not None and name == name.lower() if chat else 1 <= len(name) <= 32
    if not good:
        raise invalid_form(f"{prefix}name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    if chat and not 1 <= len(body.get("description") or "") <= 100:
        raise invalid_form(f"{prefix}description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    _check_options(body.get("options") or [], f"{prefix}options")
    return body


def _check_options(options: list[JSON], path: str) -> None:
    if len(options) > 25:
        raise invalid_form(path, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    for index, option in enumerate(options):
        where = f"{path}.{index}"
        if _NAME.fullmatch(str(option.get("name", ""))) is None:
            raise invalid_form(f"{where}.name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
        if not 1 <= len(option.get("description") or "") <= 100:
            raise invalid_form(f"{where}.description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
        if option.get("autocomplete") and option.get("choices"):
            raise invalid_form(where, "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", "not both")
        _check_options(option.get("options") or [], f"{where}.options")
