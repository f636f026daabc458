"""Changes values in the text of a `.env` file and nothing else of it: comments, order, line ends and quotes stay.

What does *not* live here: reading a `.env` file (`dotenv.py`), and putting the text on the disk (`whole_file.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.dotenv import parse_dotenv
from phantom.errors import ConfigError

_ASSIGNED = re.compile(
    r"(?P<before>\ufeff?\s*(?P<export>export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*)"
    r"(?:(?P<quoted>'[^']*'|\"(?:[^\"\\]|\\.)*\")(?P<behind>\s*(?:#.*)?)"
    r"|(?P<nothing>#.*)"
    r"|(?P<bare>(?:(?![#'\"])(?:(?!\s#).)*?)?)(?P<after>\s*|\s+#.*))",
    re.DOTALL,
)
_SAFE = re.compile(r"[A-Za-z0-9_+/=,-]*")


@dataclass(frozen=True, slots=True)
class _Line:
    """One assignment: `text` is `before + token + after + end`."""

    number: int
    before: str
    export: str
    token: str
    after: str
    end: str

    def holding(self, token: str) -> str:
        """The same line with another value."""
        gap = " " if token and self.after.startswith("#") else ""
        return f"{self.before}{token}{gap}{self.after}{self.end}"


def promoted(text: str, path: Path, *, default: str, backup: str, fresh: str) -> str:
    """`text` with the value of the variable `default` moved to `backup`, and `fresh` in its place.

    A `backup` line that is not there yet comes below that of `default`. Raises `ConfigError`.
    """
    if not _SAFE.fullmatch(fresh):
        raise ValueError("the fresh value would need quotes")
    lines = text.splitlines(keepends=True)
    first, second = _find(lines, default, path), _find(lines, backup, path)
    if first is None:
        raise ConfigError("is not in the file", where=f"{path}: {default}", hint="name the file that sets it")
    quote = first.token[:1] if first.token[:1] in {"'", '"'} else ""
    lines[first.number] = first.holding(f"{quote}{fresh}{quote}")
    if second is not None:
        lines[second.number] = second.holding(first.token)
    else:
        if not first.end:
            lines[first.number] += "\n"
        lines.insert(first.number + 1, f"{first.export}{backup}={first.token}{first.end}")
    return _checked(text, "".join(lines), path, lambda was: {**was, default: fresh, backup: was[default]})


def assigned(text: str, path: Path, name: str, value: str) -> str:
    """`text` with the variable `name` set to `value`, in its line or a new last one. Raises `ConfigError`."""
    if not _SAFE.fullmatch(value):
        raise ValueError("the value would need quotes")
    lines = text.splitlines(keepends=True)
    found = _find(lines, name, path)
    if found is None:
        lines += ["\n"] * bool(lines and not lines[-1].endswith("\n")) + [f"{name}={value}\n"]
    else:
        quote = found.token[:1] if found.token[:1] in {"'", '"'} else ""
        lines[found.number] = found.holding(f"{quote}{value}{quote}")
    return _checked(text, "".join(lines), path, lambda was: {**was, name: value})


def cleared(text: str, path: Path, name: str) -> str:
    """`text` with the variable `name` set to nothing, which counts as unset. Raises `ConfigError`."""
    lines = text.splitlines(keepends=True)
    found = _find(lines, name, path)
    if found is None:
        return text
    lines[found.number] = found.holding("")
    return _checked(text, "".join(lines), path, lambda was: {**was, name: ""})


def _find(lines: list[str], name: str, path: Path) -> _Line | None:
    found: list[_Line] = []
    for number, line in enumerate(lines):
        body = line.splitlines()[0] if line.splitlines() else ""
        match = _ASSIGNED.fullmatch(body)
        if match is not None and match["name"] == name:
            end = line[len(body) :]
            token = match["quoted"] or match["bare"] or ""
            after = match["behind"] or match["nothing"] or match["after"] or ""
            found.append(_Line(number, match["before"], match["export"] or "", token, after, end))
    if len(found) > 1:
        where = ", ".join(str(one.number + 1) for one in found)
        raise ConfigError(f"stands there more than once (lines {where})", where=f"{path}: {name}", hint="keep one")
    return found[0] if found else None


def _checked(was: str, now: str, path: Path, wanted: Callable[[dict[str, str]], dict[str, str]]) -> str:
    """`now`, if it reads as `wanted` says: whatever else the file holds must mean what it meant."""
    if dict(parse_dotenv(now.removeprefix("\ufeff"), path)) != wanted(
        dict(parse_dotenv(was.removeprefix("\ufeff"), path))
    ):
        raise ConfigError("cannot be changed safely", where=str(path), hint="change it by hand")
    return now
