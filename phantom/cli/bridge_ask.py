"""Asks a running bridge what a secret is worth there: one version-3 hello, then goodbye. Nothing is subscribed.

What does *not* live here: the client for apps (`phantom/bridge/client.py`), which reconnects and subscribes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from phantom.bridge.diagnosis import NOT_CONNECTED, Issue
from phantom.bridge.manifest import Manifest
from phantom.bridge.scopes import Capabilities
from phantom.errors import ConfigError
from phantom.secrets import Secret, held

SECRET = "PHANTOM_BRIDGE_SECRET"  # noqa: S105 - the variable's name
SECRET_ID = "PHANTOM_BRIDGE_SECRET_ID"  # noqa: S105 - the variable's name
SECONDS = 10.0
_REFUSED = "The bridge refused the secret"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What the bridge answered to the secret. `intents` is `None` for one that does not tell them."""

    capabilities: Capabilities
    intents: frozenset[str] | None


def ask(url: str, manifest: Manifest, environ: Mapping[str, str]) -> Granted | Issue:
    """What is granted there, or why nobody can say. Raises `ConfigError` for an address or a missing secret."""
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ConfigError("must begin with ws:// or wss://", where="--url")
    if parts.scheme == "ws" and parts.hostname not in _LOOPBACK:
        raise ConfigError("would send the secret unencrypted", where="--url", hint="use wss:// beyond this machine")
    if not environ.get(SECRET):
        raise ConfigError("is not set", where=SECRET, hint="put the app's bridge secret there, not on the command line")
    secret = held("bridge_secret", environ[SECRET])
    hello = {"secret": secret.reveal(), "appName": f"{manifest.name} (check)"}
    if environ.get(SECRET_ID):
        hello["secretId"] = environ[SECRET_ID]
    try:
        return asyncio.run(_ask(url, hello))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        why = "it did not answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        return _not_connected(f"The bridge at {parts.hostname} could not be asked: {why}.", "Is it running there?")


async def login(url: str, secret: Secret) -> bool | None:
    """Whether a bridge lets the secret in; None when none answers there. Raises nothing for either."""
    try:
        told = await _ask(url, {"secret": secret.peek(), "appName": "phantom secrets exposed"})
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    if isinstance(told, Granted):
        return True
    return False if told.message.startswith(_REFUSED) else None


async def _ask(url: str, hello: Mapping[str, str]) -> Granted | Issue:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SECONDS)
    async with (
        asyncio.timeout(SECONDS),
        aiohttp.ClientSession(timeout=timeout) as session,
        session.ws_connect(url, max_msg_size=1 << 20) as socket,
    ):
        await socket.send_str(orjson.dumps({"v": 3, "type": "auth.hello", "ts": 0, "payload": hello}).decode())
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return _not_connected(
                f"The bridge closed the connection ({socket.close_code}).", "Look into its log or audit."
            )
        return _read(message.data)


def _read(text: str) -> Granted | Issue:
    try:
        frame: Any = orjson.loads(text)
        payload = frame["payload"]
        if frame["type"] == "auth.error":
            return _not_connected(f"{_REFUSED}: {payload['reason']}.", "Check the secret's value.")
        granted = payload["capabilities"]
        intents = payload.get("intents")
        return Granted(
            capabilities=Capabilities(events=tuple(granted["events"]), actions=tuple(granted["actions"])),
            intents=None if intents is None else frozenset(intents),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return _not_connected("What answered is not a bridge.", "Check the address; its path is /bridge or /shardwire.")


def _not_connected(message: str, cure: str) -> Issue:
    return Issue(code=NOT_CONNECTED, message=message, cure=cure)
