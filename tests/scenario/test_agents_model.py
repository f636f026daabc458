"""The model agent through the real SDKs against a service on loopback: streaming, tools, approvals, every fault."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import ModelRetry
from pydantic_ai.tools import Tool

from phantom.agent import (
    AgentContext,
    AgentEvent,
    ApprovalNeeded,
    DurableAgent,
    Failed,
    Final,
    HistoryEntry,
    SupportsCheck,
    TextDelta,
    ToolFinished,
    ToolStarted,
    Turn,
)
from phantom.agents.model import ModelAgent, model_agent
from phantom.errors import AgentError, ConfigError
from phantom.messages import Author, ConversationKind, ConversationRef, LocalFile
from phantom.secrets import HeldSource, Secret
from phantom.testing.fake_model import BreakOff, Call, FakeModel, Hang, Refuse, Say

KEY = "sk-live-0123456789abcdef"
MODELS = ["anthropic:claude-m", "openai:gpt-m", "openai-responses:gpt-m", "openrouter:a/m", "ollama:m"]
CONVERSATION = ConversationRef(channel="slack", tenant="T1", place="D1", thread=None, kind=ConversationKind.DIRECT)


@pytest.fixture
async def service() -> AsyncIterator[FakeModel]:
    async with FakeModel(keys=[KEY]) as model:
        yield model


def agent_for(
    service: FakeModel,
    model: str,
    *,
    tools: Sequence[Any] = (),
    key: Secret | None = None,
    url: str = "",
    **more: Any,
) -> ModelAgent:
    held = Secret("model_key", HeldSource("model_key", KEY)) if key is None else key
    return model_agent(
        AgentContext(
            phantom_name="Casper",
            model=model,
            base_url=url or (service.anthropic_url if model.startswith("anthropic") else service.openai_url),
            instructions="Answer in English.",
            secret=lambda _: held,
            now=time.time,
        ),
        tools=tools,
        **{"retries": 0, **more},
    )


def turn(text: str = "hello", *, turn_id: str = "t1", **more: Any) -> Turn:
    return Turn(id=turn_id, conversation=CONVERSATION, author=Author(id="U1", display_name="Ada"), text=text, **more)


async def events(agent: ModelAgent, made: Turn | None = None) -> list[AgentEvent]:
    return [event async for event in agent.reply(made or turn())]


async def failed(agent: ModelAgent) -> Failed:
    last = (await events(agent))[-1]
    assert isinstance(last, Failed)
    assert KEY not in repr(last)
    return last


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.parametrize("model", MODELS)
async def test_it_streams_an_answer_with_history_and_instructions(service: FakeModel, model: str) -> None:
    agent = agent_for(service, model)
    service.will(Say(text="Your name is Ada, as you told me.", size=5))
    history = [HistoryEntry(role="user", text="I am Ada"), HistoryEntry(role="assistant", text="Hello Ada")]
    got = await events(agent, turn("what is my name?", history=history, sent_at=1_735_732_800.0))
    assert got[-1] == Final(text="Your name is Ada, as you told me.")
    deltas = [event.text for event in got if isinstance(event, TextDelta)]
    assert len(deltas) == 7
    assert "".join(deltas) == "Your name is Ada, as you told me."
    (asked,) = service.asked
    assert asked.key == KEY
    assert asked.body["model"] == model.partition(":")[2]
    where = [asked.text.index(part) for part in ("I am Ada", "Hello Ada", "what is my name?")]
    assert where == sorted(where)
    for part in ("You are Casper", "Answer in English.", "2025-01-01"):
        assert part in asked.text
    assert isinstance(agent, DurableAgent)
    assert isinstance(agent, SupportsCheck)


@pytest.mark.parametrize("model", MODELS)
async def test_tools_are_called_shown_and_their_results_told(service: FakeModel, model: str) -> None:
    service.will(
        Call(tools=(("c1", "add", {"a": 1, "b": 2}), ("c2", "add", {"a": 3, "b": 4})), text="Let me add."),
        Say(text="3 and 7.", size=50),
    )
    got = await events(agent_for(service, model, tools=[add]))
    assert [type(e) for e in got].count(ToolStarted) == 2
    finished = [e for e in got if isinstance(e, ToolFinished)]
    assert {e.call_id for e in finished} == {"c1", "c2"}
    assert all(e.ok for e in finished)
    assert TextDelta(text="\n\n3 and 7.") in got, "what is said after a tool starts a new paragraph"
    assert got[-1] == Final(text="3 and 7.")
    assert '"7"' in service.asked[1].text or "7" in service.asked[1].text


async def test_text_arrives_while_the_model_is_still_speaking(service: FakeModel) -> None:
    hold = asyncio.Event()
    service.will(Say(text="first second", size=6, hold=hold))
    stream = agent_for(service, "openai:m").reply(turn())
    async with asyncio.timeout(30):
        assert await anext(stream) == TextDelta(text="first ")
        hold.set()
        assert [event async for event in stream] == [TextDelta(text="second"), Final(text="first second")]


async def test_a_tool_may_ask_the_model_to_try_again(service: FakeModel) -> None:
    def divide(a: int, b: int) -> float:
        """Divide."""
        if b == 0:
            raise ModelRetry("b must not be zero")
        return a / b

    service.will(
        Call(tools=(("c1", "divide", {"a": 1, "b": 0}),)),
        Call(tools=(("c2", "divide", {"a": 1, "b": 2}),)),
        Say(text="½"),
    )
    got = await events(agent_for(service, "anthropic:m", tools=[divide]))
    assert [e.ok for e in got if isinstance(e, ToolFinished)] == [False, True]
    assert "b must not be zero" in service.asked[1].text
    assert got[-1] == Final(text="½")


async def test_a_tool_that_needs_approval_waits_for_it(service: FakeModel) -> None:
    ran: list[str] = []

    def launch(target: str) -> str:
        """Launch."""
        ran.append(target)
        return "launched"

    agent = agent_for(service, "openai:m", tools=[Tool(launch, requires_approval=True)])
    two = (("c1", "launch", {"target": "moon"}), ("c2", "launch", {"target": "```mars"}))
    service.will(Call(tools=two), Say(text="Only one."))
    (first,) = await events(agent)
    assert isinstance(first, ApprovalNeeded)
    assert "**launch**" in first.prompt
    assert "moon" in first.prompt
    (second,) = await events(agent, turn(approvals={first.approval_id: True}))
    assert isinstance(second, ApprovalNeeded)
    assert "````json" in second.prompt, "arguments cannot close the fence they are shown in"
    assert ran == []
    got = await events(agent, turn(approvals={first.approval_id: True, second.approval_id: False}))
    assert got[-1] == Final(text="Only one.")
    assert ran == ["moon"]
    assert len(service.asked) == 2, "asking people costs no model call"


async def test_files_reach_the_model(service: FakeModel, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("the magic word is xyzzy")
    file = LocalFile(name="x.txt", media_type="text/plain", path=str(path), size=23)
    await events(agent_for(service, "anthropic:m"), turn("read this", attachments=[file]))
    assert "xyzzy" in service.asked[0].text


FAULTS = [
    (Refuse(status=401, kind="authentication_error"), "refused my credentials", "key was refused", False),
    (Refuse(status=404, kind="not_found_error"), "does not exist", "check PHANTOM_MODEL", False),
    (
        Refuse(status=429, kind="rate_limit_error", headers={"retry-after": "7"}),
        "try again in 7 seconds",
        "asks for 7 seconds",
        True,
    ),
    (Refuse(status=400), "did not accept", "HTTP 400", False),
    (Refuse(status=500, kind="api_error"), "internal error", "HTTP 500", True),
    (Refuse(status=503, kind="overloaded_error"), "try again", "HTTP 503", True),
    (BreakOff(), "cannot reach", "no connection", True),
]


@pytest.mark.parametrize("model", ["anthropic:m", "openai:m", "openai-responses:m"])
@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: type(fault[0]).__name__ + str(getattr(fault[0], "status", ""))
)
async def test_a_fault_is_one_sentence_for_the_chat_and_one_for_the_operator(
    service: FakeModel, model: str, fault: tuple[Any, str, str, bool]
) -> None:
    answer, message, hint, retryable = fault
    service.will(answer)
    end = await failed(agent_for(service, model))
    assert message in end.message
    assert hint in end.hint
    assert end.retryable is retryable
    assert "HTTP" not in end.message
    assert "told to refuse" not in repr(end), "the provider's own words stay out"


@pytest.mark.parametrize("model", ["anthropic:m", "openai:m"])
async def test_a_model_that_hangs_ends_after_the_timeout(service: FakeModel, model: str) -> None:
    service.will(Hang())
    end = await failed(agent_for(service, model, read_timeout=0.3))
    assert "too long" in end.message
    assert end.retryable


async def test_nobody_there_is_a_connection_failure(service: FakeModel) -> None:
    with socket.socket() as mute:  # bound, so that the port is nobody else's, and not listening
        mute.bind(("127.0.0.1", 0))
        port = mute.getsockname()[1]
        end = await failed(agent_for(service, "openai:m", url=f"http://127.0.0.1:{port}/v1"))
    assert "cannot reach" in end.message
    assert f"127.0.0.1:{port}" in end.hint


async def test_a_model_that_calls_tools_for_ever_is_stopped(service: FakeModel) -> None:
    service.answer_by(lambda asked: Call(tools=((f"c{len(service.asked)}", "add", {"a": 1, "b": 1}),)))
    end = await failed(agent_for(service, "openai:m", tools=[add]))
    assert "too many steps" in end.message


async def test_a_rotated_key_reaches_the_next_request(service: FakeModel) -> None:
    source = HeldSource("model_key", KEY)
    agent = agent_for(service, "anthropic:m", key=Secret("model_key", source))
    await events(agent)
    service.keys = {"sk-new"}
    source.rotate("sk-new")
    assert (await events(agent))[-1] == Final(text="ok")
    assert [asked.key for asked in service.asked] == [KEY, "sk-new"]


class RefreshedSource(HeldSource):
    """Learns of the rotation only when it is asked, as a metadata service's cache does."""

    async def refresh(self) -> bool:
        self.rotate("sk-new")
        return True


