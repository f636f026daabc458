"""The model's key, live: the provider's own, or the one that a metadata service hands out whatever the provider is.

Which of the two there is may be known only once a service was asked, so they are looked up when the key is needed. What
does *not* live here: which names there are (`model_choice.py`) and how a key gets into a request (`live_key.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from phantom.errors import MetadataError, SecretError
from phantom.secret_sources import ABSENT
from phantom.secrets import Secret

ASK_SECONDS = 10.0
"""How long a turn waits for a key that was never fetched."""


class ModelKey:
    """`names` in the order in which they count; `find` gives the handle of a name, None where nothing could have it. A
    name counts unless its source says that there is no such secret: a failure never brings back another key. `patience`
    is how many seconds `ready` waits.
    """

    def __init__(
        self, names: Sequence[str], find: Callable[[str], Secret | None], *, patience: float = ASK_SECONDS
    ) -> None:
        self._names = tuple(names)
        self._find = find
        self._patience = patience

    @property
    def name(self) -> str:
        """The name of the secret that counts now."""
        return self._counting().name

    def reveal(self) -> str:
        """The current plaintext. Raises `SecretError` when there is none, or it was never fetched."""
        return self._counting().reveal()

    def peek(self) -> str:
        """The same for whoever only looks."""
        return self._counting().peek()

    async def ready(self) -> str:
        """The current plaintext; what was never fetched is fetched, and waited for a while. Raises `SecretError` or
        `MetadataError`.
        """
        try:
            return self.peek()
        except SecretError as error:
            try:
                async with asyncio.timeout(self._patience):
                    await self.refresh()
            except TimeoutError:
                what = f"{error.message}, and its source did not answer within {self._patience:g} s"
                raise SecretError(what, hint="see the source's health", retryable=True) from None
        return self.peek()

    async def refresh(self) -> bool:
        """Ask the origins in order until one has a key. True when it is another one than before. Raises what the one
        that should have it raises.
        """
        before = self._known()
        for secret in self._possible():
            try:
                await secret.refresh()
            except (SecretError, MetadataError):
                if not _absent(secret):
                    raise
            if not _absent(secret):
                break
        return self._known() != before

    def _known(self) -> str | None:
        try:
            return self.peek()
        except SecretError:
            return None

    def _counting(self) -> Secret:
        last: Secret | None = None
        for secret in self._possible():
            last = secret
            if not _absent(secret):
                return secret
        if last is None:
            raise SecretError("there is no key for the model", hint=f"set {self._names[0]}")
        return last

    def _possible(self) -> Iterator[Secret]:
        """One after the other: a source is asked for the second only where the first is surely not there."""
        for name in self._names:
            secret = self._find(name)
            if secret is not None:
                yield secret


def _absent(secret: Secret) -> bool:
    """Whether its source says that there is no such secret."""
    try:
        secret.peek()
    except SecretError as error:
        return error.code == ABSENT
    return False
