"""Failures on command: for Web API calls, for HTTP deliveries, and request budgets. Sockets have theirs on `sockets`.

A fault is armed for the next `times` matching calls; `method` is a Web API method, `response_url`, or `*` for any.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from phantom.clock import Clock
from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.fake_slack.model import JSON


@dataclass(slots=True, kw_only=True)
class Fault:
    """One armed failure. `action`: error, reply, drop_before, drop_after, delay, hang."""

    method: str
    action: str
    times: int
    error: str = ""
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Faults:
    """Arm failures here; `clear()` disarms all of them (not a revoked token)."""

    def __init__(self, clock: Clock, app: FakeApp) -> None:
        self._clock = clock
        self._app = app
        self._armed: list[Fault] = []
        self._limits: dict[str, tuple[float, float, bool]] = {}
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self.withdrawn_scopes: set[str] = set()
        self.bad_signatures = 0
        self.clock_skews: list[float] = []
        self.lost_acks = 0
        self.taken: dict[str, int] = defaultdict(int)

    # Web API calls

    def fail(self, method: str, error: str, *, times: int = 1) -> None:
        """Answer `{"ok": false, "error": error}` with HTTP 200 and do not apply the call."""
        self._arm(Fault(method=method, action="error", times=times, error=error))

    def reply(
        self, method: str, status: int, body: bytes = b"", *, times: int = 1, content_type: str = "text/html"
    ) -> None:
        """Answer this status and body (a 503, an HTML page, broken JSON) and do not apply the call."""
        fault = Fault(method=method, action="reply", times=times, status=status, body=body, content_type=content_type)
        self._arm(fault)

    def rate_limit(self, method: str, *, retry_after: int = 1, times: int = 1) -> None:
        """Answer 429 `ratelimited` with `Retry-After` in whole seconds, and do not apply the call."""
        self._arm(
            Fault(
                method=method,
                action="reply",
                times=times,
                status=429,
                body=b'{"ok":false,"error":"ratelimited"}',
                content_type="application/json",
                headers=(("Retry-After", str(retry_after)),),
                error="ratelimited",
            )
        )

    def drop_before(self, method: str, *, times: int = 1) -> None:
        """Cut the connection; the call is not applied."""
        self._arm(Fault(method=method, action="drop_before", times=times))

    def drop_after(self, method: str, *, times: int = 1) -> None:
        """Apply the call, then cut the connection instead of answering: its sender cannot know what happened."""
        self._arm(Fault(method=method, action="drop_after", times=times))

    def delay(self, method: str, seconds: float, *, times: int = 1) -> None:
        """Apply and answer, `seconds` late."""
        self._arm(Fault(method=method, action="delay", times=times, seconds=seconds))

    def hang(self, method: str, *, times: int = 1) -> None:
        """Never answer, never apply, keep the connection open."""
        self._arm(Fault(method=method, action="hang", times=times))

    def limit(self, method: str, *, per_second: float, burst: int = 1, per_channel: bool = False) -> None:
        """Give `method` a token bucket: beyond it, 429 with Retry-After. Slack: chat.postMessage 1/s a channel,
        tier 2 about 20, tier 3 about 50, tier 4 about 100 calls a minute.
        """
        self._limits[method] = (per_second, float(burst), per_channel)

    def slack_limits(self) -> None:
        """Slack's published budgets for the methods that a chat bot lives on."""
        self.limit("chat.postMessage", per_second=1.0, burst=3, per_channel=True)
        for name in ("chat.update", "chat.delete", "reactions.add", "conversations.history", "conversations.replies"):
            self.limit(name, per_second=50 / 60, burst=50)
        for name in ("users.info", "chat.appendStream", "files.getUploadURLExternal", "files.completeUploadExternal"):
            self.limit(name, per_second=100 / 60, burst=100)
        for name in ("reactions.remove", "chat.startStream", "chat.stopStream", "conversations.list", "users.list"):
            self.limit(name, per_second=20 / 60, burst=20)

    # credentials

    def revoke_bot_token(self, error: str = "token_revoked") -> None:
        """From now on the bot token answers `error` (`token_revoked`, `invalid_auth`, `account_inactive`, …)."""
        self._app.token_error = error

    def restore_bot_token(self) -> None:
        """The bot token works again."""
        self._app.token_error = None

    def revoke_app_token(self, error: str = "invalid_auth") -> None:
        """`apps.connections.open` answers `error`."""
        self._app.app_token_error = error

    def restore_app_token(self) -> None:
        """`apps.connections.open` works again."""
        self._app.app_token_error = None

    def withdraw_scope(self, scope: str) -> None:
        """Calls that need `scope` answer `missing_scope`."""
        self.withdrawn_scopes.add(scope)

    def grant_scope(self, scope: str) -> None:
        """Undo `withdraw_scope`."""
        self.withdrawn_scopes.discard(scope)

    # deliveries over HTTP (and lost acks on both transports)

    def corrupt_signature(self, times: int = 1) -> None:
        """Sign the next `times` posts with a wrong MAC. HTTP transport only."""
        self.bad_signatures += times

    def shift_timestamp(self, seconds: float, times: int = 1) -> None:
        """Sign the next `times` posts as if sent `seconds` from now (negative: stale). HTTP transport only."""
        self.clock_skews += [seconds] * times

    def lose_acks(self, times: int = 1) -> None:
        """Treat the app's next `times` acks as never received, so that Slack delivers again."""
        self.lost_acks += times

    def clear(self) -> None:
        """Disarm every fault, budget and withdrawn scope."""
        self._armed.clear()
        self._limits.clear()
        self._buckets.clear()
        self.withdrawn_scopes.clear()
        self.clock_skews.clear()
        self.bad_signatures = self.lost_acks = 0

    def armed(self) -> dict[str, int]:
        """How many calls each armed failure still waits for, by `action` and Slack's error or status, as shown."""
        waiting: dict[str, int] = {}
        for fault in self._armed:
            name = (
                f"{fault.action} {fault.error or fault.status}" if fault.action in ("error", "reply") else fault.action
            )
            waiting[name] = waiting.get(name, 0) + fault.times
        return waiting

    # asked by the servers

    def take(self, method: str) -> Fault | None:
        """The fault for this call, used up by one."""
        for fault in self._armed:
            if fault.method in (method, "*"):
                fault.times -= 1
                if fault.times <= 0:
                    self._armed.remove(fault)
                self.taken[fault.action] += 1
                return fault
        return None

    def take_lost_ack(self) -> bool:
        """Whether this ack is to be lost."""
        if self.lost_acks <= 0:
            return False
        self.lost_acks -= 1
        return True

    def over_budget(self, method: str, args: JSON) -> int | None:
        """Whole seconds to wait when the method's budget is used up, else None (and one token is taken)."""
        limit = self._limits.get(method)
        if limit is None:
            return None
        rate, burst, per_channel = limit
        key = (method, str(args.get("channel", "")) if per_channel else "")
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault(key, _Bucket(burst, now))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return None
        return max(1, round((1 - bucket.tokens) / rate + 0.5))

    def _arm(self, fault: Fault) -> None:
        self._armed.append(fault)
