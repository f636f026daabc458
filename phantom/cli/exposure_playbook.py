"""What to do about each kind of secret that got out: where it is revoked, how it is replaced, how one sees that the old
value is worth nothing. Texts and decisions only; what asks a network is in `exposure_check.py`.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from config.secret_catalogue import ENCRYPTION_KEY, MODEL_KEYS, TURNS_PASSWORD
from phantom.cli.exposure_storing import how_to_store
from phantom.errors import PhantomError

if TYPE_CHECKING:
    from config import LoadedConfig
    from config.inventory import SecretRow

BRIDGE = "bridge:"
SLACK_PAGE = "https://api.slack.com/apps"
DISCORD_PAGE = "https://discord.com/developers/applications"
_APP_OF_TOKEN = re.compile(r"xapp-[0-9]-(A[A-Z0-9]{6,14})-")
_SNOWFLAKE = re.compile(r"[0-9]{17,20}")


class Family(Enum):
    """Which steps apply."""

    SLACK_TOKEN = "slack token"  # noqa: S105 - a kind
    SLACK_APP_TOKEN = "slack app-level token"  # noqa: S105 - a kind
    SHARED = "shared secret"
    DISCORD_TOKEN = "discord token"  # noqa: S105 - a kind
    PUBLIC = "public key"
    BRIDGE_MADE = "bridge secret made here"
    BRIDGE_CONFIGURED = "bridge secret of the configuration"
    MODEL = "model key"
    DATABASE = "database password"
    ENCRYPTION = "encryption key"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """The steps for one secret. `page` is where people revoke it, `by_api`: whether --revoke does it."""

    family: Family
    revoke: str
    page: str
    by_api: bool
    rotate: tuple[str, ...]
    verify: str
    history: str


_MODEL_PAGES = {
    "anthropic": "https://console.anthropic.com/settings/keys",
    "openai": "https://platform.openai.com/api-keys",
    "openrouter": "https://openrouter.ai/settings/keys",
}


def family_of(name: str, row: SecretRow | None) -> Family:
    """The kind of the secret `name` (without what follows an @)."""
    if name.startswith(BRIDGE):
        return Family.BRIDGE_MADE if row and row.source == "phantom bridge secret" else Family.BRIDGE_CONFIGURED
    if name == "slack_bot_token":
        return Family.SLACK_TOKEN
    if name == "slack_app_token":
        return Family.SLACK_APP_TOKEN
    if name == "discord_bot_token":
        return Family.DISCORD_TOKEN
    if name == "discord_public_key":
        return Family.PUBLIC
    if name in MODEL_KEYS:
        return Family.MODEL
    if name == TURNS_PASSWORD:
        return Family.DATABASE
    if name == ENCRYPTION_KEY:
        return Family.ENCRYPTION
    if name.startswith(("webhook_", "slack_")):
        return Family.SHARED
    return Family.BRIDGE_CONFIGURED if name.startswith("bridge_") else Family.OTHER


def playbook(name: str, row: SecretRow | None, loaded: LoadedConfig) -> Playbook:
    """The steps for the secret `name`, whose row of the inventory is `row`."""
    family = family_of(name, row)
    revoke, page = _revoking(family, name, loaded)
    return Playbook(
        family=family,
        revoke=revoke,
        page=page,
        by_api=family in (Family.SLACK_TOKEN, Family.BRIDGE_MADE),
        rotate=tuple(_rotating(family, name, row, loaded)),
        verify=_VERIFY.get(family, "use the old value where it was accepted, and see it refused"),
        history=_HISTORY.get(family, "the log of whoever accepts it"),
    )


def _revoking(family: Family, name: str, loaded: LoadedConfig) -> tuple[str, str]:
    if family is Family.DISCORD_TOKEN:
        page = _discord_page(loaded)
        return "page Bot of the application, Reset Token: the old token dies at once. No API does this", page
    if family is Family.MODEL:
        provider = MODEL_KEYS[name] or loaded.core.model.partition(":")[0].strip().lower().partition("-")[0]
        page = _MODEL_PAGES.get(provider, "")
        return "delete the key on the provider's page, after the new one is in place if you must not stop", page
    if name.startswith("slack_gateway_"):
        return (
            "ask whoever runs the gateway to rotate its signing secret; the metadata service hands out the new one",
            "",
        )
    if name.startswith("webhook_"):
        return "replace it, and retire the backup at once (below): it is worth nothing then", ""
    text, page = _REVOKE.get(family, ("revoke it where it was issued", ""))
    return text, _slack_page(loaded, page) if page else ""


# What to do, and which of the app's pages at Slack does it.
_REVOKE: dict[Family, tuple[str, str]] = {
    Family.SLACK_TOKEN: (
        "`auth.revoke` (--revoke does it): the token dies at once, and the app must be reinstalled for a new one; "
        "or on the app's page OAuth & Permissions",
        "oauth",
    ),
    Family.SLACK_APP_TOKEN: (
        "the app's page Basic Information, App-Level Tokens, the token's name, Revoke. No API does this",
        "general",
    ),
    Family.SHARED: (
        "the app's page Basic Information, Signing Secret, Regenerate: the old one dies at once",
        "general",
    ),
    Family.PUBLIC: ("nothing: it is public, and only proves Discord's signatures", ""),
    Family.BRIDGE_MADE: ("`phantom bridge secret revoke ID` (--revoke does it): a running daemon cuts its apps", ""),
    Family.DATABASE: (
        "as the server's administrator: ALTER ROLE … PASSWORD NULL; then end what is connected with it: SELECT"
        " pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '…'. Turns wait until the new one is there",
        "",
    ),
    Family.ENCRYPTION: (
        "nothing revokes a key: whoever also has a copy of the data folder, from before it is retired, reads it. Find"
        " out where copies and backups of the folder are, and treat what people wrote as read if one got out",
        "",
    ),
    Family.BRIDGE_CONFIGURED: ("take its entry out of `bridge.secrets`, or give it another value, and restart", ""),
}

_VERIFY = {
    Family.SLACK_TOKEN: "Slack's `auth.test` refuses the old token (give it with --stdin)",
    Family.SLACK_APP_TOKEN: "Slack's `apps.connections.open` refuses the old token (give it with --stdin)",
    Family.SHARED: "the configuration no longer accepts the old value (give it with --stdin)",
    Family.DISCORD_TOKEN: "Discord's `/users/@me` refuses the old token (give it with --stdin)",
    Family.PUBLIC: "nothing to verify",
    Family.BRIDGE_MADE: "a login at the bridge with the old value is refused (give it with --stdin)",
    Family.BRIDGE_CONFIGURED: "a login at the bridge with the old value is refused (give it with --stdin)",
    Family.MODEL: "the provider refuses the old key (give it with --stdin)",
    Family.ENCRYPTION: "`phantom secrets rotate encryption` shows a ring without the old key's id",
    Family.DATABASE: "PostgreSQL refuses the old password (give it with --stdin)",
}

_HISTORY = {
    Family.SLACK_TOKEN: "Slack: the workspace's access logs; on Enterprise Grid the audit logs of the app",
    Family.SLACK_APP_TOKEN: "Slack: on Enterprise Grid the audit logs of the app; elsewhere nothing is shown",
    Family.SHARED: "`phantom_webhook_verified_total`, `phantom_slack_verified_total` and "
    "`phantom_receiver_requests_total` in /metrics; a forged post with the right secret looks like a real one",
    Family.DISCORD_TOKEN: "Discord: each server's audit log, filtered by the bot; messages that it did not answer to",
    Family.BRIDGE_MADE: "`phantom bridge audit --secret ID`",
    Family.BRIDGE_CONFIGURED: "`phantom bridge audit --secret ID`",
    Family.MODEL: "the provider's page of usage and bills",
    Family.ENCRYPTION: "whoever read the data folder or its backups: the machine's and the backup store's own logs",
    Family.DATABASE: "the server's log (log_connections = on), and pg_stat_activity for who is connected now",
}


def _rotating(family: Family, name: str, row: SecretRow | None, loaded: LoadedConfig) -> Sequence[str]:
    if family is Family.PUBLIC:
        return ()
    if family is Family.BRIDGE_MADE:
        return (f"phantom bridge secret new {name.removeprefix(BRIDGE)} --manifest FILE", "give the app the new value")
    if name.startswith("webhook_"):
        return _webhook(name, loaded)
    if family is Family.ENCRYPTION:
        return _ENCRYPTION
    return (_NEW.get(family, "have a new value issued where the old one came from"), *how_to_store(name, row, loaded))


_ENCRYPTION = (
    "phantom secrets rotate encryption --write",
    "let the daemon run until `encryption.state` in /health says done: everything is under the new key",
    "phantom secrets retire encryption --write",
    "destroy copies and backups of the data folder from before, or keep them as you keep what they hold",
)


_NEW = {
    Family.SLACK_TOKEN: f"reinstall the app on {SLACK_PAGE} (Install App), and copy the new Bot User OAuth Token",
    Family.SLACK_APP_TOKEN: f"generate an App-Level Token with connections:write on {SLACK_PAGE} (Basic Information)",
    Family.DISCORD_TOKEN: "copy the new token that Reset Token shows, once",
    Family.MODEL: "create a new key on the provider's page",
    Family.DATABASE: "ALTER ROLE … PASSWORD '…' with a fresh value (openssl rand -hex 24); psql's \\password hides it",
    Family.BRIDGE_CONFIGURED: "make a new value: `phantom bridge secret new ID` makes one that needs no configuration",
}


def _webhook(name: str, loaded: LoadedConfig) -> Sequence[str]:
    """Rotating leaves the old value accepted as the backup: one that is known to others must go at once."""
    endpoint = next((f" --endpoint {one}" for one, names in _endpoints(loaded) if name in names), "")
    retire = f"phantom secrets retire webhook{endpoint} --write --force"
    if name.endswith("_backup"):
        return (retire,)
    return (
        f"phantom secrets rotate webhook{endpoint} --write --force   # the old value is the backup now",
        "give the senders the new value",
        retire,
    )


def _endpoints(loaded: LoadedConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The webhook's endpoints, and the names of their secrets."""
    for channel in loaded.channels.values():
        settings: Any = channel.settings
        for name, one in (getattr(settings, "endpoints", None) or {}).items():
            yield name, tuple(pair.name for pair in (one.secret_default, one.secret_backup) if pair is not None)


