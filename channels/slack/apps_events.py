"""Telling bridge apps what happens in Slack: from a payload that the journal has just taken to events for apps.

The receivers call `hear` once for each payload after its commit, never for a duplicate, so that nothing is told twice
by Slack's retries. `message` and `app_mention` of one post are two events with the same message id.
What does *not* live here: shapes (`apps_shapes.py`, `apps_interaction_shape.py`), who may see what (the bridge).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from channels.slack import apps_interaction_shape as interaction_shape
from channels.slack import apps_shapes as shapes
from channels.slack.apps_shapes import JSON, Raw
from channels.slack.apps_triggers import Trigger, TriggerBook
from channels.slack.decode import COMMAND, INTERACTIVE, mapping, needed, text
from channels.slack.messages_in import SPOKEN
from channels.slack.place import CHANNEL
from phantom.apps import AppEvent, AppPlace, AppSink
from phantom.errors import MalformedEvent

log = structlog.get_logger(__name__)

INTERRUPTED = "source_interrupted"
OURS = "Phantom answers this interaction itself"
_ODD = (LookupError, TypeError, ValueError, AttributeError, MalformedEvent)
"""What building something from a payload raises that is not what it should be."""

Facts = dict[str, str | tuple[str, ...]]


class AppEvents:
    """One for the life of the channel. `listens` is False, and `hear` not to be called, while no bridge is on."""

    def __init__(self, book: TriggerBook) -> None:
        self.listens = False
        self.team = ""
        self._book = book
        self._sink: AppSink | None = None
        self._received = 0

    def lend(self, sink: AppSink) -> None:
        """Tell `sink` from now on."""
        self._sink = sink
        self.listens = True

    def began(self) -> None:
        """Receiving begins: what happened since the last time may have been missed. Slack gives up after some tries,
        and a payload that was committed just before a crash was not told.
        """
        self._gap()

    def left_to_apps(self, form: Raw) -> bool:
        """Whether a command is left to the apps: it is not Phantom's own, and one listens."""
        return (
            self._sink is not None
            and self._sink.wants("slack.command")
            and not interaction_shape.is_our_command(text(form, "command"))
        )

    def hear(self, kind: str, payload: Raw, key: str, received_at: float) -> None:
        """Take one payload. `key` is its envelope's `event_id`. Never raises."""
        sink = self._sink
        if sink is None:
            return
        self._received = int(received_at * 1000)
        try:
            if kind == INTERACTIVE:
                self._interaction(sink, payload, key)
            elif kind == COMMAND:
                self._command(sink, payload, key)
            elif payload.get("type") == "app_rate_limited":
                self._gap()  # Slack drops this app's events for a while
            else:
                event = mapping(payload, "event")
                tell = _TELLERS.get(text(event, "type"))
                if tell is not None:
                    tell(self, sink, event)
        except _ODD as error:
            log.warning("app_event_not_understood", channel=CHANNEL, kind=kind, error=type(error).__name__)

    def _gap(self) -> None:
        if self._sink is not None:
            self._sink.gap(CHANNEL, INTERRUPTED)

    def _tell(self, sink: AppSink, name: str, data: JSON, facts: Facts) -> None:
        data["receivedAt"] = self._received
        sink.publish(AppEvent(name, data, {"guildId": self.team, **facts}))

    # --- messages and reactions ---

    def _message(self, sink: AppSink, event: Raw) -> None:
        subtype = text(event, "subtype")
        if subtype == "message_changed":
            if text(mapping(event, "message"), "subtype") == "tombstone":  # the root of a thread that goes on
                self._deleted(sink, event, text(mapping(event, "message"), "ts"))
            else:
                self._changed(sink, event)
        elif subtype == "message_deleted":
            self._deleted(sink, event, text(event, "deleted_ts"))
        elif subtype in SPOKEN and event.get("hidden") is not True:
            self._posted(sink, event, "slack.message")

    def _mention(self, sink: AppSink, event: Raw) -> None:
        self._posted(sink, event, "slack.app_mention")

    def _posted(self, sink: AppSink, event: Raw, name: str) -> None:
        if not sink.wants(name):
            return
        channel, kind = _where(event)
        shown = shapes.message(event, channel, self.team, kind)
        self._tell(sink, name, {"message": shown}, _facts(shown))

    def _changed(self, sink: AppSink, event: Raw) -> None:
        if not sink.wants("slack.message_changed"):
            return
        channel, kind = _where(event)
        shown = shapes.message(mapping(event, "message"), channel, self.team, kind)
        data: JSON = {"message": shown}
        before = mapping(event, "previous_message")
        if text(before, "ts"):
            data["oldMessage"] = shapes.message(before, channel, self.team, kind)
        self._tell(sink, "slack.message_changed", data, _facts(shown))

    def _deleted(self, sink: AppSink, event: Raw, ts: str) -> None:
        if not ts:
            raise MalformedEvent("the deletion names no message")
        if not sink.wants("slack.message_deleted"):
            return
        channel, kind = _where(event)
        thread = text(mapping(event, "previous_message"), "thread_ts")
        at = text(event, "event_ts") or needed(event, "ts")
        shown = shapes.deleted(ts, at, channel, self.team, kind, thread)
        self._tell(sink, "slack.message_deleted", {"message": shown}, _facts(shown))

    def _reaction(self, sink: AppSink, event: Raw) -> None:
        name = f"slack.{text(event, 'type')}"
        if text(mapping(event, "item"), "type") != "message" or not sink.wants(name):
            return
        shown = shapes.reaction(event, self.team)
        emoji = shown["emoji"]
        plain = emoji.partition("::")[0]
        facts: Facts = {
            "channelId": shown["channelId"],
            "userId": shown["userId"],
            "messageId": shown["messageId"],
            "emoji": emoji if plain == emoji else (emoji, plain),
        }
        self._tell(sink, name, {"reaction": shown}, facts)

    # --- interactions and commands ---

    def _interaction(self, sink: AppSink, payload: Raw, key: str) -> None:
        if not sink.wants("slack.interaction"):
            return
        _, message, thread = interaction_shape.message_place(payload)
        for shown in interaction_shape.interactions(payload, key, self.team):
            refusal = OURS if interaction_shape.is_ours(payload, shown) else ""
            self._note(shown, payload, refusal)
            facts: Facts = {"userId": shown["userId"], "interactionId": shown["id"], "interactionKind": shown["kind"]}
            for name, value in (
                ("channelId", shown.get("channelId")),
                ("customId", shown.get("customId")),
                ("messageId", message),
                ("threadId", thread),
            ):
                if value:
                    facts[name] = value
            self._tell(sink, "slack.interaction", {"interaction": shown}, facts)

    def _command(self, sink: AppSink, form: Raw, key: str) -> None:
        if not sink.wants("slack.command"):
            return
        shown = interaction_shape.command(form, key, self.team)
        self._note(shown, form, OURS if interaction_shape.is_our_command(shown["commandName"]) else "")
        facts: Facts = {
            "channelId": shown["channelId"],
            "userId": shown["userId"],
            "interactionId": shown["id"],
            "commandName": shown["commandName"],
        }
        self._tell(sink, "slack.command", {"command": shown}, facts)

    def _note(self, shown: Raw, payload: Raw, refusal: str) -> None:
        trigger = text(payload, "trigger_id")
        if not (trigger or refusal):
            refusal = "this interaction has no trigger: no form can be opened for it"
        place = AppPlace(guild=self.team, channel=text(shown, "channelId"))
        self._book.note(Trigger(id=shown["id"], secret="" if refusal else trigger, place=place, refusal=refusal))


def _where(event: Raw) -> tuple[str, str]:
    channel = needed(event, "channel")
    return channel, shapes.channel_kind(channel, text(event, "channel_type"))


def _facts(shown: Raw) -> Facts:
    """The facts of a message, deleted or not."""
    facts: Facts = {"channelId": shown["channelId"], "messageId": shown["id"]}
    for name in ("channelType", "threadId", "userId"):
        if name in shown:
            facts[name] = shown[name]
    return facts


_TELLERS: Mapping[str, Callable[[AppEvents, AppSink, Raw], None]] = {
    "message": AppEvents._message,
    "app_mention": AppEvents._mention,
    "reaction_added": AppEvents._reaction,
    "reaction_removed": AppEvents._reaction,
}
