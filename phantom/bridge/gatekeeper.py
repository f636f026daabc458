"""Who may log in: the secret is compared, its scope resolved, failures counted and those who guess locked out.

Only failures count, per address and per secret. A secret that logged in from an address lately gets in there even
while the address or the secret is locked: nobody can lock out a working app by guessing beside it. What does *not*
live here: where secrets come from (`secret_book.py`), what a connection then may do (`connection.py`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network

from phantom.bridge import protocol
from phantom.bridge.audit import Audit
from phantom.bridge.catalogue import Catalogue
from phantom.bridge.grants import Grant, resolve
from phantom.bridge.protocol import Close
from phantom.bridge.secret_book import Entry, SecretBook, Value
from phantom.bridge.secret_value import digest
from phantom.channel import Meter
from phantom.clock import Clock

MAX_FAILURES = 20
"""Failed logins of one address, or with one secret's id, within `WINDOW_SECONDS`."""
WINDOW_SECONDS = 60.0
TRUST_SECONDS = 86_400.0
"""How long a login is remembered as a reason to let the same secret in from the same address."""
MAX_REMEMBERED = 10_000
TELL_SECONDS = 10.0
"""A locked address that goes on is written down this often, not every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a login failed. Version 2 knows three reasons; `connection.py` folds the others."""

    reason: str
    close: Close
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who says hello."""

    connection_id: str
    app_name: str
    address: str


_LOCKED_OUT = Refusal(
    reason="locked_out", close=Close.TOO_MANY_ATTEMPTS, message="Too many failed logins; wait a minute."
)
_FULL = Refusal(reason="full", close=Close.FULL, message="The bridge, or this secret, has all its connections in use.")
_FAILED = "Authentication failed."
_AMBIGUOUS = "Authentication failed: this value belongs to several secrets. Send secretId too, or make each unique."


class _Failures:
    """Failures of the last minute by key, for a bounded number of keys."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, key: str, now: float) -> None:
        times = self._times.setdefault(key, deque(maxlen=MAX_FAILURES))
        times.append(now)
        self._times.move_to_end(key)
        if len(self._times) > MAX_REMEMBERED:
            self._times.popitem(last=False)

    def locked(self, key: str, now: float) -> bool:
        times = self._times.get(key)
        return times is not None and len(times) == MAX_FAILURES and now - times[0] < WINDOW_SECONDS


@dataclass(slots=True)
class _Told:
    """When a lock-out of an address was written down, and how many there were since."""

    at: float
    since: int = 0


