"""Failures on command: for REST calls, for the gateway, for interactions over HTTP, for credentials and permissions.

A REST fault is armed for the next `times` matching calls. `route` is a name such as `create_message`, `list_messages`,
`create_interaction_response`, `execute_webhook` (the operations of Discord's public description), `attachment` for a
download from the CDN, or `*` for any.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from phantom.testing.fake_discord.application import FakeApplication
from phantom.testing.fake_discord.calls import MESSAGES
from phantom.testing.fake_discord.gateway import Gateway
from phantom.testing.fake_discord.gateway_faults import GatewayFaults
from phantom.testing.fake_discord.model import FakeChannel, FakeGuild
from phantom.testing.fake_discord.permissions import bits
from phantom.testing.fake_discord.ratelimits import RateLimits, Refusal
from phantom.testing.fake_discord.world import World


@dataclass(slots=True, kw_only=True)
class Fault:
    """One armed failure. `action`: error, reply, limited, drop_before, drop_after, delay, hang."""

    route: str
    action: str
    times: int
    status: int = 0
    code: int = 0
    message: str = ""
    body: bytes = b""
    content_type: str = "text/html"
    seconds: float = 0.0
    refusal: Refusal | None = None


@dataclass(slots=True, kw_only=True)
class HttpFaults:
    """What goes wrong with the next signed posts to the app: wrong signatures, stale timestamps."""

    bad_signatures: int = 0
    clock_skews: list[float] = field(default_factory=list)


class Faults(GatewayFaults):
    """Arm failures here; `clear()` disarms all of them (not a rotated token, not a lost connection)."""

    def __init__(self, app: FakeApplication, world: World, gateway: Gateway, limits: RateLimits) -> None:
        super().__init__(gateway)
        self._app = app
        self._world = world
        self._limits = limits
        self._armed: list[Fault] = []
        self.http = HttpFaults()
        self.taken: dict[str, int] = defaultdict(int)
        self.expired_token_code = 50027
        self.clock_ahead = 0.0
        """Seconds that Discord's clock is ahead of everybody else's, by the `Date` of its answers."""

    # REST calls

    def fail(self, route: str, *, code: int = 0, status: int = 0, message: str = "", times: int = 1) -> None:
        """Answer an error and do not apply the call. `code` is Discord's and brings status and text when known."""
        known = MESSAGES.get(code, (500, "500: Internal Server Error"))
        self._arm(
            Fault(
                route=route,
                action="error",
                times=times,
                status=status or known[0],
                code=code,
                message=message or known[1],
            )
        )

    def reply(
        self, route: str, status: int, body: bytes = b"", *, times: int = 1, content_type: str = "text/html"
    ) -> None:
        """Answer this status and body (a 502 of the proxy, broken JSON) and do not apply the call."""
        fault = Fault(route=route, action="reply", times=times, status=status, body=body, content_type=content_type)
        self._arm(fault)

    def rate_limit(self, route: str, *, retry_after: float = 1.0, times: int = 1, scope: str = "user") -> None:
        """Answer 429. `scope` is `user` (this bucket), `shared` (the resource) or `global` (the whole bot)."""
        refusal = Refusal(retry_after=retry_after, scope=scope)
        self._arm(Fault(route=route, action="limited", times=times, status=429, refusal=refusal))

    def drop_before(self, route: str, *, times: int = 1) -> None:
        """Cut the connection; the call is not applied."""
        self._arm(Fault(route=route, action="drop_before", times=times))

    def drop_after(self, route: str, *, times: int = 1) -> None:
        """Apply the call, then cut the connection instead of answering: its sender cannot know what happened."""
        self._arm(Fault(route=route, action="drop_after", times=times))

    def delay(self, route: str, seconds: float, *, times: int = 1) -> None:
        """Apply and answer, `seconds` late."""
        self._arm(Fault(route=route, action="delay", times=times, seconds=seconds))

    def hang(self, route: str, *, times: int = 1) -> None:
        """Never answer, never apply, keep the connection open."""
        self._arm(Fault(route=route, action="hang", times=times))

    def limit(self, route: str, requests: int, *, per: float) -> None:
        """Give each bucket of `route` a budget of `requests` in `per` seconds, beyond which it answers 429."""
        self._limits.limit(route, requests, per)

    def limit_global(self, requests: int, *, per: float = 1.0) -> None:
        """A budget over all routes, beyond which they answer 429 with `global`. Discord's own is 50 a second."""
        self._limits.limit_global(requests, per)

    def discord_limits(self) -> None:
        """The budgets that Discord's answers have been seen to tell, for the routes that a chat bot lives on."""
        self.limit_global(50)
        for route in (
            "create_message",
            "update_message",
            "delete_message",
            "execute_webhook",
            "update_webhook_message",
        ):
            self.limit(route, 5, per=5.0)
        self.limit("add_my_message_reaction", 1, per=0.25)
        self.limit("trigger_typing_indicator", 5, per=5.0)

    # credentials and permissions

    def revoke_token(self) -> str:
        """Reset the bot token: calls answer 401 and open gateway connections close with 4004. Returns the new one."""
        token = self._app.rotate_token()
        self.close_gateway(4004)
        self._gateway.sessions.clear()
        return token

    def withdraw_permission(self, *names: str, where: FakeGuild | FakeChannel | None = None) -> None:
        """The bot loses permissions (`SEND_MESSAGES`, …) everywhere, in a guild or in a channel: 50013 or 50001."""
        place = where.id if where else None
        self._world.withdrawn[place] = self._world.withdrawn.get(place, 0) | bits(*names)

    def grant_permission(self, *names: str, where: FakeGuild | FakeChannel | None = None) -> None:
        """Undo `withdraw_permission`."""
        place = where.id if where else None
        self._world.withdrawn[place] = self._world.withdrawn.get(place, 0) & ~bits(*names)

    # interactions and events over HTTP

    def corrupt_signature(self, times: int = 1) -> None:
        """Sign the next `times` posts with another key."""
        self.http.bad_signatures += times

    def shift_timestamp(self, seconds: float, times: int = 1) -> None:
        """Sign the next `times` posts as if sent `seconds` from now (negative: stale)."""
        self.http.clock_skews += [seconds] * times

    def clear(self) -> None:
        """Disarm every fault, budget and withdrawn permission, and let the gateway behave."""
        self._armed.clear()
        self._limits.clear()
        self._world.withdrawn.clear()
        self.http = HttpFaults()
        self.clock_ahead = 0.0
        self.restore_gateway()

    # asked by the servers

    def take(self, route: str) -> Fault | None:
        """The fault for this call, used up by one."""
        for fault in self._armed:
            if fault.route in (route, "*"):
                fault.times -= 1
                if fault.times <= 0:
                    self._armed.remove(fault)
                self.taken[fault.action] += 1
                return fault
        return None

    def armed(self) -> dict[str, int]:
        """How many calls each armed failure still waits for, by action and code or status."""
        waiting: dict[str, int] = {}
        for fault in self._armed:
            name = f"{fault.action} {fault.code or fault.status}" if fault.status else fault.action
            waiting[name] = waiting.get(name, 0) + fault.times
        return waiting

    def _arm(self, fault: Fault) -> None:
        self._armed.append(fault)
