"""Several configuration mistakes told at once, and the wording they share. Values never appear in any of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from phantom.errors import ConfigError


class ConfigErrors(ConfigError):
    """Several `ConfigError`s: `errors` holds them in the order in which they were found, the text has a line each."""

    code = "config_errors"

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


def as_one(errors: Sequence[ConfigError]) -> ConfigError:
    """The only error, or all of them as `ConfigErrors`."""
    return errors[0] if len(errors) == 1 else ConfigErrors(errors)


def flat(errors: Iterable[ConfigError]) -> tuple[ConfigError, ...]:
    """All single errors inside `errors`."""
    return tuple(
        single for error in errors for single in (error.errors if isinstance(error, ConfigErrors) else (error,))
    )


def did_you_mean(word: str, known: Iterable[str], *, what: str) -> str:
    """A cure for a word that nobody knows: the nearest known one, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known {what}: {', '.join(names)}" if names else f"there are no {what} here"
