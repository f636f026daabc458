"""Interactions and commands in the shapes that apps see, and which of them are Phantom's own. Pure.

What does *not* live here: keeping their triggers (`apps_triggers.py`), telling of them (`apps_events.py`). Payloads:
https://docs.slack.dev/reference/interaction-payloads. Neither trigger nor response address is in a shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from channels.slack import apps_shapes as shapes
from channels.slack.apps_shapes import JSON, Raw
from channels.slack.decode import items, mapping, needed, text

OURS = "phantom_"
"""What the ids of Phantom's own actions, shortcuts and forms begin with."""
OUR_COMMAND = "/phantom"

_FORMS = {"view_submission": "modalSubmit", "view_closed": "modalClosed"}
_SHORTCUTS = {"shortcut": "shortcut", "message_action": "messageShortcut"}
_BUTTONS = frozenset({"button", "workflow_button", "icon_button"})
_CHOICES = frozenset(
    {
        "static_select",
        "external_select",
        "users_select",
        "conversations_select",
        "channels_select",
        "multi_static_select",
        "multi_external_select",
        "multi_users_select",
        "multi_conversations_select",
        "multi_channels_select",
        "overflow",
        "checkboxes",
        "radio_buttons",
        "datepicker",
        "timepicker",
        "datetimepicker",
    }
)
_ONE = ("value", "selected_user", "selected_conversation", "selected_channel", "selected_date", "selected_time")
_SEVERAL = ("selected_users", "selected_conversations", "selected_channels")


def identity(key: str, number: int = 0) -> str:
    """The id of an interaction, from the key of its delivery: a redelivery has the same. Says nothing of the key."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"I{digest}-{number}" if number else f"I{digest}"


def interactions(payload: Raw, key: str, team: str) -> list[JSON]:
    """What an interactive payload shows; one for each action in it."""
    kind = needed(payload, "type")
    if kind != "block_actions":
        return [_other(payload, kind, key, team)]
    found = []
    for number, action in enumerate(items(payload, "actions")):
        control = text(action, "type")
        named = "button" if control in _BUTTONS else "select" if control in _CHOICES else "unknown"
        shown = _begun(payload, identity(key, number), named, team)
        _put(shown, customId=text(action, "action_id"), blockId=text(action, "block_id"))
        picked = chosen(action)
        if picked is not None and not isinstance(picked, dict):
            shown["values"] = picked if isinstance(picked, list) else [picked]
        _put(shown, privateMetadata=text(mapping(payload, "view"), "private_metadata"))
        found.append(shown)
    return found


def command(form: Raw, key: str, team: str) -> JSON:
    """A slash command."""
    return {
        "id": identity(key),
        "teamId": team,
        "channelId": needed(form, "channel_id"),
        "userId": needed(form, "user_id"),
        "commandName": needed(form, "command"),
        "text": text(form, "text"),
    }


def chosen(element: Raw) -> str | list[str] | JSON | None:
    """What was typed or picked in a control: a text, a list of texts, rich text as Slack has it, or nothing."""
    for name in _ONE:
        if type(value := element.get(name)) is str:
            return value
    for name in _SEVERAL:
        if type(several := element.get(name)) is list:
            return [one for one in several if type(one) is str]
    if option := mapping(element, "selected_option"):
        return text(option, "value")
    if type(element.get("selected_options")) is list:
        return [text(option, "value") for option in items(element, "selected_options")]
    if type(element.get("files")) is list:
        return [text(file, "id") for file in items(element, "files")]
    at = element.get("selected_date_time")
    if type(at) is int:
        return str(at)
    rich = mapping(element, "rich_text_value")
    return dict(rich) if rich else None


def is_ours(payload: Raw, shown: Raw) -> bool:
    """Whether Phantom itself answers it."""
    form = text(mapping(payload, "view"), "callback_id")
    return text(shown, "customId").startswith(OURS) or form.startswith(OURS)


def is_our_command(name: str) -> bool:
    """Whether Phantom itself answers that command."""
    return name == OUR_COMMAND


def message_place(payload: Raw) -> tuple[str, str, str]:
    """(channel, message, thread) that an interaction happened at; "" where there is none."""
    container, shown = mapping(payload, "container"), mapping(payload, "message")
    return (
        text(container, "channel_id") or text(mapping(payload, "channel"), "id"),
        text(container, "message_ts") or text(payload, "message_ts") or text(shown, "ts"),
        text(container, "thread_ts") or text(shown, "thread_ts"),
    )


def _other(payload: Raw, kind: str, key: str, team: str) -> JSON:
    named = _FORMS.get(kind) or _SHORTCUTS.get(kind) or "unknown"
    shown = _begun(payload, identity(key), named, team)
    view = mapping(payload, "view")
    _put(
        shown,
        customId=text(payload, "callback_id") or text(view, "callback_id"),
        privateMetadata=text(view, "private_metadata"),
    )
    if kind == "view_submission":
        shown["fields"] = _fields(view)
    return shown


def _begun(payload: Raw, interaction: str, kind: str, team: str) -> JSON:
    channel, _, _ = message_place(payload)
    shown: JSON = {"id": interaction, "kind": kind, "teamId": team, "userId": needed(mapping(payload, "user"), "id")}
    if channel:
        shown["channelId"] = channel
        if text(said := mapping(payload, "message"), "ts"):
            shown["message"] = shapes.message(said, channel, team, shapes.channel_kind(channel, ""))
    return shown


def _fields(view: Raw) -> JSON:
    """By block and control, since Slack makes ids up that a form does not give."""
    found: JSON = {}
    for block, controls in mapping(mapping(view, "state"), "values").items():
        if type(controls) is dict:
            found[block] = {name: chosen(element) for name, element in controls.items() if isinstance(element, Mapping)}
    return found


def _put(shown: JSON, **texts: Any) -> None:
    shown.update({name: value for name, value in texts.items() if value})
