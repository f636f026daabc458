"""Finding the configuration folder and reading its YAML files. Checks their shape, not their meaning.

A file is bounded before it is read, parsed without constructing objects, and refused when a key stands twice. Errors
name file, line and column; they never quote the file.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phantom.errors import ConfigError

CORE_FILE = "phantom.yaml"
CHANNELS_FILE = "channels.yaml"
SYSTEM_DIR = Path("/etc/phantom")
MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000

type_names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file as it stands: `path` for messages, `values` its top level; empty when there is no such file."""

    path: Path
    values: Mapping[str, object]
    found: bool


def find_config_dir(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The folder of the configuration: `explicit`, else `PHANTOM_CONFIG_DIR`, else the first of the working folder and
    `/etc/phantom` that holds one of the files; None when none does. A folder that was named and is none is an error.
    """
    if explicit is not None:
        return _named(explicit, cwd, where="--config")
    variable = environ.get("PHANTOM_CONFIG_DIR", "")
    if variable:
        return _named(Path(variable), cwd, where="PHANTOM_CONFIG_DIR")
    for folder in (cwd, SYSTEM_DIR):
        if any((folder / name).exists() for name in (CORE_FILE, CHANNELS_FILE)):
            return folder
    return None


def _named(folder: Path, cwd: Path, *, where: str) -> Path:
    folder = cwd / folder.expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"no such folder: {folder}", where=where, hint=f"name the folder that holds {CORE_FILE} or {CHANNELS_FILE}"
        )
    return folder


def read_document(path: Path) -> Document:
    """The file at `path`, checked to be a mapping with text keys. Raises `ConfigError`."""
    data = _read(path)
    if data is None:
        return Document(path=path, values={}, found=False)
    values = _parse(data, path)
    if values is None:
        return Document(path=path, values={}, found=True)
    if not isinstance(values, dict):
        raise ConfigError(
            f"holds {type_names.get(type(values), 'a single value')} where a mapping is needed",
            where=str(path),
            hint="write lines of the form `key: value`",
        )
    _check_shape(values, path)
    return Document(path=path, values=values, found=True)


def _read(path: Path) -> bytes | None:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError("is not a file", where=str(path), hint="remove it or put the configuration file there")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), hint="give the daemon's user the right to read it"
        ) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES // 1024} KiB", where=str(path), hint="make it shorter")
    return data


def _parse(data: bytes, path: Path) -> object:
    import yaml

    from config.strict_yaml import DuplicateKey, StrictLoader

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"is not UTF-8 text (line {line})", where=str(path), hint="save it as UTF-8") from None
    try:
        return yaml.load(text, StrictLoader)  # noqa: S506 - StrictLoader derives from SafeLoader
    except DuplicateKey as error:
        raise ConfigError(
            f"the key stands twice (line {error.line})", where=f"{path}: {error.key}", hint="keep one of them"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        # PyYAML quotes what it stumbled over, and that may be part of a secret.
        problem = re.sub(r"'.*'|\".*\"", "…", error.problem or "cannot be parsed", flags=re.DOTALL)
        raise ConfigError(
            f"is not valid YAML{place}: {problem}", where=str(path), hint="check indentation, quotes and tabs there"
        ) from None
    except yaml.YAMLError:
        raise ConfigError("is not valid YAML", where=str(path), hint="check for control characters") from None
    except RecursionError:
        raise ConfigError("is nested too deeply", where=str(path), hint="flatten it") from None
    except ValueError:
        # A timestamp or number that looks like one and is none, e.g. 2024-13-45; the text would quote it.
        raise ConfigError(
            "holds a date or number that does not exist", where=str(path), hint="quote values that are meant as text"
        ) from None


def _check_shape(values: Mapping[object, object], path: Path) -> None:
    """Bound what aliases expand to, and demand text keys, so that later walks are simple and finite."""
    pending: list[tuple[str, object, int]] = [("", values, 0)]
    seen = 0
    while pending:
        where, value, depth = pending.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise ConfigError("is too large or nested too deeply", where=str(path), hint="flatten it, drop aliases")
        if isinstance(value, dict):
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise ConfigError(
                        "a key is not text",
                        where=f"{path}: {where or 'top level'}",
                        hint="put the key in quotes; YAML reads words like on, off, yes and no as true or false",
                    )
                pending.append((f"{where}.{key}" if where else key, inner, depth + 1))
        elif isinstance(value, list):
            pending.extend((f"{where}[{index}]", inner, depth + 1) for index, inner in enumerate(value))
