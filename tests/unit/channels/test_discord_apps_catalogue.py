"""Discord's table for apps: exactly the names that the contract has, and parameters that let nothing else through."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.discord.apps_catalogue import TABLE
from phantom.apps import ActionRefused
from phantom.bridge.catalogue import load

CATALOGUE = load([TABLE])
EVENTS = {
    "ready": "",
    "interactionCreate": "",
    **dict.fromkeys(("messageCreate", "messageUpdate", "messageDelete", "messageBulkDelete"), "GuildMessages"),
    "messageReactionAdd": "GuildMessageReactions",
    "messageReactionRemove": "GuildMessageReactions",
    "messageReactionRemoveAll": "GuildMessageReactions",
    "messageReactionRemoveEmoji": "GuildMessageReactions",
    **dict.fromkeys(("guildCreate", "guildDelete", "guildUpdate"), "Guilds"),
    **dict.fromkeys(("guildMemberAdd", "guildMemberRemove", "guildMemberUpdate"), "GuildMembers"),
    **dict.fromkeys(("threadCreate", "threadUpdate", "threadDelete"), "Guilds"),
    **dict.fromkeys(("channelCreate", "channelUpdate", "channelDelete"), "Guilds"),
    "typingStart": "GuildMessageTyping",
    "webhooksUpdate": "GuildWebhooks",
    "voiceStateUpdate": "GuildVoiceStates",
}
EMBED = {
    "title": "t",
    "type": "rich",
    "timestamp": "2026-01-01T00:00:00.000Z",
    "color": 0x5865F2,
    "footer": {"text": "f", "icon_url": "https://x.example/i.png"},
    "image": {"url": "https://x.example/i.png", "height": 3, "width": 4},
    "author": {"name": "a"},
    "fields": [{"name": "n", "value": "v", "inline": True}],
}
ROW = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Yes", "custom_id": "yes"}]}
FORM = {"type": 1, "components": [{"type": 4, "style": 1, "label": "Why", "custom_id": "why"}]}
MESSAGE: dict[str, Any] = {
    "content": "hi",
    "embeds": [EMBED],
    "allowedMentions": {"parse": ["users"], "roles": ["5"], "replied_user": False},
    "components": [ROW],
    "flags": 4096,
    "stickerIds": ["7"],
}
ON_MESSAGE = {"channelId": "1", "messageId": "2"}
ON_MEMBER = {"guildId": "1", "userId": "2"}
BECAUSE = {**ON_MEMBER, "reason": "because"}
INTERACTION = {"interactionId": "9"}
FULL: dict[str, dict[str, Any]] = {
    "sendMessage": {"channelId": "1", **MESSAGE},
    "sendDirectMessage": {"userId": "1", **MESSAGE},
    "editMessage": {**ON_MESSAGE, **MESSAGE},
    "deleteMessage": ON_MESSAGE,
    "pinMessage": {**ON_MESSAGE, "reason": "r"},
    "unpinMessage": {**ON_MESSAGE, "reason": "r"},
    "bulkDeleteMessages": {"channelId": "1", "messageIds": ["2", "3"], "filterOld": False},
    "replyToInteraction": {**INTERACTION, **MESSAGE, "ephemeral": True},
    "deferInteraction": {**INTERACTION, "ephemeral": False},
    "deferUpdateInteraction": INTERACTION,
    "followUpInteraction": {**INTERACTION, **MESSAGE, "ephemeral": True},
    "editInteractionReply": {**INTERACTION, **MESSAGE},
    "deleteInteractionReply": INTERACTION,
    "updateInteraction": {**INTERACTION, **MESSAGE},
    "showModal": {**INTERACTION, "title": "T", "customId": "c", "components": [FORM]},
    "fetchMessage": ON_MESSAGE,
    "fetchChannel": {"channelId": "1"},
    "fetchThread": {"threadId": "1"},
    "fetchGuild": {"guildId": "1"},
    "fetchMember": ON_MEMBER,
    "fetchVoiceState": ON_MEMBER,
    "banMember": {**BECAUSE, "deleteMessageSeconds": 604_800},
    "unbanMember": BECAUSE,
    "kickMember": BECAUSE,
    "addMemberRole": {**BECAUSE, "roleId": "3"},
    "removeMemberRole": {**BECAUSE, "roleId": "3"},
    "addMessageReaction": {**ON_MESSAGE, "emoji": "<:party:123>"},
    "removeOwnMessageReaction": {**ON_MESSAGE, "emoji": "👍"},
    "timeoutMember": {**BECAUSE, "durationMs": 2_419_200_000},
    "removeMemberTimeout": BECAUSE,
    "createChannel": {"guildId": "1", "name": "n", "type": 2, "parentId": "3", "topic": "t", "reason": "r"},
    "editChannel": {"channelId": "1", "name": "n", "parentId": None, "topic": None, "reason": "r"},
    "deleteChannel": {"channelId": "1", "reason": "r"},
    "createThread": {
        "parentChannelId": "1",
        "name": "n",
        "messageId": "2",
        "type": "private",
        "autoArchiveDuration": 10080,
        "reason": "r",
    },
    "archiveThread": {"threadId": "1", "archived": False, "reason": "r"},
    "moveMemberVoice": {**BECAUSE, "channelId": None},
    "setMemberMute": {**BECAUSE, "mute": True},
    "setMemberDeaf": {**BECAUSE, "deaf": True},
    "setMemberSuppressed": {**BECAUSE, "suppressed": True},
    "runRaw": {"method": "guilds.fetch", "args": ["1", {"force": True}]},
}
"""Every parameter that the wire's version 2 knows, of every action."""
ids = st.from_regex(r"\A[0-9]{1,20}\Z")
no_ids = st.one_of(
    st.integers(), st.none(), st.booleans(), st.text().filter(lambda text: not text.isascii() or not text.isdigit())
)


