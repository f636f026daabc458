"""`${NAME}`, `${NAME:-default}` and `${secret:NAME}` inside YAML values, resolved after parsing, value by value.

What a variable holds becomes text and nothing else: it is never parsed as YAML and never looked at for further
references. `$${` stands for a literal `${`. A `${secret:NAME}` is a live handle, so it must be the whole value. Errors
name the path in the file, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from phantom.errors import ConfigError, SecretError
from phantom.secrets import Secret

Variables = Callable[[str], str | None]
Secrets = Callable[[str], Secret]

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{", re.DOTALL)
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_SECRET = "secret:"  # noqa: S105 - a prefix


class _Unresolved:
    """The type of `UNRESOLVED`."""

    def __repr__(self) -> str:
        return "UNRESOLVED"


UNRESOLVED: Final = _Unresolved()
"""Stands where a reference could not be resolved; the error is already in the list."""


class References:
    """Resolves references and collects what could not be resolved in `errors`."""

    def __init__(self, variables: Variables, secrets: Secrets | None) -> None:
        self._variables = variables
        self._secrets = secrets
        self.errors: list[ConfigError] = []

    def resolve(self, value: object, where: str) -> object:
        """`value` with every reference in it replaced. `where` is `file: path`; inner keys and indexes are added.

        The result of a container with an unresolved reference is `UNRESOLVED`.
        """
        if isinstance(value, str):
            try:
                return self._text(value, where)
            except ConfigError as error:
                self.errors.append(error)
                return UNRESOLVED
        if isinstance(value, Mapping):
            mapping = {key: self.resolve(inner, f"{where}.{key}") for key, inner in value.items()}
            return UNRESOLVED if UNRESOLVED in mapping.values() else mapping
        if isinstance(value, list):
            items = [self.resolve(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
            return UNRESOLVED if UNRESOLVED in items else items
        return value

    def _text(self, value: str, where: str) -> str | Secret:
        whole = _REFERENCE.fullmatch(value)
        if whole is not None and whole[1] is not None and whole[1].startswith(_SECRET):
            return self._secret(whole[1].removeprefix(_SECRET), where)
        return _REFERENCE.sub(lambda match: self._part(match, where), value)

    def _part(self, match: re.Match[str], where: str) -> str:
        if match[0] == "$${":
            return "${"
        body = match[1]
        if body is None:
            raise ConfigError("a ${ has no closing }", where=where, hint="close it, or write $${ for a literal ${")
        if body.startswith(_SECRET):
            raise ConfigError(
                "a secret reference stands inside a longer text",
                where=where,
                hint="make ${secret:NAME} the whole value; a secret is a live handle and cannot be part of a text",
            )
        variable = _VARIABLE.fullmatch(body)
        if variable is None:
            raise ConfigError(
                "holds a malformed reference",
                where=where,
                hint="write ${NAME}, ${NAME:-default} or ${secret:NAME}, or $${ for a literal ${",
            )
        found = self._variables(variable[1])
        if variable[2] is not None:
            return found or variable[2]
        if found is None:
            raise ConfigError(
                f"refers to the environment variable {variable[1]}, which is not set",
                where=where,
                hint=f"set {variable[1]}, or write ${{{variable[1]}:-default}}",
            )
        return found

    def _secret(self, name: str, where: str) -> Secret:
        if self._secrets is None:
            raise ConfigError(
                "a secret reference is not possible here", where=where, hint="only channel settings hold secrets"
            )
        try:
            return self._secrets(name)
        except SecretError as error:
            raise ConfigError(f"refers to a secret: {error.message}", where=where, hint=error.hint) from error
