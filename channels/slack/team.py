"""For which workspace was a payload delivered, and is that ours? Pure.

In a Slack Connect channel the top-level `team_id` is the *sender's* workspace, so it comes last; the order is that of
slack_bolt. Org-wide installs have no workspace of their own: they bind by enterprise id. Who wrote the message is
another question (`normalise.py`): a foreign author never makes a payload foreign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BOUND = ""
FOREIGN = "foreign_team"
NO_TEAM = "no_team"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The workspace that this channel serves. `enterprise_id` is "" where the install has none or does not say."""

    team_id: str
    enterprise_id: str = ""


def judge(payload: Mapping[str, Any], binding: Binding) -> str:
    """`BOUND` when the payload was delivered for our workspace, else `FOREIGN` or `NO_TEAM`."""
    view = payload.get("view")
    installed = _text(view.get("app_installed_team_id")) if type(view) is dict else ""
    if not installed:
        authorizations = payload.get("authorizations")
        if authorizations and type(authorizations) is list:
            for entry in authorizations:
                if _authorizes(entry, binding):
                    return BOUND
            return FOREIGN
    if payload.get("is_enterprise_install") in (True, "true"):
        return _by_enterprise(payload, binding)
    team = installed or _team(payload)
    if not team:
        return _by_enterprise(payload, binding)
    return BOUND if team == binding.team_id else FOREIGN


def judge_form(payload: Mapping[str, Any], form: Mapping[str, str], binding: Binding) -> str:
    """The same for a form post: inside its `payload`, then by the form's own `team_id`."""
    verdict = judge(payload, binding)
    return judge(form, binding) if verdict == NO_TEAM and form else verdict


def _authorizes(entry: object, binding: Binding) -> bool:
    if type(entry) is not dict:
        return False
    team = _text(entry.get("team_id"))
    if team and entry.get("is_enterprise_install") is not True:
        return team == binding.team_id
    enterprise = _text(entry.get("enterprise_id"))
    return enterprise != "" and enterprise == binding.enterprise_id


def _team(payload: Mapping[str, Any]) -> str:
    team = payload.get("team")
    if type(team) is dict:
        found = _text(team.get("id"))
    elif team is None and "team" in payload:
        user = payload.get("user")
        found = _text(user.get("team_id")) if type(user) is dict else ""
    else:
        found = _text(team)
    return found or _text(payload.get("context_team_id")) or _text(payload.get("team_id"))


def _by_enterprise(payload: Mapping[str, Any], binding: Binding) -> str:
    enterprise = payload.get("enterprise")
    found = _text(enterprise.get("id")) if type(enterprise) is dict else _text(enterprise)
    if not found:
        team = payload.get("team")
        found = _text(payload.get("enterprise_id")) or (_text(team.get("enterprise_id")) if type(team) is dict else "")
    if not found:
        return NO_TEAM
    return BOUND if found == binding.enterprise_id else FOREIGN


def _text(value: object) -> str:
    return value if type(value) is str else ""