def decode(name: str, data: object) -> dict[str, Any]:
    return CATALOGUE.decode_params(name, json.dumps(data).encode())


def refused(name: str, data: object) -> ActionRefused:
    with pytest.raises(ActionRefused) as caught:
        decode(name, data)
    assert caught.value.bridge_code == "INVALID_REQUEST"
    return caught.value


def test_the_names_are_those_of_the_contract_and_no_other() -> None:
    assert {name: spec.intent for name, spec in CATALOGUE.events.items()} == EVENTS
    assert list(CATALOGUE.actions) == list(FULL)
    assert len(CATALOGUE.events) == 25
    assert len(CATALOGUE.actions) == 40
    assert len(TABLE.filters) == 13
    assert all(set(spec.filters) <= set(TABLE.filters) for spec in TABLE.events)
    assert CATALOGUE.opt_in == {"runRaw"}


@pytest.mark.parametrize("name", FULL)
def test_everything_that_an_app_may_send_is_taken_as_it_is(name: str) -> None:
    assert decode(name, FULL[name]) == FULL[name]


def test_every_payload_and_answer_can_be_checked() -> None:
    for shape in [spec.data for spec in TABLE.events] + [spec.result for spec in TABLE.actions if spec.result]:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(b"{}", type=shape)


@pytest.mark.parametrize("name", FULL)
def test_the_targets_of_an_action_are_parameters(name: str) -> None:
    spec = CATALOGUE.actions[name]
    assert spec.target
    assert set(spec.target) <= set(spec.params.__struct_fields__)


@given(name=st.sampled_from(sorted(FULL)), key=st.text(min_size=1, max_size=20), value=st.none() | st.text(max_size=5))
def test_a_key_that_is_not_known_is_refused(name: str, key: str, value: str | None) -> None:
    if key in CATALOGUE.actions[name].params.__struct_fields__:
        return
    error = refused(name, {**FULL[name], key: value})
    assert error.details["field"] == key


@given(name=st.sampled_from(sorted(FULL)), data=st.data())
def test_a_required_key_may_not_be_missing(name: str, data: st.DataObject) -> None:
    required = [one.encode_name for one in msgspec.structs.fields(CATALOGUE.actions[name].params) if one.required]
    gone = data.draw(st.sampled_from(required))
    error = refused(name, {key: value for key, value in FULL[name].items() if key != gone})
    assert error.details["field"] == gone
    assert gone in error.hint


@given(value=no_ids)
def test_only_digits_as_text_are_an_id(value: object) -> None:
    assert refused("fetchChannel", {"channelId": value}).details["field"] == "channelId"


@given(value=ids)
def test_twenty_digits_are_an_id(value: str) -> None:
    assert decode("fetchChannel", {"channelId": value}) == {"channelId": value}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_nothing_but_a_refusal_comes_of_any_json(value: object) -> None:
    for name in ("sendMessage", "showModal", "bulkDeleteMessages", "runRaw"):
        refused(name, value)


