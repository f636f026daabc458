"""Configuration: turns YAML files, the environment and the metadata service into checked values and live secrets.

This is Phantom's own package, not for third parties: they import only `phantom.*`. It knows phantom's vocabulary and
neither the engine nor any channel; channels hand it their settings models. The names below load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.channel_sections import ChannelConfig as ChannelConfig
    from config.config_errors import ConfigErrors as ConfigErrors
    from config.env_example import render_env_example as render_env_example
    from config.env_production import render_env_production as render_env_production
    from config.explanation import ExplainRow as ExplainRow
    from config.explanation import explain as explain
    from config.identity_fetcher import IdentityFetcher as IdentityFetcher
    from config.loader import LoadedConfig as LoadedConfig
    from config.loader import load as load
    from config.metadata_client import MetadataClient as MetadataClient
    from config.metadata_fetcher import MetadataFetcher as MetadataFetcher
    from config.reference import render_reference as render_reference
    from config.secret_store import SecretStore as SecretStore
    from config.secrets_settings import SecretsSettings as SecretsSettings
    from config.settings import PhantomSettings as PhantomSettings
    from config.tenant_status import MetadataTenantStatus as MetadataTenantStatus

_HOME = {
    "ChannelConfig": "channel_sections",
    "ConfigErrors": "config_errors",
    "ExplainRow": "explanation",
    "IdentityFetcher": "identity_fetcher",
    "LoadedConfig": "loader",
    "MetadataClient": "metadata_client",
    "MetadataFetcher": "metadata_fetcher",
    "MetadataTenantStatus": "tenant_status",
    "PhantomSettings": "settings",
    "SecretStore": "secret_store",
    "SecretsSettings": "secrets_settings",
    "explain": "explanation",
    "load": "loader",
    "render_env_example": "env_example",
    "render_env_production": "env_production",
    "render_reference": "reference",
}


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