@pytest.mark.parametrize("model", MODELS)
async def test_a_refused_key_is_fetched_again_once_before_giving_up(service: FakeModel, model: str) -> None:
    service.keys = {"sk-new"}
    agent = agent_for(service, model, key=Secret("model_key", RefreshedSource("model_key", "sk-old")))
    assert (await events(agent))[-1] == Final(text="ok")
    assert [asked.key for asked in service.asked] == ["sk-old", "sk-new"]


async def test_a_key_that_is_gone_is_said_without_a_request(service: FakeModel) -> None:
    agent = agent_for(service, "openai:m", key=Secret("openai_api_key", HeldSource("openai_api_key", None)))
    end = await failed(agent)
    assert "openai_api_key is not set" in end.hint
    assert service.asked == []


@pytest.mark.parametrize("model", ["openai:m", "anthropic:m"])
async def test_a_local_server_without_a_key_gets_none(model: str) -> None:
    async with FakeModel() as service:
        url = service.anthropic_url if model.startswith("anthropic") else service.openai_url
        context = AgentContext(
            phantom_name="C", model=model, base_url=url, instructions="", secret=lambda _: None, now=time.time
        )
        assert (await events(model_agent(context)))[-1] == Final(text="ok")
        assert service.asked[0].key == ""


async def test_the_environment_sends_nothing_elsewhere(service: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/v1")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OLLAMA_API_KEY"):
        monkeypatch.setenv(name, "from-the-environment")
    for model in MODELS:
        assert (await events(agent_for(service, model)))[-1] == Final(text="ok")
    assert {asked.key for asked in service.asked} == {KEY}


