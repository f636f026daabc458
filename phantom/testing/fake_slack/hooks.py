"""Response URLs: what an app may post to for half an hour after an interaction or a command, five times at most.

Facts: docs.slack.dev, "Handling user interaction". An answer is ephemeral unless it says `in_channel`;
`replace_original` and `delete_original` act on the message that the interaction came from.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from phantom.clock import Clock
from phantom.testing.fake_slack.blocks import check_attachments, check_blocks, check_text
from phantom.testing.fake_slack.calls import SlackError
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import JSON
from phantom.testing.fake_slack.workspace import Workspace

LIFETIME = 1800.0
USES = 5


@dataclass(slots=True, kw_only=True)
class Hook:
    """One response URL. `source` is the message that the interaction came from, if any."""

    user: str
    channel: str
    thread_ts: str | None
    source: FakeMessage | None
    expires: float
    uses: int = 0


class Hooks:
    """Issues response URLs and applies what is posted to them."""

    def __init__(self, clock: Clock, workspace: Workspace) -> None:
        self.url = ""
        self._clock = clock
        self._workspace = workspace
        self._open: dict[str, Hook] = {}

    def issue(self, kind: str, *, user: str, channel: str, source: FakeMessage | None = None) -> str:
        """A new URL; `kind` is `commands`, `actions` or `app`, as in Slack's own."""
        token = secrets.token_urlsafe(18)
        thread = source.thread_ts if source else None
        self._open[token] = Hook(
            user=user, channel=channel, thread_ts=thread, source=source, expires=self._clock.now() + LIFETIME
        )
        return f"{self.url}/{kind}/{self._workspace.team.id}/{token}"

    def use(self, token: str, body: JSON) -> None:
        """Apply one post. Raises SlackError `expired_url`, `used_url`, `no_text` or what its content deserves."""
        hook = self._open.get(token)
        if hook is None or self._clock.now() > hook.expires:
            raise SlackError("expired_url")
        if hook.uses >= USES:
            raise SlackError("used_url")
        if not isinstance(body, dict):
            raise SlackError("invalid_payload")
        self.apply(hook, body)
        hook.uses += 1

    def reply_to_command(self, user: str, channel: str, body: JSON) -> FakeMessage | None:
        """Apply a command's synchronous answer, which has the same form."""
        hook = Hook(user=user, channel=channel, thread_ts=None, source=None, expires=0.0)
        return self.apply(hook, body)

    def apply(self, hook: Hook, body: JSON) -> FakeMessage | None:
        """Post, replace or delete, as `body` asks."""
        source = hook.source
        if body.get("delete_original"):
            if source is not None and not source.deleted:
                self._workspace.delete(source, self._workspace.bot.id)
            return None
        text, blocks, attachments = content_of(body)
        if body.get("replace_original") and source is not None and not source.deleted:
            source.replace(text=text, blocks=blocks, attachments=attachments)
            source.edited_ts, source.edited_by = self._workspace.next_ts(), self._workspace.bot.id
            self._workspace.touch("edited", source, self._workspace.bot.id)
            return source
        public = body.get("response_type") == "in_channel"
        message = FakeMessage(
            channel=hook.channel,
            ts=self._workspace.next_ts(),
            user=self._workspace.bot.id,
            bot_id=self._workspace.app.bot_id,
            app_id=self._workspace.app.app_id,
            team=self._workspace.team.id,
            text=text,
            blocks=blocks,
            attachments=attachments,
            thread_ts=body.get("thread_ts") or hook.thread_ts,
            ephemeral_for=None if public else hook.user,
        )
        return self._workspace.post(message) if public else self._workspace.post_ephemeral(message)


def content_of(body: JSON) -> tuple[str, list[JSON], list[JSON]]:
    """Checked (text, blocks, attachments) of a message body; `no_text` when it has none of them."""
    text: Any = body.get("text") or ""
    blocks = check_blocks(body.get("blocks"))
    attachments = check_attachments(body.get("attachments"))
    if not text and not blocks and not attachments:
        raise SlackError("no_text")
    return check_text(str(text)), blocks, attachments