def _known(name: str, loaded: LoadedConfig) -> Iterator[str]:
    """The values of the secret `name` that are at hand."""
    for secret in loaded.secrets.known():
        if secret.name == name:
            with contextlib.suppress(PhantomError):  # one without a value says nothing
                yield secret.peek()


def _slack_page(loaded: LoadedConfig, page: str) -> str:
    """A page of the app, whose id is part of its app-level tokens (`xapp-1-A…-…`); else the list of apps."""
    for text in _known("slack_app_token", loaded):
        if match := _APP_OF_TOKEN.match(text):
            return f"{SLACK_PAGE}/{match[1]}/{page}"
    return SLACK_PAGE


def _discord_page(loaded: LoadedConfig) -> str:
    """The page Bot of the application: by the settings, else by the token, which begins with the id in base64."""
    found = [
        str(getattr(channel.settings, "application_id", "") or "")
        for channel in loaded.channels.values()
        if channel.kind == "discord" and channel.settings is not None
    ]
    for text in _known("discord_bot_token", loaded):
        first = text.partition(".")[0]
        with contextlib.suppress(ValueError):  # no base64, or none of ASCII
            found.append(base64.b64decode(first + "=" * (-len(first) % 4), validate=True).decode("ascii"))
    application = next((one for one in found if _SNOWFLAKE.fullmatch(one)), "")
    return f"{DISCORD_PAGE}/{application}/bot" if application else DISCORD_PAGE
