"""One endpoint as the channel works with it, made from the settings. No I/O; raises `ConfigError` with the cure."""

from __future__ import annotations

from dataclasses import dataclass

from channels.webhook.keyring import BACKUP, DEFAULT, Keyring, Slot, check_slots
from channels.webhook.secret_format import CURE
from channels.webhook.settings import DEFAULT_ENDPOINT, WebhookSettings
from phantom.clock import Clock
from phantom.errors import ConfigError, MetadataError, SecretError
from phantom.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Who may post where, and where answers go. `deadline` is seconds; `callback_url` "" means none by default."""

    name: str
    keys: Keyring
    deadline: float
    callback_url: str
    callback_hosts: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where it is on the server."""
        return f"/webhook/{self.name}"


def slots_of(settings: WebhookSettings) -> dict[str, tuple[Slot, ...]]:
    """The secrets of each endpoint, the default one first."""
    found: dict[str, tuple[Slot, ...]] = {}
    if settings.secret_default is not None:
        found[DEFAULT_ENDPOINT] = _slots(
            settings.secret_default, settings.secret_backup, "WEBHOOK_SECRET_DEFAULT", "WEBHOOK_SECRET_BACKUP"
        )
    for name, one in settings.endpoints.items():
        at = f"webhook.endpoints.{name}"
        found[name] = _slots(one.secret_default, one.secret_backup, f"{at}.secret_default", f"{at}.secret_backup")
    return found


def endpoints_of(settings: WebhookSettings, clock: Clock) -> dict[str, Endpoint]:
    """Every endpoint by name."""
    slots = slots_of(settings)
    if not slots:
        raise ConfigError("is not set", where="WEBHOOK_SECRET_DEFAULT", hint=CURE, code="missing_secret")
    for one in slots.values():
        check_slots(one)
    _check_distinct(slots)
    return {name: _endpoint(name, one, settings, clock) for name, one in slots.items()}


def _slots(default: Secret, backup: Secret | None, default_at: str, backup_at: str) -> tuple[Slot, ...]:
    first = Slot(name=DEFAULT, where=default_at, secret=default)
    return (first,) if backup is None else (first, Slot(name=BACKUP, where=backup_at, secret=backup))


def _endpoint(name: str, slots: tuple[Slot, ...], settings: WebhookSettings, clock: Clock) -> Endpoint:
    own = settings.endpoints.get(name)
    keys = Keyring(slots, clock)
    if own is None:
        return Endpoint(
            name=name,
            keys=keys,
            deadline=settings.deadline,
            callback_url=settings.callback_url,
            callback_hosts=settings.callback_hosts,
        )
    return Endpoint(
        name=name,
        keys=keys,
        deadline=own.deadline or settings.deadline,
        callback_url=own.callback_url,
        callback_hosts=own.callback_hosts or settings.callback_hosts,
    )


def _check_distinct(slots: dict[str, tuple[Slot, ...]]) -> None:
    """A signature does not cover the path, so a secret opens one endpoint alone."""
    seen: dict[str, str] = {}
    for name, ones in slots.items():
        for slot in ones:
            try:
                text = slot.secret.peek()
            except (SecretError, MetadataError):
                continue
            if seen.setdefault(text, name) != name:
                raise ConfigError(
                    f"is also a secret of the endpoint {seen[text]}",
                    where=slot.where,
                    hint=f"give each endpoint its own: {CURE}",
                    code="same_secret",
                )
