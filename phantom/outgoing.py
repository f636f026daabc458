"""The last look at what leaves for chat: a known secret in it is masked, and somebody is told.

    text, buttons, file names, text files, growing drafts, what bridge apps ask to be said
        ─▶ masked ─▶ one log line `secret_in_reply` (name and turn, never the value), a count, a warning in /health

What does *not* live here: what counts as a secret (`redaction.py`), sending (`egress.py`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from phantom.channel import Meter
from phantom.clock import Clock
from phantom.logs import LogLimiter
from phantom.messages import Button, LocalFile, OutboundMessage
from phantom.outgoing_files import masked_bytes, without_secrets
from phantom.redaction import Redactor

log = structlog.get_logger("phantom.egress")

WARN_SECONDS = 3600.0
"""How long /health speaks of a secret that was stopped."""
_AGAIN_SECONDS = 60.0
"""A secret that one turn says over and over is told once in so many seconds."""
_DRAFT = 1 << 16
"""Characters of a draft's end that are looked at for each update of a progress message."""
_MAX_ALERTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
    """When and where a secret was last stopped."""

    at: float
    place: str


class Outgoing:
    """One for the daemon. `folder` is where masked copies of files are put; None: files are not looked at."""

    def __init__(self, redactor: Redactor, clock: Clock, meter: Meter, folder: Path | None = None) -> None:
        self.redactor = redactor
        self._clock = clock
        self._meter = meter
        self._folder = folder
        self._limiter = LogLimiter(clock)
        self._alerts: dict[str, _Alert] = {}

    async def message(self, message: OutboundMessage) -> OutboundMessage:
        """`message` as it may be sent."""
        turn = _turn_of(message.idempotency_key)
        place = message.tone.value
        masked = replace(
            message,
            text=self.text(message.text, place=place, turn=turn),
            buttons=self.buttons(message.buttons, turn=turn),
        )
        if not masked.attachments:
            return masked
        return replace(masked, attachments=tuple([await self._file(file, turn) for file in masked.attachments]))

    def text(self, text: str, *, place: str, turn: str, whole: bool = False) -> str:
        """`text` as it may be shown. `whole`: nothing of it stands in another text, before or after."""
        masked = self.redactor.inspect(text, whole=whole)
        self._stopped(masked.names, place=place, turn=turn)
        return masked.text

    def buttons(self, buttons: Sequence[Button], *, turn: str) -> tuple[Button, ...]:
        """The same for what they do, labels and values."""
        return tuple(
            replace(
                button,
                action=self._known(button.action, place="button", turn=turn),
                label=self._known(button.label, place="button", turn=turn),
                value=self._known(button.value, place="button", turn=turn),
            )
            for button in buttons
        )

    def file_names(self, files: Sequence[LocalFile], *, turn: str) -> tuple[LocalFile, ...]:
        """The same for the names under which files are sent."""
        return tuple(replace(file, name=self._known(file.name, place="file", turn=turn)) for file in files)

    def growing(self, draft: str, room: int) -> str:
        """At most `room` characters of the end of a text that still grows, as far as it can be shown by now."""
        settled, _ = self.redactor.settled(draft[-(_DRAFT + room) :])
        return settled if len(draft) <= room and len(settled) <= room else "…" + settled[-room:]

    def within_agent(self, text: str) -> str:
        """What a tool tells the model, and the model a tool: neither need know a secret, and checkpoints keep both."""
        masked = self.redactor.inspect(text, shapes="tokens")
        if masked.names:
            self._count("agent")
            if self._limiter.once_per(_AGAIN_SECONDS, ("agent", masked.names)):
                cure = "it was masked; give the agent's tools no access to what they need not know"
                log.warning("secret_within_agent", secrets=list(masked.names), cure=cure)
        return masked.text

    def params(self, params: Mapping[str, Any], *, app: str) -> dict[str, Any]:
        """What a bridge app asks to be done, with known secrets and tokens masked in every text of it, names
        within values included.
        """
        return {name: self._param(name, value, app) for name, value in params.items()}

    def warnings(self) -> tuple[str, ...]:
        """A line for each secret that was stopped lately, with the cure."""
        now = self._clock.now()
        recent = {name: alert for name, alert in self._alerts.items() if now - alert.at < WARN_SECONDS}
        self._alerts = recent
        return tuple(
            f"secret {name} was on its way into chat ({alert.place}) {int(now - alert.at) // 60} min ago and was"
            f" masked; somebody can make the agent say it: rotate it (`phantom secrets exposed {name}`)"
            for name, alert in recent.items()
        )

    async def _file(self, file: LocalFile, turn: str) -> LocalFile:
        named = self.file_names((file,), turn=turn)[0]
        if self._folder is None:
            return named
        sent, names = await asyncio.to_thread(without_secrets, named, self.redactor, self._folder)
        self._stopped(names, place="file", turn=turn)
        return sent

    def _param(self, name: str, value: Any, app: str) -> Any:
        if isinstance(value, str):
            if name.endswith("Base64"):
                return self._content(value, app)
            masked = self.redactor.inspect(value, whole=False, shapes="tokens")
            self._stopped(masked.names, place="bridge", turn=f"app {app}")
            return masked.text
        if isinstance(value, Mapping):
            return {self._param("", key, app): self._param(str(key), item, app) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._param(name, item, app) for item in value]
        return value

    def _content(self, encoded: str, app: str) -> str:
        """A file's content; what is no base64 is refused by whoever wants to decode it."""
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return encoded
        masked, names = masked_bytes(data, self.redactor)
        self._stopped(names, place="bridge", turn=f"app {app}")
        return base64.b64encode(masked).decode() if names else encoded

    def _known(self, text: str, *, place: str, turn: str) -> str:
        masked = self.redactor.inspect(text, shapes="tokens")
        self._stopped(masked.names, place=place, turn=turn)
        return masked.text

    def _stopped(self, names: Sequence[str], *, place: str, turn: str) -> None:
        if not names:
            return
        self._count(place)
        for name in names:
            self._alerts.pop(name, None)
            self._alerts[name] = _Alert(at=self._clock.now(), place=place)
        while len(self._alerts) > _MAX_ALERTS:
            del self._alerts[next(iter(self._alerts))]
        if self._limiter.once_per(_AGAIN_SECONDS, (place, turn, tuple(names))):
            cure = (
                "it was masked; find out how the agent came to know it, and rotate it: `phantom secrets exposed NAME`"
            )
            log.error("secret_in_reply", secrets=list(names), place=place, turn=turn, cure=cure)

    def _count(self, place: str) -> None:
        self._meter.count("phantom_secret_leaks_stopped_total", place=place)


def _turn_of(key: str) -> str:
    """The turn that an idempotency key belongs to (`phantom.ids.part_key`); of other keys, what there is."""
    return key.rsplit("/", 2)[0]
