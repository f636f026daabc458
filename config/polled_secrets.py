"""Any place that answers one question at a time (`SecretReader`), made into live secrets.

    age < interval                  the cached value, nobody is asked
    older                           asked again, one question a name, a few at once
    it fails or hangs               the last good value for `stale` seconds at most, and health says stale
    it says "no such secret"        the value is dropped at once
    the text changed                the old one is `previous()` for the overlap and every holder is told

What does *not* live here: the asking itself (`exec_secrets.py`, a plugin).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from config import secret_names
from config.beside import beside, take_first
from config.rotating import FLIPPING, RotatingText
from config.single_flight import SingleFlight
from phantom.clock import Clock
from phantom.errors import PhantomError, SecretError
from phantom.secret_sources import ABSENT, SecretHealth, SecretReader, SecretState
from phantom.secrets import Listener

MAX_BYTES = 64 * 1024
RETRY_SECONDS = 15.0
"""After a failure the next attempt comes sooner than the end of an interval would."""
AT_ONCE = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds: how long a value counts as fresh, one question may take, and the last good value is served."""

    interval: float
    timeout: float
    stale: float
    overlap: float


class PolledSecret:
    """One secret of such a place; a `SecretSource`. Its plaintext is here and nowhere else."""

    def __init__(
        self,
        name: str,
        kind: str,
        reader: SecretReader,
        clock: Clock,
        pace: Pace,
        slots: asyncio.Semaphore,
        beside: Callable[[], Sequence[PolledSecret]] = tuple,
    ) -> None:
        self._name = name
        self._kind = kind
        self._reader = reader
        self._clock = clock
        self._pace = pace
        self._slots = slots
        self._beside = beside
        self._held = RotatingText(clock, overlap_seconds=pace.overlap)
        self._proven_at = 0.0
        self._tried_at: float | None = None
        self._error: SecretError | None = None
        self._flight = SingleFlight(self._ask, name=f"{kind}-{name}")
        self.wanted = False
        """Whether anybody uses it."""

    def current(self) -> str:
        text = self._held.text
        if text is not None and self._age() < self._pace.stale:
            return text
        error = self._error
        if error is None and text is not None:
            raise SecretError(f"secret {self._name} has not been confirmed by {self._kind} for too long")
        if error is None:
            raise SecretError(
                f"secret {self._name} has not been asked of {self._kind} yet",
                hint="await its refresh() before its first use",
                retryable=True,
            )
        hint = "the last good value is too old" if text is not None else error.hint
        raise SecretError(error.message, hint=hint, retryable=error.retryable, code=error.code)

    def previous(self) -> str | None:
        return self._held.previous()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._held.subscribe(listener)

    async def refresh(self) -> bool:
        """Ask now. Raises `SecretError`; the last good value stays in use."""
        self.wanted = True
        return await self._flight.anew()

    async def tick(self) -> None:
        """Ask again when it is time. A failure is recorded, logged and seen in `health`."""
        now = self._clock.monotonic()
        if self._error is not None and self._tried_at is not None:
            due = now - self._tried_at >= min(RETRY_SECONDS, self._pace.interval)
        else:
            due = self.wanted and (self._held.text is None or self._age() >= self._pace.interval)
        if due:
            with contextlib.suppress(SecretError):  # `_failed` has recorded and logged it
                await self._flight.join()

    def health(self) -> SecretHealth:
        state: SecretState
        error = ""
        if self._error is not None:
            state = "stale" if self._held.text is not None and self._age() < self._pace.stale else "failed"
            error = self._error.message
        elif self._held.flipping:
            state, error = "flipping", FLIPPING
        else:
            state = "unread" if self._held.text is None else "fresh"
        return SecretHealth(name=self._name, source=self._kind, state=state, error=error)

    def cancel(self) -> None:
        """End a question that is under way."""
        self._flight.cancel()

    def _age(self) -> float:
        return self._clock.monotonic() - self._proven_at

    async def _ask(self) -> bool:
        async with self._slots:
            started = self._tried_at = self._clock.monotonic()
            try:
                text = self._checked(await self._answer())
            except SecretError as error:
                self._failed(error)
                raise
        if self._held.text not in (None, text):
            await take_first(self._beside())
        if self._error is not None:
            log.info("secret_fresh_again", secret_name=self._name)
        self._error = None
        self._proven_at = started
        first = self._held.text is None
        changed = self._held.replace(text)
        if changed and not first:
            log.info("secret_rotated", secret_name=self._name)
        return changed

    async def _answer(self) -> object:
        """What the reader answers. Whatever goes wrong in it is a `SecretError`, and nothing of its text is kept."""
        question = asyncio.ensure_future(self._reader.read(self._name))
        try:
            done, _ = await asyncio.wait((question,), timeout=self._pace.timeout)
        except asyncio.CancelledError:
            question.cancel()
            await asyncio.wait((question,), timeout=1.0)
            raise
        if not done:
            question.cancel()
            await asyncio.wait((question,), timeout=1.0)
            raise self._trouble(f"gave no answer within {self._pace.timeout:g} s")
        error = None if question.cancelled() else question.exception()
        if question.cancelled():
            raise self._trouble("was cut off")
        if isinstance(error, SecretError):
            raise error
        if isinstance(error, PhantomError):
            raise self._trouble(f"failed: {error.code}")
        if error is not None:
            raise self._trouble(f"failed with {type(error).__name__}")
        return question.result()

    def _checked(self, answer: object) -> str:
        if answer is None:
            raise SecretError(f"secret {self._name} is not in {self._kind}", code=ABSENT)
        if not isinstance(answer, str):
            raise self._trouble("gave something that is not text")
        try:
            size = len(answer.encode())
        except UnicodeEncodeError:
            size = -1  # and not raised on: the exception holds the text
        if size < 0:
            raise self._trouble("gave something that is not text")
        if size > MAX_BYTES:
            raise self._trouble(f"gave more than {MAX_BYTES // 1024} KiB")
        if not answer.strip():
            raise self._trouble("gave nothing")
        return answer

    def _trouble(self, what: str) -> SecretError:
        return SecretError(f"secret {self._name}: {self._kind} {what}", retryable=True)

    def _failed(self, error: SecretError) -> None:
        first = self._error is None
        self._error = error
        if error.code == ABSENT and self._held.withdraw():
            log.warning("secret_withdrawn", secret_name=self._name, error=error.message)
        elif first:
            log.warning("secret_not_refreshed", secret_name=self._name, error=error.message)

    def __repr__(self) -> str:
        return f"PolledSecret({self._name!r})"


