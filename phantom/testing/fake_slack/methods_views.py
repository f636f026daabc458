"""`views.*`: modals and home tabs."""

from __future__ import annotations

from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.model import JSON


@method("views.open")
def views_open(call: Call) -> JSON:
    """A modal, for the user behind the trigger id."""
    trigger = call.text("trigger_id", required="invalid_arguments")
    return {"view": call.core.views.shape(call.core.views.open(trigger, call.args.get("view")))}


@method("views.push")
def views_push(call: Call) -> JSON:
    """Another modal on top."""
    trigger = call.text("trigger_id", required="invalid_arguments")
    return {"view": call.core.views.shape(call.core.views.push(trigger, call.args.get("view")))}


@method("views.update")
def views_update(call: Call) -> JSON:
    """Other content for an open modal."""
    view = call.core.views.update(
        call.args.get("view"),
        view_id=call.text("view_id"),
        external_id=call.text("external_id"),
        hash_value=call.text("hash"),
    )
    return {"view": call.core.views.shape(view)}


@method("views.publish")
def views_publish(call: Call) -> JSON:
    """A user's home tab."""
    user = call.text("user_id", required="invalid_arguments")
    if user not in call.core.workspace.users:
        raise SlackError("user_not_found")
    return {"view": call.core.views.shape(call.core.views.publish_home(user, call.args.get("view")))}
