"""Posting, editing, deleting and finding again: the outbound half of Discord.

What does *not* live here: order, pacing and retries (the engine's egress), looks (`dress.py`), answers to interactions
(`interaction_answers.py`).

Each post carries a nonce made from its idempotency key, and `enforce_nonce`: for some minutes a repeated post gives the
first one back instead of a second. Discord does not return nonces in a channel's history, so `find` takes what it
remembers (our own answers, the gateway's echo) and otherwise a message of ours after that moment with the same text and
the same message replied to. The first part of every answer is a reply, so equal texts are told apart.
https://docs.discord.com/developers/resources/message#create-message
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from channels.discord import dress, uploads
from channels.discord.decode import JSON, items, mapping, snowflake_at, snowflake_time, text
from channels.discord.errors import InteractionExpired
from channels.discord.interaction_address import InteractionAddress, parse
from channels.discord.interaction_answers import InteractionAnswers
from channels.discord.memo import Memo
from channels.discord.place import CHAIN, CHANNEL, is_chain, target
from channels.discord.rest import DiscordRest
from channels.discord.token_seal import TokenSeal
from phantom.clock import Clock
from phantom.errors import ConversationGone, DeliveryUnknown, Forbidden, MessageRejected
from phantom.messages import MessageRef, OutboundMessage, Outcome, Receipt, Tone

_PAGES = 10
_PAGE = 100
_EARLIER = 5.0
_ECHOES = 5_000
_NO_PERMISSION = "discord_50013"


log = structlog.get_logger(__name__)


class Echoes:
    """Nonces of our messages that Discord has told us of, with the message's id."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, str] = OrderedDict()
        self._nonces: OrderedDict[str, str] = OrderedDict()

    def note(self, nonce: str, message_id: str) -> None:
        """A message of ours exists."""
        for book, key, value in ((self._ids, nonce, message_id), (self._nonces, message_id, nonce)):
            book[key] = value
            if len(book) > _ECHOES:
                book.popitem(last=False)

    def id_of(self, nonce: str) -> str:
        """The message with that nonce, "" when none is known."""
        return self._ids.get(nonce, "")

    def is_another(self, message_id: str, nonce: str) -> bool:
        """Whether the message is known to carry a different nonce."""
        return self._nonces.get(message_id, nonce) != nonce


