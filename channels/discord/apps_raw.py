"""`runRaw`: a call of discord.py's HTTP client by its name, `get_guild_preview` or `http.get_guild_preview`.

The bridge lets through only names that its settings list. Here it is seen to that a name does nothing but one request:
it is called on a recorder that has a `request` and nothing else, and what it asked for is sent like any other call.
What does *not* live here: which names are listed (the bridge's settings). Opening sockets, reading files and whatever
takes anything but JSON is not to be had this way.
"""

from __future__ import annotations

import inspect
from typing import Any

from channels.discord.apps_action import Action, Desk
from channels.discord.apps_bodies import Params
from channels.discord.apps_refusals import invalid

_PREFIX = "http."
_TAKEN = frozenset({"json", "params", "reason"})


class _Recorder:
    """Stands for the client: notes the request that a method makes."""

    def __init__(self) -> None:
        self.asked: tuple[Any, dict[str, Any]] | None = None

    def request(self, route: Any, **options: Any) -> None:
        self.asked = (route, options)


async def run(desk: Desk, params: Params, _: str) -> Any:
    """`runRaw`; answers with what Discord did."""
    route, options = _asked(str(params["method"]).removeprefix(_PREFIX), list(params.get("args") or ()))
    if not options.keys() <= _TAKEN:
        raise invalid("`method`: it sends files, which runRaw does not")
    return await desk.line.call(
        route.method,
        str(route.url).removeprefix(type(route).BASE),
        json=options.get("json"),
        params=options.get("params"),
        reason=options.get("reason"),
    )


def _asked(name: str, args: list[Any]) -> tuple[Any, dict[str, Any]]:
    from discord.http import HTTPClient

    method = inspect.getattr_static(HTTPClient, name, None)
    if name.startswith("_") or "." in name or not inspect.isfunction(method) or inspect.iscoroutinefunction(method):
        raise invalid("`method`: discord.py's HTTP client has no such call", "name one of its methods, as get_user")
    recorder = _Recorder()
    try:
        method(recorder, *args)
    except (TypeError, AttributeError, ValueError, LookupError):
        raise invalid("`args`: they are not what the method takes", "see discord.py's HTTPClient") from None
    if recorder.asked is None:
        raise invalid("`method`: it is no single call to Discord")
    return recorder.asked


ACTIONS: dict[str, Action] = {"runRaw": run}
