"""The signers agree with the contract's vector, with slack_sdk, and with their own definition for any bytes."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from phantom.testing.fake_slack import sign_direct, sign_gateway_v1, sign_gateway_v2

SECRET = "0123456789abcdef" * 4


def test_gateway_v1_vector_of_the_contract() -> None:
    body = b'{"type":"event_callback","team_id":"T9TK3CUKW"}'
    expected = "v1=79459209df77c1a9bb49d6ab11e6d73869a75db435a6286d8d937d379d3da470"
    assert sign_gateway_v1(SECRET, 1_700_000_000_000, "Ev0001", body) == expected


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=2**40))
def test_direct_is_what_slack_sdk_verifies(body: bytes, timestamp: int) -> None:
    text = body.decode("latin-1").encode()
    made = SignatureVerifier(SECRET).generate_signature(timestamp=str(timestamp), body=text)
    assert sign_direct(SECRET, timestamp, text) == made


@given(st.binary(max_size=200), st.text(alphabet="Ev0123456789", max_size=12))
def test_gateway_v2_binds_every_part(body: bytes, event_id: str) -> None:
    parts = {"method": "POST", "path": "/slack/events", "tenant_id": "t-1", "forwarded_at_ms": 17, "event_id": event_id}
    signature = sign_gateway_v2(SECRET, kid="k7", body=body, **parts)  # type: ignore[arg-type]
    text = f"v2\nPOST\n/slack/events\nt-1\n17\n{event_id}\n{hashlib.sha256(body).hexdigest()}"
    assert signature == f"v2={hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()};kid=k7"
    for name, other in (("method", "PUT"), ("path", "/x"), ("tenant_id", "t-2"), ("forwarded_at_ms", 18)):
        assert sign_gateway_v2(SECRET, kid="k7", body=body, **{**parts, name: other}) != signature  # type: ignore[arg-type]
