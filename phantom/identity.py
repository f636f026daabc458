"""Who this Phantom is: the tenant, and its installs on the platforms. Values only; fetching lives in `config/`."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol


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
    """The Discord application of this tenant (metadata contract, `/v1/identity` → `discord`)."""

    application_id: str
    public_key: str
    guild_ids: tuple[str, ...] = ()


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
    """Gives the tenant's identity; asked once at a channel's boot, never cached."""

    def __call__(self) -> Awaitable[Identity]: ...


class TenantStatus(Protocol):
    """Tells the metadata service what the tenant reached. Failures raise `MetadataError` and are never fatal."""

    async def agent_ready(self, transport: str) -> None:
        """The receiver serves and the token is proven."""
        ...

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        """The installer has been greeted."""
        ...
