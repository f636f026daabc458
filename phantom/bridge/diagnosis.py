"""Whether an app and what it was granted fit: each misfit as a code, a sentence and its cure. Pure.

Used when an app starts strictly and again at every reconnect, by its `preflight`, and by `phantom bridge check`. What
does *not* live here: asking the bridge, and raising.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum

from phantom.bridge.catalogue import Catalogue
from phantom.bridge.grants import Allow, resolve
from phantom.bridge.manifest import Manifest
from phantom.bridge.scopes import Capabilities, explain, generate_secret_scope, required_intents

STRICT_REQUIRES_BOT_INTENTS = "strict_requires_bot_intents"
MISSING_INTENT = "missing_intent"
MISSING_EVENT_CAPABILITY = "missing_event_capability"
MISSING_ACTION_CAPABILITY = "missing_action_capability"
UNUSED_NEGOTIATED_EVENT = "unused_negotiated_event"
UNUSED_NEGOTIATED_ACTION = "unused_negotiated_action"
UNSUPPORTED_FILTER_KEY = "unsupported_filter_key"
SUBSCRIPTION_EVENT_NOT_IN_MANIFEST = "subscription_event_not_in_manifest"
SUBSCRIPTION_FILTER_KEY_NOT_DECLARED = "subscription_filter_key_not_declared_in_manifest"
SCOPE_BROADER_THAN_EXPECTED = "scope_broader_than_expected"
NOT_CONNECTED = "not_connected"
"""Only `preflight` has it: nothing could be asked."""

CODES: Mapping[str, str] = {
    STRICT_REQUIRES_BOT_INTENTS: "the bridge did not say which intents the bot has, so they could not be checked",
    MISSING_INTENT: "the bot lacks an intent that the manifest's events need",
    MISSING_EVENT_CAPABILITY: "an event of the manifest, or of a handler, is not granted",
    MISSING_ACTION_CAPABILITY: "an action of the manifest is not granted",
    UNUSED_NEGOTIATED_EVENT: "an event is granted that the manifest does not name (a warning)",
    UNUSED_NEGOTIATED_ACTION: "an action is granted that the manifest does not name (a warning)",
    UNSUPPORTED_FILTER_KEY: "the manifest declares a filter key that the event never has",
    SUBSCRIPTION_EVENT_NOT_IN_MANIFEST: "a handler listens to an event that the manifest does not name",
    SUBSCRIPTION_FILTER_KEY_NOT_DECLARED: "a handler filters by a key that the manifest does not declare for its event",
    SCOPE_BROADER_THAN_EXPECTED: "more is granted than the app expects",
    NOT_CONNECTED: "the bridge could not be asked (`preflight` only)",
}
"""Every code and what it means."""


class Severity(Enum):
    """A warning stops nothing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One misfit. `subject` is the event, action, intent or filter key that it is about."""

    code: str
    message: str
    cure: str
    subject: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.code}: {self.message} {self.cure}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. `minimum` is the smallest scope with which the app would work."""

    issues: tuple[Issue, ...] = ()
    required_intents: tuple[str, ...] = ()
    minimum: Allow = field(default_factory=Allow)

    @property
    def ok(self) -> bool:
        """Whether nothing but warnings was found."""
        return not self.errors

    @property
    def errors(self) -> tuple[Issue, ...]:
        return tuple(issue for issue in self.issues if issue.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Issue, ...]:
        return tuple(issue for issue in self.issues if issue.severity is Severity.WARNING)

    def __str__(self) -> str:
        lines = [f"{issue.severity.value}: {issue}" for issue in (*self.errors, *self.warnings)]
        return "\n".join(lines) or "nothing to report"


Subscriptions = Iterable[tuple[str, Iterable[str]]]
"""What an app's handlers listen to: the event's name and the filter keys."""


def diagnose(
    manifest: Manifest,
    catalogue: Catalogue,
    capabilities: Capabilities,
    intents: AbstractSet[str] | None,
    *,
    subscriptions: Subscriptions = (),
    expected: Allow | None = None,
) -> Report:
    """Compare what an app needs with what it got.

    `intents` are those of the bot, `None` when the bridge does not tell them (version 2). `expected` is the most that
    the app wants to be granted; without it, a surplus is only a warning.
    """
    handlers = [(event, tuple(keys)) for event, keys in subscriptions]
    broad = [] if expected is None else list(_too_broad(capabilities, expected, catalogue))
    issues = [
        *_of_intents(manifest, catalogue, intents),
        *_missing(manifest, catalogue, capabilities, intents, handlers),
        *_of_filters(manifest, catalogue),
        *_of_handlers(manifest, handlers),
        *broad,
        *_unused(manifest, capabilities, {issue.subject for issue in broad}),
    ]
    return _report(manifest, catalogue, issues)


def diagnose_alone(manifest: Manifest, catalogue: Catalogue, *, subscriptions: Subscriptions = ()) -> Report:
    """The part that needs no bridge: filter keys, and handlers against the manifest."""
    handlers = [(event, tuple(keys)) for event, keys in subscriptions]
    return _report(manifest, catalogue, [*_of_filters(manifest, catalogue), *_of_handlers(manifest, handlers)])


