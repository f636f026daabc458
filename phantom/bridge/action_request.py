"""One action request on its way through the desk: what it is, who waits for it, how far it has come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from phantom.apps import ActionSpec
from phantom.bridge.action_outcome import Caller, Outcome, Reply
from phantom.bridge.idempotency import Call


class Starter(Protocol):
    """Whoever is told that a request's turn has come."""

    def begin(self, request: Request) -> None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Asker:
    """A repeat that waits for the first request under the same key, at most until `expiry` fires."""

    caller: Caller
    request_id: str
    began: float
    reply: Reply
    expiry: asyncio.TimerHandle | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """Also the job in the fair queue. Times are monotonic seconds."""

    desk: Starter
    caller: Caller
    request_id: str
    spec: ActionSpec
    params: dict[str, Any]
    reply: Reply
    began: float
    deadline: float
    line_limit: int
    call: Call | None = None
    askers: list[Asker] = field(default_factory=list)
    expiry: asyncio.TimerHandle | None = None
    task: asyncio.Task[Outcome] | None = None
    committed: bool = False
    """The intent was given to the journal."""
    acting: bool = False
    """The channel was asked: from now on it may have been done."""

    @property
    def secret_id(self) -> str:
        return self.caller.secret_id

    @property
    def target(self) -> dict[str, Any]:
        """The ids that say what is acted on."""
        return {name: self.params[name] for name in self.spec.target if isinstance(self.params.get(name), str)}

    def start(self) -> None:
        self.desk.begin(self)