@given(st.binary(max_size=200))
def test_nothing_but_a_refusal_comes_of_any_bytes(raw: bytes) -> None:
    with pytest.raises(ActionRefused):
        CATALOGUE.decode_params("sendMessage", raw)


DEEP: dict[str, Any] = {"type": 17, "components": []}
for _ in range(7):
    DEEP = {"type": 17, "components": [DEEP]}
SAY = {"channelId": "1", "content": "x"}


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"channelId": "1", "components": [{"type": 1, "components": list(components)}]}


TOO_MUCH = [
    ("sendMessage", {"channelId": "1"}, "content"),
    ("sendMessage", {"channelId": "1", "content": ""}, "content"),
    ("sendMessage", {"channelId": "1", "content": "x" * 2001}, "content"),
    ("sendMessage", {"channelId": "1", "embeds": [{}] * 11}, "embeds"),
    ("sendMessage", {"channelId": "1", "embeds": [{"description": "x" * 3001}] * 2}, "embeds"),
    ("sendMessage", {"channelId": "1", "embeds": [{"title": "x", "colour": 1}]}, "embeds[0].colour"),
    ("sendMessage", {**SAY, "allowedMentions": {"parse": ["all"]}}, "allowedMentions.parse[0]"),
    ("sendMessage", {"channelId": "1", "content": "x", "flags": -1}, "flags"),
    ("sendMessage", {"channelId": "1", "content": None}, "content"),
    ("sendMessage", row(*[{"type": 2}] * 6), "components[0].components"),
    ("sendMessage", {"channelId": "1", "components": [{"type": 10}] * 41}, "components"),
    ("sendMessage", row({"type": 3}), "components[0].components[0].options"),
    ("sendMessage", row({"type": 2, "custom_id": "x" * 101}), "components[0].components[0].custom_id"),
    ("editMessage", {**ON_MESSAGE, "components": [{"label": "x"}]}, "components[0]"),
    ("bulkDeleteMessages", {"channelId": "1", "messageIds": []}, "messageIds"),
    ("bulkDeleteMessages", {"channelId": "1", "messageIds": [str(n) for n in range(101)]}, "messageIds"),
    ("bulkDeleteMessages", {"channelId": "1", "messageIds": ["1", "1"]}, "messageIds"),
    ("banMember", {**ON_MEMBER, "deleteMessageSeconds": 604_801}, "deleteMessageSeconds"),
    ("kickMember", {**ON_MEMBER, "reason": "x" * 513}, "reason"),
    ("timeoutMember", {**ON_MEMBER, "durationMs": 0}, "durationMs"),
    ("timeoutMember", {**ON_MEMBER, "durationMs": 2_419_200_001}, "durationMs"),
    ("createChannel", {"guildId": "1", "name": ""}, "name"),
    ("createThread", {"parentChannelId": "1", "name": "x" * 101}, "name"),
    ("createThread", {"parentChannelId": "1", "name": "x", "autoArchiveDuration": 61}, "autoArchiveDuration"),
    ("createThread", {"parentChannelId": "1", "name": "x", "type": "hidden"}, "type"),
    ("addMessageReaction", {**ON_MESSAGE, "emoji": ""}, "emoji"),
    ("showModal", {**INTERACTION, "title": "x" * 46, "customId": "c", "components": [FORM]}, "title"),
    ("showModal", {**INTERACTION, "title": "x", "customId": "c", "components": [FORM] * 6}, "components"),
    ("setMemberMute", {**ON_MEMBER, "mute": 1}, "mute"),
    ("runRaw", {"method": "_private"}, "method"),
    ("runRaw", {"method": "guilds.__class__"}, "method"),
    ("runRaw", {"method": "guilds..fetch"}, "method"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "field"), TOO_MUCH)
def test_what_discord_would_refuse_is_refused_before(name: str, data: dict[str, Any], field: str) -> None:
    assert refused(name, data).details["field"] == field


def test_components_that_nest_without_end_are_refused() -> None:
    assert "deep" in refused("sendMessage", {"channelId": "1", "components": [DEEP]}).message


def test_a_refusal_never_holds_what_was_sent() -> None:
    secret = "do-not-tell"
    for data in (
        {"channelId": secret, "content": "x"},
        {"channelId": "1", "content": "x", "allowedMentions": {"parse": [secret]}},
        {"channelId": "1", "content": "x", "components": [{"type": secret}]},
    ):
        error = refused("sendMessage", data)
        assert secret not in f"{error} {error.details}"
