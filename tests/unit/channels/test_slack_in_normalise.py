"""Events to the vocabulary: posts, edits, deletions, reactions, installs; and that nothing hostile gets further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.slack.normalise import normalise
from channels.slack.place import Reader
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import (
    ChannelTask,
    FeedbackGiven,
    Ignored,
    InboundEvent,
    InstallChange,
    InstallChanged,
    MessageDeleted,
    MessageEdited,
    Rating,
)
from phantom.messages import ConversationKind, InboundMessage

T = TypeVar("T")
DATA = Path(__file__).parents[4] / "shared" / "data" / "slack"
ME = Reader(team_id="T1", user_id="U0BOT", bot_id="B0BOT")
AUTHORIZED = [{"team_id": "T1", "user_id": "U0BOT", "is_bot": True}]


def envelope(payload: object, kind: str = "event", encoding: str = "json") -> Envelope:
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    return Envelope(
        channel="slack", tenant="T1", event_id="Ev1", kind=kind, body=body, received_at=1.0, encoding=encoding
    )


def event(inner: object, reader: Reader = ME, **outer: object) -> InboundEvent:
    payload = {
        "type": "event_callback",
        "team_id": "T1",
        "api_app_id": "A1",
        "event_id": "Ev1",
        "event": inner,
        **outer,
    }
    (found,) = normalise(envelope(payload), reader)
    return found


def a(kind: type[T], value: object) -> T:
    assert isinstance(value, kind), value
    return value


def post(**fields: object) -> dict[str, Any]:
    return {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "text": "hi",
        "ts": "1700000000.000100",
        **fields,
    }


def test_a_post_and_its_mention_are_one_message_in_one_conversation() -> None:
    said = post(text="<@U0BOT> hi")
    one = a(InboundMessage, event(said))
    two = a(InboundMessage, event({**said, "type": "app_mention", "channel_type": ""}))
    assert one.logical_id == two.logical_id == "T1:C1:1700000000.000100"
    assert one.conversation == two.conversation
    assert one.mentions_me
    assert two.mentions_me
    assert (one.text, one.sent_at, one.message_id) == ("hi", 1700000000.0001, "1700000000.000100")


@pytest.mark.parametrize(
    ("fields", "kind", "thread"),
    [
        ({}, ConversationKind.PUBLIC, "1700000000.000100"),
        ({"channel_type": "group", "channel": "G1"}, ConversationKind.PUBLIC, "1700000000.000100"),
        ({"thread_ts": "1699.1"}, ConversationKind.PUBLIC, "1699.1"),
        ({"channel_type": "im", "channel": "D1"}, ConversationKind.DIRECT, None),
        ({"channel_type": "im", "channel": "D1", "thread_ts": "1699.1"}, ConversationKind.DIRECT, "1699.1"),
        ({"channel_type": "mpim", "channel": "G2"}, ConversationKind.GROUP, None),
        ({"channel_type": "", "channel": "D1"}, ConversationKind.DIRECT, None),
    ],
)
def test_threads_are_conversations_in_channels_only(
    fields: dict[str, object], kind: ConversationKind, thread: str | None
) -> None:
    found = a(InboundMessage, event(post(**fields))).conversation
    assert (found.kind, found.thread, found.tenant) == (kind, thread, "T1")


def test_a_reply_names_what_it_replies_to_and_a_root_does_not() -> None:
    assert a(InboundMessage, event(post(thread_ts="1699.1"))).reply_to == "1699.1"
    assert a(InboundMessage, event(post(thread_ts="1700000000.000100"))).reply_to is None


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message", "bot_message"])
def test_subtypes_that_are_speech_are_messages(subtype: str) -> None:
    a(InboundMessage, event(post(subtype=subtype)))


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic", "assistant_app_thread", "reminder_add", "odd"])
def test_other_subtypes_are_ignored(subtype: str) -> None:
    assert a(Ignored, event(post(subtype=subtype))).reason == "message_subtype"


def test_files_come_with_the_post_and_removed_ones_do_not() -> None:
    files = [
        {"id": "F1", "name": "a.txt", "mimetype": "text/plain", "size": 12, "url_private_download": "https://f/1"},
        {"id": "F2", "mode": "tombstone"},
        {"id": "F3", "file_access": "check_file_info"},
        "nonsense",
    ]
    found = a(InboundMessage, event(post(subtype="file_share", files=files))).attachments
    assert [(file.id, file.name, file.media_type, file.size, file.url) for file in found] == [
        ("F1", "a.txt", "text/plain", 12, "https://f/1"),
        ("F3", "F3", "application/octet-stream", None, ""),
    ]


@pytest.mark.parametrize(
    ("fields", "is_self", "is_bot"),
    [
        ({}, False, False),
        ({"user": "U0BOT"}, True, False),
        ({"user": "U0BOT", "bot_id": "B0BOT"}, True, True),
        ({"user": "U9", "bot_id": "B0BOT"}, True, True),
        ({"user": "U9", "bot_id": "B9"}, False, True),
        ({"user": "U9", "bot_id": "B9", "app_id": "A1"}, True, True),
        ({"user": "", "bot_id": "B9", "subtype": "bot_message"}, False, True),
        ({"user": "U1", "app_id": "A1"}, False, False),
    ],
)
def test_ourselves_and_other_bots_are_recognised(fields: dict[str, object], is_self: bool, is_bot: bool) -> None:
    author = a(InboundMessage, event(post(**fields))).author
    assert (author.is_self, author.is_bot) == (is_self, is_bot)
    assert author.id


@pytest.mark.parametrize(
    ("fields", "outer", "enterprise", "external"),
    [
        ({}, {}, "", False),
        ({"user_team": "T1"}, {"is_ext_shared_channel": True}, "", False),
        ({"user_team": "T2"}, {"is_ext_shared_channel": True}, "", True),
        ({"user_team": "T2"}, {}, "", True),
        ({"source_team": "T2", "team": "T1"}, {"is_ext_shared_channel": True}, "", True),
        ({"team": "T2"}, {"is_ext_shared_channel": True}, "", True),
        ({"team": "T2"}, {"is_ext_shared_channel": False}, "E1", False),
        ({"user_team": "E1"}, {"is_ext_shared_channel": True}, "E1", False),
        ({"user_team": "E2"}, {"is_ext_shared_channel": True}, "E1", True),
        ({"user_team": "T2"}, {"is_ext_shared_channel": False}, "E1", False),
        ({}, {"is_ext_shared_channel": True, "team_id": "T2"}, "", True),
        ({"user": "U0BOT", "user_team": "T2"}, {"is_ext_shared_channel": True}, "", False),
    ],
)
def test_people_of_other_workspaces_are_external(
    fields: dict[str, object], outer: dict[str, object], enterprise: str, external: bool
) -> None:
    reader = Reader(team_id="T1", enterprise_id=enterprise, user_id="U0BOT", bot_id="B0BOT")
    assert a(InboundMessage, event(post(**fields), reader, **outer)).author.is_external is external


def test_in_an_org_wide_install_people_of_other_teams_are_colleagues() -> None:
    reader = Reader(team_id="T1", enterprise_id="E1", user_id="U0BOT", org_wide=True)
    assert not a(InboundMessage, event(post(user_team="T2"), reader)).author.is_external
    connected = event(post(user_team="E2"), reader, is_ext_shared_channel=True)
    assert a(InboundMessage, connected).author.is_external


def test_our_id_is_taken_from_the_authorizations_while_auth_test_is_out() -> None:
    early = Reader(team_id="T1")
    found = a(InboundMessage, event(post(text="<@U0BOT> hi"), early, authorizations=AUTHORIZED))
    assert (found.text, found.mentions_me) == ("hi", True)
    assert a(InboundMessage, event(post(user="U0BOT"), early, authorizations=AUTHORIZED)).author.is_self


def test_an_edit_carries_the_posts_own_id_and_the_new_text() -> None:
    changed = {"type": "message", "user": "U1", "text": "<@U0BOT> *new*", "ts": "1700000000.000100"}
    inner = post(subtype="message_changed", message=changed, previous_message={**changed, "text": "old"}, ts="1701.1")
    found = a(MessageEdited, event(inner))
    assert (found.logical_id, found.text, found.author.id) == ("T1:C1:1700000000.000100", "**new**", "U1")


def test_edits_that_change_no_words_and_our_own_are_ignored() -> None:
    changed = {"type": "message", "user": "U1", "text": "same", "ts": "1.1"}
    inner = post(subtype="message_changed", message={**changed, "attachments": [{}]}, previous_message=changed)
    assert a(Ignored, event(inner)).reason == "same_text"
    ours = {**changed, "user": "U0BOT", "bot_id": "B0BOT"}
    inner = post(subtype="message_changed", message=ours, previous_message={**ours, "text": "draft"})
    assert a(Ignored, event(inner)).reason == "own_edit"


def test_a_deletion_names_the_post_also_as_a_tombstone() -> None:
    before = {"user": "U1", "text": "x", "ts": "1.1", "thread_ts": "0.9"}
    found = a(MessageDeleted, event(post(subtype="message_deleted", deleted_ts="1.1", previous_message=before)))
    assert (found.logical_id, found.conversation.thread) == ("T1:C1:1.1", "0.9")
    stone = {"subtype": "tombstone", "ts": "1.1", "user": "USLACKBOT", "text": "This message was deleted."}
    found = a(MessageDeleted, event(post(subtype="message_changed", message=stone, previous_message=before)))
    assert found.logical_id == "T1:C1:1.1"
    ours = {**before, "user": "U0BOT"}
    ignored = a(Ignored, event(post(subtype="message_deleted", deleted_ts="1.1", previous_message=ours)))
    assert ignored.reason == "own_deletion"


def reacted(name: str, **fields: object) -> dict[str, Any]:
    item = {"type": "message", "channel": "C1", "ts": "1.1"}
    return {"type": "reaction_added", "user": "U1", "reaction": name, "item_user": "U0BOT", "item": item, **fields}


@pytest.mark.parametrize(
    ("name", "rating"),
    [
        ("+1", Rating.HELPFUL),
        ("thumbsup::skin-tone-4", Rating.HELPFUL),
        ("tada", Rating.HELPFUL),
        ("-1", Rating.NOT_HELPFUL),
        ("thinking_face", Rating.PARTLY),
    ],
)
def test_a_reaction_on_our_answer_is_feedback(name: str, rating: Rating) -> None:
    found = a(FeedbackGiven, event(reacted(name)))
    assert (found.rating, found.withdrawn, found.message.message_id) == (rating, False, "1.1")
    assert a(FeedbackGiven, event(reacted(name, type="reaction_removed"))).withdrawn


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"item_user": "U2"}, "reaction_elsewhere"),
        ({"user": "U0BOT"}, "own_reaction"),
        ({"reaction": "taco"}, "reaction_without_rating"),
        ({"item": {"type": "file", "file": "F1"}}, "reaction_elsewhere"),
    ],
)
def test_other_reactions_are_ignored(fields: dict[str, object], reason: str) -> None:
    assert a(Ignored, event({**reacted("+1"), **fields})).reason == reason


def test_installs_and_limits_are_told() -> None:
    assert a(InstallChanged, event({"type": "app_uninstalled"})).change is InstallChange.UNINSTALLED
    revoked = {"type": "tokens_revoked", "tokens": {"bot": ["U0BOT"]}}
    assert a(InstallChanged, event(revoked)).change is InstallChange.TOKENS_REVOKED
    assert a(Ignored, event({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}})).reason == "user_tokens_revoked"
    (limited,) = normalise(envelope({"type": "app_rate_limited", "team_id": "T1"}), ME)
    assert a(InstallChanged, limited).change is InstallChange.RATE_LIMITED


def test_what_only_the_channel_can_do_becomes_a_task() -> None:
    home = a(ChannelTask, event({"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home"}))
    assert (home.name, home.payload["tab"], home.author.id) == ("app_home_opened", "home", "U1")
    thread = {"user_id": "U1", "channel_id": "D1", "thread_ts": "1.1", "context": {"channel_id": "C1"}}
    started = a(ChannelTask, event({"type": "assistant_thread_started", "assistant_thread": thread}))
    assert (started.name, started.payload["thread_ts"]) == ("assistant_thread_started", "1.1")


def test_unknown_event_types_are_ignored() -> None:
    assert a(Ignored, event({"type": "from_the_future"})).reason == "event_type"


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"null", b"[]", b"1", b'"text"', b"{", b"\xff\xfe", b'{"type":"event_callback"}',
        b'{"type":"event_callback","event":[]}', b'{"type":"event_callback","event":{"type":7}}',
        b'{"event":{"type":"message"}}', b'{"event":{"type":"message","channel":"C1","ts":"1.1"}}',
        b'{"event":{"type":"message","subtype":"message_changed","channel":"C1"}}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedEvent):
        normalise(envelope(payload), ME)


def real(*names: str) -> list[dict[str, Any]]:
    found = []
    for name in names:
        path = DATA / f"{name}.jsonl"
        if not path.is_file():
            pytest.skip("the real payloads are not beside this checkout (../shared/data/slack)")
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


def survives(candidate: Envelope) -> None:
    for reader in (ME, Reader(), Reader(team_id="T1")):
        try:
            found = normalise(candidate, reader)
        except MalformedEvent:
            continue
        assert found


def test_every_real_payload_is_understood_or_malformed() -> None:
    for row in real("event_callback", "event_skeletons", "outer_other"):
        survives(envelope(row["payload"]))
    for row in real("inner_events"):
        survives(envelope({"type": "event_callback", "team_id": "T1", "event": row["payload"]}))
    for row in real("interactivity", "interactivity_legacy", "interactivity_skeletons"):
        survives(envelope(row["payload"], "interactive"))
        survives(envelope(row["form"].encode(), "interactive", "form"))
    for row in real("slash_commands"):
        survives(envelope(row["form"].encode(), "command", "form"))
    for row in real("socket_mode_envelopes"):
        survives(envelope(row["payload"].get("payload"), "interactive"))


words = st.sampled_from(
    ["message", "app_mention", "message_changed", "message_deleted", "reaction_added", "block_actions", "C1", "U0BOT",
     "1.1", "bot_message", "view_submission", "phantom_ask_modal", "phantom_feedback:helpful", "", "phantom_button:x"]
)  # fmt: skip
keys = st.sampled_from(
    ["type", "event", "subtype", "channel", "user", "ts", "text", "message", "previous_message", "item", "files", "id",
     "thread_ts", "deleted_ts", "item_user", "reaction", "actions", "action_id", "value", "view", "callback_id",
     "state", "values", "team", "authorizations", "container", "message_ts", "channel_id", "command", "user_id",
     "tokens",
     "private_metadata", "ask_text", "phantom_ask_text"]
)  # fmt: skip
trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), words, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=8)),
    max_leaves=20,
)


# On a busy machine drawing a tree can take long; that says nothing about the code under test.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(payload=st.dictionaries(keys, trees, max_size=10), kind=st.sampled_from(["event", "interactive", "command"]))
def test_no_shape_raises_anything_but_malformed(payload: dict[str, Any], kind: str) -> None:
    survives(envelope(payload, kind))


@given(
    body=st.binary(max_size=200), kind=st.sampled_from(["event", "interactive", "command", "odd"]), form=st.booleans()
)
def test_no_bytes_raise_anything_but_malformed(body: bytes, kind: str, form: bool) -> None:
    survives(envelope(body, kind, "form" if form else "json"))
