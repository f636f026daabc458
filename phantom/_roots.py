"""Start-up guard: `phantom`, `channels` and `config` must be three packages of this one distribution.

`channels` and `config` are generic names. A package of the same name in the working folder or in another distribution
would be imported instead of ours and fail much later, with a riddle. This finds it first, without importing either.
What does *not* live here: the guard's exit status and its printing (`phantom/cli/`).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from phantom.errors import ConfigError

SIBLINGS = ("channels", "config")


def found_at(name: str) -> Path | None:
    """The folder or file that `import name` would take, or None. Imports nothing."""
    loaded = sys.modules.get(name)
    spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.origin and spec.origin not in {"built-in", "frozen", "namespace"}:
        origin = Path(spec.origin)
        return origin.parent if origin.name.startswith("__init__.") else origin
    places = list(spec.submodule_search_locations or ())
    return Path(places[0]) if places else None


def check_roots(home: Path | None = None) -> None:
    """Raise `ConfigError` unless the siblings stand beside the `phantom` package that is running.

    `home` is the folder that holds the `phantom` package; by default the one this very file was loaded from.
    """
    home = (home or Path(__file__).parent.parent).resolve()
    for name in SIBLINGS:
        expected = home / name
        if not (expected / "__init__.py").is_file():
            raise ConfigError(
                f"Phantom's own package {name!r} is missing beside {home / 'phantom'}",
                where="installation",
                hint="the installation is damaged: reinstall with `pip install --force-reinstall phantom-daemon`, "
                "or in a checkout remove .venv and run `make setup`",
            )
        actual = found_at(name)
        if actual is None or actual.resolve() != expected.resolve():
            raise ConfigError(
                f"`import {name}` finds {actual or 'nothing'} instead of Phantom's own package at {expected}",
                where="installation",
                hint=f"another package is called {name!r}: run `phantom` from a virtual environment of its own, "
                f"and keep PYTHONPATH free of folders that hold a {name!r} package",
            )
