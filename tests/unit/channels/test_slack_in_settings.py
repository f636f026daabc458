"""The Slack settings: defaults, lists from strings, addresses, and that no error shows a value."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from channels.slack.settings import APP_TOKEN_PREFIXES, BOT_TOKEN_PREFIXES, SlackSettings, check_prefix
from phantom.errors import ConfigError, SecretError
from phantom.secrets import held


def test_the_defaults_are_the_documented_ones() -> None:
    settings = SlackSettings()
    assert (settings.transport, settings.http_profile, settings.api_base_url) == (
        "socket",
        "gateway",
        "https://slack.com/api/",
    )
    assert settings.policy_options() == {
        "owner": "",
        "allowed_users": (),
        "allowed_channels": (),
        "allow_guests": False,
        "allow_external": False,
        "bots": "none",
        "thread_followups": "own",
        "group_dms": "all",
    }


def test_lists_may_be_one_string() -> None:
    settings = SlackSettings.model_validate({"allowed_users": "U1, U2 U3", "allowed_channels": ["C1"]})
    assert (settings.allowed_users, settings.allowed_channels) == (("U1", "U2", "U3"), ("C1",))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://slack-gov.com/api", "https://slack-gov.com/api/"),
        ("https://slack.com/api/", "https://slack.com/api/"),
        ("http://127.0.0.1:8080/api", "http://127.0.0.1:8080/api/"),
        ("http://localhost:8080/api//", "http://localhost:8080/api/"),
        ("http://[::1]:8080/api/", "http://[::1]:8080/api/"),
    ],
)
def test_addresses_are_tidied(given: str, kept: str) -> None:
    assert SlackSettings(api_base_url=given).api_base_url == kept


@pytest.mark.parametrize(
    "given",
    ["http://slack.com/api/", "http://127.0.0.1.evil.example/", "ftp://slack.com/", "slack.com/api/", "https://",
     "https://xoxb-1:secret@slack.com/api/", "https://slack.com/api/?token=1", ""],
)  # fmt: skip
def test_an_unsafe_address_is_refused_without_showing_it(given: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SlackSettings(api_base_url=given)
    assert "input_value" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "section",
    [{"unknown": 1}, {"bots": "some"}, {"thread_followups": "x"}, {"group_dms": "x"}, {"connections": 0},
     {"connections": 11}, {"max_body": 1}, {"body_timeout": 0}, {"bot_token": "xoxb-plain-text"}],
)  # fmt: skip
def test_what_is_wrong_is_refused_without_showing_it(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        SlackSettings.model_validate(section)
    assert "plain-text" not in str(caught.value)


def test_a_token_of_another_kind_is_named_by_its_variable_only() -> None:
    check_prefix(held("slack_bot_token", "xoxb-1-2-3"), BOT_TOKEN_PREFIXES, where="SLACK_BOT_TOKEN", hint="h")
    check_prefix(held("slack_bot_token", "xoxe.xoxb-1-2"), BOT_TOKEN_PREFIXES, where="SLACK_BOT_TOKEN", hint="h")
    for value in ("xapp-1-2-3", "", "xoxb-1 2", "xoxb-1\n", " xoxb-1", "xoxb-é"):
        with pytest.raises(ConfigError) as caught:
            check_prefix(held("slack_bot_token", value), BOT_TOKEN_PREFIXES, where="SLACK_BOT_TOKEN", hint="the cure")
        assert str(caught.value) == "SLACK_BOT_TOKEN: does not look like a token that begins with xoxb- (the cure)"
    with pytest.raises(SecretError):
        check_prefix(held("slack_app_token", None), APP_TOKEN_PREFIXES, where="SLACK_APP_TOKEN", hint="h")
