"""The tenant's identity from the metadata service: fetched at each call, validated before it is returned, not cached.

Errors name the field that is wrong, never what it holds. Unknown fields are ignored (metadata contract).
"""

from __future__ import annotations

from collections.abc import Mapping

from config.metadata_client import MetadataClient
from phantom.errors import MetadataError
from phantom.identity import DiscordInstall, Identity, SlackInstall


class IdentityFetcher:
    """An `IdentityProvider`: `await fetcher()` is one `GET /v1/identity`.

    `configured`: the settings name a metadata service, or say that secrets come from it.
    """

    def __init__(self, client: MetadataClient, *, configured: bool = False) -> None:
        self.configured = configured
        self._client = client

    async def __call__(self) -> Identity:
        """The identity. Raises `MetadataError`."""
        answer = await self._client.get("/v1/identity", action="fetch identity")
        if answer.status != 200:
            raise MetadataError(f"metadata: fetch identity failed: HTTP {answer.status}", status=answer.status)
        return parse_identity(answer.body)


def parse_identity(body: bytes) -> Identity:
    """The identity that the JSON `body` holds. Pure. Raises `MetadataError`."""
    import orjson

    try:
        decoded: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        decoded = _NOT_JSON
    if decoded is _NOT_JSON:  # raised outside the handler: the exception holds the body
        raise MetadataError("metadata: identity is not JSON", retryable=True)
    if not isinstance(decoded, dict):
        raise MetadataError("metadata: identity is not an object")
    return Identity(
        tenant_id=_needed(decoded, "tenant_id", ""),
        tenant_slug=_optional(decoded, "tenant_slug", ""),
        region=_optional(decoded, "region", ""),
        host_id=_optional(decoded, "host_id", ""),
        env=_optional(decoded, "env", ""),
        slack=_slack(decoded),
        discord=_discord(decoded),
    )


_NOT_JSON = object()


def _slack(identity: Mapping[str, object]) -> SlackInstall | None:
    found = _object(identity, "slack")
    if found is None:
        return None
    return SlackInstall(
        team_id=_needed(found, "team_id", "slack."),
        installer_user_id=_needed(found, "installer_user_id", "slack."),
        team_name=_text(found, "team_name", "slack."),
        installed_at=_text(found, "installed_at", "slack."),
        enterprise_id=_optional(found, "enterprise_id", "slack.") or None,
    )


def _discord(identity: Mapping[str, object]) -> DiscordInstall | None:
    found = _object(identity, "discord")
    if found is None:
        return None
    guilds = found.get("guild_ids")
    if guilds is not None and not (isinstance(guilds, list) and all(isinstance(guild, str) for guild in guilds)):
        raise MetadataError("metadata: identity field discord.guild_ids is not a list of strings")
    return DiscordInstall(
        application_id=_needed(found, "application_id", "discord."),
        public_key=_needed(found, "public_key", "discord."),
        guild_ids=None if guilds is None else tuple(guilds),
    )


def _object(fields: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    found = fields.get(name)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise MetadataError(f"metadata: identity.{name} is not an object")
    return found


def _text(fields: Mapping[str, object], name: str, prefix: str) -> str:
    found = fields.get(name)
    if not isinstance(found, str):
        raise MetadataError(f"metadata: identity field {prefix}{name} is not a string")
    return found


def _needed(fields: Mapping[str, object], name: str, prefix: str) -> str:
    found = _text(fields, name, prefix)
    if not found:
        raise MetadataError(f"metadata: identity field {prefix}{name} is empty")
    return found


def _optional(fields: Mapping[str, object], name: str, prefix: str) -> str:
    return "" if fields.get(name) is None else _text(fields, name, prefix)