def unreachable(manifest: Manifest, catalogue: Catalogue, message: str, cure: str) -> Report:
    """What `preflight` says when nothing could be asked; `message` tells why, without a secret."""
    issue = Issue(code=NOT_CONNECTED, message=message, cure=cure)
    return _report(manifest, catalogue, [issue, *diagnose_alone(manifest, catalogue).issues])


def _report(manifest: Manifest, catalogue: Catalogue, issues: Iterable[Issue]) -> Report:
    return Report(
        issues=tuple(issues),
        required_intents=required_intents(manifest.events, catalogue),
        minimum=generate_secret_scope(manifest),
    )


def _of_intents(manifest: Manifest, catalogue: Catalogue, intents: AbstractSet[str] | None) -> Iterable[Issue]:
    required = required_intents(manifest.events, catalogue)
    if intents is None:
        if required:
            yield Issue(
                code=STRICT_REQUIRES_BOT_INTENTS,
                message=f"The manifest's events need {', '.join(required)}; the bridge did not say what the bot has.",
                cure="Connect with version 3 of the wire, or say which intents the bot has.",
            )
        return
    for intent in required:
        if intent not in intents:
            events = [name for name in manifest.events if _intent(name, catalogue) == intent]
            yield Issue(
                code=MISSING_INTENT,
                subject=intent,
                message=f"The bot lacks {intent}, which {', '.join(events)} need{'s' if len(events) == 1 else ''}.",
                cure=f"Switch {intent} on for the bot, or take these events out of the manifest.",
            )


def _intent(name: str, catalogue: Catalogue) -> str:
    spec = catalogue.events.get(name)
    return "" if spec is None else spec.intent


def _missing(
    manifest: Manifest,
    catalogue: Catalogue,
    capabilities: Capabilities,
    intents: AbstractSet[str] | None,
    handlers: Iterable[tuple[str, tuple[str, ...]]],
) -> Iterable[Issue]:
    needed = {**dict.fromkeys(manifest.events), **dict.fromkeys(event for event, _ in handlers)}
    for name in needed:
        if name not in capabilities.events:
            why = explain(name, catalogue, capabilities, intents)
            yield Issue(code=MISSING_EVENT_CAPABILITY, subject=name, message=why.message, cure=why.cure)
    for name in manifest.actions:
        if name not in capabilities.actions:
            why = explain(name, catalogue, capabilities, intents)
            yield Issue(code=MISSING_ACTION_CAPABILITY, subject=name, message=why.message, cure=why.cure)


def _of_filters(manifest: Manifest, catalogue: Catalogue) -> Iterable[Issue]:
    for event, keys in manifest.filters.items():
        spec = catalogue.events.get(event)
        known = () if spec is None else spec.filters
        for key in keys:
            if key in known:
                continue
            yield Issue(
                code=UNSUPPORTED_FILTER_KEY,
                subject=key,
                message=f"{event} never has {key}, so a filter by it would match nothing.",
                cure=f"{event} can be filtered by {', '.join(known)}." if known else f"Take {event} without a filter.",
            )


def _of_handlers(manifest: Manifest, handlers: Iterable[tuple[str, tuple[str, ...]]]) -> Iterable[Issue]:
    for event, keys in handlers:
        if event not in manifest.events:
            yield Issue(
                code=SUBSCRIPTION_EVENT_NOT_IN_MANIFEST,
                subject=event,
                message=f"A handler listens to {event}, which the manifest does not name.",
                cure=f"Add {event} to the manifest's events, or remove the handler.",
            )
            continue
        declared = manifest.filters.get(event, ())
        for key in keys:
            if key not in declared:
                yield Issue(
                    code=SUBSCRIPTION_FILTER_KEY_NOT_DECLARED,
                    subject=key,
                    message=f"A handler of {event} filters by {key}, which the manifest does not declare.",
                    cure=f"Add {key} to filters.{event} of the manifest, or do without it.",
                )


def _unused(manifest: Manifest, capabilities: Capabilities, told: AbstractSet[str]) -> Iterable[Issue]:
    for code, granted, needed in (
        (UNUSED_NEGOTIATED_EVENT, capabilities.events, manifest.events),
        (UNUSED_NEGOTIATED_ACTION, capabilities.actions, manifest.actions),
    ):
        for name in granted:
            if name not in needed and name not in told:
                yield Issue(
                    code=code,
                    subject=name,
                    message=f"{name} is granted, and the manifest does not name it.",
                    cure="Take it out of the secret's allow.",
                    severity=Severity.WARNING,
                )


def _too_broad(capabilities: Capabilities, expected: Allow, catalogue: Catalogue) -> Iterable[Issue]:
    events = resolve(expected.events, catalogue.events.keys())
    actions = resolve(expected.actions, catalogue.actions.keys(), catalogue.opt_in)
    for axis, granted, most in (("events", capabilities.events, events), ("actions", capabilities.actions, actions)):
        for name in granted:
            if name not in most:
                yield Issue(
                    code=SCOPE_BROADER_THAN_EXPECTED,
                    subject=name,
                    message=f"{name} is granted, which is more than the app expects.",
                    cure=f"Take {name} out of allow.{axis} of the secret, or expect it.",
                )