class Egress:
    """Sends for one bot token."""

    def __init__(
        self,
        rest: DiscordRest,
        clock: Clock,
        memo: Memo,
        echoes: Echoes,
        seal: TokenSeal,
        my_id: Callable[[], Awaitable[str]],
        *,
        reply_ping: bool,
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._memo = memo
        self._echoes = echoes
        self._my_id = my_id
        self._seal = seal
        self._reply_ping = reply_ping
        self._answers = InteractionAnswers(rest, clock)
        self._direct: dict[str, str] = {}

    async def send(self, message: OutboundMessage) -> Receipt:
        """Post one message. Raises a `DeliveryError`, `AuthError` or `ConnectError`."""
        if not message.text.strip() and not message.attachments:
            raise MessageRejected("the message is empty", code="no_text")
        form, values = dress.body(message)
        await self._memo.remember({f"button:{key}": value for key, value in values.items()})
        address = await self._address(message)
        if address is not None and address.token and address.alive(self._clock.now()):
            try:
                return await self._answers.send(message, form, address)
            except InteractionExpired:
                pass  # it can still be said another way
        if message.only_for is not None:
            channel = await self._direct_channel(message.only_for)
        else:
            channel = target(message.conversation)
            form |= _reference(message, channel)
            # A progress message notifies nobody: the answer does.
            form["allowed_mentions"]["replied_user"] = self._reply_ping and message.tone is not Tone.PROGRESS
            await self._remember_question(message)
        nonce = dress.nonce(message.idempotency_key)
        form |= {"nonce": nonce, "enforce_nonce": True}
        sent = await _plainly(lambda shown: self._post(channel, shown, message), form)
        self._echoes.note(nonce, text(sent, "id"))
        await self._remember_chain(message, text(sent, "id"))
        return _receipt(sent)

    async def edit(self, where: MessageRef, message: OutboundMessage) -> Receipt:
        """Replace a message of ours; repeated by itself while the line is bad, since twice is once."""
        form, values = dress.body(message)
        form.setdefault("flags", 0)
        await self._memo.remember({f"button:{key}": value for key, value in values.items()})

        async def change(shown: JSON) -> Any:
            return await self._rest.call(
                "PATCH",
                "/channels/{channel_id}/messages/{message_id}",
                channel_id=target(where.conversation),
                message_id=where.message_id,
                json=shown,
                idempotent=True,
            )

        return _receipt(await _plainly(change, form), where.message_id)

    async def delete(self, where: MessageRef) -> None:
        """Remove a message of ours; one that is gone already is no error."""
        try:
            await self._rest.call(
                "DELETE",
                "/channels/{channel_id}/messages/{message_id}",
                channel_id=target(where.conversation),
                message_id=where.message_id,
                idempotent=True,
            )
        except ConversationGone as error:
            if error.code != "message_gone":
                raise

    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        """The receipt of an earlier send, or None when it surely never arrived. Raises when Discord cannot say."""
        address = await self._address(message)
        if address is not None and address.token and address.alive(since):
            try:
                return await self._answers.find(message, address)
            except InteractionExpired:
                pass  # then it was said another way, if at all
        nonce = dress.nonce(message.idempotency_key)
        echoed = self._echoes.id_of(nonce)
        if echoed:
            await self._remember_chain(message, echoed)
            return _receipt({"id": echoed})
        me = await self._my_id()
        channel, reference = target(message.conversation), ""
        if message.only_for is not None:
            channel = await self._direct_channel(message.only_for)
        else:
            reference = text(mapping(_reference(message, channel), "message_reference"), "message_id")
        wanted = dress.body(message)[0] if message.text.strip() else None
        after = snowflake_at(since - _EARLIER - max(0.0, self._rest.clock_skew))
        for _ in range(_PAGES):
            page = await self._page(channel, after)
            for found in sorted(page, key=_id):
                if text(mapping(found, "author"), "id") != me or self._echoes.is_another(text(found, "id"), nonce):
                    continue
                if _is_it(found, wanted, reference):
                    await self._remember_chain(message, text(found, "id"))
                    return _receipt(found)
            if len(page) < _PAGE:
                return None
            after = max(_id(found) for found in page)
        raise DeliveryUnknown(
            f"not among the {_PAGES} pages that follow", hint="the conversation is too lively to tell"
        )

    async def _page(self, channel: str, after: int) -> list[Mapping[str, Any]]:
        answer = await self._rest.call(
            "GET",
            "/channels/{channel_id}/messages",
            channel_id=channel,
            params={"after": str(after), "limit": str(_PAGE)},
            idempotent=True,
        )
        return items({"page": answer}, "page")

    async def _post(self, channel: str, form: JSON, message: OutboundMessage) -> Mapping[str, Any]:
        path = "/channels/{channel_id}/messages"
        if not message.attachments:
            return _answer(await self._rest.call("POST", path, channel_id=channel, json=form))
        fields = await uploads.fields(form, message.attachments)
        return _answer(
            await self._rest.call("POST", path, channel_id=channel, form=fields, seconds=uploads.UPLOAD_SECONDS)
        )

    async def _direct_channel(self, user: str) -> str:
        """The direct messages with a person, opened where there are none."""
        if user not in self._direct:
            opened = await self._rest.call("POST", "/users/@me/channels", json={"recipient_id": user}, idempotent=True)
            self._direct[user] = text(_answer(opened), "id")
        return self._direct[user]

    async def _address(self, message: OutboundMessage) -> InteractionAddress | None:
        """Where an answer to an interaction goes; its token is "" where the key to it is gone."""
        address = parse(message.respond_url) if message.respond_url is not None else None
        if address is None:
            return None
        await self._seal.ready()
        return replace(address, token=self._seal.open(address.token))

    async def _remember_question(self, message: OutboundMessage) -> None:
        """Before the answer can be replied to: the note of the answer itself comes after it, and a crash between."""
        thread = message.conversation.thread
        root = thread.removeprefix(CHAIN) if thread is not None and is_chain(message.conversation) else ""
        if root and message.reply_to and message.reply_to != root:
            await self._memo.remember({f"asked:{message.reply_to}": root})

    async def _remember_chain(self, message: OutboundMessage, message_id: str) -> None:
        """A reply to this message goes on with the same conversation."""
        thread = message.conversation.thread
        if message_id and thread is not None and is_chain(message.conversation) and message.only_for is None:
            await self._memo.remember({f"root:{message_id}": thread.removeprefix(CHAIN)})


async def _plainly(call: Callable[[JSON], Awaitable[Any]], form: JSON) -> Any:
    """Do it; where a permission is missing, in forms that need fewer: words count more than looks."""
    plainer = dress.plainer(form)
    while True:
        try:
            return await call(form)
        except Forbidden as error:
            if error.code != _NO_PERMISSION or not plainer:
                raise
            form = plainer.pop(0)
            log.warning("message_shown_plainly", channel=CHANNEL, code=error.code, cure=error.hint)


def _reference(message: OutboundMessage, channel: str) -> JSON:
    """What the message is a reply to; a message that is gone by now does not keep it from being sent."""
    if not message.reply_to or not dress.first_part(message.idempotency_key):
        return {}
    return {
        "message_reference": {
            "type": 0,
            "message_id": message.reply_to,
            "channel_id": channel,
            "fail_if_not_exists": False,
        }
    }


def _is_it(found: Mapping[str, Any], wanted: JSON | None, reference: str) -> bool:
    """Whether a message of ours is the one looked for; `wanted` None: whatever its text, it is known by its reply."""
    if text(mapping(found, "message_reference"), "message_id") != reference:
        return False
    if wanted is None:
        return bool(reference)
    if text(found, "content").strip() != wanted["content"].strip():
        return False
    ours = [one["description"].strip() for one in wanted["embeds"]]
    return ours == [text(one, "description").strip() for one in items(found, "embeds") if text(one, "description")]


def _answer(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, dict) else {}


def _receipt(sent: Any, fallback: str = "") -> Receipt:
    message_id = text(_answer(sent), "id") or fallback
    return Receipt(
        outcome=Outcome.SENT, message_ids=(message_id,) if message_id else (), sent_at=snowflake_time(message_id)
    )


def _id(found: Mapping[str, Any]) -> int:
    shown = text(found, "id")
    return int(shown) if shown.isdigit() else 0
