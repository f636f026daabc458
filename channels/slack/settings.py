"""The settings of the Slack channel, as one checked model. What does *not* live here: where values come from.

No error names a value: tokens end up in the wrong variable often enough.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from phantom.errors import ConfigError
from phantom.secrets import Secret
from phantom.settings import Env, SecretField

BOT_TOKEN_PREFIXES = ("xoxb-", "xoxe.xoxb-")
APP_TOKEN_PREFIXES = ("xapp-",)


class SlackSettings(BaseModel):
    """Section `slack` of `channels.yaml`; every field has an environment variable that wins over the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    transport: Annotated[str, Env("SLACK_TRANSPORT")] = Field(
        default="socket", description="How events arrive: `socket` (Socket Mode) or `http` (signed posts)."
    )
    http_profile: Annotated[str, Env("SLACK_HTTP_PROFILE")] = Field(
        default="gateway",
        description="Who signs HTTP posts: `gateway` (a gateway that forwards a distributed app's events) or"
        " `direct` (Slack itself).",
    )
    bot_token: Annotated[Secret | None, SecretField("slack_bot_token"), Env("SLACK_BOT_TOKEN")] = Field(
        default=None, description="Bot token, xoxb-…"
    )
    app_token: Annotated[Secret | None, SecretField("slack_app_token"), Env("SLACK_APP_TOKEN")] = Field(
        default=None, description="App-level token with `connections:write`, xapp-…; Socket Mode only."
    )
    signing_secret: Annotated[Secret | None, SecretField("slack_signing_secret"), Env("SLACK_SIGNING_SECRET")] = Field(
        default=None, description="The app's signing secret; profile `direct` only."
    )
    signing_secret_previous: Annotated[
        Secret | None, SecretField("slack_signing_secret_previous"), Env("SLACK_SIGNING_SECRET_PREVIOUS")
    ] = Field(default=None, description="The signing secret before the last rotation, accepted too; profile `direct`.")
    gateway_signing_secret: Annotated[
        Secret | None, SecretField("slack_gateway_signing_secret"), Env("SLACK_GATEWAY_SIGNING_SECRET")
    ] = Field(default=None, description="The secret that the gateway signs with; profile `gateway` only.")
    gateway_signing_secret_previous: Annotated[
        Secret | None,
        SecretField("slack_gateway_signing_secret_previous"),
        Env("SLACK_GATEWAY_SIGNING_SECRET_PREVIOUS"),
    ] = Field(
        default=None,
        description="The gateway's secret before the last rotation, where both are set by hand; the metadata service"
        " gives it by itself.",
    )
    accept_v1: Annotated[bool, Env("SLACK_GATEWAY_ACCEPT_V1")] = Field(
        default=True, description="Accept version 1 gateway signatures beside version 2."
    )

    owner: Annotated[str, Env("OWNER_SLACK_USER_ID")] = Field(
        default="",
        description="User id of the owner, who may always talk to Phantom. With an owner and no list, nobody else may.",
    )
    home_channel: Annotated[str, Env("SLACK_CHANNEL_ID")] = Field(
        default="", description="Channel id for notices and the introduction when nobody else is known."
    )
    allowed_users: Annotated[tuple[str, ...], Env("SLACK_ALLOWED_USERS")] = Field(
        default=(), description="User ids that may talk to Phantom; empty means every full member."
    )
    allowed_channels: Annotated[tuple[str, ...], Env("SLACK_ALLOWED_CHANNELS")] = Field(
        default=(), description="Conversation ids in which Phantom answers; empty means all."
    )
    allow_guests: Annotated[bool, Env("SLACK_ALLOW_GUESTS")] = Field(
        default=False, description="Whether guest accounts may talk to Phantom."
    )
    allow_external: Annotated[bool, Env("SLACK_ALLOW_EXTERNAL")] = Field(
        default=False, description="Whether people from other workspaces (Slack Connect) may."
    )
    bots: Annotated[Literal["none", "mentions", "all"], Env("SLACK_BOTS")] = Field(
        default="none", description="Which messages of other bots are answered."
    )
    thread_followups: Annotated[Literal["mention", "own", "all"], Env("SLACK_THREAD_FOLLOWUPS")] = Field(
        default="own",
        description="Which replies in a thread need no mention: none, those of people who addressed Phantom in that"
        " thread before, or all.",
    )
    group_dms: Annotated[Literal["all", "mention"], Env("SLACK_GROUP_DMS")] = Field(
        default="all", description="Whether every message of a group DM is answered or only mentions."
    )

    api_base_url: Annotated[str, Env("SLACK_API_BASE_URL")] = Field(
        default="https://slack.com/api/", description="Base of the Web API: GovSlack, a proxy, a test."
    )
    max_body: Annotated[int, Env("SLACK_MAX_BODY")] = Field(
        default=1_048_576, ge=1024, le=64 * 1_048_576, description="Largest accepted post, in bytes."
    )
    body_timeout: Annotated[float, Env("SLACK_BODY_TIMEOUT")] = Field(
        default=10.0, gt=0, le=120, description="Seconds within which the body of a post must arrive."
    )
    max_file_bytes: Annotated[int, Env("SLACK_MAX_FILE_BYTES")] = Field(
        default=20 * 1_048_576, ge=0, description="Largest file that is fetched, in bytes; 0 fetches none."
    )
    connections: Annotated[int, Env("SLACK_CONNECTIONS")] = Field(
        default=1, ge=1, le=10, description="How many Socket Mode connections to hold (Slack allows ten an app)."
    )

    @field_validator("transport", "http_profile", "bots", "thread_followups", "group_dms", mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("allowed_users", "allowed_channels", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """A comma or space separated string is a list, as an environment variable can only be a string."""
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("owner", "home_channel", mode="before")
    @classmethod
    def _stripped(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

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
        return value.strip().rstrip("/") + "/"

    def policy_options(self) -> dict[str, object]:
        """What the core's policy needs to know; the channel itself decides nothing."""
        return {
            "owner": self.owner,
            "allowed_users": self.allowed_users,
            "allowed_channels": self.allowed_channels,
            "allow_guests": self.allow_guests,
            "allow_external": self.allow_external,
            "bots": self.bots,
            "thread_followups": self.thread_followups,
            "group_dms": self.group_dms,
        }


def check_prefix(secret: Secret, prefixes: tuple[str, ...], *, where: str, hint: str) -> None:
    """Raise `ConfigError` when the secret's present value is of another kind; the value is never shown.

    Raises `SecretError` when there is no value.
    """
    value = secret.reveal()
    if not value.startswith(prefixes) or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(f"does not look like a token that begins with {prefixes[0]}", where=where, hint=hint)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
