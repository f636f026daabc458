"""Signatures of posts: the contract's vector, the window's edges, strict heads, and that garbage never raises."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack import verify
from channels.slack.verify import Claim, DirectScheme, GatewayScheme

SECRET = "0123456789abcdef" * 4
AT = 1_700_000_000_000
BODY = b'{"type":"event_callback","team_id":"T9TK3CUKW"}'
VECTOR = b"v1=79459209df77c1a9bb49d6ab11e6d73869a75db435a6286d8d937d379d3da470"
GATEWAY = GatewayScheme(tenant_id="tenant-1")
POST, PATH = b"POST", b"/slack/events"


def head(signature: bytes = VECTOR, stamp: bytes = b"1700000000000", event_id: bytes = b"Ev0001") -> dict[bytes, bytes]:
    return {
        b"x-phantom-signature": signature,
        b"x-phantom-forwarded-at": stamp,
        b"x-phantom-slack-event-id": event_id,
    }


def v2(*, tenant: str = "tenant-1", path: str = "/slack/events", body: bytes = BODY, kid: str = "k-1") -> bytes:
    text = f"v2\nPOST\n{path}\n{tenant}\n{AT}\nEv0001\n{hashlib.sha256(body).hexdigest()}"
    return b"v2=" + hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest().encode() + f";kid={kid}".encode()


def accepted(headers: dict[bytes, bytes], *, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> bool:
    claim = GATEWAY.read(headers, AT / 1000)
    assert isinstance(claim, Claim), claim
    return GATEWAY.which(claim, POST, PATH, body, secrets) >= 0


def test_the_vector_of_the_contract_is_accepted_byte_for_byte() -> None:
    assert accepted(head())


@pytest.mark.parametrize(("secrets", "place"), [(("x" * 64, SECRET), 1), ((SECRET, "x" * 64), 0), (("", SECRET), 1)])
def test_current_and_previous_secret_are_both_tried(secrets: tuple[str, ...], place: int) -> None:
    claim = GATEWAY.read(head(), AT / 1000)
    assert isinstance(claim, Claim)
    assert GATEWAY.which(claim, POST, PATH, BODY, secrets) == place


def test_other_body_id_or_secret_does_not_match() -> None:
    assert not accepted(head(), body=BODY + b" ")
    assert not accepted(head(event_id=b"Ev0002"))
    assert not accepted(head(), secrets=("y" * 64,))
    assert not accepted(head(), secrets=())


def test_an_empty_secret_verifies_nothing_even_when_the_sender_signed_with_it() -> None:
    mac = hmac.new(b"", b"1700000000000:Ev0001:" + BODY, "sha256").hexdigest().encode()
    assert not accepted(head(b"v1=" + mac), secrets=("",))


def test_an_absent_event_id_is_signed_as_empty() -> None:
    mac = hmac.new(SECRET.encode(), b"1700000000000::" + BODY, "sha256").hexdigest().encode()
    headers = head(b"v1=" + mac)
    del headers[b"x-phantom-slack-event-id"]
    assert accepted(headers)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (AT + 300_000, ""),
        (AT - 300_000, ""),
        (AT + 300_001, verify.STALE),
        (AT - 300_001, verify.FUTURE),
    ],
)
def test_the_window_includes_its_bounds(now: int, reason: str) -> None:
    found = GATEWAY.read(head(), now / 1000)
    assert (found if isinstance(found, str) else "") == reason


def test_seconds_instead_of_milliseconds_are_stale() -> None:
    assert GATEWAY.read(head(stamp=b"1700000000"), AT / 1000) == verify.STALE


@pytest.mark.parametrize(
    "signature",
    [
        VECTOR.upper(),
        VECTOR[:-1],
        VECTOR + b"0",
        VECTOR[:-1] + b"g",
        b"v1 =" + VECTOR[3:],
        b"V1=" + VECTOR[3:],
        b"v0=" + VECTOR[3:],
        b"v3=" + VECTOR[3:],
        VECTOR[3:],
        VECTOR + b";kid=a",
        b"v2=" + VECTOR[3:],
        b"v2=" + VECTOR[3:] + b";kid=",
        b"v2=" + VECTOR[3:] + b";kid=" + b"a" * 65,
        b"v2=" + VECTOR[3:] + b";kid=a b",
        b"v2=" + VECTOR[3:] + b";key=a",
    ],
)
def test_a_signature_of_another_shape_is_malformed(signature: bytes) -> None:
    assert GATEWAY.read(head(signature), AT / 1000) == verify.BAD_HEADER


@pytest.mark.parametrize(
    "stamp",
    [b"", b"-1700000000000", b"+1700000000000", b"1700000000000.0", b"1e12", b"0x18bcfe56800", b" 1700000000000",
     b"1_700_000_000_000", "١٧٠٠٠٠٠٠٠٠٠٠٠".encode(), b"nan", b"9" * 5000],
)  # fmt: skip
def test_a_stamp_of_anything_but_ascii_digits_is_malformed(stamp: bytes) -> None:
    assert GATEWAY.read(head(stamp=stamp), AT / 1000) == verify.BAD_STAMP


@pytest.mark.parametrize("headers", [{}, {b"x-phantom-signature": b""}, {b"x-slack-signature": b"v0=" + b"0" * 64}])
def test_no_signature_is_unsigned(headers: dict[bytes, bytes]) -> None:
    assert GATEWAY.read(headers, AT / 1000) == verify.UNSIGNED


def test_version_2_binds_method_path_tenant_and_body() -> None:
    claim = GATEWAY.read(head(v2()), AT / 1000)
    assert isinstance(claim, Claim)
    assert GATEWAY.which(claim, POST, PATH, BODY, (SECRET,)) == 0
    assert GATEWAY.which(claim, b"PUT", PATH, BODY, (SECRET,)) < 0
    assert GATEWAY.which(claim, POST, b"/slack/commands", BODY, (SECRET,)) < 0
    assert GATEWAY.which(claim, POST, PATH, BODY + b" ", (SECRET,)) < 0
    assert GatewayScheme(tenant_id="tenant-2").which(claim, POST, PATH, BODY, (SECRET,)) < 0


def test_version_1_can_be_turned_off() -> None:
    scheme = GatewayScheme(tenant_id="tenant-1", accept_v1=False)
    assert scheme.read(head(), AT / 1000) == verify.VERSION_REFUSED
    assert isinstance(scheme.read(head(v2()), AT / 1000), Claim)


def test_direct_verifies_slacks_documented_example() -> None:
    # The example in Slack's page "Verifying requests from Slack".
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        b"x-slack-signature": b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        b"x-slack-request-timestamp": b"1531420618",
    }
    claim = DirectScheme().read(headers, 1531420618 + 300)
    assert isinstance(claim, Claim)
    assert DirectScheme().which(claim, POST, PATH, body, ("8f742231b10e8888abcd99yyyzzz85a5",)) == 0
    assert DirectScheme().read(headers, 1531420618 + 301) == verify.STALE
    assert DirectScheme().read(headers | {b"x-slack-request-timestamp": b"yesterday"}, 0.0) == verify.BAD_STAMP


@given(
    signature=st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(lambda tail: b"v1=" + tail)),
    stamp=st.binary(max_size=30),
    event_id=st.binary(max_size=60),
    body=st.binary(max_size=200),
)
def test_garbage_never_raises_and_is_never_accepted(
    signature: bytes, stamp: bytes, event_id: bytes, body: bytes
) -> None:
    gateway = head(signature, stamp, event_id)
    direct = {b"x-slack-signature": signature, b"x-slack-request-timestamp": stamp}
    for scheme, headers in ((GATEWAY, gateway), (DirectScheme(), direct)):
        claim = scheme.read(headers, AT / 1000)
        assert isinstance(claim, str) or scheme.which(claim, POST, PATH, body, (SECRET,)) < 0


@given(event_id=st.binary(max_size=40).filter(lambda value: b"\n" not in value), body=st.binary(max_size=300))
def test_whatever_is_rightly_signed_is_accepted(event_id: bytes, body: bytes) -> None:
    mac = hmac.new(SECRET.encode(), b"1700000000000:" + event_id + b":" + body, "sha256").hexdigest().encode()
    assert accepted(head(b"v1=" + mac, event_id=event_id), body=body)
