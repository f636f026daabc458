"""The settings of the Discord channel, as one checked model. What does *not* live here: where values come from.

No error names a value: tokens end up in the wrong variable often enough.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from phantom.secrets import Secret
from phantom.settings import Env, SecretField

API_BASE_URL = "https://discord.com/api/v10"
_ID = re.compile(r"[0-9]{1,20}", re.ASCII)


class DiscordSettings(BaseModel):
    """Section `discord` of `channels.yaml`; every field has an environment variable that wins over the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    transport: Annotated[Literal["gateway", "http"], Env("DISCORD_TRANSPORT")] = Field(
        default="gateway",
        description="How events arrive: `gateway` (a socket to Discord) or `http` (signed interactions only: slash"
        " commands, context menus and buttons).",
    )
    bot_token: Annotated[Secret | None, SecretField("discord_bot_token"), Env("DISCORD_BOT_TOKEN")] = Field(
        default=None, description="Bot token, from the application's page Bot."
    )
    public_key: Annotated[Secret | None, SecretField("discord_public_key"), Env("DISCORD_PUBLIC_KEY")] = Field(
        default=None,
        description="The application's public key (64 hex digits), transport `http` only; unset, the metadata service"
        " or Discord names it.",
    )
    application_id: Annotated[str, Env("DISCORD_APPLICATION_ID")] = Field(
        default="", description="Id of the application; if set, a token or an install of another one is refused."
    )

    owner: Annotated[str, Env("OWNER_DISCORD_USER_ID")] = Field(
        default="",
        description="User id of the owner, who may always talk to Phantom. With an owner and no list, nobody else may.",
    )
    allowed_users: Annotated[tuple[str, ...], Env("DISCORD_ALLOWED_USERS")] = Field(
        default=(), description="User ids that may talk to Phantom; with neither owner nor list, every member may."
    )
    allowed_roles: Annotated[tuple[str, ...], Env("DISCORD_ALLOWED_ROLES")] = Field(
        default=(), description="Role ids whose members may talk to Phantom."
    )
    allowed_channels: Annotated[tuple[str, ...], Env("DISCORD_ALLOWED_CHANNELS")] = Field(
        default=(), description="Channel, forum or thread ids in which everyone may talk to Phantom."
    )
    allowed_guilds: Annotated[tuple[str, ...], Env("DISCORD_ALLOWED_GUILDS")] = Field(
        default=(), description="Server ids that Phantom serves; events of other servers are dropped. Empty means all."
    )
    direct_messages: Annotated[bool, Env("DISCORD_DIRECT_MESSAGES")] = Field(
        default=True, description="Whether direct messages are answered."
    )
    bots: Annotated[Literal["none", "mentions", "all"], Env("DISCORD_BOTS")] = Field(
        default="none", description="Which messages of other bots and webhooks are answered."
    )
    bot_budget: Annotated[int, Env("DISCORD_BOT_BUDGET")] = Field(
        default=5, ge=0, le=1000, description="How many answers other bots get in one channel per hour."
    )
    thread_followups: Annotated[Literal["mention", "own", "all"], Env("DISCORD_THREAD_FOLLOWUPS")] = Field(
        default="own",
        description="Which messages in a thread need no mention: none, those of people who addressed Phantom in that"
        " thread before, or all.",
    )

    reply_ping: Annotated[bool, Env("DISCORD_REPLY_PING")] = Field(
        default=False, description="Whether an answer notifies whoever asked, as a reply of a person's does."
    )
    message_content: Annotated[bool, Env("DISCORD_MESSAGE_CONTENT")] = Field(
        default=True,
        description="Ask for the Message Content Intent. Without it Phantom reads direct messages, mentions and replies"
        " to it, but no follow-ups in threads.",
    )
    shard_count: Annotated[int | None, Env("DISCORD_SHARD_COUNT")] = Field(
        default=None, ge=1, description="Number of shards of the whole bot; Discord's own recommendation when unset."
    )
    shard_ids: Annotated[tuple[int, ...], Env("DISCORD_SHARD_IDS")] = Field(
        default=(), description="The shards that this process holds; all when empty."
    )
    dev_guild: Annotated[str, Env("DISCORD_DEV_GUILD")] = Field(
        default="",
        description="Server id in which commands are registered instead of globally: changes show at once.",
    )
    sync_commands: Annotated[bool, Env("DISCORD_SYNC_COMMANDS")] = Field(
        default=True, description="Register `/phantom` and the context-menu command when they changed."
    )

    api_base_url: Annotated[str, Env("DISCORD_API_BASE_URL")] = Field(
        default=API_BASE_URL, description="Base of the REST API: a proxy, a test."
    )
    max_body: Annotated[int, Env("DISCORD_MAX_BODY")] = Field(
        default=1_048_576, ge=1024, le=64 * 1_048_576, description="Largest accepted post, in bytes."
    )
    body_timeout: Annotated[float, Env("DISCORD_BODY_TIMEOUT")] = Field(
        default=10.0, gt=0, le=120, description="Seconds within which the body of a post must arrive."
    )
    max_file_bytes: Annotated[int, Env("DISCORD_MAX_FILE_BYTES")] = Field(
        default=20 * 1_048_576, ge=0, description="Largest file that is fetched, in bytes; 0 fetches none."
    )
    backfill_messages: Annotated[int, Env("DISCORD_BACKFILL_MESSAGES")] = Field(
        default=200,
        ge=0,
        le=2000,
        description="How many messages a channel are fetched at most after an absence; 0 fetches none.",
    )
    heartbeat_timeout: Annotated[float, Env("DISCORD_HEARTBEAT_TIMEOUT")] = Field(
        default=60.0, gt=0, le=300, description="Seconds of silence after which a gateway connection counts as dead."
    )

    @field_validator("transport", mode="before")
    @classmethod
    def _known_transport(cls, value: object) -> object:
        word = value.strip().lower() if isinstance(value, str) else value
        if word not in ("gateway", "http"):
            raise ValueError("must be gateway or http; unset it for the gateway")
        return word

    @field_validator("bots", "thread_followups", mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("allowed_users", "allowed_roles", "allowed_channels", "allowed_guilds", "shard_ids", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """A comma or space separated string is a list, as an environment variable can only be a string."""
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split())
        if isinstance(value, list | tuple):
            return tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in value)
        return value

    @field_validator("owner", "application_id", "dev_guild", mode="before")
    @classmethod
    def _stripped(cls, value: object) -> object:
        """YAML reads an unquoted id as a number."""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return value.strip() if isinstance(value, str) else value

    @field_validator("owner", "application_id", "dev_guild")
    @classmethod
    def _one_id(cls, value: str) -> str:
        if value and not _ID.fullmatch(value):
            raise ValueError("must be a Discord id (digits): switch Developer Mode on and use Copy ID")
        return value

    @field_validator("allowed_users", "allowed_roles", "allowed_channels", "allowed_guilds")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ID.fullmatch(one) for one in value):
            raise ValueError("must be Discord ids (digits): switch Developer Mode on and use Copy ID")
        return value

    @field_validator("api_base_url")
    @classmethod
    def _base(cls, value: str) -> str:
        parts = urlsplit(value.strip())
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must be a plain base address without credentials or query")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            raise ValueError("must begin with https:// (http:// only on this machine)")
        if not parts.hostname:
            raise ValueError("must name a host")
        return value.strip().rstrip("/")

    @model_validator(mode="after")
    def _shards(self) -> Self:
        if self.shard_ids and self.shard_count is None:
            raise ValueError("shard_ids needs shard_count: set DISCORD_SHARD_COUNT to the bot's total")
        if self.shard_count is not None and any(not 0 <= one < self.shard_count for one in self.shard_ids):
            raise ValueError(
                "shard_ids must be 0 or more and below shard_count (DISCORD_SHARD_IDS, DISCORD_SHARD_COUNT)"
            )
        if len(set(self.shard_ids)) < len(self.shard_ids):
            raise ValueError("shard_ids names a shard twice: correct DISCORD_SHARD_IDS")
        if self.transport == "http" and self.shard_count is not None:
            raise ValueError("only the gateway has shards: unset DISCORD_SHARD_COUNT, or set DISCORD_TRANSPORT=gateway")
        return self

    @model_validator(mode="after")
    def _served(self) -> Self:
        if self.dev_guild and self.allowed_guilds and self.dev_guild not in self.allowed_guilds:
            raise ValueError("dev_guild is not served: add it to DISCORD_ALLOWED_GUILDS, or correct DISCORD_DEV_GUILD")
        return self

    def policy_options(self) -> dict[str, object]:
        """What the core's policy needs to know; the channel itself only drops what other servers send."""
        return {
            "owner": self.owner,
            "allowed_users": self.allowed_users,
            "allowed_roles": self.allowed_roles,
            "allowed_channels": self.allowed_channels,
            "direct_messages": self.direct_messages,
            "bots": self.bots,
            "bot_budget": self.bot_budget,
            "thread_followups": self.thread_followups,
        }


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
