"""Loads the whole configuration: `load()` is the one call the daemon and `phantom config explain` make.

It reads two YAML files and, in development, `.env`; it asks the network for nothing. What is wrong with the daemon's
own settings is raised; what is wrong with one channel's section disables that channel alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel

from config import secret_names
from config.bridge_settings import BridgeSettings
from config.channel_sections import ChannelConfig, ChannelSections, check_mapping, mapping_of
from config.config_errors import as_one
from config.dotenv import is_open_to_all, read_dotenv, refuse_open_dotenv
from config.fields import fields_of
from config.files import CHANNELS_FILE, CORE_FILE, Document, find_config_dir, read_document
from config.fill import Filler
from config.identity_fetcher import IdentityFetcher
from config.metadata_client import MetadataClient
from config.secret_catalogue import MODEL_KEYS
from config.secret_store import SecretStore
from config.secrets_settings import SecretsSettings
from config.settings import PhantomSettings
from config.source_registry import SourceRegistry, choosable
from config.sources import Section, Variables
from config.tenant_status import MetadataTenantStatus
from phantom.clock import Clock
from phantom.identity import IdentityProvider, TenantStatus
from phantom.secret_sources import SourceContext, SourceDescriptor
from phantom.settings import Origin

_PREFIX = "PHANTOM_"
BRIDGE = "bridge"
"""The key of `phantom.yaml` that holds the bridge's settings."""
SECRETS = "secrets"
"""The key that holds what is said about secrets in general."""


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
    core, rules, origins = _core(core_file, variables, cwd, choosable(secret_sources))
    client = MetadataClient(core.metadata_url, clock)
    store = _store(core, rules, secret_sources, variables, client, clock, cwd)
    channels = ChannelSections(channel_models, enabled_by, variables, store, cwd)
    channels.load(channels_file)
    bridge = Filler(variables=variables, store=store, cwd=cwd).fill(BridgeSettings, _part(core_file, BRIDGE), variables)
    if bridge.settings is None:
        raise as_one(bridge.errors)
    asked_for = "metadata" in core.secret_source or "metadata_url" in core.model_fields_set
    return LoadedConfig(
        core=core,
        channels=channels.loaded,
        disabled=tuple(channels.disabled),
        secrets=store,
        identity=IdentityFetcher(client, configured=asked_for),
        tenant_status=MetadataTenantStatus(client),
        bridge=bridge.settings,
        secret_rules=rules,
        origins=origins + bridge.origins + tuple(channels.origins),
        config_dir=folder,
        files=_read(core_file, channels_file, variables),
        notices=_unread_variables(variables, channel_models, channels.variables_read) + _open_dotenv(variables),
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


def _core(
    core_file: Document, variables: Variables, cwd: Path, sources: tuple[str, ...]
) -> tuple[PhantomSettings, SecretsSettings, tuple[Origin, ...]]:
    """The daemon's own settings and those of secrets, whose names may be asked for from now on."""
    filler = Filler(variables=variables, store=None, cwd=cwd, sources=sources)
    own = {key: value for key, value in core_file.values.items() if key not in (BRIDGE, SECRETS)}
    section = Section(prefix="", file=core_file.path if core_file.found else None, values=own)
    core = filler.fill(PhantomSettings, section, variables)
    rules = filler.fill(SecretsSettings, _part(core_file, SECRETS), variables)
    if core.settings is None or rules.settings is None:
        raise as_one(core.errors + rules.errors)
    secret_names.declare(rules.settings.declare, by=_part(core_file, SECRETS).where("declare"))
    return core.settings, rules.settings, core.origins + rules.origins


def _read(core_file: Document, channels_file: Document, variables: Variables) -> tuple[Path, ...]:
    """The files that were there."""
    found = [document.path for document in (core_file, channels_file) if document.found]
    return (*found, variables.dotenv_path) if variables.dotenv else tuple(found)


def _open_dotenv(variables: Variables) -> tuple[str, ...]:
    """A notice when others on the machine may read what `.env` holds. (In production that is refused.)"""
    path = variables.dotenv_path
    if not variables.dotenv or not is_open_to_all(path):
        return ()
    return (f"{path}: everyone on this machine may read it (chmod 600 {path})",)


def _part(core_file: Document, key: str) -> Section:
    """One mapping inside `phantom.yaml`, empty when it is not there."""
    written = core_file.values.get(key)
    section = Section(prefix=key, file=core_file.path if core_file.found else None, values=mapping_of(written))
    check_mapping(written, section)
    return section


def _store(
    core: PhantomSettings,
    rules: SecretsSettings,
    installed: Mapping[str, SourceDescriptor],
    variables: Variables,
    client: MetadataClient,
    clock: Clock,
    cwd: Path,
) -> SecretStore:
    """The secrets, with the sources that `SECRET_SOURCE` names opened. Raises `ConfigError` for one that cannot be."""
    options: Mapping[str, Callable[[], Mapping[str, object]]] = {
        "file": lambda: {"folders": _secret_folders(core, variables)},
        "metadata": lambda: {"client": client},
        "exec": lambda: {"settings": rules, "variables": (*variables.environ, *variables.dotenv)},
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
        folder=cwd,
        production=core.env == "production",
        overlap_seconds=rules.overlap,
    )
    store.open()
    for name, provider in MODEL_KEYS.items():
        if provider:
            store.may_lack(name, beside="provider_token")
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
