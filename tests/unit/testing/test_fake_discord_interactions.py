"""Commands, buttons, selects and modals over the gateway, answered by the real discord.py."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands

from phantom.testing.fake_discord import FakeDiscord, FakeInteraction
from phantom.testing.manual_clock import ManualClock
from tests.unit.testing.fake_discord_kit import all_intents, connected

PATIENT = 60.0
"""Seconds to answer in, where Discord's three are not the point and the machine may be busy."""


def tree_of(client: discord.Client) -> app_commands.CommandTree:
    """`/phantom ask question [about]` with autocomplete, and a message menu."""
    tree = app_commands.CommandTree(client)
    group = app_commands.Group(name="phantom", description="The agent")

    async def suggest(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{current}{mark}", value=current) for mark in "?!"]

    @group.command(name="ask", description="Ask")
    @app_commands.autocomplete(question=suggest)
    async def ask(interaction: discord.Interaction, question: str, about: discord.Member | None = None) -> None:
        await interaction.response.defer(thinking=True, ephemeral=question == "secretly")
        await interaction.followup.send(f"{question} {about}", allowed_mentions=discord.AllowedMentions.none())
        await interaction.followup.send("more")

    @tree.context_menu(name="Ask about this")
    async def about(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"about {message.content}")

    tree.add_command(group)
    return tree


def client() -> tuple[discord.Client, app_commands.CommandTree]:
    made = discord.Client(intents=all_intents(), guild_ready_timeout=0.1)
    return made, tree_of(made)


async def test_a_deferred_command_with_options_and_followups() -> None:
    made, tree = client()
    async with FakeDiscord(answer_within=PATIENT) as fake, connected(fake, made):
        await tree.sync()
        asked = await fake.command(
            fake.owner, fake.general, "phantom", "ask", {"question": "why?", "about": fake.owner}
        )
        assert (await asked.answered()).response_type == 5
        assert asked.latency is not None
        await fake.wait_for(lambda: len(asked.replies) == 2)
        assert [one.content for one in asked.replies] == ["why? olivia", "more"]
        assert asked.original is fake.messages(fake.general)[0]
        assert asked.original.contents == ["", "why? olivia"]
        secret = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "secretly"})
        await fake.wait_for(lambda: secret.replies)
        assert fake.ephemerals[0].content == "secretly None"
        assert fake.ephemerals[0].ephemeral_for == fake.owner.id
        assert fake.violations == []


async def test_commands_in_a_dm() -> None:
    made, tree = client()
    async with FakeDiscord(answer_within=PATIENT) as fake, connected(fake, made):
        await tree.sync()
        asked = await fake.command(fake.owner, fake.dm(fake.owner), "phantom", "ask", {"question": "hm"})
        await fake.wait_for(lambda: len(asked.replies) == 2)
        assert "member" not in asked.payload
        assert [one.content for one in fake.messages(fake.dm(fake.owner))] == ["hm None", "more"]


async def test_autocomplete_and_context_menu() -> None:
    made, tree = client()
    async with FakeDiscord(answer_within=PATIENT) as fake, connected(fake, made):
        await tree.sync(guild=None)
        typed = await fake.autocomplete(fake.owner, fake.general, "phantom", "ask", "question", "wh")
        assert (await typed.answered()).choices == [
            {"name": "wh?", "value": "wh"},
            {"name": "wh!", "value": "wh"},
        ]
        message = await fake.post(fake.owner, fake.general, "this")
        menu = await fake.context_menu(fake.owner, "Ask about this", message)
        await menu.answered()
        assert [one.content for one in menu.replies] == ["about this"]
        assert fake.violations == []


async def test_unregistered_commands_are_not_offered_and_quota_is_counted() -> None:
    made, tree = client()
    async with FakeDiscord(answer_within=PATIENT) as fake, connected(fake, made):
        with pytest.raises(LookupError):
            await fake.command(fake.owner, fake.general, "phantom", "ask")
        await tree.sync()
        await tree.sync()
        assert fake.app.commands_created == {"": 2}
        assert fake.core.commands.written == 2
        assert sorted(one["name"] for one in fake.commands()) == ["Ask about this", "phantom"]
        ids = [one["id"] for one in fake.commands()]
        await tree.sync()
        assert [one["id"] for one in fake.commands()] == ids
        with pytest.raises(LookupError):
            await fake.command(fake.owner, fake.general, "phantom", "shout")
        with pytest.raises(LookupError):
            await fake.command(fake.owner, fake.general, "phantom", "ask")
        guild = discord.Object(int(fake.guild.id))
        fake.app.commands_created[fake.guild.id] = 200
        tree.copy_global_to(guild=guild)
        with pytest.raises(discord.HTTPException) as refused:
            await made.http.upsert_guild_command(fake.app.id, guild.id, {"name": "x", "description": "y"})
        assert refused.value.code == 30034
        assert fake.commands(fake.guild) == []
        assert fake.violations == []


