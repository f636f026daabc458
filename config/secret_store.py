"""Every secret of this daemon, by name: a live handle for whoever asks, and all handles for the redactor.

The environment wins over every other source. What no variable sets comes from where `SECRET_SOURCE` says. With no
`SECRET_SOURCE` at all, a secret that a channel asks for by name comes from the metadata service: that is how the Slack
HTTP gateway profile implies it. What does *not* live here: how a source gets its values.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from config import secret_names
from config.secret_health import SecretHealth
from phantom.clock import Clock
from phantom.errors import SecretError
from phantom.secrets import Secret, held

if TYPE_CHECKING:
    from config.file_secrets import FileSecrets
    from config.metadata_client import MetadataClient
    from config.metadata_fetcher import MetadataFetcher

TICK_SECONDS = 5.0
"""How often the background looks for what is due."""

Variables = Callable[[str], str | None]


class SecretStore:
    """Handles by name. `start` keeps the live ones fresh until `aclose`, which also closes the metadata client.

    `variables` looks a variable up (environment, then `.env`). `chosen` is what `SECRET_SOURCE` says, None when unset.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        variables: Variables,
        chosen: Literal["env", "metadata", "file"] | None,
        client: MetadataClient,
        files: Callable[[], FileSecrets],
    ) -> None:
        self._clock = clock
        self._variables = variables
        self._chosen = chosen
        self._client = client
        self._make_files = files
        self._files: FileSecrets | None = None
        self._metadata: MetadataFetcher | None = None
        self._names_of_variables: dict[str, tuple[str, ...]] = {}
        self._given: dict[str, Secret] = {}
        self._live: dict[str, Secret] = {}
        self._all: list[Secret] = []
        self._loop: asyncio.Task[None] | None = None

    def bind(self, name: str, variables: Sequence[str]) -> None:
        """The secret `name` is set by these environment variables, not by its own name in capitals."""
        self._names_of_variables[name] = tuple(variables)

    def variables_of(self, name: str) -> tuple[str, ...]:
        """The environment variables that set the secret `name`, the preferred one first."""
        return self._names_of_variables.get(name) or (name.upper(),)

    def hold(self, name: str, text: str) -> Secret:
        """A handle on a value that is already known. The first one under a name is also what `secret(name)` gives."""
        secret = held(name, text)
        self._given.setdefault(name, secret)
        self._all.append(secret)
        return secret

    def find_live(self, name: str) -> Secret | None:
        """Like `find`, but what `SECRET_SOURCE` itself offers, whatever the environment holds.

        The metadata service keeps the value before a rotation by itself, so nothing there is named `…_previous`.
        """
        if self._chosen == "metadata" and not name.endswith("_previous"):
            return self._from_metadata(name)
        return self._from_file(name) if self._chosen == "file" else None

    def find(self, name: str) -> Secret | None:
        """The handle of `name`, None when it is not configured. No request: a metadata secret may yet turn out to be
        missing. Raises `SecretError` for a name that no live source may be asked for, or a file that is unfit.
        """
        secret_names.check_shape(name)
        given = self._given.get(name)
        if given is None:
            given = self._from_environment(name)
        return given if given is not None else self.find_live(name)

    def secret(self, name: str) -> Secret:
        """The handle of `name`. Raises `SecretError` when it is not configured."""
        found = self.find(name)
        if found is not None:
            return found
        if self._chosen is None:
            return self._from_metadata(name)
        raise self._missing(name)

    def configured(self, name: str) -> Secret:
        """What `${secret:NAME}` means: the handle of `name`, never the implied one. Raises `SecretError`."""
        found = self.find(name)
        if found is None:
            raise self._missing(name)
        return found

    def known(self) -> Sequence[Secret]:
        """Every handle given out so far."""
        return tuple(self._all)

    def plaintexts(self) -> tuple[str, ...]:
        """Every value that must not be shown now, those of an overlap included: what error texts are cleaned of."""
        texts: dict[str, None] = {}
        for secret in self._all:
            try:
                texts.update(dict.fromkeys(secret.candidates()))
            except SecretError:
                continue  # a secret without a value has nothing to hide
        return tuple(texts)

    async def prime(self, names: Iterable[str]) -> None:
        """Fetch these secrets now, all at once. Raises the first `SecretError` or `MetadataError`."""
        await asyncio.gather(*(self.secret(name).refresh() for name in names))

    async def start(self) -> None:
        """Keep live secrets fresh from now on. Fetches nothing by itself: holders refresh what they need at boot."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._keep_fresh(), name="secrets")

    async def aclose(self) -> None:
        """Stop, and close the connections to the metadata service."""
        task, self._loop = self._loop, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._metadata is not None:
            self._metadata.close()
        await self._client.aclose()

    def health(self) -> tuple[SecretHealth, ...]:
        """One row for every live secret."""
        rows = () if self._metadata is None else self._metadata.health()
        return rows if self._files is None else rows + self._files.health()

    @property
    def stale(self) -> bool:
        """Whether any value is served although its source fails."""
        return any(row.state == "stale" for row in self.health())

    @property
    def last_error(self) -> str:
        """What a source answers now where it fails; "" when all is well."""
        return next((row.error for row in self.health() if row.error), "")

    def warnings(self) -> tuple[str, ...]:
        """One line for each live secret that is not well, fit for status output."""
        return tuple(
            f"secret {row.name} is {row.state}: {row.error}"
            for row in self.health()
            if row.state in {"stale", "failed"}
        )

    async def _keep_fresh(self) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            for source in (self._metadata, self._files):
                if source is not None:
                    await source.revalidate_due()

    def _from_environment(self, name: str) -> Secret | None:
        for variable in self.variables_of(name):
            text = self._variables(variable)
            if text:
                return self.hold(name, text)
        return None

    def _from_metadata(self, name: str) -> Secret:
        if self._metadata is None:
            from config.metadata_fetcher import MetadataFetcher

            self._metadata = MetadataFetcher(self._client, self._clock)
        return self._handle(name, Secret(name, self._metadata.source(name)))

    def _from_file(self, name: str) -> Secret | None:
        if self._files is None:
            self._files = self._make_files()
        if not self._files.exists(name):
            return None
        source = self._files.source(name)
        if source.error is not None:
            raise source.error
        return self._handle(name, Secret(name, source))

    def _handle(self, name: str, made: Secret) -> Secret:
        known = self._live.get(name)
        if known is not None:
            return known
        self._live[name] = made
        self._all.append(made)
        return made

    def _missing(self, name: str) -> SecretError:
        secret_names.check(name)
        variable = self.variables_of(name)[0]
        if self._chosen == "file":
            return SecretError(f"secret {name} has no file", hint=f"create it in PHANTOM_SECRET_DIR, or set {variable}")
        return SecretError(f"secret {name} is not set", hint=f"set {variable}")

    def __repr__(self) -> str:
        return f"SecretStore({len(self._all)} handles)"
