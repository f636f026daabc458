"""What a secret means: reading a scope, what is granted of it, why something is denied, and where it reaches.

Everything fails closed: a missing axis is nothing, `"*"` must be written, unknown keys and names are refused. What does
*not* live here: the values themselves (`grants.py`), who holds a secret (`gatekeeper.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from phantom.apps import AppPlace, EventSpec, Facts
from phantom.bridge.catalogue import Catalogue
from phantom.bridge.grants import EVERYTHING, Allow, resolve
from phantom.bridge.manifest import Manifest, read_names, refuse_unknown
from phantom.errors import ConfigError

_GUILD, _CHANNEL, _PARENT, _THREAD = "guildId", "channelId", "parentChannelId", "threadId"


class Reach(Protocol):
    """Anything with limits of place: a `Grant` or a `Within`."""

    @property
    def guilds(self) -> frozenset[str] | None: ...

    @property
    def channels(self) -> frozenset[str] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What is really there for an app: events that the secret allows and the bot can see, and actions. In the
    catalogue's order.
    """

    events: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an app has an event or an action, or not. `denied_by`: "" (it has it), `intent`, `secret`, `configuration`
    (an opt-in action that is off), `unknown` (no such name), or `bridge` (the bridge did not say which).
    """

    name: str
    kind: str
    allowed: bool
    denied_by: str
    message: str
    cure: str = ""
    intent: str = ""


def parse_allow(value: object, catalogue: Catalogue, *, where: str = "allow") -> Allow:
    """`{events, actions}` as somebody wrote it. Each axis is a list of names or `"*"`; a missing one is nothing.

    Raises `ConfigError` for unknown keys and names.
    """
    if not isinstance(value, Mapping):
        raise ConfigError("must be an object with `events` and `actions`", where=where)
    for key in value:
        if key not in {"events", "actions"}:
            raise ConfigError(f"{str(key)[:64]!r} is not known", where=where, hint="it has events and actions")
    axes = {axis: _axis(value[axis], f"{where}.{axis}") for axis in ("events", "actions") if axis in value}
    allow = Allow(**axes)
    check_allow(allow, catalogue, where=where)
    return allow


def check_allow(allow: Allow, catalogue: Catalogue, *, where: str = "allow") -> None:
    """Raises `ConfigError` for a name that nothing offers, or an action that the configuration keeps off."""
    events, actions = sorted(allow.events - {EVERYTHING}), sorted(allow.actions - {EVERYTHING})
    refuse_unknown(events, catalogue.events, where=f"{where}.events", kind="event")
    refuse_unknown(actions, catalogue.actions, where=f"{where}.actions", kind="action")


def _axis(value: object, where: str) -> frozenset[str]:
    if value == EVERYTHING:
        return frozenset({EVERYTHING})
    if isinstance(value, list | tuple) and EVERYTHING in value:
        return frozenset({EVERYTHING, *read_names([name for name in value if name != EVERYTHING], where)})
    return frozenset(read_names(value, where))


def generate_secret_scope(manifest: Manifest) -> Allow:
    """The smallest scope with which the app works."""
    return Allow(events=frozenset(manifest.events), actions=frozenset(manifest.actions))


def as_written(allow: Allow, catalogue: Catalogue) -> dict[str, list[str] | str]:
    """A scope as one would write it, in the catalogue's order; both axes are there."""
    return {
        axis: EVERYTHING if names == {EVERYTHING} else [name for name in (EVERYTHING, *known) if name in names]
        for axis, names, known in (
            ("events", allow.events, catalogue.events),
            ("actions", allow.actions, catalogue.actions),
        )
    }


def required_intents(events: Iterable[str], catalogue: Catalogue) -> tuple[str, ...]:
    """What the platforms must have granted the bot for these events, each once. Unknown events need nothing."""
    specs = (catalogue.events[name] for name in events if name in catalogue.events)
    return tuple(dict.fromkeys(spec.intent for spec in specs if spec.intent))


def negotiate(allow: Allow, catalogue: Catalogue, intents: AbstractSet[str]) -> Capabilities:
    """What a scope is worth while the bot has these intents."""
    events = resolve(allow.events, catalogue.events.keys())
    actions = resolve(allow.actions, catalogue.actions.keys(), catalogue.opt_in) - catalogue.switched_off
    return Capabilities(
        events=tuple(
            name
            for name, spec in catalogue.events.items()
            if name in events and (not spec.intent or spec.intent in intents)
        ),
        actions=tuple(name for name in catalogue.actions if name in actions),
    )


