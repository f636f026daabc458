"""The `.env` file of development: `NAME=value` lines, read as text. The environment itself is never changed.

Accepted: empty lines, `# comments`, an `export ` prefix, single quotes (verbatim), double quotes (with `\\n`, `\\t`,
`\\"`, `\\\\`), and ` # comment` after an unquoted value. Nothing is substituted and no value spans lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from phantom.errors import ConfigError

MAX_BYTES = 64 * 1024
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_HAS_NO_EFFECT = ("PHANTOM_ENV", "PHANTOM_CONFIG_DIR")


def read_dotenv(path: Path) -> Mapping[str, str]:
    """The variables of the file at `path`; none when there is no such file. Raises `ConfigError` naming the line."""
    try:
        if not path.is_file():
            _refuse_other(path)
            return {}
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), hint="give the daemon's user the right to read it"
        ) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES // 1024} KiB", where=str(path), hint="make it shorter")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", where=str(path), hint="save it as UTF-8") from None
    return parse_dotenv(text, path)


def _refuse_other(path: Path) -> None:
    """A folder (a container's mount makes one where its source is missing), a link to nothing or a pipe at `path` was
    meant to be the file: starting without what it should hold would be a surprise.
    """
    if path.is_symlink() and not path.exists():
        raise ConfigError("is a link to nothing", where=str(path), hint="point it at the file, or remove it")
    if path.exists():
        what = "is a folder" if path.is_dir() else "is no regular file"
        raise ConfigError(what, where=str(path), hint="put a file of NAME=value lines there, or remove it")


def refuse_open_dotenv(path: Path) -> None:
    """In production the file is not read. But one that everyone may read gives away what somebody wrote into it, and
    most likely the daemon runs where it should not. Raises `ConfigError` then.
    """
    if is_open_to_all(path):
        raise ConfigError(
            "everyone on this machine may read it, and in production it is not even used",
            where=str(path),
            hint=f"remove it and rotate what it holds, or chmod 600 {path}",
        )


def is_open_to_all(path: Path) -> bool:
    """Whether there is such a file and everyone on the machine may read it."""
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False


def parse_dotenv(text: str, path: Path) -> Mapping[str, str]:
    """The variables of `text`; a later line wins over an earlier one. `path` is for messages."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = _value(match[2]) if match else None
        if match is None or value is None:
            raise ConfigError(
                f"line {number} is not of the form NAME=value", where=str(path), hint="check its name and its quotes"
            )
        found[match[1]] = value
    for name in _HAS_NO_EFFECT:
        if found.get(name, "") not in {"", "development"}:
            raise ConfigError(
                "has no effect in .env, which is read in development only",
                where=f"{path}: {name}",
                hint="set it in the environment",
            )
    return found


def _value(raw: str) -> str | None:
    """The text that `raw` stands for; None when its quotes do not match."""
    if raw.startswith("'"):
        single = _SINGLE.fullmatch(raw)
        return single[1] if single else None
    if raw.startswith('"'):
        double = _DOUBLE.fullmatch(raw)
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), double[1]) if double else None
    if raw.startswith("#"):
        return ""
    return re.split(r"\s#", raw, maxsplit=1)[0].rstrip()
