"""Manifests are read strictly, and every misfit has its code, a sentence and a cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.discord.apps_catalogue import TABLE as DISCORD
from channels.slack.apps_catalogue import TABLE as SLACK
from phantom.bridge import diagnosis, manifest
from phantom.bridge.catalogue import load
from phantom.bridge.diagnosis import CODES, Report, diagnose, diagnose_alone, unreachable
from phantom.bridge.grants import Allow
from phantom.bridge.manifest import Manifest
from phantom.bridge.scopes import Capabilities, generate_secret_scope
from phantom.errors import ConfigError

CATALOGUE = load([DISCORD, SLACK])
APP = Manifest(
    name="moderation",
    events=["messageCreate", "guildMemberAdd"],
    actions=["banMember"],
    filters={"messageCreate": ["guildId"]},
)
GRANTED = Capabilities(events=("messageCreate", "guildMemberAdd"), actions=("banMember",))
INTENTS = frozenset({"GuildMessages", "GuildMembers"})
HANDLERS = [("messageCreate", ["guildId"]), ("guildMemberAdd", [])]


def codes(report: Report) -> list[str]:
    for issue in report.issues:
        assert issue.message.endswith(".")
        assert issue.cure
        assert issue.code in CODES
    return [issue.code for issue in report.issues]


def test_what_fits_has_nothing_to_report() -> None:
    scope = generate_secret_scope(APP)
    report = diagnose(APP, CATALOGUE, GRANTED, INTENTS, subscriptions=HANDLERS, expected=scope)
    assert report.ok
    assert codes(report) == []
    assert report.required_intents == ("GuildMessages", "GuildMembers")
    assert report.minimum == scope


def test_a_missing_intent_is_named_beside_the_event_that_lacks_it() -> None:
    report = diagnose(
        APP, CATALOGUE, Capabilities(events=("messageCreate",), actions=("banMember",)), {"GuildMessages"}
    )
    assert codes(report) == ["missing_intent", "missing_event_capability"]
    assert [issue.subject for issue in report.issues] == ["GuildMembers", "guildMemberAdd"]


def test_a_secret_that_denies_is_told_from_an_intent() -> None:
    report = diagnose(APP, CATALOGUE, Capabilities(events=("messageCreate",)), INTENTS)
    assert codes(report) == ["missing_event_capability", "missing_action_capability"]
    assert all("secret" in issue.message for issue in report.issues)


def test_a_bridge_that_tells_no_intents_cannot_be_started_with_strictly() -> None:
    assert codes(diagnose(APP, CATALOGUE, GRANTED, None)) == ["strict_requires_bot_intents"]
    assert diagnose(Manifest(name="a", events=["ready"]), CATALOGUE, Capabilities(events=("ready",)), None).ok


def test_a_surplus_is_a_warning_unless_the_app_says_what_it_expects() -> None:
    more = Capabilities(events=(*GRANTED.events, "ready"), actions=(*GRANTED.actions, "kickMember"))
    report = diagnose(APP, CATALOGUE, more, INTENTS)
    assert report.ok
    assert codes(report) == ["unused_negotiated_event", "unused_negotiated_action"]
    report = diagnose(APP, CATALOGUE, more, INTENTS, expected=generate_secret_scope(APP))
    assert codes(report) == ["scope_broader_than_expected"] * 2
    assert not report.ok
    wide = Allow(events=frozenset({"*"}), actions=frozenset({"*"}))
    assert diagnose(APP, CATALOGUE, more, INTENTS, expected=wide).ok
    raw = Capabilities(events=GRANTED.events, actions=("banMember", "runRaw"))
    assert "scope_broader_than_expected" in codes(diagnose(APP, CATALOGUE, raw, INTENTS, expected=wide))


def test_handlers_and_filters_must_be_declared() -> None:
    handlers = [("messageCreate", ["guildId", "channelId"]), ("ready", [])]
    report = diagnose(APP, CATALOGUE, GRANTED, INTENTS, subscriptions=handlers)
    assert codes(report) == [
        "missing_event_capability",
        "subscription_filter_key_not_declared_in_manifest",
        "subscription_event_not_in_manifest",
    ]
    odd = Manifest(
        name="a", events=["messageCreate", "ready"], filters={"messageCreate": ["emoji"], "ready": ["userId"]}
    )
    assert codes(diagnose_alone(odd, CATALOGUE)) == ["unsupported_filter_key"] * 2


def test_an_unreachable_bridge_is_a_report_too() -> None:
    report = unreachable(APP, CATALOGUE, "Nobody listens there.", "Start it.")
    assert codes(report) == [diagnosis.NOT_CONNECTED]
    assert not report.ok


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ([], ""),
        ({"events": []}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": "a", "event": []}, ""),
        ({"name": "a", "events": "messageCreate"}, "events"),
        ({"name": "a", "events": ["*"]}, "events"),
        ({"name": "a", "events": ["ready", "ready"]}, "events"),
        ({"name": "a", "events": ["nothing"]}, "events"),
        ({"name": "a", "actions": [None]}, "actions"),
        ({"name": "a", "events": ["ready"], "filters": {"messageCreate": ["guildId"]}}, "filters"),
        ({"name": "a", "events": ["messageCreate"], "filters": {"messageCreate": []}}, "filters.messageCreate"),
        ({"name": "a", "events": ["messageCreate"], "filters": ["guildId"]}, "filters"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(value: object, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        manifest.parse(value, CATALOGUE)
    assert caught.value.where == where


FILES = {
    "a.json": '{"name": "a", "events": ["ready"]}',
    "a.yaml": "name: a\nevents: [ready]\n",
    "a.py": "from phantom.bridge.manifest import Manifest\n\nMANIFEST = Manifest(name='a', events=['ready'])\n",
    "b.py": "manifest = {'name': 'a', 'events': ['ready']}\n",
}
BAD_FILES = {
    "a.json": '{"name": "a", "name": "b"}',
    "b.json": "{",
    "a.yaml": "name: [",
    "b.yaml": "name: a\nevents: [nothing]\n",
    "a.py": "VALUE = 1\n",
    "b.py": "import nothing_of_that_name\n",
    "a.txt": "name: a\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_manifest_is_read_from_each_kind_of_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name])
    assert manifest.read(tmp_path / name, CATALOGUE) == Manifest(name="a", events=("ready",))


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_manifest_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(BAD_FILES[name])
    with pytest.raises(ConfigError, match=name):
        manifest.read(tmp_path / name, CATALOGUE)
