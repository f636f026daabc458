"""Who this Phantom is: the tenant, and its installs on the platforms. Values only; fetching lives in `config/`."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackInstall:
    """The workspace that installed the distributed app (metadata contract, `/v1/identity` → `slack`)."""

    team_id: str
    installer_user_id: str
    team_name: str
    installed_at: str
    enterprise_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordInstall:
    """The Discord application of this tenant (metadata contract, `/v1/identity` → `discord`).

    `guild_ids` are the servers that it may serve: None when the service does not say, none at all when it is empty.
    """

    application_id: str
    public_key: str
    guild_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The tenant as the metadata service names it. Optional strings are "" when absent."""

    tenant_id: str
    tenant_slug: str = ""
    region: str = ""
    host_id: str = ""
    env: str = ""
    slack: SlackInstall | None = None
    discord: DiscordInstall | None = None


class IdentityProvider(Protocol):
    """Gives the tenant's identity; asked at a channel's boot and now and then while it runs, never cached."""

    def __call__(self) -> Awaitable[Identity]: ...


@runtime_checkable
class SupportsConfigured(Protocol):
    """An `IdentityProvider` that knows whether somebody pointed this Phantom at a metadata service. A channel that can
    do without the identity asks only then; one that cannot asks anyway.
    """

    @property
    def configured(self) -> bool: ...


class TenantStatus(Protocol):
    """Tells the metadata service what the tenant reached. Failures raise `MetadataError` and are never fatal."""

    async def agent_ready(self, transport: str) -> None:
        """The receiver serves and the token is proven."""
        ...

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        """The installer has been greeted."""
        ...
