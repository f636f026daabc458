"""Asking the daemon on a port of this machine for its health, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass

LARGEST = 1 << 20
"""Bytes of a health document that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What stood behind the port. `health` is None unless it was a Phantom; `nobody`: nothing listens there."""

    address: str
    health: Mapping[str, object] | None = None
    nobody: bool = False
    trouble: str = ""


def ask(host: str, port: int, timeout: float) -> Answer:
    """`GET /health`. `timeout` is in seconds for each step."""
    # A daemon that listens everywhere is asked here.
    target = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    address = f"[{target}]:{port}" if ":" in target else f"{target}:{port}"
    connection = http.client.HTTPConnection(target, port, timeout=timeout)
    try:
        connection.request("GET", "/health", headers={"Accept": "application/json", "Connection": "close"})
        body = connection.getresponse().read(LARGEST)
        document = json.loads(body)
    except ConnectionRefusedError:
        return Answer(address=address, nobody=True)
    except TimeoutError:
        return Answer(address=address, trouble=f"no answer within {timeout:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(address=address, trouble=f"something that is not Phantom answers there ({type(error).__name__})")
    finally:
        connection.close()
    if not isinstance(document, dict) or not {"status", "version", "channels"} <= document.keys():
        return Answer(address=address, trouble="something that is not Phantom answers there")
    return Answer(address=address, health=document)
