"""The keys of one endpoint, live: whatever its two secrets hold now, and during the overlap of a rotation held before.

What does *not* live here: signature arithmetic (`verify.py`) and where secrets come from (`config/`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass

import structlog

from channels.webhook.secret_format import CURE, Key, key_of, why_unfit
from channels.webhook.verify import Claim, matches
from phantom.clock import Clock
from phantom.errors import AuthError, ConfigError, MetadataError, SecretError
from phantom.secret_sources import ABSENT
from phantom.secrets import Secret

log = structlog.get_logger(__name__)

DEFAULT, BACKUP = "default", "backup"
RECHECK_SECONDS = 10.0
"""Between two looks at the origin, so that forged posts cannot make Phantom hammer the source of its secrets."""
MAX_WAITING = 64
SAME_CURE = (
    "finish the rotation that was cut short (`phantom secrets rotate webhook --write`), or unset the backup"
    " (`phantom secrets retire webhook --write`)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One of the two secrets: `name` is default or backup, `where` what an operator calls it."""

    name: str
    where: str
    secret: Secret


@dataclass(slots=True)
class _Look:
    """A look at the origin. `next` follows for those who joined it late; who joins a `second` one gets no third."""

    task: asyncio.Task[None]
    second: bool
    next: _Look | None = None


class Keyring:
    """Verifies and signs for one endpoint."""

    def __init__(self, slots: tuple[Slot, ...], clock: Clock) -> None:
        self.slots = slots
        self._clock = clock
        self._texts: tuple[tuple[str, str], ...] = ()
        self._keys: tuple[tuple[str, Key], ...] = ()
        self._looked_at: float | None = None
        self._looking: _Look | None = None
        self._waiting = 0

    def verified(self, claim: Claim, body: bytes) -> str:
        """Which secret signed the post: default or backup, "" for neither. It counts as a use of that one."""
        name = next((slot for slot, key in self._in_force() if matches(claim, body, key)), "")
        if name:
            next(slot.secret for slot in self.slots if slot.name == name).used()
        return name

    @property
    def worth_asking(self) -> bool:
        """Whether the origin of the secrets may be asked now, or is being asked."""
        if self._looking is not None:
            return self._waiting < MAX_WAITING
        now = self._clock.monotonic()
        return self._looked_at is None or now - self._looked_at >= RECHECK_SECONDS

    def recheck(self) -> Coroutine[None, None, None]:
        """Read the secrets again at their origin, once for all who wait for the result. A look that is under way may
        have been answered from before a rotation: who joins one that brings nothing new waits for another one after it.
        """
        joined = self._looking is not None
        look = self._looking or self._begin(second=False)
        self._waiting += 1
        return self._looked(look, joined and not look.second, self._in_force())

    async def _looked(self, look: _Look, late: bool, before: object) -> None:
        try:
            await asyncio.wait((look.task,))
            if late and not look.task.cancelled() and self._in_force() is before:
                if look.next is None:
                    look.next = self._looking or self._begin(second=True)
                await asyncio.wait((look.next.task,))
        finally:
            self._waiting -= 1

    def _begin(self, *, second: bool) -> _Look:
        self._looked_at = self._clock.monotonic()
        task = asyncio.create_task(self._look(), name="webhook-secret-recheck")
        self._looking = _Look(task=task, second=second)
        return self._looking

    async def prove(self) -> None:
        """Read the secrets at their origin. Raises `AuthError` when there is none to serve with."""
        await self._look()
        if not self.usable:
            cure = _source_cure(self.slots[0]) or f"set {self.slots[0].where}: {CURE}"
            raise AuthError(self.trouble or "there is no webhook secret", hint=cure)

    def signing(self) -> tuple[Key, ...]:
        """What answers of ours are signed with: the default secret first. Raises `SecretError` when there is none."""
        found: dict[str, Key] = {}
        for slot, key in self._in_force():
            found.setdefault(slot, key)
        if not found:
            raise SecretError(f"{self.slots[0].where} cannot be used", hint=CURE)
        self.slots[0].secret.used()
        return tuple(found.values())

    @property
    def usable(self) -> bool:
        """Whether any post could be verified now."""
        return bool(self._in_force())

    @property
    def trouble(self) -> str:
        """What is wrong with the secrets now, fit for print; "" when all is well."""
        return self._unfit or same_secret(self.slots)

    @property
    def cure(self) -> str:
        """What helps against `trouble`."""
        if not self._unfit and same_secret(self.slots):
            return SAME_CURE
        return _source_cure(self.slots[0]) or CURE

    @property
    def _unfit(self) -> str:
        return next((found for slot in self.slots if (found := _trouble(slot))), "")

    async def aclose(self) -> None:
        """End a look that is under way."""
        look, self._looking = self._looking, None
        if look is not None:
            look.task.cancel()
            await asyncio.wait((look.task,))

    def _in_force(self) -> tuple[tuple[str, Key], ...]:
        """The secrets are asked for each time, which is cheap; what they mean is worked out when they change. So a
        secret that was rotated out verifies nothing from that moment on. A backup that is the same as the default is
        none.
        """
        found: list[tuple[str, str]] = []
        default = ""
        for slot in self.slots:
            try:
                known = slot.secret.candidates()
            except (SecretError, MetadataError):
                continue  # `trouble` tells
            default = default or (known[0] if slot.name == DEFAULT else "")
            found += [(slot.name, text) for text in known if slot.name == DEFAULT or text != default]
        texts = tuple(found)
        if texts != self._texts:
            # What is the backup and was the default a moment ago counts as the backup: it is on its way out.
            slots = {text: name for name, text in texts}
            keys = ((slots[text], key_of(text)) for text in dict.fromkeys(text for _, text in texts))
            self._keys = tuple((name, key) for name, key in keys if key is not None)
            self._texts = texts
        return self._keys

    async def _look(self) -> None:
        before = self._in_force()
        try:
            for slot in self.slots:
                try:
                    await slot.secret.refresh()
                except (MetadataError, SecretError) as error:
                    log.info("webhook_secret_not_read", secret=slot.where, code=error.code, detail=error.message)
        finally:
            self._looking = None
            if self._in_force() is not before:
                self._looked_at = None  # it was no forger's doing: the next rotation may come at once


