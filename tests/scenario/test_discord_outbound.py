"""What Phantom says in Discord, through real HTTP: looks, pings, files, and every way in which a send can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from channels.discord.dress import MAX_CONTENT
from channels.discord.place import conversation
from phantom.errors import (
    AuthError,
    ConnectError,
    ConversationGone,
    DeliveryUnknown,
    Forbidden,
    MessageRejected,
    PhantomError,
    RateLimited,
)
from phantom.messages import Button, LocalFile, OutboundMessage, Outcome, Tone, TurnStatus
from phantom.rendering import split
from tests.scenario.discord_kit import Wire, wired


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """A channel that receives nothing: sending needs no gateway."""
    async with wired(tmp_path) as found:
        yield found
        assert not found.fake.violations


async def test_an_answer_is_a_reply_that_pings_nobody(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "what?")
    text = f"@everyone @here <@{wire.fake.owner.id}> <@&{wire.fake.guild.id}> **done**"
    shown = wire.message(await wire.channel.send(wire.answer(asked, text)))
    assert shown.replied_to is asked
    assert shown.pings == []
    assert "@everyone" not in shown.content
    await wire.channel.edit(wire.ref(shown), wire.answer(asked, text + " again"))
    assert shown.pings == []
    assert "@here" not in shown.content
    assert shown.content.endswith("**done** again")


async def test_whoever_asked_is_notified_where_that_is_wished(tmp_path: Path) -> None:
    async with wired(tmp_path, reply_ping=True) as wire:
        asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "what?")
        progress = wire.answer(asked, "_Thinking…_ @everyone", key="t1/progress/0", tone=Tone.PROGRESS)
        assert wire.message(await wire.channel.send(progress)).pings == []
        shown = wire.message(await wire.channel.send(wire.answer(asked, f"done, @everyone <@{wire.fake.bot.id}>")))
        assert shown.pings == [wire.fake.owner.mention]
        more = wire.message(await wire.channel.send(wire.answer(asked, "and more", key="t1/answer/1")))
        assert more.pings == []


async def test_a_reply_to_a_deleted_message_is_sent_all_the_same(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "what?")
    await wire.fake.delete(asked)
    receipt = await wire.channel.send(wire.answer(asked, "this"))
    assert wire.message(receipt).content == "this"


async def test_only_allowed_people_are_mentioned(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "what?")
    alice = wire.fake.add_user("alice")
    text = f"<@{alice.id}> approved, <@{wire.fake.owner.id}> asked"
    answer = wire.answer(asked, text, allow_mentions=frozenset((alice.id,)))
    assert wire.message(await wire.channel.send(answer)).pings == [f"<@{alice.id}>"]


async def test_a_long_answer_with_fences_and_tables_arrives_whole(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "long?")
    code = "\n".join(f"line_{number} = {number} * 2  # `tick`" for number in range(150))
    table = "| key | value |\n|---|---|\n" + "\n".join(f"| k{n} | {'v' * (n % 30)} |" for n in range(60))
    text = f"# Title\n\nSome *words*.\n\n```python\n{code}\n```\n\n{table}\n\n" + "And more words. " * 60
    assert len(text) > 6000
    for index, part in enumerate(split(text, wire.channel.limits.max_chars)):
        shown = wire.message(await wire.channel.send(wire.answer(asked, part, key=f"t1/answer/{index}")))
        whole = shown.content or shown.embeds[0]["description"]
        assert whole.count("```") % 2 == 0
        assert len(shown.content) <= MAX_CONTENT
        assert (shown.replied_to is asked) == (index == 0)
    everything = "\n".join(
        one.content or one.embeds[0]["description"] for one in wire.fake.messages(wire.fake.general)[1:]
    )
    assert all(f"line_{number} =" in everything for number in range(120))
    assert all(f"k{number}" in everything for number in range(60))


async def test_notices_are_embeds_and_buttons_are_components(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "may I?")
    buttons = (Button(action="approval:yes", label="Approve", value="t\x1fit\x1f5"),)
    shown = wire.message(await wire.channel.send(wire.answer(asked, "May I?", tone=Tone.NOTICE, buttons=buttons)))
    assert shown.embeds[0]["description"] == "May I?"
    assert shown.components[0]["components"][0]["label"] == "Approve"
    await wire.channel.edit(wire.ref(shown), wire.answer(asked, "Approved.", tone=Tone.NOTICE))
    assert shown.components == []
    assert shown.embeds[0]["description"] == "Approved."


async def test_words_count_more_than_looks_where_a_permission_is_missing(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "may I?")
    buttons = (Button(action="approval:yes", label="Approve", value="v"),)
    wire.fake.faults.withdraw_permission("EMBED_LINKS")
    question = wire.answer(asked, "May I?", tone=Tone.NOTICE, buttons=buttons)
    shown = wire.message(await wire.channel.send(question))
    assert (shown.content, shown.embeds, len(shown.components)) == ("May I?", [], 1)
    assert shown.replied_to is asked
    await wire.channel.edit(wire.ref(shown), wire.answer(asked, "Approved.", tone=Tone.NOTICE))
    assert (shown.content, shown.components) == ("Approved.", [])
    wire.fake.faults.withdraw_permission("READ_MESSAGE_HISTORY")
    bare = wire.message(await wire.channel.send(wire.answer(asked, "Still here.", key="t2/answer/0")))
    assert (bare.content, bare.replied_to) == ("Still here.", None)


async def test_what_markup_blows_up_is_shown_as_it_was_written(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "table?")
    head = " | ".join(f"{'wide head ' * 6}{number}" for number in range(3))
    table = f"| {head} |\n|---|---|---|\n" + "| @everyone | b | c |\n" * 70
    shown = wire.message(await wire.channel.send(wire.answer(asked, table)))
    everything = shown.content + "".join(str(one["description"]) for one in shown.embeds)
    assert everything.count("| b | c |") == 70
    assert "@everyone" not in everything


async def test_files_go_out_with_the_text(wire: Wire, tmp_path: Path) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "file?")
    path = tmp_path / "report.txt"
    path.write_text("made by us")
    file = LocalFile(name="re/port.txt", media_type="text/plain", path=str(path), size=10)
    shown = wire.message(await wire.channel.send(wire.answer(asked, "here", attachments=(file,))))
    assert [(one.filename, one.data) for one in shown.attachments] == [("re_port.txt", b"made by us")]
    assert shown.replied_to is asked
    gone = replace(file, path=str(tmp_path / "nowhere"))
    with pytest.raises(MessageRejected):
        await wire.channel.send(wire.answer(asked, "here", key="t2/answer/0", attachments=(gone,)))


async def test_a_repeated_send_is_one_message(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "once?")
    first, second = [await wire.channel.send(wire.answer(asked, "once")) for _ in range(2)]
    assert first.message_ids == second.message_ids
    assert len(wire.fake.replies(asked)) == 1


@pytest.mark.parametrize("with_memory", [True, False])
async def test_a_lost_answer_is_found_and_never_sent_twice(wire: Wire, tmp_path: Path, *, with_memory: bool) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "lost?")
    other = await wire.fake.post(wire.fake.owner, wire.fake.general, "the same?")
    await wire.channel.send(wire.answer(other, "Done.", key="t2/answer/0"))
    wire.fake.faults.drop_after("create_message")
    answer = wire.answer(asked, "Done.")
    with pytest.raises(DeliveryUnknown):
        await wire.channel.send(answer)
    (shown,) = wire.fake.replies(asked)
    if with_memory:
        found = await wire.channel.find(answer, 0.0)
    else:
        async with wired(tmp_path / "again", wire.fake) as later:
            found = await later.channel.find(answer, 0.0)
    assert found is not None
    assert found.message_ids == (shown.id,)
    assert (await wire.channel.send(answer)).message_ids == (shown.id,)
    assert await wire.channel.find(wire.answer(asked, "Never.", key="t3/answer/0"), 0.0) is None


async def test_a_progress_message_is_found_by_what_it_answers(wire: Wire, tmp_path: Path) -> None:
    """After a restart nobody knows any more what it said."""
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "working?")
    sent = await wire.channel.send(wire.answer(asked, "_Thinking…_", key="t1/progress/0", tone=Tone.PROGRESS))
    async with wired(tmp_path / "again", wire.fake) as later:
        found = await later.channel.find(wire.answer(asked, "", key="t1/progress/0"), 0.0)
    assert found is not None
    assert found.message_ids == sent.message_ids


async def test_the_conversation_is_too_lively_to_tell(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "busy?")
    for number in range(1001):
        await wire.fake.post(wire.fake.owner, wire.fake.general, f"n{number}")
    with pytest.raises(DeliveryUnknown):
        await wire.channel.find(wire.answer(asked, "where?"), 0.0)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (50001, Forbidden),
        (50013, Forbidden),
        (50007, Forbidden),
        (10003, ConversationGone),
        (10008, ConversationGone),
        (50035, MessageRejected),
        (30046, MessageRejected),
    ],
)
async def test_discords_refusals_are_told_apart(wire: Wire, code: int, error: type[PhantomError]) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "may I?")
    wire.fake.faults.fail("create_message", code=code, status=400 if error is MessageRejected else 0, times=3)
    with pytest.raises(error) as raised:
        await wire.channel.send(wire.answer(asked, "no"))
    assert not isinstance(raised.value, DeliveryUnknown)
    assert "no" not in str(raised.value).split()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_after_a_server_error_a_send_is_unknown_and_an_edit_is_repeated(wire: Wire, status: int) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "broken?")
    shown = wire.message(await wire.channel.send(wire.answer(asked, "before")))
    wire.fake.faults.reply("create_message", status)
    async with asyncio.timeout(30):
        with pytest.raises(DeliveryUnknown):
            await wire.channel.send(wire.answer(asked, "after", key="t2/answer/0"))
        wire.fake.faults.reply("update_message", status)
        await wire.channel.edit(wire.ref(shown), wire.answer(asked, "edited"))
    assert shown.content == "edited"


async def test_no_connection_is_surely_not_sent(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "there?")
    await wire.fake.stop()
    with pytest.raises(ConnectError):
        await wire.channel.send(wire.answer(asked, "cold", key="t2/answer/0"))


async def test_one_channels_rate_limit_does_not_hold_up_another(wire: Wire) -> None:
    slow = await wire.fake.post(wire.fake.owner, wire.fake.general, "slow?")
    other = wire.fake.add_channel("other")
    quick = await wire.fake.post(wire.fake.owner, other, "quick?")
    await wire.channel.send(wire.answer(slow, "one"))
    wire.fake.faults.rate_limit("create_message", retry_after=25.0)
    waiting = asyncio.create_task(wire.channel.send(wire.answer(slow, "two", key="t2/answer/0")))
    await wire.fake.wait_for(lambda: wire.fake.faults.taken["limited"] == 1)
    await wire.channel.send(wire.answer(quick, "at once", key="t3/answer/0"))
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait((waiting,))


async def test_a_long_rate_limit_is_told_instead_of_waited_out(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "now?")
    wire.fake.faults.rate_limit("create_message", retry_after=120.0)
    with pytest.raises(RateLimited) as raised:
        await wire.channel.send(wire.answer(asked, "later"))
    assert raised.value.retry_after == pytest.approx(120.0)
    assert not wire.fake.replies(asked)


async def test_a_call_given_up_during_a_global_limit_shuts_nobody_out(wire: Wire) -> None:
    """discord.py would keep its gate shut for ever when whoever waits to open it goes away."""
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "all?")
    wire.fake.faults.rate_limit("trigger_typing_indicator", retry_after=0.5, scope="global")
    typing = asyncio.create_task(wire.channel.typing(wire.where(asked), True))
    await wire.fake.wait_for(lambda: wire.fake.faults.taken["limited"] == 1)
    typing.cancel()
    async with asyncio.timeout(30):
        await asyncio.wait((typing,))
        assert (await wire.channel.send(wire.answer(asked, "in a moment"))).outcome is Outcome.SENT


async def test_a_global_limit_is_waited_out(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "all?")
    wire.fake.faults.rate_limit("create_message", retry_after=0.3, scope="global")
    assert (await wire.channel.send(wire.answer(asked, "in a moment"))).outcome is Outcome.SENT


async def test_a_refused_token_and_its_rotation(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "who?")
    await wire.channel.send(wire.answer(asked, "one"))
    fresh = wire.fake.faults.revoke_token()
    with pytest.raises(AuthError) as raised:
        await wire.channel.send(wire.answer(asked, "two", key="t2/answer/0"))
    assert "DISCORD_BOT_TOKEN" in raised.value.hint
    wire.source.rotate(fresh)
    assert (await wire.channel.send(wire.answer(asked, "two", key="t2/answer/0"))).outcome is Outcome.SENT


async def test_marks_come_and_go(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "mark")
    target = wire.ref(asked)
    channel = wire.channel
    assert hasattr(channel, "show_status")
    assert hasattr(channel, "clear_status")
    await channel.show_status(target, TurnStatus.TOOL, None)
    await channel.show_status(target, TurnStatus.ERROR, TurnStatus.TOOL)
    await wire.fake.react(wire.fake.owner, asked, "✅")
    assert set(asked.reactions) == {"⚠️", "✅"}
    await channel.clear_status(target)
    assert set(asked.reactions) == {"✅"}
    await wire.fake.delete(asked)
    await channel.show_status(target, TurnStatus.DONE, None)
    await channel.clear_status(target)


async def test_typing_is_a_courtesy(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "typing?")
    await wire.channel.typing(wire.where(asked), True)
    assert len(wire.fake.calls_of("trigger_typing_indicator")) == 1
    wire.fake.faults.fail("trigger_typing_indicator", code=50013)
    await wire.channel.typing(wire.where(asked), True)


async def test_a_deleted_channel(wire: Wire) -> None:
    asked = await wire.fake.post(wire.fake.owner, wire.fake.general, "here?")
    await wire.fake.delete_channel(wire.fake.general)
    with pytest.raises(ConversationGone):
        await wire.channel.send(wire.answer(asked, "hello?"))


async def test_a_message_that_cannot_be_is_refused_before_it_leaves(wire: Wire) -> None:
    place = conversation(wire.tenant, wire.fake.general.id, "", "1")
    before = len(wire.fake.calls)
    with pytest.raises(MessageRejected):
        await wire.channel.send(OutboundMessage(conversation=place, text="  ", idempotency_key="t/answer/0"))
    assert len(wire.fake.calls) == before
