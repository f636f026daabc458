"""For whom a payload is: every real case beside what slack_bolt derives from it, and the cases of the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from channels.slack.team import BOUND, FOREIGN, NO_TEAM, Binding, judge, judge_form

DATA = Path(__file__).parents[4] / "shared" / "data" / "slack"
ACME = Binding(team_id="T111")
GRID = Binding(team_id="T111", enterprise_id="E111")


def rows(*names: str) -> list[dict[str, Any]]:
    found = []
    for name in names:
        path = DATA / f"{name}.jsonl"
        if not path.is_file():
            pytest.skip("the real payloads are not beside this checkout (../shared/data/slack)")
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


def verdict(row: dict[str, Any], binding: Binding) -> str:
    if row["kind"] == "slash_command":
        return judge(dict(parse_qsl(row["form"], keep_blank_values=True)), binding)
    if "form" in row:
        form = dict(parse_qsl(row["form"], keep_blank_values=True))
        return judge_form(json.loads(form["payload"]), form, binding)
    return judge(row["payload"], binding)


def test_every_real_payload_binds_where_bolt_says_and_nowhere_else() -> None:
    seen = 0
    for row in rows("event_callback", "interactivity", "interactivity_legacy", "slash_commands"):
        bolt = row["bolt"]["bolt"]
        team, enterprise = bolt["team_id"] or "", bolt["enterprise_id"] or ""
        where = f"{row['source']} {row['tags']}"
        assert verdict(row, Binding(team_id="T0OTHER", enterprise_id="E0OTHER")) != BOUND, where
        if bolt["is_enterprise_install"]:
            assert verdict(row, Binding(team_id="T0SIBLING", enterprise_id=enterprise)) == BOUND, where
            assert verdict(row, Binding(team_id=team or "T111")) != BOUND, where
        elif team:
            assert verdict(row, Binding(team_id=team)) == BOUND, where
            assert verdict(row, Binding(team_id=team, enterprise_id=enterprise)) == BOUND, where
        elif enterprise:
            assert verdict(row, Binding(team_id="T0SIBLING", enterprise_id=enterprise)) == BOUND, where
        else:
            assert verdict(row, ACME) == NO_TEAM, where
        seen += 1
    assert seen > 90


def test_blank_skeletons_never_bind() -> None:
    for row in rows("event_skeletons", "interactivity_skeletons"):
        assert verdict(row, ACME) != BOUND, row["source"]
        assert verdict(row, Binding(team_id="", enterprise_id="")) != BOUND, row["source"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        # The first that is there decides, in the contract's order.
        ({"team_id": "T111"}, BOUND),
        ({"team_id": "T222"}, FOREIGN),
        ({"team_id": "T222", "context_team_id": "T111"}, BOUND),
        ({"team_id": "T111", "context_team_id": "T222"}, FOREIGN),
        ({"team_id": "T222", "authorizations": [{"team_id": "T111"}]}, BOUND),
        ({"team_id": "T111", "authorizations": [{"team_id": "T222"}]}, FOREIGN),
        ({"team_id": "T222", "authorizations": [{"team_id": "T222"}, {"team_id": "T111"}]}, BOUND),
        ({"team_id": "T111", "authorizations": []}, BOUND),
        ({"team_id": "T111", "authorizations": None}, BOUND),
        ({"team_id": "T111", "authorizations": "T111"}, BOUND),
        ({"team_id": "T111", "authorizations": [None, "T111", 7]}, FOREIGN),
        ({"team": {"id": "T222"}, "view": {"app_installed_team_id": "T111"}}, BOUND),
        ({"team": {"id": "T111"}, "view": {"app_installed_team_id": "T222"}}, FOREIGN),
        ({"team": {"id": "T111"}, "view": {"app_installed_team_id": None}}, BOUND),
        ({"team": "T111"}, BOUND),
        ({"team": {"id": "T111"}, "user": {"team_id": "T222"}}, BOUND),
        ({"team": None, "user": {"team_id": "T111"}}, BOUND),
        ({"user": {"team_id": "T111"}}, NO_TEAM),
        # The author's workspace is never a binding.
        ({"team_id": "T222", "authorizations": [{"team_id": "T111"}], "event": {"user_team": "T222"}}, BOUND),
        ({"event": {"team": "T111"}}, NO_TEAM),
        # Nothing, and nonsense.
        ({}, NO_TEAM),
        ({"team_id": None}, NO_TEAM),
        ({"team_id": 111}, NO_TEAM),
        ({"team_id": ["T111"]}, NO_TEAM),
        ({"team_id": ""}, NO_TEAM),
        # An org-wide install without an enterprise id of ours.
        ({"team_id": "T111", "is_enterprise_install": True, "enterprise_id": "E111"}, FOREIGN),
        ({"team_id": "T111", "authorizations": [{"team_id": None, "enterprise_id": "E111"}]}, FOREIGN),
        ({"team_id": "T111", "enterprise_id": "E999"}, BOUND),
    ],
)
def test_a_workspace_install(payload: dict[str, Any], expected: str) -> None:
    assert judge(payload, ACME) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"team_id": "T222", "is_enterprise_install": True, "enterprise_id": "E111"}, BOUND),
        ({"team_id": "T222", "is_enterprise_install": "true", "enterprise_id": "E111"}, BOUND),
        ({"team_id": "T222", "is_enterprise_install": "false", "enterprise_id": "E111"}, FOREIGN),
        ({"team_id": "T111", "is_enterprise_install": True, "enterprise_id": "E222"}, FOREIGN),
        ({"team": None, "is_enterprise_install": True, "enterprise": {"id": "E111"}}, BOUND),
        ({"team": None, "enterprise": {"id": "E111"}}, BOUND),
        ({"team": None, "enterprise": {"id": "E222"}}, FOREIGN),
        ({"authorizations": [{"team_id": None, "enterprise_id": "E111", "is_enterprise_install": True}]}, BOUND),
        ({"authorizations": [{"team_id": "T222", "enterprise_id": "E111", "is_enterprise_install": True}]}, BOUND),
        ({"authorizations": [{"team_id": "T222", "enterprise_id": "E111", "is_enterprise_install": False}]}, FOREIGN),
        ({"authorizations": [{"team_id": None, "enterprise_id": None}]}, FOREIGN),
    ],
)
def test_an_org_wide_install_binds_by_enterprise(payload: dict[str, Any], expected: str) -> None:
    assert judge(payload, GRID) == expected


def test_a_form_falls_back_to_its_own_field_only_when_the_payload_names_no_team() -> None:
    assert judge_form({}, {"team_id": "T111"}, ACME) == BOUND
    assert judge_form({"team": {"id": "T222"}}, {"team_id": "T111"}, ACME) == FOREIGN
    assert judge_form({}, {}, ACME) == NO_TEAM
