"""Secrets whose file a variable names: `SLACK_BOT_TOKEN_FILE=/run/secrets/bot` for `slack_bot_token`, as container
images commonly take them. The file is followed like any other secret's; the variable is read once.

What does *not* live here: reading and following a file (`file_secret.py`), which variables set a secret
(`secret_store.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from config import secret_names
from config.beside import beside
from config.file_secret import PATIENCE, FileSecret
from config.file_secrets import WatchedFiles
from config.rotating import OVERLAP_SECONDS
from phantom.clock import Clock
from phantom.errors import SecretError

KIND = "pointed"
SUFFIX = "_FILE"


class PointedFiles(WatchedFiles):
    """A `SecretOrigin`. `lookup` gives a variable's text, None when unset; relative paths begin at `folder`."""

    def __init__(
        self,
        lookup: Callable[[str], str | None],
        variables_of: Callable[[str], Sequence[str]],
        folder: Path,
        clock: Clock,
        *,
        production: bool,
        overlap_seconds: float = OVERLAP_SECONDS,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__()
        self._lookup = lookup
        self._variables_of = variables_of
        self._folder = folder
        self._clock = clock
        self._production = production
        self._overlap = overlap_seconds
        self._patience = patience

    def pointer(self, name: str) -> tuple[str, Path] | None:
        """The variable that names the file of the secret `name`, and the file."""
        for variable in self._variables_of(name):
            text = (self._lookup(variable + SUFFIX) or "").strip()
            if text:
                return variable + SUFFIX, self._folder / text
        return None

    def has(self, name: str) -> bool:
        """Whether a variable names a file; it may be missing or unfit, and is not made up for by another source."""
        return self.pointer(name) is not None

    def source(self, name: str) -> FileSecret:
        found = self._secrets.get(name)
        if found is None:
            pointer = self.pointer(secret_names.check_shape(name))
            if pointer is None:
                raise SecretError(f"no variable names a file for secret {name}")
            variable, path = pointer
            found = FileSecret(
                name,
                [path],
                self._clock,
                production=self._production,
                overlap_seconds=self._overlap,
                patience=self._patience,
                kind=KIND,
                cure=f"create {path}, or correct {variable}",
                beside=lambda: beside(name, self._secrets),
            )
            self._secrets[name] = found
        return found

    def place(self, name: str) -> str:
        pointer = self.pointer(name)
        return "" if pointer is None else f"{pointer[0]} {pointer[1]}"

    def names(self) -> Sequence[str]:
        """The secrets that somebody holds."""
        return tuple(self._secrets)
