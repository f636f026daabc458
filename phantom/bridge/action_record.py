"""Answers with their traces: whoever is answered leaves one row in the audit and one count in the metrics.

What does *not* live here: when an answer is due and what it says (`actions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantom.bridge.action_outcome import Caller, Outcome, Reply
from phantom.bridge.action_request import Asker, Request
from phantom.bridge.audit import Audit
from phantom.bridge.catalogue import Catalogue
from phantom.channel import Meter
from phantom.clock import Clock


class Record:
    """`answer` for each request, exactly once."""

    def __init__(self, catalogue: Catalogue, audit: Audit, clock: Clock, meter: Meter) -> None:
        self._catalogue = catalogue
        self._audit = audit
        self._clock = clock
        self._meter = meter

    def answer(self, request: Request, outcome: Outcome, *, repeat: bool = False) -> None:
        """Answer who asked first. `repeat`: with what is known from before."""
        name, target = request.spec.name, request.target
        self.refuse(
            request.caller, name, request.request_id, request.began, outcome, request.reply, target, repeat=repeat
        )

    def answer_asker(self, request: Request, asker: Asker, outcome: Outcome) -> None:
        """Answer who asked the same again meanwhile."""
        if asker.expiry is not None:
            asker.expiry.cancel()
        name, target = request.spec.name, request.target
        self.refuse(asker.caller, name, asker.request_id, asker.began, outcome, asker.reply, target, repeat=True)

    def refuse(
        self,
        caller: Caller,
        name: str,
        request_id: str,
        began: float,
        outcome: Outcome,
        reply: Reply,
        target: Mapping[str, Any] | None = None,
        *,
        repeat: bool = False,
    ) -> None:
        """Answer what did not even become a request. `name` is whatever the app wrote."""
        took = self._clock.monotonic() - began
        known = name if name in self._catalogue.actions else "unknown"
        result = "ok" if outcome.ok else outcome.code
        self._meter.count("phantom_bridge_actions_total", action=known, outcome=result)
        self._meter.observe("phantom_bridge_action_seconds", took, action=known)
        self._audit.row(
            "action",
            secretId=caller.secret_id,
            app=caller.app_name,
            connectionId=caller.connection_id,
            address=caller.address,
            action=known,
            target=target,
            outcome="ok" if outcome.ok else "failed",
            code=outcome.code,
            repeat=True if repeat else None,
            requestId=request_id[:64],
            ms=round(took * 1000, 1),
        )
        reply(outcome)
