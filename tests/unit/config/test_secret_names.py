"""The list of secret names and its gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import secret_names
from phantom.errors import ConfigError, SecretError


def test_built_in_names_pass_their_own_gate() -> None:
    for name in secret_names.BUILT_IN:
        assert secret_names.check(name) == name


def test_a_slip_gets_a_suggestion() -> None:
    with pytest.raises(SecretError) as caught:
        secret_names.check("slack_bot_tokn")
    assert caught.value.hint == "did you mean slack_bot_token?"


@pytest.mark.parametrize("name", ["", "../identity", "A", "slack-bot", "a" * 65, "slack_bot_token\n", "xoxb-1 2", "ſ"])
def test_a_malformed_name_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(SecretError) as caught:
        secret_names.check(name)
    assert caught.value.message == "not a secret's name"


def test_a_plugin_declares_its_own() -> None:
    secret_names.declare(["test_secret_names_own"], by="plugin x")
    assert secret_names.check("test_secret_names_own")
    with pytest.raises(ConfigError) as caught:
        secret_names.declare(["Bad-Name"], by="plugin x")
    assert caught.value.where == "plugin x"


@given(st.text())
def test_nothing_else_passes(name: str) -> None:
    if name in secret_names.known() or secret_names.OF_ENDPOINTS.fullmatch(name):
        return
    with pytest.raises(SecretError):
        secret_names.check(name)
