"""Finding plugins by their descriptors, without importing their code: channels (entry-point group `phantom.channels`)
and secret sources (`phantom.secret_sources`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from phantom.channel import API_VERSION, Descriptor
from phantom.errors import ConfigError
from phantom.secret_sources import API_VERSION as SOURCES_API_VERSION
from phantom.secret_sources import SourceDescriptor

GROUP = "phantom.channels"
SOURCES = "phantom.secret_sources"

Record = TypeVar("Record", Descriptor, SourceDescriptor)


@cache
def descriptors() -> Mapping[str, Descriptor]:
    """Every installed channel by kind, looked up once a process.

    Raises `ConfigError` for a plugin that this Phantom cannot load.
    """
    return _installed(GROUP, Descriptor, API_VERSION, "channel")


@cache
def secret_sources() -> Mapping[str, SourceDescriptor]:
    """Every installed secret source by kind, those of Phantom among them, looked up once a process.

    Raises `ConfigError` for a plugin that this Phantom cannot load.
    """
    return _installed(SOURCES, SourceDescriptor, SOURCES_API_VERSION, "secret source")


def _installed(group: str, record: type[Record], api_version: int, what: str) -> Mapping[str, Record]:
    """The plugins' records of one entry-point group, by kind."""
    found: dict[str, Record] = {}
    for entry in _entries().select(group=group):
        descriptor = entry.load()
        if not isinstance(descriptor, record):
            raise ConfigError(
                f"plugin {entry.name} ({entry.value}) does not name a {record.__module__}.{record.__name__}",
                where=f"entry point {group}",
                hint="fix the plugin's entry point, or uninstall it",
            )
        if descriptor.api_version > api_version:
            raise ConfigError(
                f"plugin {entry.name} wants {what} API {descriptor.api_version}, this Phantom has {api_version}",
                where=f"entry point {group}",
                hint="upgrade phantom-daemon, or install an older version of the plugin",
            )
        if found.setdefault(descriptor.kind, descriptor) != descriptor:
            raise ConfigError(
                f"two plugins call their {what} {descriptor.kind}",
                where=f"entry point {group}",
                hint="uninstall one of them: which of the two is meant cannot be told, and either gets to see secrets",
            )
    return found


@cache
def _entries() -> Any:
    """All entry points: looking through the installed packages takes a while, so it is done once."""
    return entry_points()


def resolve(reference: str, extra: str = "") -> Any:
    """The object behind "module:name". Raises `ConfigError` naming the pip extra when its dependency is missing."""
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        cure = f"pip install 'phantom-daemon[{extra}]'" if extra else f"install the package that brings {error.name}"
        raise ConfigError(f"{reference} needs the module {error.name}", hint=cure) from error
