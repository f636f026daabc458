"""Scopes fail closed: what is not written is not granted, what is not known is refused, an unknown place is nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.discord.apps_catalogue import TABLE as DISCORD
from channels.slack.apps_catalogue import TABLE as SLACK
from phantom.apps import AppPlace
from phantom.bridge.catalogue import load
from phantom.bridge.grants import Allow, Within
from phantom.bridge.manifest import Manifest
from phantom.bridge.scopes import (
    Capabilities,
    as_written,
    explain,
    generate_secret_scope,
    negotiate,
    parse_allow,
    reaches,
    reaches_place,
)
from phantom.errors import ConfigError

CATALOGUE = load([DISCORD, SLACK])
WITH_RAW = load([DISCORD, SLACK], enabled=frozenset({"runRaw"}))
INTENTS = frozenset({"Guilds", "GuildMessages"})
MESSAGE = CATALOGUE.events["messageCreate"]


def test_a_missing_axis_grants_nothing() -> None:
    assert parse_allow({}, CATALOGUE) == Allow()
    assert negotiate(parse_allow({"events": "*"}, CATALOGUE), CATALOGUE, INTENTS).actions == ()
    assert negotiate(Allow(), CATALOGUE, INTENTS) == Capabilities()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "*",
        ["messageCreate"],
        {"event": ["messageCreate"]},
        {"events": "messageCreate"},
        {"events": None},
        {"events": {"messageCreate": True}},
        {"events": [1]},
        {"events": [""]},
        {"events": ["messagecreate"]},
        {"events": ["messageCreate", "messageCreate"]},
        {"actions": ["messageCreate"]},
        {"actions": ["**"]},
    ],
)
def test_a_scope_that_is_not_one_is_refused(value: object) -> None:
    with pytest.raises(ConfigError):
        parse_allow(value, CATALOGUE)


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean messageCreate"):
        parse_allow({"events": ["messageCreated"]}, CATALOGUE, where="bridge.secrets")


def test_a_star_is_everything_but_what_must_be_switched_on() -> None:
    star = parse_allow({"events": "*", "actions": ["*"]}, WITH_RAW)
    granted = negotiate(star, WITH_RAW, INTENTS)
    assert "sendMessage" in granted.actions
    assert "runRaw" not in granted.actions
    named = parse_allow({"actions": ["*", "runRaw"]}, WITH_RAW)
    assert "runRaw" in negotiate(named, WITH_RAW, INTENTS).actions
    assert "runRaw" not in negotiate(named, CATALOGUE, INTENTS).actions


def test_an_event_needs_the_secret_and_the_intent() -> None:
    allow = parse_allow({"events": ["guildMemberAdd", "ready", "messageCreate"]}, CATALOGUE)
    assert negotiate(allow, CATALOGUE, INTENTS).events == ("ready", "messageCreate")


def test_the_smallest_scope_of_a_manifest_is_what_it_names() -> None:
    manifest = Manifest(name="a", events=["messageCreate"], actions=["sendMessage", "banMember"])
    allow = generate_secret_scope(manifest)
    assert as_written(allow, CATALOGUE) == {"events": ["messageCreate"], "actions": ["sendMessage", "banMember"]}
    assert parse_allow(as_written(allow, CATALOGUE), CATALOGUE) == allow
    assert as_written(Allow(events=frozenset({"*"})), CATALOGUE) == {"events": "*", "actions": []}


@given(
    events=st.sets(st.sampled_from(sorted(CATALOGUE.events))),
    intents=st.sets(st.sampled_from(["Guilds", "GuildMembers", "history"])),
)
def test_nothing_is_granted_that_was_not_allowed(events: set[str], intents: set[str]) -> None:
    granted = negotiate(Allow(events=frozenset(events)), CATALOGUE, intents)
    assert set(granted.events) <= events
    assert all(CATALOGUE.events[name].intent in intents | {""} for name in granted.events)
    assert list(granted.events) == [name for name in CATALOGUE.events if name in granted.events]


def test_explain_says_whether_intent_or_secret_denied() -> None:
    have = Capabilities(events=("messageCreate",), actions=("sendMessage",))
    assert explain("messageCreate", CATALOGUE, have, INTENTS).allowed
    assert explain("sendMessage", CATALOGUE, have, INTENTS).denied_by == ""
    assert explain("guildCreate", CATALOGUE, have, INTENTS).denied_by == "secret"
    assert explain("guildMemberAdd", CATALOGUE, have, INTENTS).denied_by == "intent"
    assert explain("guildMemberAdd", CATALOGUE, have, None).denied_by == "bridge"
    assert explain("banMember", CATALOGUE, have, INTENTS).denied_by == "secret"
    assert explain("nothing", CATALOGUE, have, INTENTS).denied_by == "unknown"
    both = explain("guildMemberAdd", CATALOGUE, have, INTENTS, allow=Allow())
    assert "either" in both.message
    assert "allow.events" in both.cure
    raw = explain("runRaw", CATALOGUE, have, INTENTS, allow=Allow(actions=frozenset({"runRaw"})))
    assert raw.denied_by == "configuration"


BOTH = Within(guilds=frozenset({"g"}), channels=frozenset({"c"}))


@pytest.mark.parametrize(
    ("facts", "inside"),
    [
        ({"guildId": "g", "channelId": "c"}, True),
        ({"guildId": "g", "channelId": "t", "threadId": "t", "parentChannelId": "c"}, True),
        ({"guildId": "g", "channelId": ("c", "t"), "threadId": "t", "parentChannelId": "c"}, True),
        ({"guildId": "g", "channelId": "x", "parentChannelId": "c"}, False),
        ({"guildId": "x", "channelId": "c"}, False),
        ({"guildId": "g", "channelId": "x"}, False),
        ({"guildId": "g", "channelId": ("c", "x")}, False),
        ({"guildId": "g"}, False),
        ({"channelId": "c"}, False),
        ({}, False),
    ],
)
def test_an_event_without_its_place_is_not_delivered(facts: dict[str, str | tuple[str, ...]], inside: bool) -> None:
    assert reaches(BOTH, facts, MESSAGE) is inside
    assert reaches(Within(), facts, MESSAGE)
    assert reaches(BOTH, facts, CATALOGUE.events["ready"])


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        (AppPlace(guild="g", channel="c"), True),
        (AppPlace(guild="g", channel="t", parent="c"), True),
        (AppPlace(guild="g", channel="x"), False),
        (AppPlace(guild="x", channel="c"), False),
        (AppPlace(guild="g"), False),
        (AppPlace(channel="c"), False),
        (AppPlace(), False),
    ],
)
def test_an_action_at_an_unknown_place_is_out_of_reach(place: AppPlace, inside: bool) -> None:
    assert reaches_place(BOTH, place) is inside
    assert reaches_place(Within(), place)
    assert not reaches_place(Within(guilds=frozenset({""}), channels=frozenset({""})), AppPlace())
