"""Tells the metadata service what the tenant reached. Whether and when is the channel's business."""

from __future__ import annotations

from config.metadata_client import MetadataClient


class MetadataTenantStatus:
    """`phantom.identity.TenantStatus` over the metadata service. Failures raise `MetadataError` and are never fatal."""

    def __init__(self, client: MetadataClient) -> None:
        self._client = client

    async def agent_ready(self, transport: str) -> None:
        await self._post("agent_ready", transport=transport)

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        await self._post("first_dm_sent", slack_message_ts=slack_message_ts)

    async def _post(self, event: str, **facts: str) -> None:
        import orjson

        await self._client.post(f"/v1/tenant_status/{event}", orjson.dumps(facts), action=f"post {event}")
