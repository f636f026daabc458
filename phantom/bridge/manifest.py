"""What an app says it uses: its manifest. Strict: unknown keys, doubled names and `"*"` are refused.

It is written as JSON, as YAML, or in the app's own Python file. What does *not* live here: what the app may do
(`scopes.py`), and whether the two fit (`diagnosis.py`).
"""

from __future__ import annotations

import difflib
import json
import runpy
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from phantom.bridge.catalogue import Catalogue
from phantom.errors import ConfigError

MAX_BYTES = 256 * 1024
MAX_NAME = 128
_KEYS = ("name", "events", "actions", "filters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One app's needs. `filters` names the filter keys that its handlers use, by event. Raises `ConfigError` for what
    no catalogue is needed to see.
    """

    name: str
    events: Sequence[str] = ()
    actions: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or len(self.name) > MAX_NAME:
            raise ConfigError(f"must be a text of 1 to {MAX_NAME} characters", where="name")
        object.__setattr__(self, "events", read_names(self.events, "events"))
        object.__setattr__(self, "actions", read_names(self.actions, "actions"))
        if not isinstance(self.filters, Mapping):
            raise ConfigError("must hold lists of filter keys by event name", where="filters")
        filters = {}
        for event, keys in self.filters.items():
            if event not in self.events:
                raise ConfigError(
                    f"{str(event)[:64]!r} is not among the manifest's events",
                    where="filters",
                    hint="add it to `events`, or take the filter out",
                )
            filters[event] = read_names(keys, f"filters.{event}")
            if not filters[event]:
                raise ConfigError(
                    "is an empty list", where=f"filters.{event}", hint="name the keys, or take the line out"
                )
        object.__setattr__(self, "filters", MappingProxyType(filters))

    def check(self, catalogue: Catalogue) -> None:
        """Raises `ConfigError` for an event or action that nothing offers."""
        refuse_unknown(self.events, catalogue.events, where="events", kind="event")
        refuse_unknown(self.actions, catalogue.actions, where="actions", kind="action")


def read_names(value: object, where: str) -> tuple[str, ...]:
    """A list of names. Raises `ConfigError` for anything else, for `"*"` and for a name that comes twice."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigError("must be a list of names", where=where, hint=f"for example {where}: [messageCreate]")
    names = tuple(value)
    for name in names:
        if not isinstance(name, str) or not name:
            raise ConfigError("holds something that is not a name", where=where)
        if name == "*":
            raise ConfigError('"*" is not a name', where=where, hint="a manifest lists exactly what the app uses")
        if names.count(name) > 1:
            raise ConfigError(f"names {name[:64]} twice", where=where)
    return names


def refuse_unknown(names: Iterable[str], known: Collection[str], *, where: str, kind: str) -> None:
    """Raises `ConfigError` for the first name that is not known, with the most similar one as its cure."""
    for name in names:
        if name in known:
            continue
        similar = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"{name[:64]!r} is no {kind} of the bridge",
            where=where,
            hint=f"did you mean {similar[0]}?" if similar else f"the bridge reference lists every {kind}",
        )


def parse(value: object, catalogue: Catalogue) -> Manifest:
    """A manifest from plain values. Raises `ConfigError`."""
    if isinstance(value, Manifest):
        manifest = value
    elif isinstance(value, Mapping):
        for key in value:
            if key not in _KEYS:
                raise ConfigError(f"{str(key)[:64]!r} is not known", hint=f"a manifest has {', '.join(_KEYS)}")
        if "name" not in value:
            raise ConfigError("is missing", where="name", hint="a manifest names its app")
        manifest = Manifest(**{str(key): part for key, part in value.items()})
    else:
        raise ConfigError("must be an object", hint=f"a manifest has {', '.join(_KEYS)}")
    manifest.check(catalogue)
    return manifest


def read(path: Path, catalogue: Catalogue) -> Manifest:
    """A manifest from a `.json`, `.yaml` or `.py` file. A Python file is run, and its `MANIFEST` or `manifest` taken.
    Raises `ConfigError` with the file and the place in it.
    """
    value = _run(path) if path.suffix == ".py" else read_data(path)
    try:
        return parse(value, catalogue)
    except ConfigError as error:
        where = f"{path}: {error.where}" if error.where else str(path)
        raise ConfigError(error.message, where=where, hint=error.hint) from error


def read_data(path: Path) -> object:
    """Plain values from JSON or YAML, by the file's name. Raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"is larger than {MAX_BYTES // 1024} KiB", where=str(path))
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8", where=str(path)) from error
    if path.suffix == ".json":
        return _json(text, path)
    if path.suffix in {".yaml", ".yml"}:
        return _yaml(text, path)
    raise ConfigError("is neither .json, .yaml nor .py", where=str(path), hint="rename the file by what is in it")


def _json(text: str, path: Path) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ConfigError("has a key twice", where=str(path))
        return found

    try:
        found: object = json.loads(text, object_pairs_hook=once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError("is not valid JSON", where=str(path)) from error
    return found


def _yaml(text: str, path: Path) -> object:
    import yaml  # the daemon never reads a manifest

    try:
        found: object = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError("is not valid YAML", where=f"{path}:{mark.line + 1}" if mark else str(path)) from error
    return found


def _run(path: Path) -> object:
    """The file's own folder is on the import path meanwhile, as when the app itself runs."""
    if not path.is_file():
        raise ConfigError("cannot be read: no such file", where=str(path))
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        names = runpy.run_path(str(path), run_name="phantom_manifest")
    except (SyntaxError, ImportError) as error:
        raise ConfigError(f"cannot be imported: {error}", where=str(path)) from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    for name in ("MANIFEST", "manifest"):
        if name in names:
            return names[name]
    raise ConfigError("has no MANIFEST", where=str(path), hint="MANIFEST = Manifest(name=…, events=[…], actions=[…])")
