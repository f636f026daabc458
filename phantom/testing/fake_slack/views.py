"""Modals and home tabs: trigger ids, the stack of views that each user sees, and what a submission's answer does to it.

Facts: docs.slack.dev, "Modals" and the `views.*` methods. A trigger lives three seconds and works once; a stack holds
three views.
"""

from __future__ import annotations

import secrets
from typing import Any

from phantom.clock import Clock
from phantom.testing.fake_slack.blocks import MAX_VIEW_BLOCKS, check_blocks, parse_json
from phantom.testing.fake_slack.calls import SlackError
from phantom.testing.fake_slack.changes import Feed, ViewChanged
from phantom.testing.fake_slack.model import JSON, FakeView
from phantom.testing.fake_slack.workspace import Workspace

TRIGGER_LIFETIME = 3.0
MAX_STACK = 3


class Views:
    """Every open view, by user and by id. `trigger_lifetime` is in seconds."""

    def __init__(self, clock: Clock, feed: Feed, workspace: Workspace) -> None:
        self.stacks: dict[str, list[FakeView]] = {}
        self.homes: dict[str, FakeView] = {}
        self.trigger_lifetime = TRIGGER_LIFETIME
        self._clock = clock
        self._feed = feed
        self._workspace = workspace
        self._triggers: dict[str, tuple[str, float]] = {}
        self._spent: set[str] = set()

    def issue_trigger(self, user: str) -> str:
        """A trigger id, good for a few seconds and one use."""
        trigger = f"{int(self._clock.now() * 1000)}.{self._workspace.next_id('')}.{secrets.token_hex(16)}"
        self._triggers[trigger] = (user, self._clock.now() + self.trigger_lifetime)
        return trigger

    def use_trigger(self, trigger: str) -> str:
        """The user behind a trigger id, which is used up by it."""
        if trigger in self._spent:
            raise SlackError("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise SlackError("invalid_trigger_id")
        user, expires = self._triggers.pop(trigger)
        if self._clock.now() > expires:
            raise SlackError("expired_trigger_id")
        self._spent.add(trigger)
        return user

    def open(self, trigger: str, value: Any) -> FakeView:
        """`views.open`: a new stack of one."""
        content = self._modal(value)
        user = self.use_trigger(trigger)
        view = self._new(user, content)
        self.stacks[user] = [view]
        self._publish("opened", view)
        return view

    def push(self, trigger: str, value: Any) -> FakeView:
        """`views.push`: on top of what the user sees."""
        content = self._modal(value)
        user = self.use_trigger(trigger)
        return self.push_for(user, content)

    def push_for(self, user: str, value: Any) -> FakeView:
        """Push for a known user, as a submission's answer does."""
        content = self._modal(value)
        stack = self.stacks.setdefault(user, [])
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= MAX_STACK:
            raise SlackError("push_limit_reached")
        view = self._new(user, content, stack)
        stack.append(view)
        self._publish("pushed", view)
        return view

    def update(self, value: Any, *, view_id: str = "", external_id: str = "", hash_value: str = "") -> FakeView:
        """`views.update` by id or external id; a stale `hash` is `hash_conflict`."""
        content = self._modal(value)
        view = self.find(view_id, external_id)
        if view is None:
            raise SlackError("not_found")
        if hash_value and hash_value != view.hash:
            raise SlackError("hash_conflict")
        view.content, view.hash, view.errors = content, self._hash(), {}
        self._publish("updated", view)
        return view

    def publish_home(self, user: str, value: Any) -> FakeView:
        """`views.publish`: the user's home tab."""
        content = _checked(value, "home")
        view = FakeView(id=self._workspace.next_id("V"), user=user, content=content, hash=self._hash(), root_id="")
        view.root_id = view.id
        self.homes[user] = view
        self._publish("published", view)
        return view

    def find(self, view_id: str, external_id: str = "") -> FakeView | None:
        """An open view by its id or external id."""
        for stack in self.stacks.values():
            for view in stack:
                if view.id == view_id or (external_id and view.content.get("external_id") == external_id):
                    return view
        return None

    def close(self, view: FakeView, *, whole: bool = False) -> None:
        """Take the view (or its whole stack) away."""
        stack = self.stacks.get(view.user, [])
        kept = [] if whole else [one for one in stack if one is not view]
        self.stacks[view.user] = kept
        self._publish("closed", view)

    def answer_submission(self, view: FakeView, answer: JSON | None) -> None:
        """Do what a `view_submission` was answered with; no answer closes the view."""
        action = (answer or {}).get("response_action")
        match action:
            case "errors":
                view.errors = dict((answer or {}).get("errors", {}))
                self._publish("errors", view)
            case "update":
                view.content, view.hash, view.errors = self._modal((answer or {}).get("view")), self._hash(), {}
                self._publish("updated", view)
            case "push":
                self.push_for(view.user, (answer or {}).get("view"))
            case _:
                self.close(view, whole=action == "clear" or bool(view.content.get("clear_on_close")))

    def shape(self, view: FakeView, values: JSON | None = None) -> JSON:
        """The view as Slack sends it."""
        app = self._workspace.app
        return view.to_slack(team_id=self._workspace.team.id, app_id=app.app_id, bot_id=app.bot_id, values=values)

    def _new(self, user: str, content: JSON, below: list[FakeView] | None = None) -> FakeView:
        external = content.get("external_id")
        if external and self.find("", str(external)):
            raise SlackError("duplicate_external_id")
        view = FakeView(id=self._workspace.next_id("V"), user=user, content=content, hash=self._hash(), root_id="")
        view.root_id = below[0].id if below else view.id
        view.previous_id = below[-1].id if below else None
        return view

    def _modal(self, value: Any) -> JSON:
        return _checked(value, "modal")

    def _hash(self) -> str:
        return f"{int(self._clock.now())}.{secrets.token_hex(4)}"

    def _publish(self, what: str, view: FakeView) -> None:
        self._feed.publish(ViewChanged(what=what, view=view))


def _checked(value: Any, kind: str) -> JSON:
    view = parse_json(value, "invalid_arguments")
    if not isinstance(view, dict) or view.get("type") != kind:
        raise SlackError("invalid_arguments", response_metadata={"messages": ["[ERROR] unsupported type [/view/type]"]})
    if kind == "modal":
        title = view.get("title")
        if not isinstance(title, dict) or not 0 < len(str(title.get("text", ""))) <= 24:
            messages = ["[ERROR] must be less than 25 characters [json-pointer:/view/title/text]"]
            raise SlackError("invalid_arguments", response_metadata={"messages": messages})
    if len(str(view.get("private_metadata", ""))) > 3_000:
        raise SlackError("invalid_arguments")
    return {**view, "blocks": check_blocks(view.get("blocks"), limit=MAX_VIEW_BLOCKS)}
