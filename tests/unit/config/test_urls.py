"""Base addresses: accepted, refused without being repeated, and shown without credentials."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.urls import base_url, without_credentials


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("http://169.254.169.254", "http://169.254.169.254"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://example.test/base//", "https://example.test/base"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_accepts(written: str, expected: str) -> None:
    assert base_url(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "example.test",
        "ftp://x",
        "file:///etc",
        "http://",
        "http://x:99999",
        "http://x y",
        "http://x\n",
        "http://[::1",
        "http://user:hunter2@x",
        "http://x/?token=hunter2",
        "http://x/#hunter2",
    ],
)
def test_refuses_without_repeating(written: str) -> None:
    with pytest.raises(ValueError, match=r"is not|holds") as caught:
        base_url(written)
    assert "hunter2" not in str(caught.value)


def test_credentials_are_masked() -> None:
    assert without_credentials("http://user:hunter2@x:1/p") == "http://***@x:1/p"
    assert without_credentials("http://x/a@b") == "http://x/a@b"
    assert without_credentials("me@example") == "me@example"


@given(st.text())
def test_never_anything_but_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert base_url(text).startswith(("http://", "https://"))
