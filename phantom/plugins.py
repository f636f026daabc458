"""Finding plugins by their descriptors, without importing their code: channels (entry-point group `phantom.channels`)
and secret sources (`phantom.secret_sources`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from phantom.channel import API_VERSION, Descriptor
from phantom.errors import ConfigError
from phantom.secret_sources import API_VERSION as SOURCES_API_VERSION
from phantom.secret_sources import SourceDescriptor

GROUP = "phantom.channels"
SOURCES = "phantom.secret_sources"


@cache
def descriptors() -> Mapping[str, Descriptor]:
    """Every installed channel by kind, looked up once a process.

    Raises `ConfigError` for a plugin that this Phantom cannot load.
    """
    found: dict[str, Descriptor] = {}
    for entry in _entries().select(group=GROUP):
        descriptor = entry.load()
        if not isinstance(descriptor, Descriptor):
            raise ConfigError(
                f"plugin {entry.name} ({entry.value}) does not name a phantom.channel.Descriptor",
                where=f"entry point {GROUP}",
                hint="fix the plugin's entry point, or uninstall it",
            )
        if descriptor.api_version > API_VERSION:
            raise ConfigError(
                f"plugin {entry.name} wants channel API {descriptor.api_version}, this Phantom has {API_VERSION}",
                where=f"entry point {GROUP}",
                hint="upgrade phantom-daemon, or install an older version of the plugin",
            )
        found[descriptor.kind] = descriptor
    return found


@cache
def secret_sources() -> Mapping[str, SourceDescriptor]:
    """Every installed secret source by kind, those of Phantom among them, looked up once a process.

    Raises `ConfigError` for a plugin that this Phantom cannot load.
    """
    found: dict[str, SourceDescriptor] = {}
    for entry in _entries().select(group=SOURCES):
        descriptor = entry.load()
        if not isinstance(descriptor, SourceDescriptor):
            raise ConfigError(
                f"plugin {entry.name} ({entry.value}) does not name a phantom.secret_sources.SourceDescriptor",
                where=f"entry point {SOURCES}",
                hint="fix the plugin's entry point, or uninstall it",
            )
        if descriptor.api_version > SOURCES_API_VERSION:
            raise ConfigError(
                f"plugin {entry.name} wants secret source API {descriptor.api_version}, this Phantom has "
                f"{SOURCES_API_VERSION}",
                where=f"entry point {SOURCES}",
                hint="upgrade phantom-daemon, or install an older version of the plugin",
            )
        if found.setdefault(descriptor.kind, descriptor) != descriptor:
            raise ConfigError(
                f"two plugins call their secret source {descriptor.kind}",
                where=f"entry point {SOURCES}",
                hint="uninstall one of them: whichever is asked gets to see the secrets' names",
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
