"""What a page can do to the daemon: hold, delay, repeat, forge, refuse, cut, revoke. All of it happens in fact.

What does *not* live here: how a fault works (`phantom.testing.fake_slack`), what people do (`actions.py`).
"""

from __future__ import annotations

from phantom.dev.side import JSON, Table
from phantom.dev.slack.record import Record
from phantom.dev.slack.workspace import LocalWorkspace

POST = "chat.postMessage"


class Disturbances:
    """`table` maps the request's `do` to its function; `armed` counts what waits for its occasion."""

    def __init__(self, workspace: LocalWorkspace, record: Record) -> None:
        self._workspace = workspace
        self._slack = workspace.slack
        self._record = record
        self.table: Table = {
            "hold": self._hold,
            "release": self._release,
            "delay": self._delay,
            "lose_ack": self._lose_ack,
            "corrupt": self._corrupt,
            "stale": self._stale,
            "redeliver": self._redeliver,
            "replay": self._replay,
            "rate_limit": self._rate_limit,
            "fail": self._fail,
            "lose_answer": self._lose_answer,
            "drop_socket": self._drop_socket,
            "disconnect": self._disconnect,
            "revoke": self._revoke,
            "rotate": self._rotate,
            "clear": self._clear,
        }

    def armed(self) -> dict[str, int]:
        """What is armed and has not happened yet."""
        faults, delivered = self._slack.faults, self._slack.delivered
        return {
            "delay": delivered.delays_waiting,
            "lose_ack": faults.lost_acks,
            "corrupt": faults.bad_signatures,
            "stale": len(faults.clock_skews),
            **faults.armed(),
        }

    # --- events on their way to the daemon ---

    async def _hold(self, request: JSON) -> JSON | None:
        self._slack.delivered.hold()
        return None

    async def _release(self, request: JSON) -> JSON | None:
        held = self._slack.delivered.held
        self._slack.delivered.release(str(request.get("order", "fifo")))
        for one in held:
            self._record.tell(one)
        return {"released": len(held)}

    async def _delay(self, request: JSON) -> JSON | None:
        self._slack.delivered.delay_next(float(request.get("seconds", 3)))
        return None

    async def _lose_ack(self, request: JSON) -> JSON | None:
        self._slack.faults.lose_acks()
        return None

    async def _corrupt(self, request: JSON) -> JSON | None:
        self._only_http()
        self._slack.faults.corrupt_signature()
        return None

    async def _stale(self, request: JSON) -> JSON | None:
        self._only_http()
        self._slack.faults.shift_timestamp(-3600)
        return None

    async def _redeliver(self, request: JSON) -> JSON | None:
        self._slack.redeliver(self._record.delivery(str(request["key"])))
        return None

    async def _replay(self, request: JSON) -> JSON | None:
        """The very bytes of an earlier post, signature and all, as somebody who recorded it could send them."""
        self._only_http()
        status = await self._slack.sender.replay(self._record.delivery(str(request["key"])))
        return {"status": status}

    # --- what Slack answers the daemon ---

    async def _rate_limit(self, request: JSON) -> JSON | None:
        self._slack.faults.rate_limit(POST, retry_after=2)
        return None

    async def _fail(self, request: JSON) -> JSON | None:
        self._slack.faults.reply(POST, 503, b"<html>upstream unavailable</html>")
        return None

    async def _lose_answer(self, request: JSON) -> JSON | None:
        self._slack.faults.drop_after(POST)
        return None

    # --- the connection and the credentials ---

    async def _drop_socket(self, request: JSON) -> JSON | None:
        return {"dropped": self._slack.sockets.drop()}

    async def _disconnect(self, request: JSON) -> JSON | None:
        if self._slack.sockets.connections:
            self._slack.sockets.disconnect("refresh_requested")
        return None

    async def _revoke(self, request: JSON) -> JSON | None:
        self._slack.faults.revoke_bot_token()
        return None

    async def _rotate(self, request: JSON) -> JSON | None:
        self._workspace.rotate_bot_token()
        return None

    async def _clear(self, request: JSON) -> JSON | None:
        """Everything as at the beginning, but for what has happened."""
        self._slack.faults.clear()
        self._slack.delivered.forget_delays()
        await self._release({})
        return None

    def _only_http(self) -> None:
        if self._workspace.transport != "http":
            raise ValueError("only signed posts can do this: start with SLACK_TRANSPORT=http")