def explain(
    name: str,
    catalogue: Catalogue,
    capabilities: Capabilities,
    intents: AbstractSet[str] | None = None,
    *,
    allow: Allow | None = None,
) -> Explanation:
    """Whether an app has an event or action, and which of intent and secret denies it.

    An app knows its `capabilities` and, from a version-3 bridge, the `intents`; whoever has the secret's `allow` gives
    it too, since an event that both deny needs both cures.
    """
    spec = catalogue.events.get(name)
    if spec is not None:
        return _explain_event(spec, capabilities, intents, allow, catalogue)
    if name in catalogue.actions:
        return _explain_action(name, catalogue, capabilities, allow)
    return Explanation(
        name=name,
        kind="unknown",
        allowed=False,
        denied_by="unknown",
        message=f"{name[:64]} is neither an event nor an action of the bridge.",
        cure="Take a name from the bridge reference.",
    )


def _explain_event(
    spec: EventSpec,
    capabilities: Capabilities,
    intents: AbstractSet[str] | None,
    allow: Allow | None,
    catalogue: Catalogue,
) -> Explanation:
    name, intent = spec.name, spec.intent
    if name in capabilities.events:
        return Explanation(
            name=name, kind="event", allowed=True, denied_by="", message=f"{name} is granted.", intent=intent
        )
    secret_cure = f"Add {name} to allow.events of the secret."
    denied_by, message, cure = "secret", f"The secret does not allow {name}.", secret_cure
    if intent and intents is None:
        denied_by = "bridge"
        message = f"The bridge does not grant {name}: the secret does not allow it, or the bot lacks {intent}."
        cure = f"{secret_cure} Or switch {intent} on for the bot."
    elif intent and intents is not None and intent not in intents:
        denied_by, message, cure = "intent", f"The bot lacks {intent}, which {name} needs.", _intent_cure(intent)
        if allow is not None and name not in resolve(allow.events, catalogue.events.keys()):
            message, cure = f"{message} The secret does not allow it either.", f"{cure} {secret_cure}"
    return Explanation(
        name=name, kind="event", allowed=False, denied_by=denied_by, message=message, cure=cure, intent=intent
    )


def _explain_action(name: str, catalogue: Catalogue, capabilities: Capabilities, allow: Allow | None) -> Explanation:
    if name in capabilities.actions:
        return Explanation(name=name, kind="action", allowed=True, denied_by="", message=f"{name} is granted.")
    denied_by, message = "secret", f"The secret does not allow {name}."
    cure = f"Add {name} to allow.actions of the secret."
    if catalogue.actions[name].opt_in:
        cure = f'{cure[:-1]} by its name ("*" does not mean it), and switch it on in the configuration of the bridge.'
        if allow is not None and name in allow.actions:
            denied_by, message = "configuration", f"{name} is off in the configuration of the bridge."
            cure = "Switch it on there."
    return Explanation(name=name, kind="action", allowed=False, denied_by=denied_by, message=message, cure=cure)


def _intent_cure(intent: str) -> str:
    return f"Give the bot {intent}."


def reaches(reach: Reach, facts: Facts, spec: EventSpec) -> bool:
    """Whether an event is for a secret that is limited to guilds or channels.

    An event that lacks a value on a limited axis is not, unless it is by its nature of no guild and no channel
    (`ready`). Inside a thread, its channel counts too.
    """
    if reach.guilds is None and reach.channels is None:
        return True
    if _GUILD not in spec.filters and _CHANNEL not in spec.filters:
        return True
    if reach.guilds is not None and not _all_in(facts.get(_GUILD), reach.guilds):
        return False
    if reach.channels is None:
        return True
    if _all_in(facts.get(_CHANNEL), reach.channels):
        return True
    thread = facts.get(_THREAD)
    return bool(thread) and (_all_in(thread, reach.channels) or _all_in(facts.get(_PARENT), reach.channels))


def _all_in(fact: str | tuple[str, ...] | None, ids: frozenset[str]) -> bool:
    if not fact:
        return False
    return fact in ids if isinstance(fact, str) else ids.issuperset(fact)


def reaches_place(reach: Reach, place: AppPlace) -> bool:
    """Whether an action there is for a secret that is limited to guilds or channels. An unknown place is not."""
    if reach.guilds is not None and not (place.guild and place.guild in reach.guilds):
        return False
    if reach.channels is None:
        return True
    return any(one and one in reach.channels for one in (place.channel, place.parent))
