"""Sending, editing, deleting and finding again, with the real SDK against a fake Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.slack.blocks import MAX_CHARS
from phantom.errors import DeliveryUnknown, Forbidden, MessageRejected
from phantom.messages import Button, ButtonStyle, LocalFile, Outcome, Tone, TurnStatus
from phantom.testing.fake_slack.server import FakeSlack
from tests.scenario.slack_out_kit import Kit, slack_kit


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    async with FakeSlack() as slack, slack_kit(slack, tmp_path) as made:
        yield made


async def test_an_answer_goes_into_the_thread_as_native_markdown(kit: Kit) -> None:
    question = await kit.slack.post(kit.slack.owner, kit.slack.general, "hello")
    message = kit.message("**Bold** & `code`\n\n| a |\n|---|\n| 1 |", conversation=kit.where(thread=question.ts))
    receipt = await kit.behaviour.send(message)
    (posted,) = kit.slack.replies(question)
    assert receipt.outcome is Outcome.SENT
    assert receipt.message_ids == (posted.ts,)
    assert receipt.sent_at == pytest.approx(float(posted.ts))
    assert posted.thread_ts == question.ts
    assert [block["type"] for block in posted.blocks] == ["markdown"]
    assert posted.blocks[0]["text"] == message.text
    assert posted.text.startswith("*Bold* &amp; `code`")
    assert posted.metadata == {"event_type": "phantom_message", "event_payload": {"key": "k1"}}
    (call,) = kit.slack.calls_of("chat.postMessage")
    assert call.args["unfurl_links"] is False
    assert call.args["parse"] == "none"
    assert kit.outcomes("chat.postMessage") == {"ok": 1}


@pytest.mark.parametrize(
    "text", ["<!channel> <@U12345678> <!subteam^S1234>", "`<!here>`", "[x](!channel)", "a\n<!here"]
)
async def test_model_text_pings_nobody_in_posts_edits_whispers_and_hooks(kit: Kit, text: str) -> None:
    posted = await kit.behaviour.send(kit.message(text))
    target = kit.ref(kit.posted()[0])
    await kit.behaviour.edit(target, kit.message("now " + text))
    await kit.behaviour.send(kit.message(text, only_for=kit.slack.owner.id, key="k2"))
    kit.slack.faults.fail("chat.postMessage", "invalid_blocks")
    await kit.behaviour.send(kit.message(text, key="k3"))
    assert posted.message_ids
    everything = [*kit.posted(), *kit.slack.ephemerals]
    assert len(everything) == 3
    assert all(message.pings == [] for message in everything)


async def test_listed_people_are_mentioned(kit: Kit) -> None:
    owner = kit.slack.owner
    await kit.behaviour.send(kit.message(f"{owner.mention}, done. <!channel>", allow_mentions=frozenset({owner.id})))
    assert set(kit.posted()[0].pings) == {owner.mention}


async def test_buttons_come_back_under_the_fixed_ids(kit: Kit) -> None:
    buttons = (
        Button(action="feedback:helpful", label="Helpful", value="turn-1", style=ButtonStyle.PRIMARY),
        Button(action="feedback:not_helpful", label="Not helpful", value="turn-1"),
        Button(action="choose", label="A", value="a"),
        Button(action="choose", label="B" * 90, value="b" * 3000, style=ButtonStyle.DANGER),
    )
    await kit.behaviour.send(kit.message("Which?", buttons=buttons))
    found = kit.posted()[0].buttons
    assert [one["action_id"] for one in found] == [
        "phantom_feedback:helpful",
        "phantom_feedback:not_helpful",
        "phantom_button:choose",
        "phantom_button:choose",
    ]
    assert found[0]["style"] == "primary"
    assert [len(one["value"]) for one in found] == [6, 6, 1, 2000]
    assert len(found[3]["text"]["text"]) == 75


@pytest.mark.parametrize(
    ("tone", "kind", "begins"),
    [
        (Tone.PROGRESS, "context", "working"),
        (Tone.NOTICE, "markdown", ":information_source: working"),
        (Tone.ERROR, "markdown", ":warning: working"),
    ],
)
async def test_tones_look_different(kit: Kit, tone: Tone, kind: str, begins: str) -> None:
    await kit.behaviour.send(kit.message("working on it", tone=tone))
    (block,) = kit.posted()[0].blocks
    assert block["type"] == kind
    text = block["text"] if kind == "markdown" else block["elements"][0]["text"]
    assert text.startswith(begins)


@pytest.mark.parametrize(
    "text",
    ["<!" * (MAX_CHARS // 2), "&" * MAX_CHARS, "<" * MAX_CHARS, "x" * MAX_CHARS, "# h\n\n" * 2000, "- a\n" * 2700,
     ("| " + "w" * 900 + " | b |\n|---|---|\n" + "| a | b |\n" * 800)[:MAX_CHARS]],
    ids=["pings", "ampersands", "angles", "solid", "headings", "list", "table"],
)  # fmt: skip
@pytest.mark.parametrize("refused", [False, True], ids=["markdown", "sections"])
async def test_no_text_of_the_promised_length_is_refused(kit: Kit, text: str, refused: bool) -> None:
    if refused:
        kit.slack.faults.fail("chat.postMessage", "invalid_blocks")
    receipt = await kit.behaviour.send(kit.message(text, tone=Tone.ERROR))
    assert receipt.outcome is Outcome.SENT
    (posted,) = kit.posted()
    assert posted.pings == []


async def test_a_workspace_that_refuses_markdown_blocks_is_remembered(kit: Kit) -> None:
    kit.slack.faults.fail("chat.postMessage", "invalid_blocks")
    await kit.behaviour.send(kit.message("**one** <x>", key="k1"))
    await kit.behaviour.send(kit.message("**two**", key="k2"))
    assert [message.blocks[0]["type"] for message in kit.posted()] == ["section", "section"]
    assert kit.posted()[0].blocks[0]["text"] == {"type": "mrkdwn", "text": "*one* &lt;x&gt;", "verbatim": True}
    assert len(kit.slack.calls_of("chat.postMessage")) == 3


async def test_an_answer_for_one_person_is_ephemeral(kit: Kit) -> None:
    receipt = await kit.behaviour.send(kit.message("psst", only_for=kit.slack.owner.id))
    (whisper,) = kit.slack.ephemerals
    assert whisper.ephemeral_for == kit.slack.owner.id
    assert receipt.message_ids == (whisper.ts,)
    assert kit.posted() == []
    with pytest.raises(DeliveryUnknown):
        await kit.behaviour.find(kit.message("psst", only_for=kit.slack.owner.id), 0)


async def test_a_response_url_is_answered_privately(kit: Kit) -> None:
    owner, general = kit.slack.owner.id, kit.slack.general.id
    url = kit.slack.core.hooks.issue("commands", user=owner, channel=general)
    receipt = await kit.behaviour.send(kit.message("**status** <!here>", respond_url=url))
    (whisper,) = kit.slack.ephemerals
    assert whisper.ephemeral_for == owner
    assert whisper.pings == []
    assert (receipt.outcome, receipt.message_ids) == (Outcome.SENT, ())
    assert kit.posted() == []


async def test_a_used_up_response_url_is_replaced_by_a_whisper(kit: Kit) -> None:
    owner, general = kit.slack.owner.id, kit.slack.general.id
    url = kit.slack.core.hooks.issue("commands", user=owner, channel=general)
    for number in range(7):
        await kit.behaviour.send(kit.message(f"line {number}", key=f"k{number}", respond_url=url, only_for=owner))
    assert len(kit.slack.ephemerals) == 7
    assert len(kit.slack.calls_of("chat.postEphemeral")) == 2
    with pytest.raises(MessageRejected, match="HTTP 404"):
        await kit.behaviour.send(kit.message("more", key="k9", respond_url=url))


async def test_a_response_url_elsewhere_gets_nothing(kit: Kit) -> None:
    for url in (
        "https://evil.example/hook",
        "http://169.254.169.254/latest",
        "https://slack.com.evil.example/",
        "https://hooks.slack.com@evil.example/",
        "http://hooks.slack.com/commands/1",
        "https://hooks.slack.com:8443/x",
        "file:///etc/passwd",
        kit.slack.url.replace("127.0.0.1", "localhost") + "/commands/T/x",
    ):
        with pytest.raises(Forbidden, match="not on a Slack host"):
            await kit.behaviour.send(kit.message("secret", respond_url=url))
    assert kit.slack.calls == []


async def test_an_edit_replaces_text_buttons_and_key(kit: Kit) -> None:
    buttons = (Button(action="a", label="A", value="1"),)
    await kit.behaviour.send(kit.message("working", tone=Tone.PROGRESS, buttons=buttons))
    receipt = await kit.behaviour.edit(kit.ref(kit.posted()[0]), kit.message("the answer", key="k2"))
    (message,) = kit.posted()
    assert message.blocks[0]["text"] == "the answer"
    assert message.buttons == []
    assert receipt.message_ids == (message.ts,)
    found = await kit.behaviour.find(kit.message("the answer", key="k2"), float(message.ts))
    assert found is not None
    assert found.message_ids == (message.ts,)


async def test_a_long_edit_is_not_refused(kit: Kit) -> None:
    await kit.behaviour.send(kit.message("short"))
    await kit.behaviour.edit(kit.ref(kit.posted()[0]), kit.message("word & " * 1500))
    assert kit.posted()[0].blocks[0]["text"].startswith("word &")


async def test_an_edit_is_repeated_while_the_line_is_bad(kit: Kit) -> None:
    await kit.behaviour.send(kit.message("one"))
    kit.slack.faults.drop_before("chat.update")
    kit.slack.faults.reply("chat.update", 503)
    await kit.behaviour.edit(kit.ref(kit.posted()[0]), kit.message("two"))
    assert kit.posted()[0].blocks[0]["text"] == "two"
    assert len(kit.clock.slept) == 2


async def test_deleting_twice_is_no_error(kit: Kit) -> None:
    await kit.behaviour.send(kit.message("oops"))
    target = kit.ref(kit.posted()[0])
    await kit.behaviour.delete(target)
    await kit.behaviour.delete(target)
    assert kit.posted() == []


async def test_a_person_is_written_to_directly_and_asked_for_once(kit: Kit) -> None:
    for key in ("k1", "k2"):
        await kit.behaviour.send(kit.message("hello", key=key, conversation=kit.where(kit.slack.owner.id)))
    texts = [message.user for message in kit.slack.messages(kit.slack.dm(kit.slack.owner))]
    assert texts == [kit.slack.bot.id] * 2
    assert len(kit.slack.calls_of("conversations.open")) == 1
    assert await kit.behaviour.find(kit.message("hello", key="k2", conversation=kit.where(kit.slack.owner.id)), 0)


async def test_an_empty_message_is_refused_before_slack_sees_it(kit: Kit) -> None:
    with pytest.raises(MessageRejected, match="empty"):
        await kit.behaviour.send(kit.message("  \n"))
    assert kit.slack.calls == []


async def test_files_arrive_below_the_message(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_bytes(b"a,b\n1,2\n")
    file = LocalFile(name="../re:port.csv", media_type="text/csv", path=str(path), size=8)
    question = await kit.slack.post(kit.slack.owner, kit.slack.general, "report please")
    message = kit.message("Here it is", attachments=(file,), conversation=kit.where(thread=question.ts))
    receipt = await kit.behaviour.send(message)
    text, shared = kit.slack.replies(question)
    assert receipt.outcome is Outcome.SENT
    assert receipt.message_ids == (text.ts,)
    assert [one.name for one in shared.files] == ["_re_port.csv"]
    assert shared.files[0].data == b"a,b\n1,2\n"
    found = await kit.behaviour.find(message, float(question.ts))
    assert found is not None
    assert found.outcome is Outcome.SENT


async def test_a_file_without_words_is_announced_by_its_name(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    file = LocalFile(name="a.txt", media_type="", path=str(path), size=1)
    await kit.behaviour.send(kit.message("", attachments=(file,)))
    text, shared = kit.posted()
    assert text.shown == "a.txt"
    assert [one.name for one in shared.files] == ["a.txt"]


async def test_text_that_renders_to_nothing_is_shown_as_it_is(kit: Kit) -> None:
    kit.slack.faults.fail("chat.postMessage", "invalid_blocks")
    await kit.behaviour.send(kit.message("[x]: <!channel>"))
    assert kit.posted()[0].text == "[x]: &lt;!channel&gt;"


async def test_a_message_whose_files_fail_says_so_and_is_not_sent_again(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    message = kit.message("With file", attachments=(LocalFile(name="a.txt", media_type="", path=str(path), size=1),))
    kit.slack.faults.fail("files.completeUploadExternal", "internal_error")
    receipt = await kit.behaviour.send(message)
    assert (receipt.outcome, receipt.detail) == (Outcome.PARTIAL, "files:delivery_unknown")
    found = await kit.behaviour.find(message, receipt.sent_at)
    assert found is not None
    assert (found.outcome, found.detail) == (Outcome.PARTIAL, "files:unconfirmed")


async def test_a_file_that_cannot_be_uploaded_leaves_nothing_behind(kit: Kit, tmp_path: Path) -> None:
    gone = LocalFile(name="a", media_type="", path=str(tmp_path / "gone"), size=1)
    with pytest.raises(MessageRejected, match="cannot be read"):
        await kit.behaviour.send(kit.message("x", attachments=(gone,)))
    assert kit.posted() == []


async def test_status_marks_follow_each_other(kit: Kit) -> None:
    question = await kit.slack.post(kit.slack.owner, kit.slack.general, "go")
    target = kit.ref(question)
    await kit.behaviour.show_status(target, TurnStatus.QUEUED, None)
    await kit.behaviour.show_status(target, TurnStatus.THINKING, TurnStatus.QUEUED)
    await kit.behaviour.show_status(target, TurnStatus.THINKING, TurnStatus.QUEUED)
    assert list(question.reactions) == ["thinking_face"]
    names = [call.method for call in kit.slack.calls]
    assert names[1:3] == ["reactions.add", "reactions.remove"]
    await kit.slack.react(kit.slack.owner, question, "tada")
    await kit.behaviour.show_status(target, TurnStatus.TOOL, None)
    await kit.behaviour.clear_status(target)
    assert list(question.reactions) == ["tada"]
    kit.slack.faults.withdraw_scope("reactions:read")
    await kit.behaviour.show_status(target, TurnStatus.ERROR, None)
    await kit.behaviour.clear_status(target)
    assert list(question.reactions) == ["tada"]


async def test_a_status_on_a_deleted_message_is_no_error(kit: Kit) -> None:
    question = await kit.slack.post(kit.slack.owner, kit.slack.general, "go")
    await kit.slack.delete(question)
    await kit.behaviour.show_status(kit.ref(question), TurnStatus.DONE, TurnStatus.THINKING)
    await kit.behaviour.clear_status(kit.ref(question))


async def test_typing_shows_in_a_thread_and_never_raises(kit: Kit) -> None:
    thread = await kit.slack.start_assistant_thread(kit.slack.owner)
    where = kit.where(kit.slack.dm(kit.slack.owner).id, thread)
    await kit.behaviour.typing(where, True)
    assert kit.slack.dm(kit.slack.owner).status[thread] == "is thinking…"
    await kit.behaviour.typing(where, False)
    assert thread not in kit.slack.dm(kit.slack.owner).status
    await kit.behaviour.typing(kit.where(), True)
    kit.slack.faults.fail("assistant.threads.setStatus", "missing_scope")
    await kit.behaviour.typing(where, True)
    calls = len(kit.slack.calls_of("assistant.threads.setStatus"))
    await kit.behaviour.typing(where, True)
    assert len(kit.slack.calls_of("assistant.threads.setStatus")) == calls == 3
