"""`/v1/identity`: what is accepted, the exact text of every refusal, and that no input escapes as another error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.identity_fetcher import parse_identity
from phantom.errors import MetadataError
from phantom.identity import DiscordInstall, Identity, SlackInstall

SLACK = {"team_id": "T1", "installer_user_id": "U1", "team_name": "Team", "installed_at": "2024-01-01T00:00:00Z"}
DISCORD = {"application_id": "1", "public_key": "ab"}


def parse(value: object) -> Identity:
    return parse_identity(json.dumps(value).encode())


def outcome(body: bytes) -> Identity | str:
    """The identity, or the text of the error that is allowed."""
    try:
        return parse_identity(body)
    except MetadataError as error:
        return str(error)


def test_the_whole_of_it() -> None:
    found = parse(
        {
            "tenant_id": "t",
            "tenant_slug": "slug",
            "region": None,
            "env": "test",
            "slack": {**SLACK, "enterprise_id": "E1", "future": 1},
            "discord": {**DISCORD, "guild_ids": ["7"]},
            "future": {"ignored": True},
        }
    )
    assert found == Identity(
        tenant_id="t",
        tenant_slug="slug",
        env="test",
        slack=SlackInstall(
            team_id="T1",
            installer_user_id="U1",
            team_name="Team",
            installed_at="2024-01-01T00:00:00Z",
            enterprise_id="E1",
        ),
        discord=DiscordInstall(application_id="1", public_key="ab", guild_ids=("7",)),
    )


def test_the_least_of_it() -> None:
    assert parse({"tenant_id": "t", "slack": None, "discord": None}) == Identity(tenant_id="t")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "metadata: identity is not an object"),
        (None, "metadata: identity is not an object"),
        ({}, "metadata: identity field tenant_id is not a string"),
        ({"tenant_id": ""}, "metadata: identity field tenant_id is empty"),
        ({"tenant_id": 7}, "metadata: identity field tenant_id is not a string"),
        ({"tenant_id": "t", "region": 7}, "metadata: identity field region is not a string"),
        ({"tenant_id": "t", "slack": "T1"}, "metadata: identity.slack is not an object"),
        ({"tenant_id": "t", "slack": []}, "metadata: identity.slack is not an object"),
        (
            {"tenant_id": "t", "slack": {**SLACK, "team_id": 7}},
            "metadata: identity field slack.team_id is not a string",
        ),
        ({"tenant_id": "t", "slack": {**SLACK, "team_id": ""}}, "metadata: identity field slack.team_id is empty"),
        (
            {"tenant_id": "t", "slack": {**SLACK, "installed_at": None}},
            "metadata: identity field slack.installed_at is not a string",
        ),
        (
            {"tenant_id": "t", "slack": {**SLACK, "enterprise_id": 1}},
            "metadata: identity field slack.enterprise_id is not a string",
        ),
        ({"tenant_id": "t", "discord": 1}, "metadata: identity.discord is not an object"),
        (
            {"tenant_id": "t", "discord": {**DISCORD, "guild_ids": [1]}},
            "metadata: identity field discord.guild_ids is not a list of strings",
        ),
        (
            {"tenant_id": "t", "discord": {"application_id": "1"}},
            "metadata: identity field discord.public_key is not a string",
        ),
    ],
)
def test_refusals(value: object, says: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse(value)
    assert str(caught.value) == says


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 60_000, b'{"tenant_id": NaN}', b'{"tenant_id":"\\ud800"}'])
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_identity(body)
    assert str(caught.value) == "metadata: identity is not JSON"
    assert caught.value.__context__ is None, "the decoder's exception holds the body"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
sections = st.dictionaries(st.sampled_from([*SLACK, *DISCORD, "guild_ids", "enterprise_id"]), json_values)


@given(
    st.dictionaries(
        st.sampled_from(["tenant_id", "tenant_slug", "region", "slack", "discord"]),
        json_values | sections,
    )
)
def test_any_object_is_an_identity_or_a_metadata_error(value: dict[str, Any]) -> None:
    found = outcome(json.dumps(value).encode())
    if isinstance(found, Identity):
        assert found.tenant_id == value["tenant_id"]
        assert (found.slack is None) == (value.get("slack") is None)
    else:
        assert found.startswith("metadata: identity")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_identity_or_a_metadata_error(body: bytes) -> None:
    found = outcome(body)
    assert found.tenant_id if isinstance(found, Identity) else found.startswith("metadata: identity")
