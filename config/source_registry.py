"""The sources that come with Phantom, the plugins beside them, and opening one by its kind.

The records below are also entry points of the group `phantom.secret_sources`, as a plugin's is. What does *not* live
here: what a source does, and which of them are asked in which order (`secret_store.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from phantom.errors import ConfigError
from phantom.secret_sources import (
    API_VERSION,
    SecretOrigin,
    SecretReader,
    SourceContext,
    SourceDescriptor,
)

if TYPE_CHECKING:
    from config.polled_secrets import Pace
    from config.secrets_settings import SecretsSettings

POLL_SECONDS = 60.0
"""How long a plugin's answer counts as fresh, unless `options.<kind>.interval` says otherwise."""


def _built_in(kind: str, target: str, summary: str) -> SourceDescriptor:
    return SourceDescriptor(kind=kind, api_version=API_VERSION, target=target, summary=summary)


ENV = _built_in("env", "", "variables of the environment")
DOTENV = _built_in("dotenv", "", "the `.env` file; in development only, directly behind the environment")
FILE = _built_in("file", "config.file_secrets:open_files", "one file a secret, watched")
METADATA = _built_in("metadata", "config.metadata_fetcher:open_metadata", "the metadata service, revalidated")
EXEC = _built_in("exec", "config.exec_secrets:open_command", "a command that prints one secret")

BUILT_IN: Mapping[str, SourceDescriptor] = {one.kind: one for one in (ENV, DOTENV, FILE, METADATA, EXEC)}
CHOOSABLE = ("env", "metadata", "file", "exec")
"""What `SECRET_SOURCE` may name of these: `.env` always stands directly behind the environment."""


def choosable(installed: Mapping[str, SourceDescriptor]) -> tuple[str, ...]:
    """What `SECRET_SOURCE` may name: sources of ours, then those of plugins."""
    return (*CHOOSABLE, *sorted(kind for kind in installed if kind not in BUILT_IN))


class SourceRegistry:
    """Opens sources by kind. `installed` are the plugins' records, `options` what built-in sources are opened with."""

    def __init__(
        self,
        *,
        installed: Mapping[str, SourceDescriptor],
        context: SourceContext,
        settings: SecretsSettings,
        built_in_options: Callable[[str], Mapping[str, object]],
    ) -> None:
        self._known = {**_own(installed), **BUILT_IN}
        self._context = context
        self._settings = settings
        self._built_in_options = built_in_options

    def open(self, kind: str) -> SecretOrigin:
        """The source of that kind. Raises `ConfigError` with the cure."""
        descriptor = self._known[kind]
        built_in = kind in BUILT_IN
        options = self._built_in_options(kind) if built_in else self._settings.options.get(kind, {})
        made = _target(descriptor)(replace(self._context, options=options))
        if isinstance(made, SecretReader):
            from config.polled_secrets import PolledSecrets

            return PolledSecrets(kind, made, self._context.clock, self._pace(kind, options))
        if not isinstance(made, SecretOrigin):
            raise ConfigError(
                f"the source {kind} is neither a SecretReader nor a SecretOrigin",
                where="entry point phantom.secret_sources",
                hint="fix the plugin, or uninstall it",
            )
        return made

    def _pace(self, kind: str, options: Mapping[str, object]) -> Pace:
        from config.polled_secrets import Pace

        return Pace(
            interval=_seconds(kind, options, "interval", POLL_SECONDS),
            timeout=_seconds(kind, options, "timeout", self._settings.exec_timeout),
            stale=_seconds(kind, options, "stale", self._settings.exec_stale),
            overlap=self._context.overlap,
        )


def _own(installed: Mapping[str, SourceDescriptor]) -> Mapping[str, SourceDescriptor]:
    """The plugins' records. One that takes the name of a source of ours is refused: it would get every secret."""
    for kind, descriptor in installed.items():
        if kind in BUILT_IN and descriptor != BUILT_IN[kind]:
            raise ConfigError(
                f"a plugin calls its secret source {kind}, as one of Phantom's own is called",
                where="entry point phantom.secret_sources",
                hint="uninstall the plugin, or have it choose another name",
            )
    return installed


def _target(descriptor: SourceDescriptor) -> Callable[[SourceContext], object]:
    module, _, name = descriptor.target.partition(":")
    try:
        target: Callable[[SourceContext], object] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        cure = f"pip install 'phantom-daemon[{descriptor.extra}]'" if descriptor.extra else "install it"
        raise ConfigError(f"the secret source {descriptor.kind} needs the module {error.name}", hint=cure) from error
    return target


def _seconds(kind: str, options: Mapping[str, object], name: str, default: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 604_800:
        raise ConfigError(
            "must be a number of seconds above 0", where=f"secrets.options.{kind}.{name}", hint="such as 60"
        )
    return float(value)
