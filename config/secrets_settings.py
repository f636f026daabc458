"""The `secrets:` section of `phantom.yaml`, as one checked value: how old secrets may get, and how sources are asked.

What does *not* live here: which sources are asked in which order (`SECRET_SOURCE`, in `settings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from config.secret_names import PATTERN
from phantom.settings import Env

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})\s*([smhdw])")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[A-Za-z][A-Za-z0-9]+(?:_[A-Za-z0-9]+)*_\*")
NEVER = 0.0
"""A policy that demands no rotation."""


def seconds(text: str) -> float:
    """What "90d", "12h" or "15m" is in seconds; 0 for "never". Raises `ValueError`."""
    text = text.strip().lower()
    if text == "never":
        return NEVER
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError("must be a time with its unit, such as 30d, 12h or never")
    return float(int(match[1]) * _UNITS[match[2]])


def _duration(text: str) -> str:
    seconds(text)
    return text.strip().lower()


Duration = Annotated[str, AfterValidator(_duration)]


class SecretsSettings(BaseModel):
    """How old secrets may get and how their sources are asked. Times are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_age: Annotated[Duration, Env("PHANTOM_SECRET_MAX_AGE")] = Field(
        default="90d",
        description="How old a secret may get until `phantom secrets list`, doctor and health call it overdue: `90d`, "
        "`12h`, `never`.",
    )
    policy: Mapping[str, Duration] = Field(
        default_factory=dict,
        description="The same for single secrets, such as `{slack_bot_token: 30d, discord_public_key: never}`.",
    )
    overlap: Annotated[float, Env("PHANTOM_SECRET_OVERLAP")] = Field(
        default=300,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long, in seconds, the value before a rotation stays acceptable to whoever verifies with it.",
    )
    declare: Mapping[str, str] = Field(
        default_factory=dict,
        description="Secrets that your own agent or tools ask for, each with its category, such as "
        "`{pinecone_api_key: vector database}`. Without this no live source may be asked for them.",
    )
    exec_command: Annotated[tuple[str, ...], Env("PHANTOM_SECRET_EXEC_COMMAND")] = Field(
        default=(),
        repr=False,
        description="The command of `SECRET_SOURCE=exec`, as a list; it prints one secret. `{name}` stands for the "
        "secret's name, `{NAME}` for the same in capitals. No shell is involved.",
    )
    exec_timeout: Annotated[float, Env("PHANTOM_SECRET_EXEC_TIMEOUT")] = Field(
        default=10,
        gt=0,
        le=300,
        allow_inf_nan=False,
        description="How long, in seconds, the command may take; then it and its children are killed.",
    )
    exec_interval: Annotated[float, Env("PHANTOM_SECRET_EXEC_INTERVAL")] = Field(
        default=300,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="How long, in seconds, its answer counts as fresh. SIGHUP asks at once.",
    )
    exec_stale: Annotated[float, Env("PHANTOM_SECRET_EXEC_STALE")] = Field(
        default=3600,
        ge=1,
        le=604_800,
        allow_inf_nan=False,
        description="How long, in seconds, the last good answer is used while the command fails; health says stale.",
    )
    exec_environment: Annotated[tuple[str, ...], Env("PHANTOM_SECRET_EXEC_ENVIRONMENT")] = Field(
        default=(),
        description="Names of variables that the command gets besides PATH, HOME and the like, e.g. `VAULT_ADDR`; "
        "`AWS_*` stands for all that begin so.",
    )
    exec_missing: Annotated[tuple[int, ...], Env("PHANTOM_SECRET_EXEC_MISSING")] = Field(
        default=(),
        description="Exit statuses by which the command says that there is no such secret; others are failures.",
    )
    options: Mapping[str, Mapping[str, object]] = Field(
        default_factory=dict, repr=False, description="Settings of sources that plugins bring, by their kind."
    )

    @field_validator("policy")
    @classmethod
    def _policy(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if any(PATTERN.fullmatch(name) is None and not name.startswith("bridge") for name in value):
            raise ValueError("a key is not a secret's name; names are of the shape [a-z_][a-z0-9_]{0,63}")
        return value

    @field_validator("declare")
    @classmethod
    def _declare(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if any(PATTERN.fullmatch(name) is None for name in value):
            raise ValueError("a key is not a secret's name; names are of the shape [a-z_][a-z0-9_]{0,63}")
        if any(not word or len(word) > 40 or not word.isprintable() for word in value.values()):
            raise ValueError("each name needs a category: up to 40 characters")
        return value

    @field_validator("exec_command")
    @classmethod
    def _exec_command(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and (not value[0].strip() or any("\0" in part for part in value)):
            raise ValueError("must be a list that begins with a program")
        return value

    @field_validator("exec_environment")
    @classmethod
    def _exec_environment(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(_VARIABLE.fullmatch(name) is None for name in value):
            raise ValueError("holds something that is neither a variable's name nor the like of AWS_*")
        return value

    def longest(self, name: str) -> float:
        """How old, in seconds, the secret may get; 0: as old as it likes."""
        return seconds(self.policy.get(name, self.max_age))
