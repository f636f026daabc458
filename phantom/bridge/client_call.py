"""What every typed action method is built on. What does *not* live here: the connection that the call goes over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypedDict

from msgspec import UNSET


class Call(TypedDict, total=False):
    """What may go with any action. With an `idempotency_key`, a repeat within two minutes acts once and gets the same
    answer. `timeout` is how many seconds the caller waits; the bridge then gives the action up, too.
    """

    idempotency_key: str
    timeout: float


class Perform(Protocol):
    """Whoever carries actions to the bridge."""

    async def __call__(
        self, name: str, data: Mapping[str, Any], *, idempotency_key: str | None, wait: float | None
    ) -> Any:
        """The bridge's answer; `wait` is in seconds. Raises what `client_errors.py` lists."""
        ...


class ActionCalls:
    """The base of the typed methods."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform

    async def _act(self, name: str, data: Mapping[str, Any], call: Call, *, nullable: tuple[str, ...] = ()) -> Any:
        """`None` means "not given", but for `nullable` parameters, where `UNSET` does and `None` is JSON's null."""
        given = {
            key: value for key, value in data.items() if value is not UNSET and (value is not None or key in nullable)
        }
        return await self._perform(name, given, idempotency_key=call.get("idempotency_key"), wait=call.get("timeout"))
