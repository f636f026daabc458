"""`users.*`."""

from __future__ import annotations

from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.lookups import page
from phantom.testing.fake_slack.model import JSON


@method("users.info", "users:read")
def users_info(call: Call) -> JSON:
    """One user."""
    user = call.core.workspace.users.get(call.text("user", required="user_not_found"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user.to_slack()}


@method("users.list", "users:read")
def users_list(call: Call) -> JSON:
    """The users of the home workspace, by pages."""
    workspace = call.core.workspace
    users = [user.to_slack() for user in workspace.users.values() if user.team_id == workspace.team.id]
    found, metadata = page(call, users, default=1000, most=1000)
    return {"members": found, "cache_ts": int(call.core.clock.now()), "response_metadata": metadata}
