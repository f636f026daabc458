"""`/phantom` and "Ask Phantom": their definitions, and registering them when they changed.

Discord counts registrations (200 new commands a day), so a hash of the definitions is kept in the data folder and
nothing is sent while it is the same. With a development server they are registered there, where changes show at once.
https://docs.discord.com/developers/interactions/application-commands
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import orjson
import structlog

from channels.discord import custom_ids
from channels.discord.decode import JSON
from channels.discord.disk import written
from channels.discord.rest import DiscordRest
from phantom.channel import ChannelContext
from phantom.errors import PhantomError

log = structlog.get_logger(__name__)

MAX_QUESTION = 4000
_FILE = "commands.json"
_REFUSED = "/refused"


def definitions(name: str) -> list[JSON]:
    """What is registered. `name` is what this Phantom is called."""
    ask: JSON = {
        "type": 1,
        "name": "ask",
        "description": f"Ask {name} privately"[:100],
        "options": [
            {
                "type": 3,
                "name": custom_ids.QUESTION,
                "description": "What do you want to know?",
                "required": True,
                "max_length": MAX_QUESTION,
            },
            {
                "type": 3,
                "name": custom_ids.CONVERSATION,
                "description": "A conversation of yours to go on with",
                "required": False,
                "autocomplete": True,
            },
        ],
    }
    words = {
        "new": "Forget this conversation and start afresh",
        "stop": "Stop what is being done for you here",
        "status": f"How {name} is doing"[:100],
        "help": f"What {name} can do"[:100],
    }
    subcommands = [ask, *({"type": 1, "name": word, "description": text} for word, text in words.items())]
    return [
        {
            "type": 1,
            "name": custom_ids.COMMAND,
            "description": f"Talk to {name}"[:100],
            "options": subcommands,
            "contexts": [0, 1],
            "integration_types": [0],
        },
        {"type": 3, "name": custom_ids.CONTEXT, "contexts": [0, 1], "integration_types": [0]},
    ]


class CommandBook:
    """Registers the commands. `trouble` says why they are not registered, "" when they are."""

    def __init__(self, rest: DiscordRest, context: ChannelContext, *, guild: str, enabled: bool) -> None:
        self.trouble = ""
        self._rest = rest
        self._name = context.phantom_name
        self._file = Path(context.data_dir) / _FILE
        self._guild = guild
        self._enabled = enabled

    async def sync(self, application: str) -> None:
        """Register them if they are not what was registered last. Never raises a `PhantomError`: `trouble` tells."""
        if not self._enabled:
            return
        wanted = definitions(self._name)
        digest = hashlib.sha256(orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS)).hexdigest()
        scope = _scope(application, self._guild)
        known = await asyncio.to_thread(_read, self._file)
        if known.get(scope) == digest:
            return
        try:
            await self._register(application, wanted)
        except PhantomError as error:
            self.trouble = error.code
            log.warning("commands_not_registered", channel="discord", code=error.code, cure=error.hint)
            await self._note(known | {scope + _REFUSED: error.code})
            return
        self.trouble = ""
        log.info("commands_registered", channel="discord", where=self._guild or "everywhere")
        known.pop(scope + _REFUSED, None)
        await self._note(known | {scope: digest})

    async def _note(self, known: dict[str, str]) -> None:
        try:
            await written(_write, self._file, known)
        except OSError as error:
            log.warning("commands_not_noted", channel="discord", cure=error.strerror or "check the data folder")

    async def _register(self, application: str, wanted: list[JSON]) -> None:
        """Replaces the whole list, so repeating it is harmless."""
        if self._guild:
            await self._rest.call(
                "PUT",
                "/applications/{application_id}/guilds/{guild_id}/commands",
                application_id=application,
                guild_id=self._guild,
                json=wanted,
                idempotent=True,
            )
        else:
            await self._rest.call(
                "PUT",
                "/applications/{application_id}/commands",
                application_id=application,
                json=wanted,
                idempotent=True,
            )


def refusal(data_dir: Path, application: str, guild: str) -> str:
    """The code with which Discord refused the last registration, "" when it took it. Reads the note in `data_dir`."""
    return _read(data_dir / _FILE).get(_scope(application, guild) + _REFUSED, "")


def _scope(application: str, guild: str) -> str:
    return f"{application}/{guild or 'global'}"


def _read(path: Path) -> dict[str, str]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _write(path: Path, known: dict[str, str]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(orjson.dumps(known))
    fresh.replace(path)
