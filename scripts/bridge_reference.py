"""Generates `docs/reference/bridge.md` from the channels' tables and the diagnosis codes. No text of its own about what
an event or action does: that is in the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from phantom.apps import ActionSpec, EventSpec, Table
from phantom.bridge.catalogue import method
from phantom.bridge.diagnosis import CODES
from scripts.bridge_fields import FieldNote, fields_of, structs_in

FILTERS = {
    "guildId": "guild (Discord) or team (Slack)",
    "channelId": "channel; for Discord's thread events, the thread's channel",
    "userId": "who did it, or whom it is about",
    "messageId": "message; Slack: its `ts`",
    "interactionId": "interaction or command",
    "commandName": "name of a command; Slack's begin with `/`",
    "customId": "id that was given to a component or form; Slack: action id or callback id",
    "interactionKind": "kind of an interaction",
    "emoji": "an emoji's id, or its name when it has none",
    "channelType": "Discord's number of a channel type; Slack: `channel`, `group`, `im`, `mpim`",
    "parentChannelId": "a thread's channel, or a channel's category",
    "threadId": "thread; Slack: its first message's `ts`",
    "voiceChannelId": "voice channel that somebody is in now",
}
"""What each key means. One that is missing here fails the generator."""
EVERYWHERE = {"receivedAt": "when the bot got it (milliseconds)", "shardId": "by which shard, when there are several"}
"""Keys of every payload."""
INTRODUCTION = """What a program may see and do through the bot bridge. Keys are as on the wire; the
Python client's methods take the same parameters in snake_case. Ids are text. A `?` marks what may be absent. Parameters
that are not listed are refused, and so are values outside the limits: with `INVALID_REQUEST`, naming the field, before
the platform is asked."""


def page(tables: Sequence[Table], mark: str) -> str:
    """The whole page."""
    parts = [f"# Bridge: events and actions\n\n{mark}\n\n{INTRODUCTION}\n", _filters(tables)]
    for table in tables:
        parts += [_events(table), _actions(table)]
    parts += [_things(tables), _codes()]
    return "\n".join(parts)


def _filters(tables: Iterable[Table]) -> str:
    keys = dict.fromkeys(key for table in tables for key in table.filters)
    rows = [f"| `{key}` | {FILTERS[key]} |" for key in keys]
    return (
        "## Filters\n\nA subscription's filter is an object of keys, each with one value or a list: every key must "
        "match, any of its values may. An event has only the keys named with it; another key, an empty list or an "
        "empty object is refused.\n\n| key | compared with |\n|---|---|\n" + "\n".join(rows) + "\n"
    )


def _events(table: Table) -> str:
    held = {note.name for note in fields_of(table.events[0].data, given=False)}
    common = ", and ".join(f"`{key}`: {meaning}" for key, meaning in EVERYWHERE.items() if key in held)
    rows = [
        f"| `{spec.name}` | {_cell(spec.summary)} | {f'`{spec.intent}`' if spec.intent else '—'} | {_keys(spec)} "
        f"| {_payload(spec.data)} |"
        for spec in table.events
    ]
    return (
        f"## Events of {table.channel.capitalize()} ({len(table.events)})\n\nEach payload also has {common}.\n\n"
        "| event | when | needs | filters | payload |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _keys(spec: EventSpec) -> str:
    return ", ".join(f"`{key}`" for key in spec.filters) or "—"


def _payload(struct: type[Any]) -> str:
    notes = [note for note in fields_of(struct, given=False) if note.name not in EVERYWHERE]
    return ", ".join(f"`{_name(note)}` {note.kind}" for note in notes)


def _name(note: FieldNote) -> str:
    return note.name if note.required else f"{note.name}?"


def _actions(table: Table) -> str:
    heading = f"## Actions of {table.channel.capitalize()} ({len(table.actions)})\n"
    return "\n".join([heading, *(_action(spec) for spec in table.actions)])


def _action(spec: ActionSpec) -> str:
    result = "anything" if spec.result is None else f"[{spec.result.__name__}](#{spec.result.__name__.lower()})"
    again = "" if spec.repeatable else " A repeat may do it again: give an idempotency key."
    return f"### `{spec.name}`\n\n{spec.summary}{again} Python: `{method(spec.name)}`. Answers {result}.\n\n" + _table(
        spec.params
    )


def _table(struct: type[Any]) -> str:
    rows = [f"| `{_name(note)}` | {_cell(note.kind)} | {_cell(note.note)} |" for note in fields_of(struct, given=True)]
    return "| key | what | limits |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _things(tables: Iterable[Table]) -> str:
    found: dict[type[Any], None] = {}
    for table in tables:
        for event in table.events:
            found |= dict.fromkeys(structs_in(event.data))
        for action in table.actions:
            found |= dict.fromkeys(structs_in(action.params))
            if action.result is not None:
                found |= dict.fromkeys([*structs_in(action.result), action.result])
    parts = [
        f"### {struct.__name__}\n\n{' '.join((struct.__doc__ or '').split())}\n\n{_table(struct)}"
        for struct in sorted(found, key=lambda struct: struct.__name__)
    ]
    return "\n".join(["## Shapes\n", *parts])


def _codes() -> str:
    rows = [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    return (
        "## Diagnosis codes\n\nOf a strict start, `preflight` and `phantom bridge check`.\n\n"
        "| code | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
