"""What to do about each kind of secret that got out: where it is revoked, how it is replaced, how one sees that the old
value is worth nothing. Texts and decisions only; what asks a network is in `exposure_check.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from config.secret_catalogue import MODEL_KEYS

if TYPE_CHECKING:
    from config import LoadedConfig
    from config.inventory import SecretRow

BRIDGE = "bridge:"
SLACK_PAGE = "https://api.slack.com/apps"
DISCORD_PAGE = "https://discord.com/developers/applications"


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
        application = _discord_application(loaded)
        page = f"{DISCORD_PAGE}/{application}/bot" if application else DISCORD_PAGE
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
        return "`phantom secrets rotate webhook --write --force`, then retire the backup at once", ""
    return _REVOKE.get(family, ("revoke it where it was issued", ""))


_REVOKE: dict[Family, tuple[str, str]] = {
    Family.SLACK_TOKEN: (
        "`auth.revoke` (--revoke does it): the token dies at once, and the app must be reinstalled for a new one; "
        "or on the app's page OAuth & Permissions",
        SLACK_PAGE,
    ),
    Family.SLACK_APP_TOKEN: (
        "the app's page Basic Information, App-Level Tokens, the token's name, Revoke. No API does this",
        SLACK_PAGE,
    ),
    Family.SHARED: (
        "the app's page Basic Information, Signing Secret, Regenerate: the old one dies at once",
        SLACK_PAGE,
    ),
    Family.PUBLIC: ("nothing: it is public, and only proves Discord's signatures", ""),
    Family.BRIDGE_MADE: ("`phantom bridge secret revoke ID` (--revoke does it): a running daemon cuts its apps", ""),
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
}

_HISTORY = {
    Family.SLACK_TOKEN: "Slack: the workspace's access logs; on Enterprise Grid the audit logs of the app",
    Family.SLACK_APP_TOKEN: "Slack: on Enterprise Grid the audit logs of the app; elsewhere nothing is shown",
    Family.SHARED: "`phantom_…_rejected_total` in /metrics; a forged post with the right secret looks like a real one",
    Family.DISCORD_TOKEN: "Discord: each server's audit log, filtered by the bot; messages that it did not answer to",
    Family.BRIDGE_MADE: "`phantom bridge audit --secret ID`",
    Family.BRIDGE_CONFIGURED: "`phantom bridge audit --secret ID`",
    Family.MODEL: "the provider's page of usage and bills",
}


def _rotating(family: Family, name: str, row: SecretRow | None, loaded: LoadedConfig) -> Sequence[str]:
    if family is Family.PUBLIC:
        return ()
    if family is Family.BRIDGE_MADE:
        return (f"phantom bridge secret new {name.removeprefix(BRIDGE)} --manifest FILE", "give the app the new value")
    if name.startswith("webhook_"):
        return ("phantom secrets rotate webhook --write --force", "give the senders the new value")
    return (_NEW.get(family, "have a new value issued where the old one came from"), *_stored(name, row, loaded))


_NEW = {
    Family.SLACK_TOKEN: f"reinstall the app on {SLACK_PAGE} (Install App), and copy the new Bot User OAuth Token",
    Family.SLACK_APP_TOKEN: f"generate an App-Level Token with connections:write on {SLACK_PAGE} (Basic Information)",
    Family.DISCORD_TOKEN: "copy the new token that Reset Token shows, once",
    Family.MODEL: "create a new key on the provider's page",
    Family.BRIDGE_CONFIGURED: "make a new value: `phantom bridge secret new ID` makes one that needs no configuration",
}


_RESTART = "restart the daemon: systemctl restart phantom"


def _stored(name: str, row: SecretRow | None, loaded: LoadedConfig) -> Sequence[str]:
    """How the new value gets to where the old one is read."""
    kind, _, place = (row.source if row else "").partition(" ")
    if kind == "file" and ": " in place:
        file, _, setting = place.partition(": ")
        return (f"edit {setting} in {file}; better, take it out of that file (SECRET_SOURCE)", _RESTART)
    if kind == "file":
        path = shlex.quote(place or str(loaded.core.secret_dir / name))
        return (f"(umask 077; cat > {path}.new) && mv {path}.new {path}   # paste, Ctrl-D; the daemon follows",)
    if kind == "metadata":
        return ("put it into the metadata service; the daemon follows by itself",)
    if kind == "exec":
        return ("put it into the manager that the command asks", "kill -HUP the daemon, or wait until it asks again")
    variable = place.split()[0] if kind in ("env", ".env") and place else name.upper()
    return (
        f"set {variable} where the daemon's environment comes from",
        "restart the daemon: systemctl restart phantom",
    )


def _discord_application(loaded: LoadedConfig) -> str:
    """The application's id, where the settings name it."""
    for channel in loaded.channels.values():
        if channel.kind == "discord" and channel.settings is not None:
            return str(getattr(channel.settings, "application_id", "") or "")
    return ""
