"""Secrets from the metadata service: cached, revalidated by rotation id, single flight, stale for a while at most.

    age < 60 s                      the cached value, no request
    older                           one conditional request a name; 304 extends the window
    the service fails               the last good value for up to 15 min, and health says stale
    401, 403, 404, 410              there is no such secret any more: the value is dropped at once
    the text changed                the old one is `previous()` for 5 min and every holder is told

What does *not* live here: HTTP rules (`metadata_client.py`) and which names exist (`secret_names.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence

import structlog

from config import secret_names
from config.beside import beside, take_first
from config.metadata_client import MetadataAnswer, MetadataClient
from config.rotating import FLIPPING, OVERLAP_SECONDS, RotatingText, secret_text
from config.single_flight import SingleFlight
from phantom.clock import Clock
from phantom.errors import MetadataError, SecretError
from phantom.secret_sources import ABSENT, SecretHealth, SecretState, SourceContext
from phantom.secrets import Listener

FRESH_SECONDS = 60.0
STALE_SECONDS = 900.0
RETRY_SECONDS = 15.0
"""After a failure the next attempt comes sooner than the end of a cache window would."""

_GONE = frozenset({401, 403, 404, 410})
_ABSENT = frozenset({404, 410})
_ADD = (
    "add the secret {name} to this tenant at the metadata service (it must answer GET /v1/secrets/{name}), or set it"
    " elsewhere: `phantom secrets list --json` says where it is looked for"
)
_ALLOW = "let this machine's tenant read the secret {name} at the metadata service (GET /v1/secrets/{name})"
_CURES = {401: _ALLOW, 403: _ALLOW, 404: _ADD, 410: _ADD}
_ROTATION_ID = re.compile(r"[\x21\x23-\x7e]{1,256}")

log = structlog.get_logger(__name__)


class MetadataSecret:
    """One secret of the service; a `SecretSource`. Its plaintext is here and nowhere else."""

    def __init__(
        self,
        name: str,
        client: MetadataClient,
        clock: Clock,
        *,
        overlap_seconds: float,
        beside: Callable[[], Sequence[MetadataSecret]] = tuple,
    ) -> None:
        self._name = name
        self._beside = beside
        self._client = client
        self._clock = clock
        self._held = RotatingText(clock, overlap_seconds=overlap_seconds)
        self._rotation_id = ""
        self._proven_at = 0.0
        self._tried_at: float | None = None
        self._error: MetadataError | None = None
        self._flight = SingleFlight(self._ask, name=f"metadata-{name}")
        self._wanted = False

    def current(self) -> str:
        text = self._held.text
        if text is not None and self._age() < STALE_SECONDS:
            return text
        if self._error is not None:
            hint = "the last good value is older than 15 minutes" if text is not None else self._error.hint
            code = ABSENT if self._error.status in _ABSENT else None
            raise SecretError(self._error.message, hint=hint, retryable=self._error.retryable, code=code)
        raise SecretError(
            f"secret {self._name} has not been fetched from the metadata service yet",
            hint="await its refresh() before its first use",
            retryable=True,
        )

    def previous(self) -> str | None:
        return self._held.previous()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._held.subscribe(listener)

    async def refresh(self) -> bool:
        """Ask the service now. Raises `MetadataError`; the last good value stays in use."""
        self._wanted = True
        return await self._flight.anew()

    def want(self) -> None:
        """Fetch it at the next look, and keep it fresh from then on."""
        self._wanted = True

    @property
    def wanted(self) -> bool:
        """Whether anybody uses it."""
        return self._wanted

    async def fetch(self) -> str:
        """The value by the rules of this module's table. Raises `MetadataError`."""
        if self._held.text is None or self._age() >= FRESH_SECONDS:
            self._wanted = True
            try:
                await self._flight.join()
            except MetadataError:
                if self._held.text is None or self._age() >= STALE_SECONDS:
                    raise
        return self.current()

    async def revalidate_if_due(self) -> None:
        """What the background does: ask again when it is time. A failure is recorded, logged and seen in `health`."""
        now = self._clock.monotonic()
        if self._error is not None and self._tried_at is not None:
            due = now - self._tried_at >= RETRY_SECONDS
        else:
            due = self._wanted and (self._held.text is None or self._age() >= FRESH_SECONDS)
        if due:
            with contextlib.suppress(MetadataError):  # `_failed` has recorded and logged it
                await self._flight.join()

    def health(self) -> SecretHealth:
        state: SecretState
        error = ""
        if self._error is not None:
            state = "stale" if self._held.text is not None and self._age() < STALE_SECONDS else "failed"
            error = str(self._error)
        elif self._held.flipping:
            state, error = "flipping", FLIPPING
        else:
            state = "unread" if self._held.text is None else "fresh"
        return SecretHealth(name=self._name, source="metadata", state=state, error=error, rotation_id=self._rotation_id)

    def cancel(self) -> None:
        """End a request that is under way."""
        self._flight.cancel()

    def _age(self) -> float:
        return self._clock.monotonic() - self._proven_at

    async def _ask(self) -> bool:
        started = self._tried_at = self._clock.monotonic()
        etag = self._rotation_id if self._held.text is not None else ""
        try:
            answer = await self._client.get(f"/v1/secrets/{self._name}", action=f"fetch {self._name}", etag=etag)
            text = self._understood(answer)
        except MetadataError as error:
            cured = self._with_cure(error)
            self._failed(cured)
            raise cured from error.__cause__
        if text is not None and self._held.text not in (None, text):
            await take_first(self._beside())
        if self._error is not None:
            log.info("secret_fresh_again", secret_name=self._name)
        self._error = None
        self._proven_at = started
        if text is None:
            return self._held.confirm()
        first = self._held.text is None
        changed = self._held.replace(text)
        if changed and not first:
            log.info("secret_rotated", secret_name=self._name)
        return changed

    def _understood(self, answer: MetadataAnswer) -> str | None:
        """The text of a 200, None for a 304. Raises `MetadataError` for what the contract does not allow."""
        if answer.status == 304:
            if self._held.text is None:
                raise self._nonsense("HTTP 304 with nothing cached", status=304)
            return None
        text = secret_text(answer.body)
        if text is None:
            raise self._nonsense("the answer is not UTF-8 text")
        if not text.strip():
            raise self._nonsense("the answer is empty")
        rotation_id = answer.headers.get("X-Phantom-Rotation-Id", "")
        self._rotation_id = rotation_id if _ROTATION_ID.fullmatch(rotation_id) else ""
        return text

    def _with_cure(self, error: MetadataError) -> MetadataError:
        """A refusal is the tenant's to repair, and says where."""
        cure = _CURES.get(error.status or 0, "")
        if not cure or error.hint:
            return error
        hint = cure.format(name=self._name)
        return MetadataError(error.message, hint=hint, status=error.status, retryable=error.retryable)

    def _nonsense(self, reason: str, *, status: int | None = None) -> MetadataError:
        return MetadataError(f"metadata: fetch {self._name} failed: {reason}", status=status, retryable=True)

    def _failed(self, error: MetadataError) -> None:
        first = self._error is None
        self._error = error
        if error.status in _GONE:
            self._rotation_id = ""
            if self._held.withdraw():
                log.warning("secret_withdrawn", secret_name=self._name, error=error.message, cure=error.hint)
                return
        if first:
            log.warning(
                "secret_not_refreshed",
                secret_name=self._name,
                error=error.message,
                status=error.status,
                cure=error.hint,
            )

    def __repr__(self) -> str:
        return f"MetadataSecret({self._name!r})"


