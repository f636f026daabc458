"""What `phantom dev` prints: where the page is, what to type, how to go on. Short enough to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_BOLD, _DIM, _LINK, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[36;4m", "\x1b[0m"
_TRANSPORTS = {
    ("slack", "socket"): "Slack over Socket Mode",
    ("slack", "http"): "Slack over signed HTTP posts (gateway)",
    ("discord", "gateway"): "Discord over its gateway",
    ("discord", "http"): "Discord over signed HTTP interactions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What the first screen tells. `transports` by platform; `agent` is empty for the built-in one, `data` when it is
    thrown away.
    """

    page: str
    health: str
    transports: Mapping[str, str]
    agent: str
    data: str
    wanted_port: int
    port: int


def first_screen(started: Started, *, colour: bool) -> str:
    """The text, ending in a newline."""

    def paint(code: str, text: str) -> str:
        return f"{code}{text}{_OFF}" if colour else text

    agent = started.agent or "the built-in offline agent (no key; rules, not a language model)"
    lines = ["", f"  {paint(_BOLD, 'Phantom is running in a local workspace.')} Nothing leaves this machine.", ""]
    if started.wanted_port not in (0, started.port):
        lines += [f"  Port {started.wanted_port} is in use, so the page is at {started.port}.", ""]
    lines += [
        f"  Talk to it   {paint(_LINK, started.page)}",
        "               type: hi   or: remember my cat is called Mia",
        f"  Health       {paint(_LINK, started.health)}",
        f"  Agent        {agent}",
        f"  Transport    {', '.join(_TRANSPORTS[one] for one in started.transports.items())}",
    ]
    if started.data:
        lines.append(f"  Data         {started.data}")
    lines += [
        "",
        paint(_DIM, "  Your own agent: PHANTOM_AGENT=module:factory, or a model: PHANTOM_MODEL=anthropic:…"),
        paint(_DIM, "  Real Slack or Discord: phantom init. How to go on: docs/tutorials/first-minute.md"),
        "  Ctrl-C stops it.",
        "",
    ]
    return "\n".join(lines) + "\n"
