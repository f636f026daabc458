"""The "Ask Phantom" form and the home tab, and opening them.

What does *not* live here: what a submitted form means (`interactions.py`) and the menu's rows (`suggest.py`).
https://docs.slack.dev/surfaces/modals: a trigger works once and for three seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import structlog

from channels.slack.interactions import ASK_MODAL, ASK_TEXT, ASK_WHERE
from channels.slack.mrkdwn import escape
from channels.slack.web import SlackWeb
from phantom.errors import ChannelError, DeliveryError

log = structlog.get_logger(__name__)

_MAX_TITLE = 24
_MAX_INPUT = 3_000
_MAX_QUOTE = 1_000
_TOO_LATE = frozenset({"expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged"})

JSON = dict[str, Any]


def ask_modal(name: str, *, about: Mapping[str, object]) -> JSON:
    """The form. `about` is the message that it was opened on, or empty: channel, message_ts, thread_ts, text."""
    quote = _quoted(str(about.get("text") or ""))
    message_ts = str(about.get("message_ts") or "")
    opened = {
        "channel": str(about.get("channel") or ""),
        "message_ts": message_ts,
        "thread_ts": str(about.get("thread_ts") or message_ts),
    }
    text: JSON = {
        "type": "plain_text_input",
        "action_id": ASK_TEXT[1],
        "multiline": True,
        "max_length": _MAX_INPUT,
        "focus_on_load": True,
    }
    if quote:
        text["initial_value"] = quote
    return {
        "type": "modal",
        "callback_id": ASK_MODAL,
        "title": _plain(f"Ask {name}"[:_MAX_TITLE]),
        "submit": _plain("Ask"),
        "close": _plain("Cancel"),
        "private_metadata": json.dumps(opened) if opened["channel"] else "",
        "blocks": [
            {"type": "input", "block_id": ASK_TEXT[0], "label": _plain("Your question"), "element": text},
            {
                "type": "input",
                "block_id": ASK_WHERE[0],
                "optional": True,
                "label": _plain("Continue a conversation"),
                "hint": _plain(
                    "The answer goes to the message's thread."
                    if opened["channel"]
                    else "Else: a direct message to you."
                ),
                "element": {
                    "type": "external_select",
                    "action_id": ASK_WHERE[1],
                    "min_query_length": 0,
                    "placeholder": _plain("Your recent conversations"),
                },
            },
        ],
    }


def home_view(name: str, bot_user: str) -> JSON:
    """The home tab: how to talk to Phantom."""
    lines = (
        f"*{escape(name)}* answers in these places:",
        "• here, in the *Messages* tab",
        f"• in a channel: mention <@{bot_user}> and it answers in the thread"
        if bot_user
        else "• in channels, by mention",
        "• on a message: *More message shortcuts* → *Ask about this*",
        "• `/phantom help`, `/phantom status`, `/phantom new`, `/phantom stop`",
    )
    return {"type": "home", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}]}


class Modals:
    """Opens the form and publishes the home tab."""

    def __init__(self, web: SlackWeb, name: str) -> None:
        self._web = web
        self._name = name

    async def open_ask(self, payload: Mapping[str, object]) -> None:
        """Open the form for a shortcut. When that comes too late, the person is told so where Slack allows it."""
        call = {"trigger_id": payload.get("trigger_id"), "view": ask_modal(self._name, about=payload)}
        try:
            await self._web.call("views.open", call)
        except DeliveryError as error:
            if error.code not in _TOO_LATE:
                raise
            await self._say_too_late(str(payload.get("response_url") or ""), error)

    async def publish_home(self, payload: Mapping[str, object], bot_user: str) -> None:
        """Fill the home tab of a person who opened it; the messages tab needs nothing."""
        if payload.get("tab") not in ("home", None, ""):
            return
        call = {"user_id": payload.get("user"), "view": home_view(self._name, bot_user)}
        try:
            await self._web.call("views.publish", call, idempotent=True)
        except DeliveryError as error:
            if error.code != "not_enabled":
                raise

    async def _say_too_late(self, respond_url: str, late: ChannelError) -> None:
        log.warning("slack_form_too_late", code=late.code)
        if not respond_url:
            raise late
        body = {"text": "That took too long, please try again.", "response_type": "ephemeral"}
        await self._web.post(respond_url, json=body, what="response_url")


def _quoted(text: str) -> str:
    if not text.strip():
        return ""
    short = text if len(text) <= _MAX_QUOTE else text[: _MAX_QUOTE - 1] + "…"
    return "\n".join(f"> {line}" for line in short.splitlines())[: _MAX_INPUT - 500] + "\n\n"


def _plain(text: str) -> JSON:
    return {"type": "plain_text", "text": text}
