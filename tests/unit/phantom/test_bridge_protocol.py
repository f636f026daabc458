"""Frames: whatever comes in is a frame or `BadFrame`, whatever goes out is JSON in a WebSocket message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.bridge import protocol
from phantom.bridge.client_link import _payloads
from phantom.bridge.protocol import BadFrame

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = (protocol.Hello, protocol.Subscribe, protocol.Subscription, protocol.ActionRequest, protocol.Cancel)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_bytes_are_a_frame_or_bad(raw: str | bytes) -> None:
    try:
        frame = protocol.read_frame(raw)
    except BadFrame:
        return
    assert frame.v in protocol.VERSIONS


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "v": JSON | st.sampled_from([2, 3]),
            "type": JSON | st.sampled_from(["auth.hello", "subscribe", "action.request"]),
            "requestId": JSON,
            "payload": JSON
            | st.fixed_dictionaries(
                {}, optional=dict.fromkeys(("secret", "subscriptions", "name", "data", "resume", "timeoutMs"), JSON)
            ),
        },
    )
)
def test_objects_are_a_frame_or_bad(value: dict[str, Any]) -> None:
    try:
        frame = protocol.read_frame(json.dumps(value))
    except BadFrame:
        return
    for kind in KINDS:
        try:
            payload = protocol.read_payload(frame.payload, kind)
        except BadFrame:
            continue
        assert isinstance(payload, kind)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        "[" * 65_000,
        '{"v":2,"type":"ping","payload":' + "[" * 30_000 + "]" * 30_000 + "}",
        '{"v":4,"type":"ping"}',
        '{"v":"2","type":"ping"}',
        '{"v":2,"type":"' + "p" * 65 + '"}',
        '{"v":2,"type":"ping","requestId":"' + "r" * 257 + '"}',
        '{"v":2,"type":"ping"} {"v":2,"type":"ping"}',
        '{"v":2,"type":"\\ud800"}',
        "",
    ],
)
def test_what_is_no_frame(raw: str | bytes) -> None:
    with pytest.raises(BadFrame):
        protocol.read_frame(raw)


@given(JSON)
def test_what_goes_out_is_json(value: Any) -> None:
    """Integers of any size, halves of surrogate pairs: as far as JSON can say it."""
    shown = json.loads(protocol.to_json({"value": value, "half": "\ud83d"}))
    assert shown["half"] == "?"
    plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    assert shown["value"] == json.loads(plain)


@given(st.text())
def test_printable_has_nothing_that_moves_a_cursor(text: str) -> None:
    shown = protocol.printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert protocol.printable(shown) == shown


@given(st.lists(st.binary(max_size=300) | st.just(b"x" * 126) | st.just(b"y" * 65_536), max_size=5))
def test_messages_are_framed(payloads: list[bytes]) -> None:
    assert _payloads(b"".join(map(protocol.text_message, payloads))) == payloads


def test_a_close_frame_is_never_too_long() -> None:
    assert protocol.close_message(4003, "no") == b"\x88\x04" + (4003).to_bytes(2) + b"no"
    assert len(protocol.close_message(1012, "x" * 500)) == 127