def _trouble(slot: Slot) -> str:
    try:
        reason = why_unfit(slot.secret.peek())
    except (SecretError, MetadataError) as error:
        return "" if slot.name == BACKUP else f"{slot.where}: {error.message}"
    return f"{slot.where} {reason}" if reason else ""


def _source_cure(slot: Slot) -> str:
    """The cure where the source of the secret fails, which a fresh secret would not help; "" where it does not."""
    try:
        slot.secret.peek()
    except (SecretError, MetadataError) as error:
        if error.code != ABSENT:
            return error.hint or "mend the source of the secret: `phantom config explain` shows where it is read from"
    return ""


def same_secret(slots: tuple[Slot, ...]) -> str:
    """What is wrong when the backup is the default over again, "" when it is not. That is what a rotation of two files
    leaves when it is cut short between them; such a backup lets nobody in whom the default does not.
    """
    texts = [_known(slot) for slot in slots]
    if len(texts) < 2 or texts[0] is None or texts[0] != texts[1]:
        return ""
    return f"{slots[1].where} is the same secret as {slots[0].where}, so there is no backup"


def check_slots(slots: tuple[Slot, ...]) -> None:
    """Check what is known already. Raises `ConfigError` for a secret that is unfit; warns of a backup that is none."""
    for slot in slots:
        text = _known(slot)
        reason = why_unfit(text) if text is not None else ""
        if reason:
            raise ConfigError(reason, where=slot.where, hint=CURE, code="unfit_secret")
    same = same_secret(slots)
    if same:
        log.warning("webhook_backup_not_used", what=same, cure=SAME_CURE)


def _known(slot: Slot) -> str | None:
    """The text, None while its source has yet to give it: `prove` judges it then."""
    try:
        return slot.secret.peek()
    except (SecretError, MetadataError):
        return None
