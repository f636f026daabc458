"""Whom a message notifies, by `allowed_mentions`, permissions and text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.testing.fake_discord.calls import DiscordError
from phantom.testing.fake_discord.model import FakeGuild, FakeRole, FakeUser
from phantom.testing.fake_discord.pings import check_allowed, mentions_of, text_of

USERS = {number: FakeUser(id=number, name=f"u{number}") for number in ("1", "2")}
GUILD = FakeGuild(id="9", name="g", owner_id="1")
GUILD.roles = {"9": FakeRole(id="9", name="@everyone"), "7": FakeRole(id="7", name="r", mentionable=True)}
GUILD.roles["8"] = FakeRole(id="8", name="quiet")


def pings(text: str, allowed: dict[str, Any] | None, *, mass: bool = True) -> list[str]:
    return mentions_of(text, check_allowed(allowed), users=USERS, guild=GUILD, may_mass_mention=mass).pings


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, ["@everyone", "@here", "<@&7>", "<@&8>", "<@1>", "<@2>"]),
        ({"parse": []}, []),
        ({}, []),
        ({"parse": ["users"]}, ["<@1>", "<@2>"]),
        ({"parse": ["roles"]}, ["<@&7>", "<@&8>"]),
        ({"parse": ["everyone"]}, ["@everyone", "@here"]),
        ({"users": ["2"]}, ["<@2>"]),
        ({"users": [2], "roles": ["7"]}, ["<@&7>", "<@2>"]),
    ],
)
def test_allowed_mentions(allowed: dict[str, Any] | None, expected: list[str]) -> None:
    assert pings("@everyone @here <@&7> <@&8> <@1> <@!2> <@3>", allowed) == expected


def test_without_the_permission_neither_everyone_nor_unmentionable_roles() -> None:
    assert pings("@everyone <@&7> <@&8>", None, mass=False) == ["<@&7>"]


def test_text_displays_mention_as_content_does() -> None:
    components = [{"type": 17, "components": [{"type": 10, "content": "<@1>"}]}]
    assert pings(text_of("", components), None) == ["<@1>"]


@pytest.mark.parametrize(
    "allowed",
    [
        {"parse": ["users"], "users": ["1"]},
        {"users": [str(number) for number in range(101)]},
        {"parse": ["nonsense"]},
    ],
)
def test_contradictions_are_refused(allowed: dict[str, Any]) -> None:
    with pytest.raises(DiscordError):
        check_allowed(allowed)


@given(st.text(max_size=300))
def test_nothing_pings_where_nothing_is_allowed(text: str) -> None:
    assert pings(text, {"parse": [], "replied_user": False}) == []
