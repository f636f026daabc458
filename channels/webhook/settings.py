"""The settings of the webhook channel, as one checked model. What does *not* live here: where values come from.

The top of the section is the endpoint `default`, which the environment alone can configure; `endpoints` names others.
No error names a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from channels.webhook.callback_urls import why_refused
from channels.webhook.normalise import author_of, within
from phantom.secrets import Secret, held
from phantom.settings import Env, SecretField

_STRICT = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)
DEFAULT_ENDPOINT = "default"
ENDPOINT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:.]+")
_SECRETS = ("secret_default", "secret_backup")


def _listed(value: object) -> object:
    """A comma or space separated string is a list, as an environment variable can only be a string."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    lowered = tuple(one.lower() for one in value)
    if not all(_HOST.fullmatch(one) for one in lowered):
        raise ValueError("must be host names such as hooks.example.com or *.example.com")
    return lowered


class EndpointSettings(BaseModel):
    """One more endpoint, at `/webhook/<its name>`. What is not said here is as at the top of the section."""

    model_config = _STRICT

    secret_default: Secret = Field(repr=False)
    secret_backup: Secret | None = Field(default=None, repr=False)
    deadline: float | None = Field(default=None, gt=0, le=300)
    allowed_users: tuple[str, ...] = ()
    callback_url: str = ""
    callback_hosts: tuple[str, ...] = ()

    @field_validator("allowed_users", "callback_hosts", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _listed(value)

    @field_validator("callback_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _hosts(value)


class WebhookSettings(BaseModel):
    """Section `webhook` of `channels.yaml`; every field but `endpoints` has an environment variable that wins."""

    model_config = _STRICT

    secret_default: Annotated[Secret | None, SecretField("webhook_secret_default"), Env("WEBHOOK_SECRET_DEFAULT")] = (
        Field(
            default=None,
            description="What posts to `/webhook/default` are signed with: `whsec_` and base64 of 32 random bytes, or"
            " another random text of at least 24 characters.",
        )
    )
    secret_backup: Annotated[
        Secret | None, SecretField("webhook_secret_backup", awaited=True), Env("WEBHOOK_SECRET_BACKUP")
    ] = Field(default=None, description="A second secret that is accepted too: the one before a rotation.")
    allowed_users: Annotated[tuple[str, ...], Env("WEBHOOK_ALLOWED_USERS")] = Field(
        default=(), description="Values of `user.id` that may talk to Phantom; empty means whoever holds the secret."
    )
    deadline: Annotated[float, Env("WEBHOOK_DEADLINE")] = Field(
        default=25.0, gt=0, le=300, description="Seconds that a synchronous post waits for its answer; then it is 504."
    )
    callback_url: Annotated[str, Env("WEBHOOK_CALLBACK_URL")] = Field(
        default="",
        description="Where answers to asynchronous posts without a `callback_url` of their own are posted, and messages"
        " that nobody asked for. Empty: nowhere; answers can be fetched.",
    )
    callback_hosts: Annotated[tuple[str, ...], Env("WEBHOOK_CALLBACK_HOSTS")] = Field(
        default=(),
        description="Hosts that callbacks may go to, such as `hooks.example.com` or `*.example.com`; empty means every"
        " public one. Private addresses are never called.",
    )
    callback_attempts: Annotated[int, Env("WEBHOOK_CALLBACK_ATTEMPTS")] = Field(
        default=8, ge=1, le=20, description="How often a callback is tried before it is given up."
    )
    callback_retry_seconds: Annotated[float, Env("WEBHOOK_CALLBACK_RETRY_SECONDS")] = Field(
        default=2.0,
        gt=0,
        le=600,
        description="Seconds before the second attempt; each further one waits four times as long, at most an hour.",
    )
    insecure_callbacks: Annotated[bool, Env("WEBHOOK_INSECURE_CALLBACKS")] = Field(
        default=False,
        description="For development: callbacks may also go to this machine itself, over http too.",
    )
    max_waiting: Annotated[int, Env("WEBHOOK_MAX_WAITING")] = Field(
        default=1000, ge=1, le=100_000, description="Synchronous posts that may wait at once; more are answered 503."
    )
    max_body: Annotated[int, Env("WEBHOOK_MAX_BODY")] = Field(
        default=524_288, ge=1024, le=16 * 1_048_576, description="Largest accepted post, in bytes."
    )
    body_timeout: Annotated[float, Env("WEBHOOK_BODY_TIMEOUT")] = Field(
        default=10.0, gt=0, le=120, description="Seconds within which the body of a post must arrive."
    )
    endpoints: Mapping[str, EndpointSettings] = Field(
        default_factory=dict,
        description="Further endpoints by name, each at `/webhook/<name>` with a `secret_default` of its own and maybe"
        " `secret_backup`, `allowed_users`, `deadline`, `callback_url`, `callback_hosts`.",
    )

    @field_validator("allowed_users", "callback_hosts", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return _listed(value)

    @field_validator("callback_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _hosts(value)

    @field_validator("endpoints", mode="before")
    @classmethod
    def _handles(cls, value: object, info: ValidationInfo) -> object:
        """A secret that is written as text becomes a handle named after its endpoint."""
        if not isinstance(value, Mapping):
            return value
        hold = (info.context or {}).get("hold", held)
        made: dict[object, object] = {}
        for name, section in value.items():
            if not isinstance(name, str) or not ENDPOINT_NAME.fullmatch(name):
                raise ValueError("an endpoint's name is of the shape [a-z0-9][a-z0-9_-]{0,31}")
            if isinstance(section, Mapping):
                section = dict(section)
                for key in _SECRETS:
                    if isinstance(section.get(key), str):
                        section[key] = hold(f"webhook_{name.replace('-', '_')}_{key}", section[key])
            made[name] = section
        return made

    @model_validator(mode="after")
    def _callbacks(self) -> Self:
        pairs = [(self.callback_url, self.callback_hosts)]
        pairs += [(one.callback_url, one.callback_hosts or self.callback_hosts) for one in self.endpoints.values()]
        for url, hosts in pairs:
            reason = why_refused(url, hosts=hosts, insecure=self.insecure_callbacks) if url else ""
            if reason:
                raise ValueError(f"callback_url {reason}")
        if DEFAULT_ENDPOINT in self.endpoints and self.secret_default is not None:
            raise ValueError("endpoints.default and WEBHOOK_SECRET_DEFAULT configure the same endpoint: remove one")
        return self

    def policy_options(self) -> dict[str, object]:
        """What the core's policy needs to know; the channel itself decides nothing. With lists at some endpoints only,
        the others are open by their name.
        """
        lists = {name: one.allowed_users for name, one in self.endpoints.items()}
        if self.secret_default is not None:
            lists[DEFAULT_ENDPOINT] = self.allowed_users
        if not any(lists.values()):
            return {}
        users = tuple(author_of(name, user) for name, listed in lists.items() for user in listed)
        return {
            "allowed_users": users,
            "allowed_channels": tuple(within(name) for name, listed in lists.items() if not listed),
        }
