"""All events and actions that apps may have, put together from the channels' tables; what a request's data must be.

Every name is in one table only. What does *not* live here: the tables (each channel's own) and who may have what
(`scopes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from phantom.apps import ActionRefused, ActionSpec, EventSpec, Table
from phantom.errors import ConfigError
from phantom.plugins import descriptors
from phantom.plugins import resolve as load_object

INVALID_REQUEST = "INVALID_REQUEST"
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_SAID_FIELD = re.compile(r"^`(?P<name>[^`]+)`: ")
"""How a table's own checks begin what they say."""
_NAMED_FIELD = re.compile(r"(?:unknown|required) field `(?P<name>.*)`$", re.DOTALL)
_QUOTED_VALUE = re.compile(r"^Invalid (?:enum )?value .*", re.DOTALL)
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Catalogue:
    """Immutable. `events` and `actions` are in table order; opt-in actions count only where `enabled` names them."""

    def __init__(self, tables: Iterable[Table], *, enabled: frozenset[str] = frozenset()) -> None:
        self.tables = tuple(tables)
        self.enabled = enabled
        self.events: Mapping[str, EventSpec] = {}
        self.actions: Mapping[str, ActionSpec] = {}
        self.filters: tuple[str, ...] = ()
        self._channels: dict[str, str] = {}
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}
        self._takes: dict[str, str] = {}
        self._collect()

    def _collect(self) -> None:
        events: dict[str, EventSpec] = {}
        actions: dict[str, ActionSpec] = {}
        for table in self.tables:
            for name in [*(spec.name for spec in table.events), *(spec.name for spec in table.actions)]:
                if name in self._channels:
                    raise ConfigError(
                        f"the channels {self._channels[name]} and {table.channel} both offer {name} to apps",
                        where=f"apps table of {table.channel}",
                        hint="uninstall one of the two plugins",
                    )
                self._channels[name] = table.channel
            events.update((spec.name, spec) for spec in table.events)
            actions.update((spec.name, spec) for spec in table.actions)
        self.events, self.actions = events, actions
        self.filters = tuple(dict.fromkeys(key for table in self.tables for key in table.filters))

    def channel_of(self, name: str) -> str:
        """The kind of channel that an event or action belongs to. Raises `KeyError`."""
        return self._channels[name]

    @property
    def opt_in(self) -> frozenset[str]:
        """Actions that a `"*"` never means."""
        return frozenset(name for name, spec in self.actions.items() if spec.opt_in)

    @property
    def switched_off(self) -> frozenset[str]:
        """Opt-in actions that the configuration does not enable: nobody may call them."""
        return self.opt_in - self.enabled

    def decode_params(self, name: str, raw: msgspec.Raw | bytes) -> dict[str, Any]:
        """A request's data, checked, as plain values; parameters that were not given are left out.

        Raises `ActionRefused` (INVALID_REQUEST) that names the field, with the cure and never the value.
        """
        decoder = self._decoders.get(name)
        if decoder is None:
            decoder = self._decoders[name] = msgspec.json.Decoder(self.actions[name].params)
        try:
            found: dict[str, Any] = msgspec.to_builtins(decoder.decode(raw))
            orjson.dumps(found)
        except (msgspec.MsgspecError, ValueError, RecursionError, TypeError) as error:
            raise self._refusal(name, error) from None
        return found

    def _refusal(self, name: str, error: Exception) -> ActionRefused:
        field, said = _what_is_wrong(error)
        takes = self._takes.get(name)
        if takes is None:  # slow to find out, and somebody may send nonsense all day
            fields = msgspec.structs.fields(self.actions[name].params)
            takes = ", ".join(one.encode_name if one.required else f"{one.encode_name}?" for one in fields)
            self._takes[name] = takes
        return ActionRefused(
            INVALID_REQUEST,
            f"{name}: {f'`{field}`: ' if field else ''}{said}",
            hint=f"{name} takes {takes}",
            details={"field": field} if field else {},
        )


def _what_is_wrong(error: Exception) -> tuple[str, str]:
    """The field and the fault, without the value: what was sent may be private."""
    if isinstance(error, RecursionError):
        return "", "nested too deeply"
    if isinstance(error, TypeError):  # what the encoder refuses, which the decoder let through
        return "", "nested too deeply, or a number beyond 64 bits"
    if not isinstance(error, msgspec.ValidationError):
        return "", "not valid JSON"
    said = str(error)
    path = _PATH.search(said)
    field = path["path"] if path else ""
    said = _PATH.sub("", said)
    named = _SAID_FIELD.search(said) or _NAMED_FIELD.search(said)
    if named:
        field = f"{field}.{named['name']}" if field else named["name"]
    return field[:128], _QUOTED_VALUE.sub("not one of the values it may have", _SAID_FIELD.sub("", said))[:300]


def method(name: str) -> str:
    """The Python name of an action's or event's: `sendMessage` is `send_message`, `slack.postMessage` is
    `slack_post_message`.
    """
    return _CAMEL_HUMP.sub("_", name.replace(".", "_")).lower()


def load(tables: Iterable[Table], *, enabled: frozenset[str] = frozenset()) -> Catalogue:
    """The catalogue of these tables. Raises `ConfigError` when two of them share a name."""
    return Catalogue(tables, enabled=enabled)


def installed(kinds: Iterable[str] | None = None, *, enabled: frozenset[str] = frozenset()) -> Catalogue:
    """The catalogue of every installed channel, or of those of `kinds`, by their descriptors."""
    wanted = None if kinds is None else frozenset(kinds)
    found = [one for kind, one in sorted(descriptors().items()) if one.apps and (wanted is None or kind in wanted)]
    return Catalogue([load_object(one.apps, one.extra) for one in found], enabled=enabled)
