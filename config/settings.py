"""The daemon's own settings (`phantom.yaml` and the environment), as one checked value.

What does *not* live here: a channel's settings (they belong to the channel), finding and reading the files
(`files.py`), and the order in which sources win (`fill.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from config.database_url import database_url
from config.urls import base_url
from phantom.settings import Env


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _words(value: object) -> object:
    """One word or several as a list of lower-case words."""
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    return tuple(_lower(one) for one in value) if isinstance(value, list | tuple) else value


class PhantomSettings(BaseModel):
    """Everything about the daemon itself. Times are seconds; relative folders start at the working folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Env("PHANTOM_NAME")] = Field(
        default="phantom",
        min_length=1,
        max_length=80,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="What the agent calls itself, in greetings and status output.",
    )
    model: Annotated[str, Env("PHANTOM_MODEL")] = Field(
        default="",
        max_length=200,
        description="The model that answers, as `provider:model` (`anthropic:…`, `openai:…`, `openrouter:…`, "
        "`ollama:…`). Empty: the built-in offline agent, which needs no key.",
    )
    agent: Annotated[str, Env("PHANTOM_AGENT")] = Field(
        default="",
        pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$",
        description="Your own agent instead, as `package.module:factory`; wins over the model.",
    )
    base_url: Annotated[str, Env("PHANTOM_MODEL_BASE_URL")] = Field(
        default="",
        description="Where the model is served, when not at the provider's own address: any server that speaks the "
        "provider's protocol.",
    )
    instructions: Annotated[str, Env("PHANTOM_INSTRUCTIONS")] = Field(
        default="",
        max_length=100_000,
        description="The system prompt. Empty: a short built-in one. Used by model agents only.",
    )
    host: Annotated[str, Env("PHANTOM_HOST")] = Field(
        default="127.0.0.1",
        min_length=1,
        description="The address to listen on. 127.0.0.1 is reachable from this machine only; 0.0.0.0 from anywhere.",
    )
    port: Annotated[int, Env("PORT", also=("PHANTOM_PORT",))] = Field(
        default=3100,
        ge=0,
        le=65535,
        description="The port of the HTTP server (health, metrics, receivers). 0: any free port, told in the log.",
    )
    data_dir: Annotated[Path, Env("PHANTOM_DATA_DIR")] = Field(
        default=Path("data"),
        validate_default=True,
        description="The folder of the journal, turns and files. One daemon a folder; on a local disk.",
    )
    turns_database: Annotated[str, Env("PHANTOM_TURNS_DATABASE")] = Field(
        default="",
        description="Where turns are kept: a PostgreSQL database, `postgresql://user@host:port/name?sslmode=…`, "
        "without a password (that is the secret `database_password`). Empty: SQLite in the data folder.",
    )
    metadata_url: Annotated[str, Env("PHANTOM_METADATA_URL", also=("METADATA_BASE_URL",))] = Field(
        default="http://169.254.169.254",
        description="The base address of the metadata service that knows this tenant's identity and secrets.",
    )
    secret_source: Annotated[tuple[str, ...], BeforeValidator(_words), Env("SECRET_SOURCE")] = Field(
        default=("env",),
        description="Where secrets that no variable sets come from: `env` (nowhere else), `metadata` (the metadata "
        "service, live), `file` (one file a secret in the secret folder, live), `exec` (a command, live), or what a "
        "plugin brings. Several, such as `file,exec`, are asked in that order; sources before `env` win over "
        "variables. The Slack HTTP gateway profile uses `metadata` by itself.",
    )
    secret_dir: Annotated[Path, Env("PHANTOM_SECRET_DIR")] = Field(
        default=Path("/run/secrets"),
        validate_default=True,
        description="The folder of `SECRET_SOURCE=file`: each file is named after its secret, e.g. `slack_bot_token`. "
        "The folder of systemd's credentials is looked at too.",
    )
    journal_synchronous: Annotated[
        Literal["FULL", "NORMAL"], BeforeValidator(_upper), Env("PHANTOM_JOURNAL_SYNCHRONOUS")
    ] = Field(
        default="FULL",
        description="`FULL`: an acknowledged event survives a power cut. `NORMAL`: it survives a crash of the daemon, "
        "and acknowledging is faster.",
    )
    encryption: Annotated[Literal["auto", "required", "off"], BeforeValidator(_lower), Env("PHANTOM_ENCRYPTION")] = (
        Field(
            default="auto",
            description="Encryption of the data folder with the secret `encryption_key`. `auto`: when the key is in "
            "the environment, `.env` or a file, or something is sealed already. `required`: no start without it; a "
            "first key in the metadata service or a secret manager needs this. `off`: the key is not looked for.",
        )
    )
    drain_seconds: Annotated[float, Env("PHANTOM_DRAIN_SECONDS")] = Field(
        default=20,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a stopping daemon lets running turns finish. Keep it below the service manager's own "
        "limit; what is not finished goes on after the restart.",
    )
    turn_concurrency: Annotated[int, Env("PHANTOM_TURN_CONCURRENCY")] = Field(
        default=32,
        ge=1,
        le=10_000,
        description="How many turns run at once, over all conversations. In one conversation it is always one.",
    )
    turn_timeout_seconds: Annotated[float, Env("PHANTOM_TURN_TIMEOUT_SECONDS")] = Field(
        default=900,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long one turn may take before it is ended and the user told so. Waiting for an approval "
        "does not count.",
    )
    stall_seconds: Annotated[float, Env("PHANTOM_STALL_SECONDS")] = Field(
        default=45,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="After how much silence of the agent a turn is shown as stalled.",
    )
    max_file_bytes: Annotated[int, Env("PHANTOM_MAX_FILE_BYTES")] = Field(
        default=20 * 1024 * 1024,
        ge=0,
        description="The largest attachment that is fetched for the agent, in bytes; 0 fetches none.",
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(_lower), Env("PHANTOM_LOG_LEVEL", ("LOG_LEVEL",))
    ] = Field(default="info", description="The least severe log lines that are written.")
    log_format: Annotated[Literal["auto", "json", "console"], BeforeValidator(_lower), Env("PHANTOM_LOG_FORMAT")] = (
        Field(
            default="auto",
            description="`json`: one object a line. "
            "`console`: coloured text. `auto`: `console` on a terminal, else `json`.",
        )
    )
    uvloop: Annotated[bool, Env("PHANTOM_UVLOOP")] = Field(
        default=True, description="Whether to run on uvloop where it is installed; it is several times faster."
    )
    env: Annotated[Literal["development", "production"], BeforeValidator(_lower), Env("PHANTOM_ENV")] = Field(
        default="development",
        description="`production` ignores `.env`, and refuses secret files and a `.env` that everyone on the machine "
        "can read.",
    )

    @field_validator("data_dir", "secret_dir")
    @classmethod
    def _absolute(cls, value: Path, info: ValidationInfo) -> Path:
        cwd = (info.context or {}).get("cwd")
        try:
            value = value.expanduser()
        except RuntimeError:
            raise ValueError("names a home folder that does not exist") from None
        return Path(cwd) / value if cwd is not None else value

    @field_validator("secret_source")
    @classmethod
    def _secret_source(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known: tuple[str, ...] = (info.context or {}).get("sources", ("env", "metadata", "file", "exec"))
        if not value or any(one not in known for one in value):
            raise ValueError(f"must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}")
        if len(set(value)) < len(value):
            raise ValueError("names a source twice")
        return value

    @field_validator("turns_database")
    @classmethod
    def _turns_database(cls, value: str) -> str:
        return database_url(value)

    @field_validator("metadata_url")
    @classmethod
    def _metadata_url(cls, value: str) -> str:
        return base_url(value)

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return base_url(value) if value else value
