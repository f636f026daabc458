"""The channels that are switched on, by `channels.yaml`, by variables or by secrets that lie ready, and their settings.

What does *not* live here: the daemon's own settings (`loader.py`), and how one model is filled (`fill.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from config import secret_names
from config.config_errors import as_one, did_you_mean
from config.fields import fields_of
from config.files import Document, type_names
from config.fill import Filler
from config.pointed_files import SUFFIX
from config.references import References
from config.secret_store import SecretStore
from config.sources import NO_VARIABLES, Section, Variables
from phantom.errors import ConfigError
from phantom.settings import Origin

CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_OWN_KEYS = ("kind", "enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """One channel that is switched on: its checked `settings` (an instance of the kind's model), or the `error` that
    keeps it off; never both.
    """

    name: str
    kind: str
    settings: BaseModel | None = field(default=None, repr=False)
    error: ConfigError | None = None


class ChannelSections:
    """Works through the sections of `channels.yaml` and the kinds that the environment switches on."""

    def __init__(
        self,
        models: Mapping[str, type[BaseModel]],
        enabled_by: Mapping[str, Sequence[str]],
        variables: Variables,
        store: SecretStore,
        cwd: Path,
    ) -> None:
        self._models = models
        self._enabled_by = enabled_by
        self._variables = variables
        self._store = store
        self._filler = Filler(variables=variables, store=store, cwd=cwd)
        self.loaded: dict[str, ChannelConfig] = {}
        self.disabled: list[str] = []
        self.origins: list[Origin] = []
        self.variables_read: set[str] = set()

    def load(self, document: Document) -> None:
        """Fill `loaded`, `disabled`, `origins` and `variables_read`."""
        kinds = {name: self._kind(name, values) for name, values in document.values.items()}
        for kind, names in self._enabled_by.items():
            if kind not in kinds.values() and kind in self._models and self._switched_on(names):
                kinds[kind] = kind
        sections = {
            name: Section(
                prefix=name,
                file=document.path if name in document.values else None,
                values=mapping_of(document.values.get(name)),
            )
            for name in kinds
        }
        for name, kind in kinds.items():
            self._load_one(name, kind, sections[name], document.values.get(name), filled_by=_from_environment(kinds))

    def _switched_on(self, names: Sequence[str]) -> bool:
        """Whether one of the variables is set, or names a file, or the secret that it sets is there as a file."""
        if self._variables.is_set([*names, *(name + SUFFIX for name in names)]):
            return True
        known = secret_names.known()
        return any(name.lower() in known and self._store.at_hand(name.lower()) for name in names)

    def _load_one(
        self, name: str, kind: str, section: Section, written: object, *, filled_by: Mapping[str, str]
    ) -> None:
        try:
            check_mapping(written, section)
            if not self._enabled(section):
                self.disabled.append(name)
                return
            self._check_names(name, kind, section)
            model = self._models[kind]  # may import the plugin, which may lack a dependency
            self._announce(model)
        except ConfigError as error:
            self.loaded[name] = ChannelConfig(name=name, kind=kind, error=error)
            return
        variables = self._variables if filled_by.get(kind) == name else NO_VARIABLES
        own = Section(
            prefix=name,
            file=section.file,
            values={key: value for key, value in section.values.items() if key not in _OWN_KEYS},
        )
        filled = self._filler.fill(model, own, variables)
        self.origins.extend(filled.origins)
        self.loaded[name] = ChannelConfig(
            name=name, kind=kind, settings=filled.settings, error=as_one(filled.errors) if filled.errors else None
        )

    def _kind(self, name: str, values: object) -> str:
        """The kind that a section names, its own name when it names none. One that is not text is refused later."""
        kind = mapping_of(values).get("kind", name)
        return kind if isinstance(kind, str) else ""

    def _enabled(self, section: Section) -> bool:
        references = References(self._variables.text, None)
        value = references.resolve(section.values.get("enabled", True), section.where("enabled"))
        if references.errors:
            raise references.errors[0]
        meaning = {"true": True, "false": False}.get(str(value).lower())
        if meaning is None:
            raise ConfigError("must be true or false", where=section.where("enabled"))
        return meaning

    def _check_names(self, name: str, kind: str, section: Section) -> None:
        if CHANNEL_NAME.fullmatch(name) is None:
            raise ConfigError(
                "is not a channel's name",
                where=section.where(),
                hint="a lower-case letter, then up to 31 lower-case letters, digits, - or _",
            )
        if kind not in self._models:
            where = section.where("kind") if "kind" in section.values else section.where()
            raise ConfigError("unknown channel kind", where=where, hint=did_you_mean(kind, self._models, what="kinds"))

    def _announce(self, model: type[BaseModel]) -> None:
        """Make the model's secret names askable, and known by the variables that set them."""
        for one in fields_of(model):
            self.variables_read.update(one.variables)
            if one.secret is not None:
                secret_names.declare([one.secret.name], by=model.__name__)
                if one.variables:
                    self._store.bind(one.secret.name, one.variables)


def check_mapping(written: object, section: Section) -> None:
    """Raises `ConfigError` when a section is written as something else than a mapping."""
    if written is not None and not isinstance(written, Mapping):
        raise ConfigError(
            f"holds {type_names.get(type(written), 'a single value')} where a mapping is needed",
            where=section.where(),
            hint="write the channel's settings as `key: value` lines below its name",
        )


def mapping_of(values: object) -> Mapping[str, object]:
    """The values of a section; none when it holds no mapping."""
    return values if isinstance(values, Mapping) else {}


def _from_environment(kinds: Mapping[str, str]) -> Mapping[str, str]:
    """For each kind the channel that the environment fills: the one named like its kind, else the only one."""
    chosen: dict[str, str] = {}
    for kind in set(kinds.values()):
        names = [name for name, its in kinds.items() if its == kind]
        if kind in names:
            chosen[kind] = kind
        elif len(names) == 1:
            chosen[kind] = names[0]
    return chosen
