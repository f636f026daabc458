"""A whole program around an app: its address and secret from the environment, its log, its start, its end by a signal.

    async def main() -> None:
        app = from_environment("dashboard")
        app.on("messageCreate", seen)
        await serve(app, MANIFEST)

    if __name__ == "__main__":
        run(main)

What does *not* live here: the connection (`client.py`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from phantom.bridge.client import BridgeApp, Manifest, generate_secret_scope
from phantom.errors import EX_CONFIG, ConfigError, PhantomError
from phantom.logs import configure
from phantom.redaction import Redactor

URL = "PHANTOM_BRIDGE_URL"
SECRET = "PHANTOM_BRIDGE_SECRET"  # noqa: S105 - the variable's name
SECRET_ID = "PHANTOM_BRIDGE_SECRET_ID"  # noqa: S105 - the variable's name
HERE = "ws://127.0.0.1:3100/bridge"
GRACE_SECONDS = 10.0


def from_environment(app_name: str, **options: Any) -> BridgeApp:
    """An app whose secret is in `PHANTOM_BRIDGE_SECRET`, its id maybe in `PHANTOM_BRIDGE_SECRET_ID`. The address in
    `PHANTOM_BRIDGE_URL` is by default a daemon's usual one on this machine. `options` are those of `BridgeApp`. Raises
    `ConfigError`.
    """
    secret = os.environ.get(SECRET, "").strip()
    if not secret:
        raise ConfigError("is not set", where=SECRET, hint="`phantom bridge secret new` makes one")
    return BridgeApp(
        os.environ.get(URL) or HERE, secret, secret_id=os.environ.get(SECRET_ID) or None, app_name=app_name, **options
    )


async def serve(app: BridgeApp, manifest: Manifest, *, grace: float = GRACE_SECONDS) -> None:
    """Start strictly, with exactly the manifest's scope; work until SIGTERM or SIGINT; let handlers finish within
    `grace` seconds. Waits for a bridge that is not there. Raises `SecretRefused` and `StrictStartRefused`, also later.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.ensure_future(
        app.ready(strict=True, manifest=manifest, expected_scope=generate_secret_scope(manifest))
    )
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await app.until(stop)
    finally:
        starting.cancel()
        stopping.cancel()
        await app.close(grace=grace)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> NoReturn:
    """Run a program to its end and leave with its exit status: 0, 1 when the bridge refused it, 78 for a setting. The
    log goes to standard error, without the values of secrets.
    """
    redactor = Redactor()
    redactor.remember_environment(os.environ)
    configure(redactor=redactor)
    try:
        asyncio.run(main())
    except PhantomError as error:
        where = f"{error.where}: " if isinstance(error, ConfigError) and error.where else ""
        cure = f" — {error.hint}" if error.hint else ""
        print(redactor.clean(f"{where}{error.message}{cure}"), file=sys.stderr)
        sys.exit(EX_CONFIG if isinstance(error, ConfigError) else 1)
    sys.exit(0)
