"""`auth.*`, `apps.connections.open`, `team.info`, `bots.info`: the app and its installation."""

from __future__ import annotations

from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.model import JSON


@method("auth.test")
def auth_test(call: Call) -> JSON:
    """Who this token is."""
    app, team = call.core.app, call.core.workspace.team
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": app.bot_name,
        "team_id": team.id,
        "user_id": app.bot_user_id,
        "bot_id": app.bot_id,
        "is_enterprise_install": app.org_install,
    } | ({"enterprise_id": team.enterprise_id} if team.enterprise_id else {})


@method("api.test")
def api_test(call: Call) -> JSON:
    """Echo."""
    if "error" in call.args:
        raise SlackError(str(call.args["error"]), args=call.args)
    return {"args": call.args}


@method("auth.revoke")
def auth_revoke(call: Call) -> JSON:
    """The app gives its token back."""
    if call.flag("test"):
        return {"revoked": False}
    call.core.app.token_error = "token_revoked"
    return {"revoked": True}


@method("apps.connections.open")
def connections_open(call: Call) -> JSON:
    """A WebSocket URL for Socket Mode; takes the app-level token."""
    return {"url": call.core.open_socket()}


@method("team.info", "team:read")
def team_info(call: Call) -> JSON:
    """The team of the token, or a connected one by `team`."""
    workspace = call.core.workspace
    team = workspace.teams.get(call.text("team") or workspace.team.id)
    if team is None:
        raise SlackError("team_not_found")
    return {"team": team.to_slack()}


@method("bots.info", "users:read")
def bots_info(call: Call) -> JSON:
    """A bot by its bot id."""
    wanted = call.text("bot") or call.core.app.bot_id
    for user in call.core.workspace.users.values():
        if user.bot_id == wanted:
            return {
                "bot": {
                    "id": wanted,
                    "deleted": user.deleted,
                    "name": user.name,
                    "user_id": user.id,
                    "app_id": user.app_id or "",
                    "icons": {},
                    "updated": 1700000000,
                }
            }
    raise SlackError("bot_not_found")
