"""Finding channel plugins by their descriptors (entry-point group `phantom.channels`), without importing their code."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from phantom.channel import API_VERSION, Descriptor
from phantom.errors import ConfigError

GROUP = "phantom.channels"


@cache
def descriptors() -> Mapping[str, Descriptor]:
    """Every installed channel by kind, looked up once a process.

    Raises `ConfigError` for a plugin that this Phantom cannot load.
    """
    found: dict[str, Descriptor] = {}
    for entry in entry_points(group=GROUP):
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


def resolve(reference: str, extra: str = "") -> Any:
    """The object behind "module:name". Raises `ConfigError` naming the pip extra when its dependency is missing."""
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        cure = f"pip install 'phantom-daemon[{extra}]'" if extra else f"install the package that brings {error.name}"
        raise ConfigError(f"{reference} needs the module {error.name}", hint=cure) from error
