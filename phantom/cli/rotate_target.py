"""Finds where the configuration takes an endpoint's two secrets from, or says how to rotate where no command can write.

What does *not* live here: reading and writing there (`rotate_places.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from channels.webhook.settings import DEFAULT_ENDPOINT, WebhookSettings
from phantom.cli.rotate_places import EnvFile, Place, SecretFiles
from phantom.errors import ConfigError, PhantomError
from phantom.secrets import Secret

if TYPE_CHECKING:
    from config import LoadedConfig

KIND = "webhook"
DEFAULT, BACKUP = "webhook_secret_default", "webhook_secret_backup"
POINTED = "_FILE"
_ELSEWHERE = {
    "env": "the environment of a process cannot be changed: where it is set, move {default} to {backup}, set a fresh"
    " {default}, and restart the daemon; or keep both in files (SECRET_SOURCE=file)",
    "metadata": "rotate there: set {backup} to what {default} is, then {default} to a fresh value",
    "exec": "rotate with that manager: set {backup} to what {default} is, then {default} to a fresh value",
    POINTED: "copy the file that {default}_FILE names over the one that {backup}_FILE names, then write a fresh secret"
    " into the first: a running daemon follows both; or keep both in one folder (PHANTOM_SECRET_DIR)",
}
_ANYWHERE = "keep it in .env or in a file of PHANTOM_SECRET_DIR; channels.yaml then says ${{secret:{default}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One endpoint's secrets. `secrets` are their names in the inventory, default first; `channel` is the name of the
    channel's section and data folder. `may_be_unset`: the endpoint starts without a backup.
    """

    channel: str
    endpoint: str
    place: Place
    secrets: tuple[str, str]
    may_be_unset: bool


def find(loaded: LoadedConfig, endpoint: str, file: Path | None) -> Target:
    """Where the secrets of `endpoint` are kept: in `file` (a `.env` file, or a folder of secret files) when it is
    given. Raises `ConfigError` when no command can write there.
    """
    channel = next((one for one in loaded.channels.values() if one.kind == KIND), None)
    name = KIND if channel is None else channel.name
    settings = None if channel is None else channel.settings
    if file is not None and endpoint == DEFAULT_ENDPOINT:
        place = _in(loaded, file, DEFAULT, BACKUP)
        return Target(channel=name, endpoint=endpoint, place=place, secrets=(DEFAULT, BACKUP), may_be_unset=True)
    if channel is not None and channel.error is not None:
        raise channel.error
    if not isinstance(settings, WebhookSettings):
        raise ConfigError(
            "no webhook channel is configured here",
            where="WEBHOOK_SECRET_DEFAULT",
            hint="run it where the daemon runs (--config), or name the file with --file",
        )
    default, backup = _secrets(settings, endpoint)
    names = default.name, BACKUP if backup is None else backup.name
    place = _place(loaded, default, backup, names) if file is None else _in(loaded, file, *names)
    unset = endpoint not in settings.endpoints
    return Target(channel=name, endpoint=endpoint, place=place, secrets=names, may_be_unset=unset)


def _secrets(settings: WebhookSettings, endpoint: str) -> tuple[Secret, Secret | None]:
    own = settings.endpoints.get(endpoint)
    if own is not None:
        if own.secret_backup is None:
            raise ConfigError(
                "has no secret_backup to move the old secret to",
                where=f"webhook.endpoints.{endpoint}",
                hint=f"add `secret_backup: ${{secret:webhook_{endpoint.replace('-', '_')}_backup}}` with a random value"
                " nobody holds, and restart the daemon once",
            )
        return own.secret_default, own.secret_backup
    if endpoint != DEFAULT_ENDPOINT or settings.secret_default is None:
        known = ", ".join(sorted(settings.endpoints)) or "none"
        raise ConfigError("there is no such endpoint", where="--endpoint", hint=f"endpoints in channels.yaml: {known}")
    return settings.secret_default, settings.secret_backup


def _in(loaded: LoadedConfig, file: Path, default: str, backup: str) -> Place:
    file = file.expanduser().absolute()
    if file.is_dir():
        return SecretFiles(file / default, file / backup)
    return EnvFile(file, *(loaded.secrets.variables_of(name)[0] for name in (default, backup)))


def _place(loaded: LoadedConfig, default: Secret, backup: Secret | None, names: tuple[str, str]) -> Place:
    kind, where = _source(loaded, default)
    if backup is not None and _is_set(backup):
        other, _ = _source(loaded, backup)
        if other != kind and not (other.endswith(POINTED) and kind.endswith(POINTED)):
            raise ConfigError(
                f"comes from another source ({other}) than {names[0]} ({kind}), so a rotation would not reach it",
                where=names[1],
                hint="keep both in the same place",
            )
    variables = tuple(loaded.secrets.variables_of(name)[0] for name in names)
    if kind == ".env":
        return EnvFile(Path.cwd() / ".env", where or variables[0], variables[1])
    if kind == "file":
        return SecretFiles(Path(where), Path(where).with_name(names[1]))
    pointed = kind.endswith(POINTED)
    words = variables if kind == "env" or pointed else names
    cure = _ELSEWHERE.get(POINTED if pointed else kind, _ANYWHERE)
    raise ConfigError(
        f"comes from {kind}{f' {where}' if where else ''}, which this command cannot write",
        where=words[0],
        hint=cure.format(default=words[0], backup=words[1]),
    )


def _source(loaded: LoadedConfig, secret: Secret) -> tuple[str, str]:
    """The kind of source that the secret's value comes from, and the place there."""
    for one in loaded.secrets.holdings():
        if one.secret is secret:
            kind, _, where = one.source.partition(" ")
            written = one.given is not None and kind not in {"env", ".env"}
            return ("the configuration", where) if written else (kind, where)
    return "elsewhere", ""


def _is_set(secret: Secret) -> bool:
    try:
        return bool(secret.peek())
    except PhantomError:
        return False
