"""What tools return loses its secrets and keeps its shape; a model never gets them, nor do checkpoints."""

from __future__ import annotations

import time
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_ai.exceptions import ModelRetry

from phantom.agent import AgentContext, Final, Turn
from phantom.agents.model import model_agent
from phantom.agents.tool_output import masked
from phantom.messages import Author, ConversationKind, ConversationRef
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing
from phantom.redaction import MASK, Redactor
from phantom.secrets import held
from phantom.testing.fake_model import Asked, Call, FakeModel, Say
from phantom.testing.manual_clock import ManualClock

TOKEN = "xoxb-111122223333-4444555566667-AbCdEfGhIjKlMnOpQrStUvWx"
KEY = "sk-model-key-0123456789abcdef"
Pair = namedtuple("Pair", "a b")


@dataclass(frozen=True)
class Found:
    text: str
    count: int


class Page(BaseModel):
    title: str
    lines: list[str]


def mask(text: str) -> str:
    return text.replace(TOKEN, MASK)


def test_every_kind_of_value_keeps_its_type() -> None:
    for value, expected in (
        (TOKEN, MASK),
        ([TOKEN, 1, None], [MASK, 1, None]),
        ({"a": {TOKEN: TOKEN}}, {"a": {MASK: MASK}}),
        ((TOKEN, 2.5), (MASK, 2.5)),
        ({TOKEN}, {MASK}),
        (Pair(TOKEN, 1), Pair(MASK, 1)),
        (Found(TOKEN, 3), Found(MASK, 3)),
        (Page(title=TOKEN, lines=["x", TOKEN]), Page(title=MASK, lines=["x", MASK])),
        (f"{TOKEN}".encode(), MASK.encode()),
        (b"\xff\xfe" + TOKEN.encode(), b"\xff\xfe" + TOKEN.encode()),
    ):
        got = masked(value, mask)
        assert got == expected
        assert type(got) is type(value)


def test_what_holds_nothing_is_the_same_object() -> None:
    for value in ("x", ["a", {"b": ("c",)}], Found("x", 1), Page(title="t", lines=[]), 7, object()):
        assert masked(value, mask) is value


def test_something_endlessly_deep_ends() -> None:
    loop: list[Any] = [TOKEN]
    loop.append(loop)
    assert masked(loop, mask)[0] == MASK


async def test_neither_a_tools_answer_nor_its_failure_shows_a_secret_to_the_model() -> None:
    def look(again: bool) -> dict[str, list[str]]:
        """Read the settings."""
        if again:
            raise ModelRetry(f"not with {TOKEN}")
        return {"env": [f"SLACK_BOT_TOKEN={TOKEN}", TOKEN[:20] + "\n" + TOKEN[20:]]}

    meter, secrets = PrometheusMeter(), [held("slack_bot_token", TOKEN)]
    outgoing = Outgoing(Redactor(lambda: secrets), ManualClock(), meter)
    async with FakeModel(keys=[KEY]) as service:
        context = AgentContext(
            phantom_name="P",
            model="openai:gpt-5",
            base_url=service.openai_url,
            instructions="",
            secret=lambda _: held("openai_api_key", KEY),
            now=time.time,
            mask=outgoing.within_agent,
        )
        service.will(
            Call(tools=(("c1", "look", {"again": True}),)),
            Call(tools=(("c2", "look", {"again": False}),)),
            Say(text="done"),
        )
        there = ConversationRef(channel="c", tenant="t", place="p", thread=None, kind=ConversationKind.DIRECT)
        turn = Turn(id="t1", conversation=there, author=Author(id="U1"), text="look")
        events = [event async for event in model_agent(context, tools=[look]).reply(turn)]
        asked: list[Asked] = service.asked
    assert events[-1] == Final(text="done")
    assert len(asked) == 3
    assert TOKEN not in str([one.body for one in asked])
    assert TOKEN[20:] not in str([one.body for one in asked])
    assert MASK in str(asked[-1].body)
    assert meter.value("phantom_secret_leaks_stopped_total", place="agent") == 3
