"""The three signatures that a Slack payload may carry when it reaches Phantom. Pure functions of bytes.

Slack's own scheme is documented at docs.slack.dev, "Verifying requests from Slack". The gateway's two are Phantom's
contract. What does *not* live here: verification (`channels/slack/verify.py` does that, and must not share this code,
or a mistake in it would be invisible).
"""

from __future__ import annotations

import hashlib
import hmac


def sign_direct(secret: str, timestamp: int | str, body: bytes) -> str:
    """Value of `X-Slack-Signature`: HMAC-SHA256 over `v0:<timestamp>:<body>`; `timestamp` is Unix seconds."""
    return "v0=" + _mac(secret, f"v0:{timestamp}:".encode() + body)


def sign_gateway_v1(secret: str, forwarded_at_ms: int | str, event_id: str, body: bytes) -> str:
    """Value of `X-Phantom-Signature`, version 1: over `<forwarded at, Unix ms>:<event id>:<body>`."""
    return "v1=" + _mac(secret, f"{forwarded_at_ms}:{event_id}:".encode() + body)


def sign_gateway_v2(
    secret: str,
    *,
    kid: str,
    method: str,
    path: str,
    tenant_id: str,
    forwarded_at_ms: int | str,
    event_id: str,
    body: bytes,
) -> str:
    """Value of `X-Phantom-Signature`, version 2: binds method, path and tenant, and names its key by `kid`."""
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join(("v2", method, path, tenant_id, str(forwarded_at_ms), event_id, digest))
    return f"v2={_mac(secret, text.encode())};kid={kid}"


def _mac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