@pytest.mark.parametrize("model", MODELS)
async def test_no_key_in_any_log_or_event(service: FakeModel, model: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    agent = agent_for(service, model)
    service.will(Say(text="fine"), Refuse(status=401, kind="authentication_error", message=f"no such key {KEY}"))
    shown = [repr(await events(agent)), repr(await events(agent)), repr(vars(agent)), caplog.text]
    assert all(KEY not in text for text in shown)


async def test_stop_cuts_the_request(service: FakeModel) -> None:
    hold = asyncio.Event()
    service.will(Say(text="never ending", size=4, hold=hold))
    stream = agent_for(service, "openai:m").reply(turn())
    assert isinstance(await anext(stream), TextDelta)
    async with asyncio.timeout(30):
        await stream.aclose()  # type: ignore[attr-defined]
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "agent t1"]
    hold.set()


async def test_many_turns_at_once_do_not_mix(service: FakeModel) -> None:
    service.answer_by(lambda asked: Say(text=asked.body["messages"][-1]["content"][::-1], size=3))
    agent = agent_for(service, "ollama:m")
    texts = [f"message number {n}" for n in range(12)]
    got = await asyncio.gather(*(events(agent, turn(text, turn_id=text)) for text in texts))
    for text, each in zip(texts, got, strict=True):
        assert each[-1] == Final(text=text[::-1])
        assert "".join(e.text for e in each if isinstance(e, TextDelta)) == text[::-1]


@pytest.mark.parametrize("model", MODELS)
async def test_check_proves_the_key_without_asking_the_model(service: FakeModel, model: str) -> None:
    agent = agent_for(service, model)
    await agent.check()
    assert service.asked == []
    service.keys = {"other"}
    with pytest.raises(ConfigError) as refused:
        await agent.check()
    assert KEY not in str(refused.value)
    assert "refused the key" in str(refused.value)


async def test_check_says_when_nobody_answers(service: FakeModel) -> None:
    with pytest.raises(AgentError, match="could not be reached"):
        await agent_for(service, "openai:m", url="http://127.0.0.1:9/v1").check()
