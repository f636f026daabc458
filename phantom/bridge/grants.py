"""What a secret allows, as values: `Allow` and `Within` as written, `Grant` as the live bridge uses it.

What does *not* live here: reading them from a file or from settings (`scopes.py`), and whether a secret is the right
one (`gatekeeper.py`).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

EVERYTHING = "*"
"""In a scope: every event, or every action that need not be switched on. It must be written; nothing implies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The two axes of a scope. An empty axis grants nothing. Either may hold `EVERYTHING`, beside which only names of
    opt-in actions add anything.
    """

    events: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Where a secret reaches: ids of guilds (Slack: teams) and of channels. `None` is no limit on that axis, an empty
    set is nowhere; both given means that both must hold. A thread is within its parent channel.
    """

    guilds: frozenset[str] | None = None
    channels: frozenset[str] | None = None

    @property
    def limited(self) -> bool:
        """Whether anything is out of reach."""
        return self.guilds is not None or self.channels is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one secret may ask of the bridge. `subscriptions` counts a connection's, the others the secret's. 0: no
    limit beyond the bridge's own.
    """

    connections: int = 0
    actions_per_minute: int = 0
    concurrent_actions: int = 0
    subscriptions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a connection of one secret may do now. `expires_at` is seconds since the epoch. `revision` changes whenever
    the secret's entry does. Names are resolved: no `EVERYTHING` is in here.
    """

    secret_id: str
    credential: str = ""
    """Which of the secret's values it was (a fingerprint): when that one is retired, its connections end."""
    events: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    guilds: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    expires_at: float | None = None
    limits: Limits = field(default_factory=Limits)
    revision: int = 0

    @property
    def within(self) -> Within:
        """The same limits of place as one value."""
        return Within(guilds=self.guilds, channels=self.channels)


def resolve(names: AbstractSet[str], known: AbstractSet[str], opt_in: AbstractSet[str] = frozenset()) -> frozenset[str]:
    """The names that one axis of an `Allow` means. `EVERYTHING` is all of `known` but `opt_in`, which must be named."""
    named = frozenset(names) & known
    return named | (frozenset(known) - opt_in) if EVERYTHING in names else named
