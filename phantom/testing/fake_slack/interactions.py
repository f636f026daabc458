"""What people do with buttons, commands, shortcuts and modals, and what the app's answer does.

Interactions are delivered once: Slack shows the user an error when the app does not answer in three seconds.
Shapes: docs.slack.dev, "Interaction payloads" and "Slash commands".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phantom.testing.fake_slack.core import Core
from phantom.testing.fake_slack.deliveries import Delivery
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import JSON, FakeUser, FakeView
from phantom.testing.fake_slack.people import People
from phantom.testing.fake_slack.places import ChannelLike, UserLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The app's synchronous answer. `acked` is false when it did not come (in time); `body` is its JSON, if any.

    `message` is what the answer made Slack show (commands only).
    """

    acked: bool
    body: JSON | None
    text: str
    delivery: Delivery
    message: FakeMessage | None = None


class Interactions(People):
    """The interactive half of the user's side."""

    core: Core

    async def click(
        self, user: UserLike, message: FakeMessage, action_id: str, *, block_id: str = "", value: str | None = None
    ) -> Answer:
        """Press a button (or use another control) of a message; `block_actions` with response URL and trigger."""
        who, place = self.user(user), self.channel(message.channel)
        control = _find_control(message.buttons, action_id, block_id)
        action = {key: control[key] for key in ("type", "action_id", "block_id", "text", "value") if key in control}
        if value is not None:
            action["value"] = value
        payload = self._interaction("block_actions", who) | {
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": place.id,
                "is_ephemeral": message.ephemeral_for is not None,
                **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
            },
            "channel": {"id": place.id, "name": place.name or "directmessage"},
            "state": {"values": {}},
            "response_url": self.core.hooks.issue("actions", user=who.id, channel=place.id, source=message),
            "actions": [action | {"action_ts": self.core.workspace.next_ts()}],
        }
        if message.ephemeral_for is None:
            payload["message"] = message.to_slack(with_metadata=True)
        return await self._ask("interactive", payload)

    async def command(self, user: UserLike, channel: ChannelLike, name: str, text: str = "") -> Answer:
        """Type a slash command; the answer, when it has text, is shown as Slack would."""
        who, place = self.user(user), self.channel(channel)
        team = self.core.workspace.team
        payload: JSON = {
            "token": self.core.app.verification_token,
            "team_id": team.id,
            "team_domain": team.domain,
            "channel_id": place.id,
            "channel_name": {"im": "directmessage", "group": "privategroup"}.get(place.kind, place.name),
            "user_id": who.id,
            "user_name": who.name,
            "command": name,
            "text": text,
            "api_app_id": self.core.app.app_id,
            "is_enterprise_install": "true" if self.core.app.org_install else "false",
            "response_url": self.core.hooks.issue("commands", user=who.id, channel=place.id),
            "trigger_id": self.core.views.issue_trigger(who.id),
        }
        if team.enterprise_id:
            payload |= {"enterprise_id": team.enterprise_id, "enterprise_name": team.enterprise_name or ""}
        answer = await self._ask("slash_commands", payload)
        body = answer.body or ({"text": answer.text} if answer.text else None)
        if not answer.acked or not body:
            return answer
        shown = self.core.hooks.reply_to_command(who.id, place.id, body)
        return Answer(acked=True, body=body, text=str(body.get("text", "")), delivery=answer.delivery, message=shown)

    async def shortcut(self, user: UserLike, callback_id: str) -> Answer:
        """Run a global shortcut."""
        payload = self._interaction("shortcut", self.user(user))
        return await self._ask("interactive", payload | {"callback_id": callback_id, "action_ts": self._stamp()})

    async def message_shortcut(self, user: UserLike, message: FakeMessage, callback_id: str) -> Answer:
        """Run a shortcut from a message's menu."""
        who, place = self.user(user), self.channel(message.channel)
        payload = self._interaction("message_action", who) | {
            "callback_id": callback_id,
            "action_ts": self._stamp(),
            "message_ts": message.ts,
            "message": message.to_slack(),
            "channel": {"id": place.id, "name": place.name or "directmessage"},
            "response_url": self.core.hooks.issue("app", user=who.id, channel=place.id, source=message),
        }
        return await self._ask("interactive", payload)

    async def submit_view(self, user: UserLike, view_id: str, values: dict[str, dict[str, Any]]) -> Answer:
        """Press a modal's submit button. `values` is `{block_id: {action_id: text, or a whole state object}}`.

        The answer's `response_action` is applied; ValueError when a required input is missing, as the client would.
        """
        who, view = self.user(user), self._view(view_id)
        missing = [block for block in _required(view) if block not in values]
        if missing:
            raise ValueError(f"required inputs are empty: {', '.join(missing)}")
        payload = self._interaction("view_submission", who) | {
            "view": self.core.views.shape(view, _state(view, values)),
            "response_urls": [],
        }
        answer = await self._ask("interactive", payload)
        if answer.acked:
            self.core.views.answer_submission(view, answer.body)
        return answer

    async def close_view(self, user: UserLike, view_id: str, *, clear: bool = False) -> Answer | None:
        """Dismiss a modal; `view_closed` is sent only if the view asked for it (`notify_on_close`)."""
        who, view = self.user(user), self._view(view_id)
        payload = self._interaction("view_closed", who) | {"view": self.core.views.shape(view), "is_cleared": clear}
        payload.pop("trigger_id")
        self.core.views.close(view, whole=clear)
        return await self._ask("interactive", payload) if view.content.get("notify_on_close") else None

    async def suggest(self, user: UserLike, view_id: str, block_id: str, action_id: str, value: str) -> list[JSON]:
        """Type into an external select of a modal; returns the options that the app answers with."""
        view = self._view(view_id)
        payload = self._interaction("block_suggestion", self.user(user)) | {
            "container": {"type": "view", "view_id": view.id},
            "view": self.core.views.shape(view),
            "action_id": action_id,
            "block_id": block_id,
            "value": value,
        }
        answer = await self._ask("interactive", payload)
        body = answer.body or {}
        grouped = [option for group in body.get("option_groups", []) for option in group.get("options", [])]
        return list(body.get("options", [])) + grouped

    def open_views(self, user: UserLike) -> list[FakeView]:
        """The modals that the user sees, the topmost last."""
        return list(self.core.views.stacks.get(self.user(user).id, []))

    async def _ask(self, kind: str, payload: JSON) -> Answer:
        delivery = self.core.deliveries.send(kind, payload, event_id="", retried=False)
        await delivery.settled.wait()
        return Answer(acked=delivery.acked, body=delivery.response, text=delivery.response_text, delivery=delivery)

    def _interaction(self, kind: str, who: FakeUser) -> JSON:
        app, team = self.core.app, self.core.workspace.team
        enterprise = {"id": team.enterprise_id, "name": team.enterprise_name or ""} if team.enterprise_id else None
        shape: JSON = {
            "type": kind,
            "user": {"id": who.id, "username": who.name, "name": who.name, "team_id": who.team_id},
            "api_app_id": app.app_id,
            "token": app.verification_token,
            "trigger_id": self.core.views.issue_trigger(who.id),
            "team": {"id": team.id, "domain": team.domain},
            "enterprise": enterprise,
            "is_enterprise_install": app.org_install,
        }
        if app.org_install:
            shape["team"] = None
        elif enterprise:
            shape["team"] |= {"enterprise_id": team.enterprise_id, "enterprise_name": team.enterprise_name or ""}
        return shape

    def _stamp(self) -> str:
        return self.core.workspace.next_ts()

    def _view(self, view_id: str) -> FakeView:
        view = self.core.views.find(view_id)
        if view is None:
            raise KeyError(view_id)
        return view