class PolledSecrets:
    """All secrets of one such place; a `SecretOrigin`."""

    def __init__(self, kind: str, reader: SecretReader, clock: Clock, pace: Pace) -> None:
        self._kind = kind
        self._reader = reader
        self._clock = clock
        self._pace = pace
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._secrets: dict[str, PolledSecret] = {}

    def has(self, name: str) -> bool | None:
        """Only asking tells. The value before a rotation is kept here: nothing there is named `…_previous`."""
        secret_names.check(name)
        return False if name.endswith("_previous") else None

    def source(self, name: str) -> PolledSecret:
        found = self._secrets.get(name)
        if found is None:
            found = PolledSecret(
                secret_names.check(name),
                self._kind,
                self._reader,
                self._clock,
                self._pace,
                self._slots,
                lambda: [one for one in beside(name, self._secrets) if one.wanted],
            )
            self._secrets[name] = found
        return found

    def want(self, name: str) -> None:
        self.source(name).wanted = True

    def place(self, name: str) -> str:
        return ""

    async def tick(self) -> None:
        await asyncio.gather(*(secret.tick() for secret in self._secrets.values()))

    async def reread(self) -> None:
        used = [secret.refresh() for secret in self._secrets.values() if secret.wanted]
        for failed in await asyncio.gather(*used, return_exceptions=True):
            if isinstance(failed, BaseException) and not isinstance(failed, SecretError):
                raise failed

    def health(self) -> tuple[SecretHealth, ...]:
        return tuple(secret.health() for secret in self._secrets.values())

    async def aclose(self) -> None:
        for secret in self._secrets.values():
            secret.cancel()
        await self._reader.aclose()
