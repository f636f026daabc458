"""Posting, editing, deleting and finding again: the outbound half of Slack.

What does *not* live here: order, pacing and retries (the engine's egress), looks (`blocks.py`), files (`uploads.py`).

Each post carries its idempotency key in message metadata, so that `find` can tell after a lost answer whether it
arrived. https://docs.slack.dev/messaging/message-metadata
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from channels.slack import errors
from channels.slack.blocks import JSON, forms
from channels.slack.channel_ids import ChannelIds
from channels.slack.uploads import Uploads
from channels.slack.web import SlackSelf, SlackWeb
from phantom.clock import Clock
from phantom.errors import ChannelError, DeliveryUnknown, MessageRejected
from phantom.messages import MessageRef, OutboundMessage, Outcome, Receipt

EVENT_TYPE = "phantom_message"
"""`metadata.event_type` of our messages; the payload's `key` is the idempotency key."""

_PLAIN_FOR = 3600.0
_PAGES = 10
_PAGE = 100
_EARLIER = 5.0
_QUIET: JSON = {"unfurl_links": False, "unfurl_media": False, "link_names": False, "parse": "none"}
# A workspace of another age may know no `markdown` blocks: the next form is tried. Certainly not sent, so it is safe.
_OTHER_FORM = errors.BLOCKS | errors.TOO_MUCH
_NO_HOOK = frozenset({"used_url", "expired_url"})

Post = Callable[[JSON], Awaitable[dict[str, Any]]]