def _find_control(controls: list[JSON], action_id: str, block_id: str) -> JSON:
    for control in controls:
        if control["action_id"] == action_id and block_id in ("", control["block_id"]):
            return control
    raise KeyError(f"no control {action_id!r} in this message")


def _required(view: FakeView) -> list[str]:
    return [
        block["block_id"] for block in view.content["blocks"] if block["type"] == "input" and not block.get("optional")
    ]


def _state(view: FakeView, values: dict[str, dict[str, Any]]) -> JSON:
    """`state.values` with each plain text turned into the state object of its element's type."""
    kinds = {
        (block["block_id"], block["element"].get("action_id")): block["element"]
        for block in view.content["blocks"]
        if isinstance(block.get("element"), dict)
    }
    state: JSON = {}
    for block_id, actions in values.items():
        for action_id, value in actions.items():
            element = kinds.get((block_id, action_id), {"type": "plain_text_input"})
            state.setdefault(block_id, {})[action_id] = _element_state(element, value)
    return state


def _element_state(element: JSON, value: Any) -> JSON:
    if isinstance(value, dict):
        return value
    kind = str(element["type"])
    if kind.endswith("_select") and kind not in ("users_select", "conversations_select", "channels_select"):
        options = element.get("options", [])
        option = next((one for one in options if one.get("value") == value), None)
        return {
            "type": kind,
            "selected_option": option or {"text": {"type": "plain_text", "text": value}, "value": value},
        }
    if kind in ("users_select", "conversations_select", "channels_select"):
        return {"type": kind, f"selected_{kind.removesuffix('s_select')}": value}
    return {"type": kind, "value": value}
