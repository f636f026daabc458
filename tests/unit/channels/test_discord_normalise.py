"""Discord payloads to the vocabulary: what is meant, and that nothing but `MalformedEvent` ever comes of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.discord import custom_ids, decode, interaction_address
from channels.discord.decode import Notes, pack
from channels.discord.glance import glance
from channels.discord.normalise import normalise
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import (
    ButtonPressed,
    Command,
    CommandInvoked,
    FeedbackGiven,
    Ignored,
    MessageDeleted,
    MessageEdited,
    Rating,
)
from phantom.messages import Button, ConversationKind, InboundMessage

ME, APP, GUILD, CHANNEL, THREAD, ALICE, MESSAGE = "100", "200", "300", "400", "500", "600", "1573861703538565163"
IN_GUILD, DIRECT = f"{APP}:{GUILD}", f"{APP}:dm"
KINDS = [
    decode.MESSAGE,
    decode.EDITED,
    decode.DELETED,
    decode.DELETED_BULK,
    decode.REACTION_ADDED,
    decode.REACTION_REMOVED,
    decode.INTERACTION,
    decode.WEBHOOK_EVENT,
]


def envelope(payload: dict[str, Any], kind: str = decode.MESSAGE, tenant: str = IN_GUILD, **notes: str) -> Envelope:
    return Envelope("discord", tenant, "x1", kind, pack(payload, Notes(**{"me": ME} | notes)), 5.0)


def said(text: str = "hi", **more: Any) -> dict[str, Any]:
    author = {"id": ALICE, "username": "alice", "global_name": "Alice"}
    return {
        "id": MESSAGE,
        "channel_id": CHANNEL,
        "guild_id": GUILD,
        "type": 0,
        "content": text,
        "author": author,
    } | more


def one(payload: dict[str, Any], kind: str = decode.MESSAGE, tenant: str = IN_GUILD, **notes: str) -> Any:
    (event,) = normalise(envelope(payload, kind, tenant, **notes))
    return event


def test_a_mention_begins_a_conversation_of_its_own() -> None:
    event = one(said(f"<@{ME}> what is up?", mentions=[{"id": ME}], member={"nick": "Al", "roles": ["7"]}))
    assert isinstance(event, InboundMessage)
    assert event.text == "what is up?"
    assert event.mentions_me
    assert event.conversation.key == f"discord/{IN_GUILD}/{CHANNEL}/re-{MESSAGE}"
    assert (event.author.id, event.author.display_name, event.author.roles) == (ALICE, "Al", ("7",))
    assert event.sent_at == pytest.approx(1795308303.5, abs=2e7)


def test_a_thread_and_its_parent_are_both_in_the_address() -> None:
    event = one(said("on we go", channel_id=THREAD), parent=CHANNEL)
    assert (event.conversation.place, event.conversation.thread) == (CHANNEL, THREAD)
    assert not event.mentions_me


def test_a_direct_message_needs_no_mention_and_has_no_thread() -> None:
    payload = said("psst")
    del payload["guild_id"]
    event = one(payload, tenant=DIRECT)
    assert event.conversation.kind is ConversationKind.DIRECT
    assert event.conversation.key == f"discord/{DIRECT}/{CHANNEL}/"


def test_a_reply_to_us_goes_on_with_the_chain() -> None:
    ours = {"id": "42", "author": {"id": ME}, "content": "an answer", "message_reference": {"message_id": "41"}}
    reply = said("and then?", type=19, message_reference={"message_id": "42"}, referenced_message=ours)
    assert one(reply, root="40").conversation.thread == "re-40"
    assert one(reply, root="40").text == "and then?"
    forgotten = one(reply)
    assert forgotten.conversation.thread == "re-41"
    assert forgotten.mentions_me
    assert "> an answer" in forgotten.text


def test_a_reply_to_somebody_quotes_what_it_is_about() -> None:
    theirs = {"id": "42", "author": {"id": "9", "username": "bob"}, "content": "two\nlines"}
    event = one(said(f"<@{ME}> explain", type=19, mentions=[{"id": ME}], referenced_message=theirs))
    assert event.text == "[In reply to bob:]\n> two\n> lines\n\nexplain"
    assert event.conversation.thread == f"re-{MESSAGE}"


def test_names_take_the_place_of_ids() -> None:
    bob = {"id": "9", "username": "bob", "member": {"nick": "Bobby"}}
    event = one(said("<@9> <:party:1> <@&8> <t:0:R> </phantom:5>", mentions=[bob]))
    assert event.text == "@Bobby :party: @role-8 1970-01-01 00:00 UTC /phantom"
    assert event.mentions_others


def test_our_own_role_addresses_us_and_everyone_does_not() -> None:
    assert one(said("<@&8> hello", mention_roles=["8"]), role="8").mentions_me
    assert not one(said("@everyone hello", mention_everyone=True)).mentions_me


def test_webhooks_and_bots_are_told_apart() -> None:
    assert one(said(webhook_id="77")).author.is_bot
    assert one(said(author={"id": ME, "bot": True})).author.is_self


def test_what_discord_says_itself_is_ignored() -> None:
    assert isinstance(one(said(type=7)), Ignored)


def test_an_edit_and_a_preview() -> None:
    edited = said(f"<@{ME}> better", edited_timestamp="2026-11-22T00:44:31.300000+00:00")
    event = one(edited, decode.EDITED)
    assert isinstance(event, MessageEdited)
    assert event.text == "better"
    assert event.logical_id == one(said()).logical_id
    assert isinstance(one(said(edited_timestamp=None), decode.EDITED), Ignored)


def test_deletions_one_and_many() -> None:
    gone = one({"id": MESSAGE, "channel_id": CHANNEL, "guild_id": GUILD}, decode.DELETED)
    assert isinstance(gone, MessageDeleted)
    assert gone.logical_id == one(said()).logical_id
    many = normalise(envelope({"ids": ["1", "2"], "channel_id": CHANNEL, "guild_id": GUILD}, decode.DELETED_BULK))
    assert [event.logical_id for event in many if isinstance(event, MessageDeleted)] == [f"{CHANNEL}:1", f"{CHANNEL}:2"]


@pytest.mark.parametrize(
    ("emoji", "rating"),
    [("👍", Rating.HELPFUL), ("👍🏽", Rating.HELPFUL), ("👎", Rating.NOT_HELPFUL), ("🤔", Rating.PARTLY)],
)
def test_reactions_rate(emoji: str, rating: Rating) -> None:
    payload = {"user_id": ALICE, "channel_id": THREAD, "message_id": "42", "guild_id": GUILD, "emoji": {"name": emoji}}
    event = one(payload, decode.REACTION_REMOVED, parent=CHANNEL)
    assert isinstance(event, FeedbackGiven)
    assert (event.rating, event.withdrawn, event.message.conversation.place) == (rating, True, CHANNEL)
    assert isinstance(one(payload | {"emoji": {"name": "🐟"}}, decode.REACTION_ADDED), Ignored)
    assert isinstance(one(payload | {"user_id": ME}, decode.REACTION_ADDED), Ignored)


def pressed(kind: int, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "1573861703538565163",
        "application_id": APP,
        "type": kind,
        "token": "sesame",
        "guild_id": GUILD,
        "channel_id": CHANNEL,
        "channel": {"id": CHANNEL, "type": 0},
        "member": {"user": {"id": ALICE, "username": "alice"}, "roles": ["7"]},
        "data": data,
    } | more


def command(word: str, **options: str) -> dict[str, Any]:
    given = [{"name": name, "type": 3, "value": value} for name, value in options.items()]
    return {"type": 1, "name": "phantom", "options": [{"type": 1, "name": word, "options": given}]}


def test_a_question_by_command_is_answered_privately() -> None:
    event = one(pressed(2, command("ask", question=" why? ")), decode.INTERACTION)
    assert isinstance(event, InboundMessage)
    assert (event.text, event.message_id, event.mentions_me) == ("why?", "", True)
    assert event.conversation.thread == f"ask-{ALICE}"
    assert event.author.roles == ("7",)
    address = interaction_address.parse(event.respond_url or "")
    assert address is not None
    assert (address.token, address.mode) == ("sesame", interaction_address.ORIGINAL)
    assert "sesame" not in repr(event)
    assert "sesame" not in repr(address)


def test_the_conversation_to_go_on_with_counts_only_where_it_was_checked() -> None:
    key = f"discord/{IN_GUILD}/{CHANNEL}/re-5"
    payload = pressed(2, command("ask", question="why?", conversation=key))
    assert one(payload, decode.INTERACTION).conversation.thread == f"ask-{ALICE}"
    assert one(payload, decode.INTERACTION, value=key).conversation.key == key
    foreign = f"discord/{APP}:999/{CHANNEL}/re-5"
    assert one(payload, decode.INTERACTION, value=foreign).conversation.thread == f"ask-{ALICE}"


@pytest.mark.parametrize("word", ["new", "stop", "status", "help"])
def test_the_other_commands(word: str) -> None:
    event = one(pressed(2, command(word)), decode.INTERACTION)
    assert isinstance(event, CommandInvoked)
    assert event.command is Command(word)


def test_buttons_come_back_as_what_they_were() -> None:
    turn = f"discord:{IN_GUILD}:m5"
    shown = {"id": "42", "message_reference": {"message_id": "41"}}
    custom_id, _ = custom_ids.written(Button(action="feedback:partly", label="", value=turn), IN_GUILD)
    event = one(pressed(3, {"custom_id": custom_id, "component_type": 2}, message=shown), decode.INTERACTION)
    assert isinstance(event, FeedbackGiven)
    assert (event.turn_id, event.rating, event.message.message_id) == (turn, Rating.PARTLY, "42")
    long = Button(action="approval:yes", label="", value="v" * 300)
    custom_id, kept = custom_ids.written(long, IN_GUILD)
    assert kept == "v" * 300
    event = one(pressed(3, {"custom_id": custom_id}, message=shown), decode.INTERACTION, value=kept)
    assert isinstance(event, ButtonPressed)
    assert (event.action, event.value) == ("approval:yes", kept)
    chosen = one(pressed(3, {"custom_id": "phantom_button:x:pick", "values": ["b"]}, message=shown), decode.INTERACTION)
    assert (chosen.action, chosen.value) == ("pick", "b")


def test_a_form_asks_about_its_message() -> None:
    rows = [
        {"type": 1, "components": [{"type": 4, "custom_id": "question", "value": "true?"}]},
        {"type": 18, "component": {"type": 4, "custom_id": "about", "value": "the moon\nis cheese"}},
    ]
    event = one(pressed(5, {"custom_id": "phantom_ask_modal", "components": rows}), decode.INTERACTION)
    assert isinstance(event, InboundMessage)
    assert event.text == "[About this message:]\n> the moon\n> is cheese\n\ntrue?"


@pytest.mark.parametrize(
    "payload",
    [
        pressed(2, {"type": 1, "name": "other"}),
        pressed(3, {"custom_id": "somebody-elses"}),
        pressed(3, {"custom_id": "phantom_feedback:lovely:~m1"}),
        pressed(5, {"custom_id": "other"}),
        pressed(99, {}),
    ],
)
def test_what_is_not_ours_is_ignored(payload: dict[str, Any]) -> None:
    assert isinstance(one(payload, decode.INTERACTION), Ignored)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(said() | pressed(2, {}))), inner)
    ),
    max_leaves=12,
)
payloads = st.dictionaries(
    st.sampled_from([*said(), *pressed(2, {}), "mentions", "emoji", "user_id", "ids", "referenced_message", "options"]),
    json_values,
)


@given(payloads, st.sampled_from(KINDS), st.sampled_from([IN_GUILD, DIRECT]))
def test_odd_payloads_are_malformed_and_nothing_else(payload: dict[str, Any], kind: str, tenant: str) -> None:
    try:
        events = normalise(envelope(payload, kind, tenant))
    except MalformedEvent:
        return
    assert events


@given(st.binary(max_size=200), st.sampled_from([*KINDS, "odd"]))
def test_odd_bytes_are_malformed_and_nothing_else(body: bytes, kind: str) -> None:
    with pytest.raises(MalformedEvent):
        normalise(Envelope("discord", IN_GUILD, "x", kind, body, 0.0))


@given(payloads)
def test_a_glance_never_misjudges_what_addresses_us(payload: dict[str, Any]) -> None:
    payload |= {"guild_id": GUILD}
    idle, session = glance(payload, IN_GUILD, ME, parent="", root="1", role="")
    try:
        (event,) = normalise(envelope(payload, root="1"))
    except MalformedEvent:
        return
    if isinstance(event, InboundMessage):
        assert not (idle and event.mentions_me)
        assert session in ("", event.conversation.key)


@given(st.text(max_size=300), st.sampled_from(["feedback:helpful", "approval:yes", "a" * 150]))
def test_every_button_finds_its_way_back(value: str, action: str) -> None:
    custom_id, kept = custom_ids.written(Button(action=action, label="", value=value), IN_GUILD)
    assert 0 < len(custom_id) <= 100
    read = custom_ids.read(custom_id, IN_GUILD)
    assert read is not None
    if kept:
        assert read.value == custom_ids.reference_of(kept)
        assert kept == value
    else:
        assert read.value == value


def test_the_note_travels_beside_the_bytes() -> None:
    raw = orjson.dumps({"id": "1", "n": 1.50})
    body = pack(raw, Notes(me=ME, root="7"))
    assert raw in body
    assert orjson.loads(body) == {"d": {"id": "1", "n": 1.5}, "me": ME, "root": "7"}
