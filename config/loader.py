"""Loads the whole configuration: `load()` is the one call the daemon and `phantom config explain` make.

It reads two YAML files and, in development, `.env`; it asks the network for nothing. What is wrong with the daemon's
own settings is raised; what is wrong with one channel's section disables that channel alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel

from config import secret_names
from config.bridge_settings import BridgeSettings
from config.config_errors import as_one, did_you_mean
from config.dotenv import read_dotenv, refuse_open_dotenv
from config.fields import fields_of
from config.files import CHANNELS_FILE, CORE_FILE, Document, find_config_dir, read_document, type_names
from config.fill import Filler
from config.identity_fetcher import IdentityFetcher
from config.metadata_client import MetadataClient
from config.references import References
from config.secret_store import SecretStore
from config.secrets_settings import SecretsSettings
from config.settings import PhantomSettings
from config.source_registry import SourceRegistry, choosable
from config.sources import NO_VARIABLES, Section, Variables
from config.tenant_status import MetadataTenantStatus
from phantom.clock import Clock
from phantom.errors import ConfigError
from phantom.identity import IdentityProvider, TenantStatus
from phantom.secret_sources import SourceContext, SourceDescriptor
from phantom.settings import Origin

CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_OWN_KEYS = ("kind", "enabled")
_PREFIX = "PHANTOM_"
BRIDGE = "bridge"
"""The key of `phantom.yaml` that holds the bridge's settings."""
SECRETS = "secrets"
"""The key that holds what is said about secrets in general."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """One channel that is switched on: its checked `settings` (an instance of the kind's model), or the `error` that
    keeps it off; never both.
    """

    name: str
    kind: str
    settings: BaseModel | None = field(default=None, repr=False)
    error: ConfigError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """Everything that configuration says. `files` were read; `notices` are worth a warning; `disabled` channels were
    switched off with `enabled: false`. `identity` and `tenant_status` speak to the metadata service when called.
    `again` reads everything once more, as it is now.
    """

    core: PhantomSettings = field(repr=False)
    bridge: BridgeSettings = field(repr=False)
    secret_rules: SecretsSettings = field(repr=False)
    channels: Mapping[str, ChannelConfig]
    disabled: tuple[str, ...]
    secrets: SecretStore
    identity: IdentityProvider
    tenant_status: TenantStatus
    origins: tuple[Origin, ...] = field(repr=False)
    config_dir: Path | None
    files: tuple[Path, ...]
    notices: tuple[str, ...]
    again: Callable[[], LoadedConfig] = field(repr=False)


def load(
    *,
    config_dir: Path | None,
    environ: Mapping[str, str],
    cwd: Path,
    channel_models: Mapping[str, type[BaseModel]],
    clock: Clock,
    enabled_by: Mapping[str, Sequence[str]],
    secret_sources: Mapping[str, SourceDescriptor] = MappingProxyType({}),
) -> LoadedConfig:
    """Read, resolve and check everything. Raises `ConfigError` (`ConfigErrors` for several) about the core.

    `channel_models` gives the settings model of each channel kind and is asked only for kinds that are switched on, so
    it may import lazily. `enabled_by` gives the variables any of which switches a kind on without a file.
    `secret_sources` are the records of plugins that bring secret sources.
    """
    cwd = cwd.absolute()
    folder = find_config_dir(config_dir, environ, cwd)
    core_file = _document(folder, CORE_FILE)
    channels_file = _document(folder, CHANNELS_FILE)
    variables = _variables(environ, cwd, core_file)
    filler = Filler(variables=variables, store=None, cwd=cwd, sources=choosable(secret_sources))
    own = {key: value for key, value in core_file.values.items() if key not in (BRIDGE, SECRETS)}
    section = Section(prefix="", file=core_file.path if core_file.found else None, values=own)
    filled = filler.fill(PhantomSettings, section, variables)
    rules = filler.fill(SecretsSettings, _part(core_file, SECRETS), variables)
    if filled.settings is None or rules.settings is None:
        raise as_one(filled.errors + rules.errors)
    core = filled.settings
    secret_names.declare(rules.settings.declare, by=_part(core_file, SECRETS).where("declare"))
    client = MetadataClient(core.metadata_url, clock)
    store = _store(core, rules.settings, secret_sources, variables, client, clock)
    channels = _Channels(channel_models, enabled_by, variables, store, cwd)
    channels.load(channels_file)
    bridge = Filler(variables=variables, store=store, cwd=cwd).fill(BridgeSettings, _part(core_file, BRIDGE), variables)
    if bridge.settings is None:
        raise as_one(bridge.errors)
    read = [document.path for document in (core_file, channels_file) if document.found]
    if variables.dotenv:
        read.append(variables.dotenv_path)
    return LoadedConfig(
        core=core,
        channels=channels.loaded,
        disabled=tuple(channels.disabled),
        secrets=store,
        identity=IdentityFetcher(
            client, configured="metadata" in core.secret_source or "metadata_url" in core.model_fields_set
        ),
        tenant_status=MetadataTenantStatus(client),
        bridge=bridge.settings,
        secret_rules=rules.settings,
        origins=filled.origins + rules.origins + bridge.origins + tuple(channels.origins),
        config_dir=folder,
        files=tuple(read),
        notices=_unread_variables(variables, channel_models, channels.variables_read),
        again=partial(
            load,
            config_dir=config_dir,
            environ=environ,
            cwd=cwd,
            channel_models=channel_models,
            clock=clock,
            enabled_by=enabled_by,
            secret_sources=secret_sources,
        ),
    )


def _part(core_file: Document, key: str) -> Section:
    """One mapping inside `phantom.yaml`, empty when it is not there."""
    written = core_file.values.get(key)
    section = Section(prefix=key, file=core_file.path if core_file.found else None, values=_mapping(written))
    _check_mapping(written, section)
    return section


def _store(
    core: PhantomSettings,
    rules: SecretsSettings,
    installed: Mapping[str, SourceDescriptor],
    variables: Variables,
    client: MetadataClient,
    clock: Clock,
) -> SecretStore:
    """The secrets, with the sources that `SECRET_SOURCE` names opened. Raises `ConfigError` for one that cannot be."""
    options: Mapping[str, Callable[[], Mapping[str, object]]] = {
        "file": lambda: {"folders": _secret_folders(core, variables)},
        "metadata": lambda: {"client": client},
        "exec": lambda: {"settings": rules},
    }
    registry = SourceRegistry(
        installed=installed,
        context=SourceContext(
            clock=clock,
            production=core.env == "production",
            overlap=rules.overlap,
            variable=variables.text,
            options={},
        ),
        settings=rules,
        built_in_options=lambda kind: options[kind](),
    )
    store = SecretStore(
        clock=clock,
        environ=variables.environ.get,
        dotenv=variables.dotenv.get,
        order=core.secret_source if "secret_source" in core.model_fields_set else None,
        client=client,
        open_origin=registry.open,
        overlap_seconds=rules.overlap,
    )
    store.open()
    return store


def _secret_folders(core: PhantomSettings, variables: Variables) -> tuple[Path, ...]:
    """The folder that is set, and that of systemd's credentials; the default folder comes last."""
    credentials = variables.environ.get("CREDENTIALS_DIRECTORY", "")
    folders = [core.secret_dir, *([Path(credentials)] if credentials else [])]
    if "secret_dir" not in core.model_fields_set:
        folders.reverse()
    return tuple(dict.fromkeys(folders))


def _document(folder: Path | None, name: str) -> Document:
    return read_document(folder / name) if folder else Document(path=Path(name), values={}, found=False)


def _variables(environ: Mapping[str, str], cwd: Path, core_file: Document) -> Variables:
    """The environment with `.env` behind it, unless the environment or `phantom.yaml` says production."""
    env = environ.get("PHANTOM_ENV") or core_file.values.get("env") or "development"
    path = cwd / ".env"
    dotenv: Mapping[str, str] = {}
    if isinstance(env, str) and env.lower() == "production":
        refuse_open_dotenv(path)
    else:
        dotenv = read_dotenv(path)
    return Variables(environ=environ, dotenv=dotenv, dotenv_path=path)


class _Channels:
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
            if kind not in kinds.values() and kind in self._models and self._variables.is_set(names):
                kinds[kind] = kind
        sections = {
            name: Section(
                prefix=name,
                file=document.path if name in document.values else None,
                values=_mapping(document.values.get(name)),
            )
            for name in kinds
        }
        for name, kind in kinds.items():
            self._load_one(name, kind, sections[name], document.values.get(name), filled_by=_from_environment(kinds))

    def _load_one(
        self, name: str, kind: str, section: Section, written: object, *, filled_by: Mapping[str, str]
    ) -> None:
        try:
            _check_mapping(written, section)
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
        kind = _mapping(values).get("kind", name)
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


def _check_mapping(written: object, section: Section) -> None:
    if written is not None and not isinstance(written, Mapping):
        raise ConfigError(
            f"holds {type_names.get(type(written), 'a single value')} where a mapping is needed",
            where=section.where(),
            hint="write the channel's settings as `key: value` lines below its name",
        )


def _mapping(values: object) -> Mapping[str, object]:
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


def _unread_variables(
    variables: Variables, models: Mapping[str, type[BaseModel]], read_by_channels: set[str]
) -> tuple[str, ...]:
    """A notice for each `PHANTOM_…` variable that no setting reads: most likely a slip of the pen."""
    models_of_ours = (PhantomSettings, SecretsSettings, BridgeSettings)
    read = {name for model in models_of_ours for one in fields_of(model) for name in one.variables}
    read |= read_by_channels
    read |= {"PHANTOM_CONFIG_DIR"}
    unread = {
        name
        for name in (*variables.environ, *variables.dotenv)
        if name.startswith(_PREFIX) and name not in read and not _of_a_kind(name, models)
    }
    return tuple(f"{name} is set, but no setting reads it ({_nearest(name, read)})" for name in sorted(unread))


def _of_a_kind(name: str, models: Mapping[str, type[BaseModel]]) -> bool:
    """Whether the variable looks like one of a channel, which may be switched off now."""
    return any(name.startswith(f"PHANTOM_{kind.upper()}_") for kind in models)


def _nearest(name: str, read: set[str]) -> str:
    """A cure for the unread variable `name`. Only what follows the common prefix is compared."""
    tails = [known.removeprefix(_PREFIX) for known in read if known.startswith(_PREFIX)]
    near = difflib.get_close_matches(name.removeprefix(_PREFIX), tails, n=1, cutoff=0.6)
    return f"did you mean {_PREFIX}{near[0]}?" if near else "`phantom config explain` lists what is read"