class MetadataFetcher:
    """All secrets of one metadata service; a `SecretOrigin`. `source(name)` is the same object for the same name."""

    def __init__(self, client: MetadataClient, clock: Clock, *, overlap_seconds: float = OVERLAP_SECONDS) -> None:
        self._client = client
        self._clock = clock
        self._overlap = overlap_seconds
        self._secrets: dict[str, MetadataSecret] = {}

    def has(self, name: str) -> bool | None:
        """Only a request tells. The service keeps the value before a rotation itself: nothing is named `…_previous`."""
        secret_names.check(name)
        return False if name.endswith("_previous") else None

    def want(self, name: str) -> None:
        self.source(name).want()

    def place(self, name: str) -> str:
        return ""

    def source(self, name: str) -> MetadataSecret:
        """The live source of `name`, without a request. Raises `SecretError` for a name that may not be asked for."""
        found = self._secrets.get(name)
        if found is None:
            found = MetadataSecret(
                secret_names.check(name),
                self._client,
                self._clock,
                overlap_seconds=self._overlap,
                beside=lambda: [one for one in beside(name, self._secrets) if one.wanted],
            )
            self._secrets[name] = found
        return found

    async def fetch(self, name: str) -> str:
        """The value of `name`, cached. Raises `SecretError` before any I/O for a wrong name, else `MetadataError`."""
        return await self.source(name).fetch()

    async def tick(self) -> None:
        """Ask again for every secret in use whose time has come; all at once, one request a name."""
        await asyncio.gather(*(secret.revalidate_if_due() for secret in self._secrets.values()))

    async def reread(self) -> None:
        """Ask again for every secret in use."""
        used = [secret.refresh() for secret in self._secrets.values() if secret.wanted]
        for failed in await asyncio.gather(*used, return_exceptions=True):
            if isinstance(failed, BaseException) and not isinstance(failed, MetadataError):
                raise failed

    def health(self) -> tuple[SecretHealth, ...]:
        return tuple(secret.health() for secret in self._secrets.values())

    @property
    def stale(self) -> bool:
        """Whether any value is served although the service fails."""
        return any(secret.state == "stale" for secret in self.health())

    @property
    def last_error(self) -> str:
        """What the service answers now where it fails; "" when all is well."""
        return next((secret.error for secret in self.health() if secret.error), "")

    async def aclose(self) -> None:
        """End requests under way. The client is closed by whoever made it."""
        for secret in self._secrets.values():
            secret.cancel()


def open_metadata(context: SourceContext) -> MetadataFetcher:
    """The source `metadata`. `options["client"]` speaks to the service."""
    client = context.options["client"]
    assert isinstance(client, MetadataClient)  # noqa: S101 - `source_registry` fills it
    return MetadataFetcher(client, context.clock, overlap_seconds=context.overlap)
