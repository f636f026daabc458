"""The places a value may come from, and which of them wins: environment, then `.env`, then the file, then the default.

An empty variable counts as unset, since compose files and CI systems pass variables that nobody filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FromVariable:
    """A value that a variable holds. `source` names it for `explain`, `where` for errors. The text stays unshown."""

    text: str = field(repr=False)
    where: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The environment and the `.env` file behind it."""

    environ: Mapping[str, str] = field(repr=False)
    dotenv: Mapping[str, str] = field(repr=False)
    dotenv_path: Path

    def first(self, names: Sequence[str]) -> FromVariable | None:
        """The first of `names` that is set: in the environment, else in `.env`."""
        for name in names:
            text = self.environ.get(name)
            if text:
                return FromVariable(text=text, where=name, source=f"env {name}")
        for name in names:
            text = self.dotenv.get(name)
            if text:
                return FromVariable(text=text, where=f"{self.dotenv_path}: {name}", source=f".env {name}")
        return None

    def text(self, name: str) -> str | None:
        """What the variable holds, "" when it is set to nothing, None when it is not set at all."""
        found = self.first((name,))
        if found is not None:
            return found.text
        return "" if name in self.environ or name in self.dotenv else None

    def is_set(self, names: Sequence[str]) -> bool:
        """Whether any of `names` is set to something."""
        return self.first(names) is not None


NO_VARIABLES = Variables(environ={}, dotenv={}, dotenv_path=Path(".env"))
"""For a section that the environment does not fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One mapping of a file: the whole of `phantom.yaml` (`prefix` is ""), or a channel's part of `channels.yaml`."""

    prefix: str
    file: Path | None
    values: Mapping[str, object] = field(repr=False)

    def path(self, name: str) -> str:
        """`slack.transport`, or `port` at the top."""
        return f"{self.prefix}.{name}" if self.prefix and name else self.prefix or name

    def where(self, name: str = "") -> str:
        """`file: path`, or the path alone when no file holds the section."""
        path = self.path(name)
        if self.file is None:
            return path
        return f"{self.file}: {path}" if path else str(self.file)