class Egress:
    """Sends for one bot token."""

    def __init__(
        self, web: SlackWeb, clock: Clock, ids: ChannelIds, whoami: Callable[[], Awaitable[SlackSelf]]
    ) -> None:
        self._web = web
        self._clock = clock
        self._whoami = whoami
        self._ids = ids
        self._uploads = Uploads(web)
        self._plain_until = 0.0

    async def send(self, message: OutboundMessage) -> Receipt:
        """Post one message. Raises a `DeliveryError`, `AuthError` or `ConnectError`."""
        if not message.text.strip() and not message.attachments:
            raise MessageRejected("the message is empty", code="no_text")
        if message.respond_url is not None and not message.attachments:
            receipt = await self._respond(message, message.respond_url)
            if receipt is not None:
                return receipt
        channel = await self._ids.channel(message.conversation.place)
        if message.only_for is not None:
            return await self._whisper(message, channel, message.only_for)
        files = await self._uploads.upload(message.attachments)
        if not message.text.strip():
            message = replace(message, text=", ".join(file.title for file in files))
        receipt = await self._post(message, channel)
        if not files:
            return receipt
        return await self._uploads.share(files, channel, message.conversation.thread, receipt)

    async def edit(self, target: MessageRef, message: OutboundMessage) -> Receipt:
        """Replace a message of ours; repeated by itself while the line is bad, since twice is once."""
        channel = await self._ids.channel(target.conversation.place)

        async def update(form: JSON) -> dict[str, Any]:
            call = form | _QUIET | {"channel": channel, "ts": target.message_id, "metadata": _metadata(message)}
            return await self._web.call("chat.update", call, idempotent=True)

        return _sent(await self._in_some_form(message, update), target.message_id)

    async def delete(self, target: MessageRef) -> None:
        """Remove a message of ours; one that is gone already is no error."""
        channel = await self._ids.channel(target.conversation.place)
        try:
            await self._web.call("chat.delete", {"channel": channel, "ts": target.message_id}, idempotent=True)
        except MessageRejected as error:
            if error.code != "message_not_found":
                raise

    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        """The receipt of an earlier send, or None when it surely never arrived. Raises when Slack cannot say."""
        if message.only_for is not None or message.respond_url is not None:
            raise DeliveryUnknown("Slack keeps no record of messages to one person", hint="sent or not, it stays so")
        me = await self._whoami()
        channel = await self._ids.channel(message.conversation.place)
        params: JSON = {
            "channel": channel,
            "oldest": f"{max(0.0, since - _EARLIER - max(0.0, self._web.clock_skew)):.6f}",
            "inclusive": True,
            "include_all_metadata": True,
            "limit": _PAGE,
        }
        method = "conversations.history"
        if message.conversation.thread is not None:
            method = "conversations.replies"
            params["ts"] = message.conversation.thread
        later: list[Mapping[str, Any]] = []
        for _ in range(_PAGES):
            page = await self._web.call(method, params, idempotent=True)
            ours = [found for found in page.get("messages") or () if _is_by(found, me)]
            for found in ours:
                if _key(found) == message.idempotency_key:
                    return self._uploads.confirmed(_sent(found), message.attachments, [*later, *ours])
            later += ours
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not page.get("has_more") or not cursor:
                return None
            params["cursor"] = cursor
        raise DeliveryUnknown(
            f"not among the {_PAGES} pages that follow", hint="the conversation is too lively to tell"
        )

    async def _post(self, message: OutboundMessage, channel: str) -> Receipt:
        async def post(form: JSON) -> dict[str, Any]:
            call = form | _QUIET | {"channel": channel, "metadata": _metadata(message)}
            return await self._web.call("chat.postMessage", call | _thread(message))

        return _sent(await self._in_some_form(message, post))

    async def _whisper(self, message: OutboundMessage, channel: str, user: str) -> Receipt:
        async def post(form: JSON) -> dict[str, Any]:
            call = form | {"channel": channel, "user": user, "link_names": False, "parse": "none"}
            return await self._web.call("chat.postEphemeral", call | _thread(message))

        answer = await self._in_some_form(message, post)
        return _sent({"ts": answer.get("message_ts")})

    async def _respond(self, message: OutboundMessage, address: str) -> Receipt | None:
        """Answer over a response URL; None when it is used up and the answer can go another way.

        https://docs.slack.dev/interactivity/handling-user-interaction: five uses, thirty minutes.
        """
        ours = _thread(message) | {"response_type": "ephemeral", "replace_original": False}

        async def post(form: JSON) -> dict[str, Any]:
            status, said = await self._web.post(address, json=form | ours, what="response_url")
            if status == 200:
                return {}
            code = next((code for code in _NO_HOOK | _OTHER_FORM if code in said), "response_url_refused")
            if status >= 500:
                raise errors.from_status("response_url", status, retry_after=1.0, idempotent=False)
            raise MessageRejected(f"Slack refused the response URL with HTTP {status}", code=code)

        try:
            await self._in_some_form(message, post)
        except MessageRejected as error:
            if error.code in _NO_HOOK and message.only_for is not None:
                return None
            raise
        return Receipt(outcome=Outcome.SENT, sent_at=self._clock.now(), detail="response_url")

    async def _in_some_form(self, message: OutboundMessage, post: Post) -> dict[str, Any]:
        """Post in the best form that Slack takes, and remember for an hour when it is not the native one."""
        with_markdown = self._clock.monotonic() >= self._plain_until
        refusal: MessageRejected | None = None
        for form in forms(message, with_markdown=with_markdown):
            try:
                answer = await post(form)
            except MessageRejected as error:
                if error.code not in _OTHER_FORM:
                    raise
                refusal = error
                continue
            if refusal is not None and refusal.code in errors.BLOCKS and with_markdown and form["blocks"]:
                self._plain_until = self._clock.monotonic() + _PLAIN_FOR
            return answer
        raise refusal or ChannelError("no form to post in")


def _metadata(message: OutboundMessage) -> JSON:
    return {"event_type": EVENT_TYPE, "event_payload": {"key": message.idempotency_key}}


def _thread(message: OutboundMessage) -> JSON:
    thread = message.conversation.thread
    return {} if thread is None else {"thread_ts": thread}


def _sent(answer: Mapping[str, Any], fallback: str = "") -> Receipt:
    ts = str(answer.get("ts") or fallback)
    return Receipt(outcome=Outcome.SENT, message_ids=(ts,) if ts else (), sent_at=seconds_of(ts))


def seconds_of(ts: str) -> float:
    """A message's `ts` as seconds since the epoch; 0 when it is none."""
    whole, _, fraction = ts.partition(".")
    return float(ts) if whole.isdigit() and (fraction.isdigit() or not fraction) else 0.0


def _is_by(found: Mapping[str, Any], me: SlackSelf) -> bool:
    return bool(me.bot_id and found.get("bot_id") == me.bot_id) or found.get("user") == me.user_id


def _key(found: Mapping[str, Any]) -> object:
    metadata = found.get("metadata") or {}
    if metadata.get("event_type") != EVENT_TYPE:
        return None
    return (metadata.get("event_payload") or {}).get("key")
