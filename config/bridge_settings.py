"""The `bridge:` section of `phantom.yaml` and the `PHANTOM_BRIDGE_…` variables, as one checked value.

What does *not* live here: what a scope means and whether its names exist (the bridge itself, which has the catalogue).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from phantom.secrets import Secret, held
from phantom.settings import Env

_STRICT = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _names(value: object) -> object:
    """`"*"` alone may be written without a list."""
    return (value,) if value == "*" else value


_Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class AllowSettings(BaseModel):
    """A missing axis grants nothing."""

    model_config = _STRICT

    events: _Names = ()
    actions: _Names = ()


class WithinSettings(BaseModel):
    """Ids; a missing axis is no limit, an empty one is nowhere."""

    model_config = _STRICT

    guilds: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None


class LimitSettings(BaseModel):
    """0: no limit beyond the bridge's own."""

    model_config = _STRICT

    connections: int = Field(default=0, ge=0)
    actions_per_minute: int = Field(default=0, ge=0)
    concurrent_actions: int = Field(default=0, ge=0)
    subscriptions: int = Field(default=0, ge=0)


class BridgeSecretSettings(BaseModel):
    """One secret: its `value` (`${secret:NAME}` follows rotation), or the `hash` of a value."""

    model_config = _STRICT

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    value: Secret | None = Field(default=None, repr=False)
    hash: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$", repr=False)
    allow: AllowSettings = AllowSettings()
    within: WithinSettings = WithinSettings()
    expires: AwareDatetime | None = None
    limits: LimitSettings = LimitSettings()

    @field_validator("value", mode="before")
    @classmethod
    def _handle(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        hold = (info.context or {}).get("hold", held)
        return hold(f"bridge_{(info.data or {}).get('id', 'secret')}", value)

    @model_validator(mode="after")
    def _one_value(self) -> BridgeSecretSettings:
        if (self.value is None) == (self.hash is None):
            raise ValueError("needs either value or hash")
        return self

    @property
    def expires_at(self) -> float | None:
        """Seconds since the epoch."""
        moment: datetime | None = self.expires
        return None if moment is None else moment.timestamp()


class BridgeSettings(BaseModel):
    """How other programs reach the bot. Times are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: Annotated[
        Literal["auto", "true", "false"],
        BeforeValidator(lambda value: str(value).lower() if isinstance(value, bool | str) else value),
        Env("PHANTOM_BRIDGE_ENABLED"),
    ] = Field(
        default="auto",
        description="`auto`: on as soon as there is a bridge secret. `true`: on, also without one. `false`: off.",
    )
    host: Annotated[str, Env("PHANTOM_BRIDGE_HOST")] = Field(
        default="",
        description="An address of its own to listen on. Empty: the daemon's own address and port. Anything but this "
        "machine's loopback needs a certificate, or `behind_tls_proxy`.",
    )
    port: Annotated[int, Env("PHANTOM_BRIDGE_PORT")] = Field(
        default=0, ge=0, le=65535, description="A port of its own. 0: the daemon's, or any free one beside a `host`."
    )
    tls_certificate: Annotated[Path | None, Env("PHANTOM_BRIDGE_TLS_CERTIFICATE")] = Field(
        default=None, description="The certificate chain (PEM) of the bridge's own address; read again when it changes."
    )
    tls_key: Annotated[Path | None, Env("PHANTOM_BRIDGE_TLS_KEY")] = Field(
        default=None, description="The private key (PEM) of the certificate; read again when it changes."
    )
    behind_tls_proxy: Annotated[bool, Env("PHANTOM_BRIDGE_BEHIND_TLS_PROXY")] = Field(
        default=False,
        description="A proxy before us ends TLS. The last address in its `X-Forwarded-For` is taken for the app's.",
    )
    origins: Annotated[tuple[str, ...], Env("PHANTOM_BRIDGE_ORIGINS")] = Field(
        default=(),
        description="Origins of web pages that may connect, such as `https://dash.example.com`. Programs send none.",
    )
    heartbeat: Annotated[float, Env("PHANTOM_BRIDGE_HEARTBEAT")] = Field(
        default=30, gt=0, le=600, description="How often apps are pinged; after two misses they are cut."
    )
    max_connections: Annotated[int, Env("PHANTOM_BRIDGE_MAX_CONNECTIONS")] = Field(
        default=1000, ge=1, le=100_000, description="Apps that may be connected at once."
    )
    concurrent_actions: Annotated[int, Env("PHANTOM_BRIDGE_CONCURRENT_ACTIONS")] = Field(
        default=32, ge=1, le=1000, description="Actions that run at once, over all apps; others wait their fair turn."
    )
    replay_events: Annotated[int, Env("PHANTOM_BRIDGE_REPLAY_EVENTS")] = Field(
        default=10_000, ge=0, le=1_000_000, description="Events kept for apps that come back."
    )
    replay_megabytes: Annotated[int, Env("PHANTOM_BRIDGE_REPLAY_MEGABYTES")] = Field(
        default=32, ge=1, le=1024, description="The most that kept events may take, in MiB."
    )
    replay_seconds: Annotated[float, Env("PHANTOM_BRIDGE_REPLAY_SECONDS")] = Field(
        default=600, ge=0, le=86_400, description="How long events are kept for apps that come back."
    )
    raw_methods: Annotated[tuple[str, ...], Env("PHANTOM_BRIDGE_RAW_METHODS")] = Field(
        default=(),
        description="Methods that the action `runRaw` may call, for secrets that name it. Empty: it is off.",
    )
    secrets: tuple[BridgeSecretSettings, ...] = Field(
        default=(),
        description="Secrets that are part of the configuration; `phantom bridge secret new` makes others.",
    )

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin.lower())
            plain = f"{parts.scheme}://{parts.netloc}" == origin.lower().rstrip("/") and parts.hostname
            if not plain or parts.scheme not in {"https", "http"} or not {"*", "@"}.isdisjoint(origin):
                raise ValueError("each must be scheme and host only, such as https://dash.example.com; `*` is refused")
        return value

    @model_validator(mode="after")
    def _tls(self) -> BridgeSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.tls_certificate is not None and not (self.host or self.port):
            raise ValueError("a certificate needs an address of its own: set host or port too")
        return self
