"""Keeps the PostgreSQL driver out of a daemon that runs on SQLite: 10 MB and 80 ms of import for nothing.

DBOS imports psycopg at its top, and touches it only in error paths and for PostgreSQL. Inside `deferred("psycopg")`
the import gives a placeholder; the first real use of one of its names loads the real package and goes on with that.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands for a module, and for its sub-modules, until a name of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("errors", "connection"):  # sub-modules that `from package import …` asks for by name
            child = _Deferred(f"{self.__name__}.{name}")
            setattr(self, name, child)
            return child
        return getattr(_real(self.__name__), name)


def _real(name: str) -> ModuleType:
    """The module itself, loaded now."""
    package = name.partition(".")[0]
    if isinstance(sys.modules.get(package), _Deferred):
        del sys.modules[package]
    return importlib.import_module(name)


@contextmanager
def deferred(package: str) -> Iterator[None]:
    """Imports of `package` inside this block get a placeholder, unless it is loaded already."""
    if package in sys.modules:
        yield
        return
    placeholder = _Deferred(package)
    sys.modules[package] = placeholder
    try:
        yield
    finally:
        if sys.modules.get(package) is placeholder:
            del sys.modules[package]
