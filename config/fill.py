"""Fills one settings model: picks each field's value by precedence, resolves it, validates, and notes its origin.

What does *not* live here: which files and sections there are (`loader.py`) and where secrets come from
(`secret_store.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from config.config_errors import did_you_mean, flat
from config.fields import SettingField, fields_of
from config.pointed_files import SUFFIX
from config.references import UNRESOLVED, References
from config.secret_store import SecretStore
from config.source_registry import CHOOSABLE
from config.sources import Section, Variables
from config.urls import without_credentials
from config.validation import findings
from phantom.errors import ConfigError, SecretError
from phantom.secrets import Secret, held
from phantom.settings import Origin

Model = TypeVar("Model", bound=BaseModel)
Find = Callable[[str], Secret | None]
MAX_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(Generic[Model]):
    """The outcome: `settings`, or None with `errors`. `origins` has every field either way."""

    settings: Model | None
    errors: tuple[ConfigError, ...]
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picked:
    """The value of one field before validation. `where` is for errors, `source` for `explain`."""

    value: object = field(repr=False)
    where: str
    source: str


class Filler:
    """What is the same for all sections of one load: where `${…}` looks, the secrets, the working folder.

    `variables` is what `${NAME}` sees; which variables set fields is said to each `fill`. `store` is None for a section
    that holds no secrets. `sources` are the secret sources that there are.
    """

    def __init__(
        self, *, variables: Variables, store: SecretStore | None, cwd: Path, sources: tuple[str, ...] = CHOOSABLE
    ) -> None:
        self._variables = variables
        self._store = store
        self._cwd = cwd
        self._sources = sources

    def fill(self, model: type[Model], section: Section, variables: Variables) -> Filled[Model]:
        """Make a `model` of `section` and of the variables that its fields name."""
        fields = fields_of(model)
        references = References(self._variables.text, self._store.configured if self._store else None)
        errors = _unknown_keys(fields, section)
        picked: dict[str, _Picked] = {}
        broken: set[str] = set()
        for one in fields:
            try:
                found = self._pick(one, section, variables, references)
            except ConfigError as error:
                errors.append(error)
                broken.add(one.name)
                continue
            if found is not None and found.value is UNRESOLVED:
                broken.add(one.name)
            elif found is not None:
                picked[one.name] = found
        errors.extend(references.errors)
        settings = self._validated(model, fields, section, picked, broken, errors)
        origins = tuple(
            self._with_sources(one, picked.get(one.name), _origin(one, section, picked.get(one.name), settings, broken))
            for one in fields
        )
        settings = None if settings is None else self._awaited(settings, fields, section)
        return Filled(settings=settings, errors=tuple(errors), origins=origins)

    def _awaited(self, settings: Model, fields: tuple[SettingField, ...], section: Section) -> Model:
        """A handle for each secret that may be set while the daemon runs."""
        store = self._store
        if store is None:
            return settings
        for one in fields:
            if one.secret is not None and one.secret.awaited:
                store.may_lack(one.secret.name)
        missing = {
            one.name: store.wait_for(one.secret.name, place=section.path(one.name))
            for one in fields
            if one.secret is not None and one.secret.awaited and getattr(settings, one.name) is None
        }
        return settings.model_copy(update=missing) if missing else settings

    def _pick(
        self, one: SettingField, section: Section, variables: Variables, references: References
    ) -> _Picked | None:
        """The value that wins; None when only the default is left."""
        written = section.values.get(one.name)
        resolved = None if written is None else references.resolve(written, section.where(one.name))
        variable = variables.first(one.variables)
        pointer = variables.first([name + SUFFIX for name in one.variables]) if one.secret is not None else None
        if variable is not None or pointer is not None:
            ahead = self._from_store(one, section, self._store.find_ahead if self._store else None)
            if ahead is not None:
                return ahead
        if pointer is not None:
            return self._from_store(one, section, self._store.find_pointed if self._store else None)
        if variable is not None:
            value = self._shaped(one, variable.text, variable.where, section, variable.source)
            return _Picked(value=value, where=variable.where, source=variable.source)
        if resolved is not None:
            where = section.where(one.name)
            value = self._shaped(one, resolved, where, section, f"file {where}")
            return _Picked(value=value, where=where, source=f"file {where}")
        return self._from_store(one, section, self._store.find_live if self._store else None)

    def _from_store(self, one: SettingField, section: Section, find: Find | None) -> _Picked | None:
        """What the secret sources that `find` asks have for the field."""
        if one.secret is None or find is None:
            return None
        where = one.env.name if one.env else section.where(one.name)
        try:
            found = find(one.secret.name)
        except SecretError as error:
            raise ConfigError(error.message, where=where, hint=error.hint) from error
        if found is None:
            return None
        return _Picked(value=found, where=where, source=f"secret {one.secret.name}")

    def _with_sources(self, one: SettingField, found: _Picked | None, origin: Origin) -> Origin:
        """For a secret: which source gave it, or may yet give it, and where it was looked for."""
        if self._store is None or one.secret is None:
            return origin
        looked = ", ".join(self._store.looked_at(one.secret.name))
        if found is None:
            return replace(origin, source=f"{origin.source}; looked at {looked}")
        holdings = self._store.holdings()
        gave = next((one.source for one in holdings if one.secret is found.value and one.given is None), "")
        return replace(origin, source=f"{origin.source} from {gave}; looked at {looked}") if gave else origin

    def _shaped(self, one: SettingField, value: object, where: str, section: Section, source: str) -> object:
        """A text made into what the field takes: a live handle, or the items of a list."""
        if not isinstance(value, str):
            return value
        if one.holds_secret and self._store is not None:
            text = value.strip()
            if not text:
                raise ConfigError("is empty", where=where, hint="set the secret, or remove the setting")
            name = one.secret.name if one.secret else one.name
            return self._store.hold(name, text, place=section.path(one.name), source=source)
        if one.sequence:
            return value.replace(",", " ").split()
        return value

    def _validated(
        self,
        model: type[Model],
        fields: tuple[SettingField, ...],
        section: Section,
        picked: Mapping[str, _Picked],
        broken: set[str],
        errors: list[ConfigError],
    ) -> Model | None:
        """The settings when nothing at all is wrong; else None, with every finding added to `errors`."""
        raw = {name: found.value for name, found in picked.items()}
        try:
            hold = self._store.hold if self._store is not None else held
            settings = model.model_validate(raw, context={"cwd": self._cwd, "hold": hold, "sources": self._sources})
        except ValidationError as error:
            errors.extend(
                findings(
                    error,
                    raw=raw,
                    where=lambda location: _place(location, section, picked),
                    hint=lambda name: _cure_for_missing(name, fields, section),
                    secrets=self._store.plaintexts() if self._store else (),
                    ignore=broken,
                )
            )
            settings = None
        except ConfigError as error:
            errors.extend(flat([error]))
            settings = None
        return None if errors else settings


def _unknown_keys(fields: tuple[SettingField, ...], section: Section) -> list[ConfigError]:
    known = {one.name for one in fields}
    return [
        ConfigError("unknown key", where=section.where(key), hint=did_you_mean(key, known, what="keys"))
        for key in section.values
        if key not in known
    ]


def _place(location: tuple[str | int, ...], section: Section, picked: Mapping[str, _Picked]) -> str:
    """`file: path.to.key`, or the variable's name; a list's index in brackets."""
    if not location:
        return section.where()
    name = str(location[0])
    place = picked[name].where if name in picked else section.where(name)
    for part in location[1:]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part.isidentifier():
            place += f".{part}"
    return place


def _cure_for_missing(name: str, fields: tuple[SettingField, ...], section: Section) -> str:
    variables = next((one.variables for one in fields if one.name == name), ())
    ways = [f"set {variables[0]}"] if variables else []
    if section.file is not None:
        ways.append(f"write {name} into {section.file.name}")
    return ", or ".join(ways)


def _origin(
    one: SettingField, section: Section, found: _Picked | None, settings: BaseModel | None, broken: Collection[str]
) -> Origin:
    path = section.path(one.name)
    if one.name in broken:
        source = f"file {section.where(one.name)}" if one.name in section.values else f"env {one.variables[0]}"
        return Origin(path=path, shown="not valid", source=source, secret=one.holds_secret)
    if one.holds_secret or (found is not None and isinstance(found.value, Secret)):
        shown = f"{_known(found.value)} ({found.source})" if found else "not set"
        return Origin(path=path, shown=shown, source=found.source if found else "default", secret=True)
    if found is None:
        default = getattr(settings, one.name) if settings is not None else one.info.default
        return Origin(path=path, shown=show(default), source="default")
    if one.info.repr is False:
        return Origin(path=path, shown="set", source=found.source)
    shown = show(getattr(settings, one.name)) if settings is not None else "not used: the section has errors"
    return Origin(path=path, shown=shown, source=found.source)


def _known(value: object) -> str:
    """Whether there is a value: of one that a service or a command gives, nobody knows before it was asked."""
    try:
        return "set" if not isinstance(value, Secret) or value.peek() else "not set"
    except SecretError:
        return "asked when used"


def show(value: object) -> str:
    """A setting's value on one short line, fit for print: credentials in an address are masked."""
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return show(tuple(value))
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(show(item) for item in value) or "none"
    text = " ".join(without_credentials(str(value)).split())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters)"