class Panel(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Yes", custom_id="yes")
    async def yes(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.edit_message(content="chosen: yes", view=None)

    @discord.ui.button(label="Ask", custom_id="ask")
    async def ask(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.send_modal(Form())

    @discord.ui.select(custom_id="pick", options=[discord.SelectOption(label=one) for one in "abc"])
    async def pick(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content=f"picked {select.values[0]}")


class Form(discord.ui.Modal, title="A question"):
    question: discord.ui.TextInput[Any] = discord.ui.TextInput(label="Question", custom_id="question")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"asked {self.question.value}")


async def test_buttons_selects_and_modals() -> None:
    async with FakeDiscord(answer_within=PATIENT) as fake, connected(fake) as (made, _):
        channel = made.get_channel(int(fake.general.id))
        assert isinstance(channel, discord.TextChannel)
        await channel.send("choose", view=Panel())
        [message] = fake.messages(fake.general)
        assert [button["custom_id"] for button in message.buttons] == ["yes", "ask"]
        picked = await fake.select(fake.owner, message, "pick", ["b"])
        await picked.answered()
        await fake.wait_for(lambda: message.content == "picked b")
        opened = await fake.click(fake.owner, message, "ask")
        assert (await opened.answered()).modal is not None
        submitted = await fake.submit_modal(opened, {"question": "why?"})
        await submitted.answered()
        assert [one.content for one in submitted.replies] == ["asked why?"]
        with pytest.raises(LookupError):
            await fake.submit_modal(opened, {})
        clicked = await fake.click(fake.owner, message, "yes")
        await clicked.answered()
        assert (message.content, message.components, clicked.response_type) == ("chosen: yes", [], 7)
        with pytest.raises(LookupError):
            await fake.click(fake.owner, message, "yes")
        assert fake.violations == []


async def test_a_persistent_view_answers_after_a_restart() -> None:
    async with FakeDiscord(answer_within=PATIENT) as fake:
        async with connected(fake) as (made, _):
            channel = made.get_channel(int(fake.general.id))
            assert isinstance(channel, discord.TextChannel)
            await channel.send("choose", view=Panel())
        async with connected(fake) as (made, _):
            made.add_view(Panel())
            clicked = await fake.click(fake.owner, fake.messages(fake.general)[0], "yes")
            assert (await clicked.answered()).acknowledged


async def callback(
    fake: FakeDiscord, session: aiohttp.ClientSession, one: FakeInteraction, body: Any
) -> tuple[int, int]:
    url = f"{fake.api_url}/interactions/{one.id}/{one.token}/callback"
    async with session.post(url, json=body) as response:
        return response.status, (await response.json()).get("code", 0) if response.status != 204 else 0


async def hook(fake: FakeDiscord, session: aiohttp.ClientSession, one: FakeInteraction) -> tuple[int, int]:
    url = f"{fake.api_url}/webhooks/{fake.application_id}/{one.token}"
    async with session.post(url, json={"content": "late"}) as response:
        return response.status, (await response.json()).get("code", 0)


async def test_an_answer_after_three_seconds_and_a_second_one_are_refused() -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake, aiohttp.ClientSession() as session:
        slow = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        await clock.wait_for_sleepers()
        clock.advance(3.1)
        await slow.answered()
        assert (slow.acknowledged, slow.error) == (False, "not answered within 3 seconds")
        assert await callback(fake, session, slow, {"type": 5}) == (404, 10062)
        assert await hook(fake, session, slow) == (404, 10015)
        quick = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        assert await callback(fake, session, quick, {"type": 6}) == (400, 50035)
        assert await callback(fake, session, quick, {"type": 4, "data": {"content": "x" * 2001}}) == (400, 50035)
        assert await callback(fake, session, quick, {"type": 5}) == (204, 0)
        assert await callback(fake, session, quick, {"type": 5}) == (400, 40060)
        assert quick.acknowledged


async def test_a_token_lives_fifteen_minutes() -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake, aiohttp.ClientSession() as session:
        one = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        assert await callback(fake, session, one, {"type": 5}) == (204, 0)
        clock.advance(899)
        assert (await hook(fake, session, one))[0] == 200
        clock.advance(2)
        assert await hook(fake, session, one) == (401, 50027)
        fake.faults.expired_token_code = 10015
        assert await hook(fake, session, one) == (404, 10015)
        assert one.token not in repr(fake.calls) + repr(one)


async def test_the_original_answer_can_be_read_edited_and_deleted() -> None:
    async with FakeDiscord(answer_within=PATIENT) as fake, connected(fake) as (_, seen):
        sent = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1, "options": []})
        [heard] = await seen.until("interaction")
        await heard.response.send_message("first", ephemeral=True)
        assert (await heard.original_response()).content == "first"
        await heard.edit_original_response(content="second")
        assert sent.original is not None
        assert sent.original.content == "second"
        await heard.delete_original_response()
        assert sent.original.deleted
        url = f"{fake.api_url}/webhooks/{fake.application_id}/{sent.token}/messages/@original"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert (response.status, (await response.json())["code"]) == (404, 10008)
        assert fake.violations == []


async def test_waiting_for_an_answer_is_bounded() -> None:
    async with FakeDiscord(answer_within=PATIENT) as fake:
        one = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        with pytest.raises(TimeoutError):
            await one.answered(timeout=0.05)
        assert asyncio.get_running_loop().is_running()
