"""The inventory: every secret that the product, its plugins and this deployment declare, with what is known of each.

`take_stock` says what there is now; `rows` adds what the daemon remembers of it (`inventory_file.py`). No value ever
gets into a row. What does *not* live here: watching for changes (`inventory_keeper.py`) and printing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from config import secret_catalogue as catalogue
from config.channel_sections import ChannelConfig
from config.given_secrets import Holding
from config.inventory_file import Seen, State
from config.loader import LoadedConfig
from config.secret_formats import why_malformed
from config.secret_names import known
from phantom.errors import PhantomError
from phantom.secret_sources import ABSENT, SecretHealth
from phantom.secrets import Secret, fingerprint

Check = Callable[[str, str], str]
"""What is wrong with a secret's text, given its name and the text; "" when nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSecret:
    """A secret of which only a digest is kept: one that `phantom bridge secret` made. Times are epoch seconds."""

    name: str
    user: str
    source: str
    digest: str
    created_at: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Who may need which secrets: for each channel kind the names that its plugin declares, and the secrets made by us
    (`made` reads a file; `uses_of_made` says how often the running daemon used one, by its name). `check` knows shapes
    that `secret_formats` does not.
    """

    by_kind: Mapping[str, Sequence[str]]
    made: Callable[[], Sequence[MadeSecret]] = tuple
    uses_of_made: Callable[[str], int] = lambda name: 0
    check: Check = lambda name, text: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRow:
    """One secret. Times are epoch seconds, `max_age` is seconds (0: no limit). Nothing in it tells the value.

    `malformed` says what is wrong with the value's shape, `trouble` why there is none or why it is not fresh. `unread`:
    its source was not asked; `set` is then what the daemon saw.
    """

    name: str
    category: str
    set: bool
    source: str
    users: tuple[str, ...]
    looked_at: tuple[str, ...] = ()
    malformed: str = ""
    trouble: str = ""
    unread: bool = False
    fingerprint: str = ""
    first_seen: float | None = None
    changed_at: float | None = None
    changes: int = 0
    rotation_id: str = ""
    last_used: float | None = None
    max_age: float = 0.0
    expires_at: float | None = None
    handles: tuple[Secret, ...] = field(default=(), repr=False, compare=False)

    @property
    def due_at(self) -> float | None:
        """When it must be rotated at the latest; None when that is not known or never."""
        limits = [self.expires_at] if self.expires_at is not None else []
        if self.set and self.max_age and self.changed_at is not None:
            limits.append(self.changed_at + self.max_age)
        return min(limits, default=None)

    def overdue(self, now: float) -> bool:
        """Whether its time is over."""
        return self.due_at is not None and now >= self.due_at

    @property
    def unfit(self) -> bool:
        """Whether a source has something under that name which cannot be used."""
        return bool(self.trouble) and not self.set and not self.handles

    def as_json(self, now: float) -> Mapping[str, object]:
        """Fit for print."""
        return {
            "name": self.name,
            "category": self.category,
            "set": self.set,
            "source": self.source or None,
            "looked_at": list(self.looked_at),
            "users": list(self.users),
            "malformed": self.malformed or None,
            "trouble": self.trouble or None,
            "fingerprint": self.fingerprint or None,
            "first_seen": self.first_seen,
            "changed_at": self.changed_at,
            "changes": self.changes,
            "rotation_id": self.rotation_id or None,
            "age_seconds": None if self.changed_at is None else round(max(0.0, now - self.changed_at), 1),
            "due_at": self.due_at,
            "overdue": self.overdue(now),
            "max_age_seconds": self.max_age or None,
            "last_used": self.last_used,
        }


def take_stock(
    loaded: LoadedConfig, declared: Declared, key: bytes | None, made: Sequence[MadeSecret], *, places: bool = False
) -> tuple[SecretRow, ...]:
    """What there is now, by category and name. Asks nobody: a live secret is as it was last fetched. `places`: also
    where each is looked for, which looks at folders.
    """
    stock = _Stock(loaded, declared, key, made, places=places)
    return tuple(sorted(stock.rows(), key=lambda row: (catalogue.order_of(row.category), row.category, row.name)))


def with_memory(rows: Iterable[SecretRow], state: State, now: float) -> tuple[SecretRow, ...]:
    """The rows with the times that the daemon remembers. A value that it has not seen counts as new."""
    return tuple(_remembered(row, state.secrets.get(row.name), now) for row in rows)


def _remembered(row: SecretRow, seen: Seen | None, now: float) -> SecretRow:
    if seen is None:
        return replace(row, changed_at=None if row.changed_at is None else min(row.changed_at, now))
    if row.set and row.fingerprint and row.fingerprint != seen.fingerprint:
        return replace(row, first_seen=seen.first_seen, changes=seen.changes + 1, last_used=seen.last_used)
    return replace(
        row,
        set=row.set or row.unread,
        fingerprint=row.fingerprint or seen.fingerprint,
        first_seen=seen.first_seen,
        changed_at=seen.changed_at,
        changes=seen.changes,
        rotation_id=row.rotation_id or seen.rotation_id,
        last_used=seen.last_used,
    )


def notices(loaded: LoadedConfig, rows: Iterable[SecretRow]) -> tuple[str, ...]:
    """What is odd about the policy: it names secrets that there are not."""
    names = {row.name for row in rows}
    unknown = sorted(name for name in loaded.secret_rules.policy if name not in names)
    return tuple(f"secrets.policy names {name}, and there is no such secret" for name in unknown)


class _Stock:
    """One stocktaking."""

    def __init__(
        self, loaded: LoadedConfig, declared: Declared, key: bytes | None, made: Sequence[MadeSecret], *, places: bool
    ) -> None:
        self._loaded = loaded
        self._declared = declared
        self._key = key
        self._made = made
        self._places = places
        self._users = _users_of_handles(loaded)
        self._health = {(row.name, row.source): row for row in loaded.secrets.health()}

    def rows(self) -> Iterable[SecretRow]:
        groups = self._groups()
        for name in sorted(self._names() | groups.keys()):
            holdings = groups.get(name, [])
            if not holdings:
                yield self._unset(name)
            for number, holding in enumerate(holdings):
                yield self._row(name, holding, alone=number == 0)
        yield from map(self._of_digest, self._made)

    def _names(self) -> set[str]:
        """Every name that anything declares. The value before a rotation is listed only where somebody set one."""
        names = {name for kind in self._declared.by_kind.values() for name in kind} | set(catalogue.MODEL_KEYS)
        names |= set(self._loaded.secret_rules.declare)
        if self._loaded.core.encryption != "off":
            names.add(catalogue.ENCRYPTION_KEY)
        if self._loaded.core.turns_database:
            names.add(catalogue.TURNS_PASSWORD)
        # What is askable beyond that has no user until something declares it.
        return {name for name in names if name in known() and not name.endswith("_previous")}

    def _groups(self) -> Mapping[str, list[Holding]]:
        """The handles by name; those that are one and the same secret count once."""
        groups: dict[str, list[Holding]] = {}
        for holding in self._loaded.secrets.holdings():
            same = groups.setdefault(holding.secret.name, [])
            if not any(_text(other.secret) == _text(holding.secret) for other in same):
                same.append(holding)
        return groups

    def _row(self, name: str, holding: Holding, *, alone: bool) -> SecretRow:
        handles = tuple(
            one.secret
            for one in self._loaded.secrets.holdings()
            if one.secret.name == name and _text(one.secret) == _text(holding.secret)
        )
        users = tuple(dict.fromkeys(user for one in handles for user in self._users.get(id(one), ())))
        text, trouble = _looked_into(holding.secret)
        health = self._health_of(name, holding)
        if health is not None and health.state == "unread":
            trouble = ""
        category = self._category(name)
        return SecretRow(
            name=name if alone else f"{name}@{(users or (holding.place,))[0]}",
            category=category,
            set=text is not None,
            source=holding.source,
            users=users or self._users_by_name(name),
            looked_at=self._looked_at(name),
            malformed="" if text is None else self._malformed(name, text, category),
            trouble=trouble or ("" if health is None or text is None else health.error),
            unread=text is None and health is not None and health.state == "unread",
            fingerprint=fingerprint(holding.secret, self._key) if self._key and text is not None else "",
            changed_at=None if health is None else health.changed_at,
            rotation_id="" if health is None else health.rotation_id,
            max_age=self._max_age(name),
            handles=handles,
        )

    def _unset(self, name: str) -> SecretRow:
        return SecretRow(
            name=name,
            category=self._category(name),
            set=False,
            source="",
            users=self._users_by_name(name),
            looked_at=self._looked_at(name),
            trouble=self._loaded.secrets.why_unfit(name),
            max_age=self._max_age(name),
        )

    def _of_digest(self, made: MadeSecret) -> SecretRow:
        digest = hashlib.blake2b(made.digest.encode(), key=self._key, digest_size=4).hexdigest() if self._key else ""
        return SecretRow(
            name=made.name,
            category=catalogue.BRIDGE,
            set=True,
            source=made.source,
            users=(made.user,),
            fingerprint=digest,
            changed_at=made.created_at,
            expires_at=made.expires_at,
            max_age=self._loaded.secret_rules.longest(made.name),
        )

    def _looked_at(self, name: str) -> tuple[str, ...]:
        return self._loaded.secrets.looked_at(name) if self._places else ()

    def _health_of(self, name: str, holding: Holding) -> SecretHealth | None:
        if holding.given is not None:
            return None
        for kind in (holding.kind,) if holding.kind else holding.source.split(" or "):
            if (name, kind) in self._health:
                return self._health[name, kind]
        return None

    def _category(self, name: str) -> str:
        return catalogue.category_of(name, self._loaded.secret_rules.declare)

    def _max_age(self, name: str) -> float:
        rules = self._loaded.secret_rules
        return 0.0 if name in catalogue.NEVER_DUE and name not in rules.policy else rules.longest(name)

    def _malformed(self, name: str, text: str, category: str) -> str:
        if name in catalogue.MODEL_KEYS and self._loaded.core.base_url:
            name = "provider_token"  # a compatible server gives keys of its own shape
        twin = _TWINS.get(name)
        if twin is not None and text in self._texts_of(twin):
            return f"is the same as {twin}"
        return self._declared.check(name, text) or why_malformed(name, text, category)

    def _texts_of(self, name: str) -> set[str | None]:
        return {_text(one.secret) for one in self._loaded.secrets.holdings() if one.secret.name == name} - {None}

    def _users_by_name(self, name: str) -> tuple[str, ...]:
        """The configured channels whose plugin declares the name, those that are off for an error too, and the agent
        for a key of its model.
        """
        users = [
            channel.name
            for channel in self._loaded.channels.values()
            if name in self._declared.by_kind.get(channel.kind, ())
        ]
        provider = self._loaded.core.model.partition(":")[0].strip().lower().partition("-")[0]
        if name in catalogue.MODEL_KEYS and provider and catalogue.MODEL_KEYS[name] in ("", provider):
            users.append("agent")
        if name in self._loaded.secret_rules.declare and self._loaded.core.agent:
            users.append("agent")
        if name == catalogue.TURNS_PASSWORD and self._loaded.core.turns_database:
            users.append("turns database")
        if name == catalogue.ENCRYPTION_KEY and self._loaded.core.encryption != "off":
            users.append("data at rest")
        return tuple(users)


_TWINS = {"webhook_secret_backup": "webhook_secret_default"}
"""Two secrets of which one is no use when it is the other."""


def _users_of_handles(loaded: LoadedConfig) -> Mapping[int, tuple[str, ...]]:
    """For each handle the settings that hold it, by identity."""
    users: dict[int, list[str]] = {}
    for channel in loaded.channels.values():
        for secret in _handles_in(channel):
            users.setdefault(id(secret), []).append(channel.name)
    for one in loaded.bridge.secrets:
        if one.value is not None:
            users.setdefault(id(one.value), []).append(f"bridge {one.id}")
    return {key: tuple(names) for key, names in users.items()}


def _handles_in(channel: ChannelConfig) -> Iterable[Secret]:
    settings = channel.settings
    if isinstance(settings, BaseModel):
        yield from (value for value in (getattr(settings, name) for name in type(settings).model_fields)
                    if isinstance(value, Secret))  # fmt: skip


def _text(secret: Secret) -> str | None:
    try:
        return secret.peek()
    except PhantomError:
        return None


def _looked_into(secret: Secret) -> tuple[str | None, str]:
    """The text, and why there is none; that no source has it is no trouble."""
    try:
        return secret.peek(), ""
    except PhantomError as error:
        return None, "" if error.code == ABSENT else error.message