def _neighbours(address: str) -> str:
    """What counts as one address: of IPv6 the network that one customer gets, since he has all of it."""
    if ":" not in address:
        return address
    try:
        return str(IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


class Gatekeeper:
    """Checks hellos and says what a secret may do now."""

    def __init__(self, book: SecretBook, catalogue: Catalogue, audit: Audit, clock: Clock, meter: Meter) -> None:
        self._book = book
        self._catalogue = catalogue
        self._audit = audit
        self._clock = clock
        self._meter = meter
        self._addresses = _Failures()
        self._secrets = _Failures()
        self._trusted: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._trusted_addresses: dict[str, float] = {}
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._standing: dict[str, object] = {}
        self._current: dict[tuple[str, str], Grant] = {}
        self._of_changes = -1
        self._listener: Callable[[], None] = lambda: None
        self.uses: Counter[str] = Counter()
        """How often each secret of which only a digest is kept was used, by id. A live handle counts its own uses."""

    def locked(self, address: str) -> bool:
        """Whether a new socket from there is refused before it says anything."""
        address, now = _neighbours(address), self._clock.monotonic()
        if not self._addresses.locked(address, now) or now < self._trusted_addresses.get(address, 0.0):
            return False
        self._locked_out(address, "")
        return True

    def check(self, hello: protocol.Hello, who: Newcomer, has_room: Callable[[Grant], bool]) -> Grant | Refusal:
        """A grant for a right secret, else why not; one row in the audit. Microseconds, whatever is sent."""
        now, address = self._clock.monotonic(), _neighbours(who.address)
        claimed = hello.secretId or ""
        wanted = digest(hello.secret)
        found = self._found(hello.secret, claimed, wanted)
        if self._shut(address, claimed, found, now):
            self._locked_out(address, claimed)
            return _LOCKED_OUT
        refusal = self._judge(claimed, found)
        if refusal is not None:
            return self._failed(refusal, claimed, who, now)
        entry, value = found[0]
        self._trust(address, entry.id, now)
        grant = self._grant(entry, value.credential)
        room = has_room(grant)
        self._note("ok" if room else _FULL.reason, who, secret_id=entry.id)
        newest = next(iter(self._book.accepted(entry)), value)
        which = "current" if value.digest == newest.digest else "previous"
        self._meter.count("phantom_bridge_verified_total", secret=entry.id, value=which)
        self.used(entry.id)
        return grant if room else _FULL

    def used(self, secret_id: str) -> None:
        """Note a use: a login, or a connection that stands on it."""
        entry = self._book.get(secret_id)
        if entry is None:
            return
        if entry.handle is None:
            self.uses[secret_id] += 1
        else:
            entry.handle.used()

    def _found(self, secret: str, claimed: str, wanted: str) -> list[tuple[Entry, Value]]:
        """The entries that the hello fits. A secret that was made a moment ago is good at once: one `stat` tells."""
        if not secret:
            return []
        found = self._book.find(wanted)
        if not found:
            self._book.refresh()
            found = self._book.find(wanted)
        return [(entry, value) for entry, value in found if not claimed or entry.id == claimed]

    def current(self, secret_id: str, credential: str) -> Grant | None:
        """What a connection that logged in with that value may do now; None when it may nothing any more. Asked for
        every action, so the answer is kept until the book changes or `tick` looks again; its end is always looked at.
        """
        if self._book.changes != self._of_changes:
            self._current.clear()
            self._of_changes = self._book.changes
        entry = self._book.get(secret_id)
        if entry is None or entry.expired(self._clock.now()):
            return None
        known = self._current.get((secret_id, credential))
        if known is not None:
            return known
        if not any(value.credential == credential for value in self._book.accepted(entry)):
            return None
        if len(self._current) >= MAX_REMEMBERED:
            self._current.clear()
        grant = self._current[secret_id, credential] = self._grant(entry, credential)
        return grant

    def allowed_events(self) -> frozenset[str]:
        """Every event that any secret allows: what the bot must be able to see."""
        names = self._catalogue.events.keys()
        return frozenset().union(*(resolve(entry.allow.events, names) for entry in self._book.entries))

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when a scope, a value or an expiry changed what somebody may do."""
        self._listener = listener
        return self._book.on_change(listener)

    def tick(self) -> None:
        """Once a second: look for changes of the file, and for values and secrets whose time has come."""
        self._book.refresh(anew=True)
        self._current.clear()  # a value may have retired meanwhile
        self._tell_rest(self._clock.monotonic())
        now = self._clock.now()
        standing = {
            entry.id: (entry.expired(now), tuple(value.digest for value in self._book.accepted(entry)))
            for entry in self._book.entries
        }
        if standing != self._standing:
            self._standing = dict(standing)
            self._listener()

    def _shut(self, address: str, claimed: str, found: list[tuple[Entry, Value]], now: float) -> bool:
        locked = self._addresses.locked(address, now) or (bool(claimed) and self._secrets.locked(claimed, now))
        if not locked:
            return False
        return not any(now < self._trusted.get((address, entry.id), 0.0) for entry, _ in found)

    def _judge(self, claimed: str, found: list[tuple[Entry, Value]]) -> Refusal | None:
        if claimed and self._book.get(claimed) is None:
            return Refusal(reason="unknown_secret_id", close=Close.BAD_SECRET, message=_FAILED)
        if not found:
            return Refusal(reason="invalid_secret", close=Close.BAD_SECRET, message=_FAILED)
        if len(found) > 1:
            return Refusal(reason="ambiguous_secret", close=Close.BAD_SECRET, message=_AMBIGUOUS)
        if found[0][0].expired(self._clock.now()):
            message = "Authentication failed: the secret has expired."
            return Refusal(reason="expired", close=Close.BAD_SECRET, message=message)
        return None

    def _failed(self, refusal: Refusal, claimed: str, who: Newcomer, now: float) -> Refusal:
        self._addresses.add(_neighbours(who.address), now)
        known = claimed if self._book.get(claimed) is not None else ""
        if known:
            self._secrets.add(known, now)
        self._note(refusal.reason, who, secret_id=known)
        return refusal

    def _trust(self, address: str, secret_id: str, now: float) -> None:
        self._trusted[address, secret_id] = self._trusted_addresses[address] = now + TRUST_SECONDS
        self._trusted.move_to_end((address, secret_id))
        if len(self._trusted) > MAX_REMEMBERED:
            self._trusted.popitem(last=False)
            self._trusted_addresses = {where: until for (where, _), until in self._trusted.items()}

    def _note(self, outcome: str, who: Newcomer, *, secret_id: str) -> None:
        self._meter.count("phantom_bridge_logins_total", outcome=outcome)
        self._audit.row(
            "auth",
            secretId=secret_id,
            app=who.app_name,
            connectionId=who.connection_id,
            address=who.address,
            outcome=outcome,
        )

    def _locked_out(self, address: str, secret_id: str) -> None:
        self._meter.count("phantom_bridge_logins_total", outcome="locked_out")
        now, told = self._clock.monotonic(), self._told.get(address)
        if told is not None:
            told.since += 1
            return
        self._told[address] = _Told(now)
        if len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        known = secret_id if self._book.get(secret_id) is not None else ""
        self._audit.row("auth", secretId=known, address=address, outcome="locked_out")

    def _tell_rest(self, now: float) -> None:
        """Lock-outs that were only counted so far, in one row an address."""
        while self._told and now - (first := next(iter(self._told.items())))[1].at >= TELL_SECONDS:
            address, told = first
            del self._told[address]
            if told.since:
                self._audit.row("auth", address=address, outcome="locked_out", times=told.since)

    def _grant(self, entry: Entry, credential: str) -> Grant:
        catalogue = self._catalogue
        return Grant(
            secret_id=entry.id,
            credential=credential,
            events=resolve(entry.allow.events, catalogue.events.keys()),
            actions=resolve(entry.allow.actions, catalogue.actions.keys(), catalogue.opt_in) - catalogue.switched_off,
            guilds=entry.within.guilds,
            channels=entry.within.channels,
            expires_at=entry.expires_at,
            limits=entry.limits,
            revision=entry.revision,
        )
