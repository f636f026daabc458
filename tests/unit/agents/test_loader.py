"""Choosing the agent: which setting wins, and what each mistake in it says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from phantom.agent import Agent, AgentContext, Final, Turn
from phantom.agents.loader import describe, load_agent
from phantom.agents.offline import OfflineAgent
from phantom.errors import ConfigError
from phantom.messages import Author, ConversationKind, ConversationRef
from phantom.secrets import held

ROOT = Path(__file__).parents[3]
OWN = ("my_agent", "broken_syntax", "broken_name", "needs_more", "pack")

MODULE = """
from phantom.agent import Final


class Echo:
    name = "echo"

    def __init__(self, context=None):
        self.context = context

    async def reply(self, turn):
        yield Final(text=turn.text)


def make(context):
    return Echo(context)


def bare():
    return Echo()


async def later(context):
    return Echo(context)


async def function(turn):
    yield Final(text="from a function")


ready = Echo()


class NoName:
    async def reply(self, turn):
        yield Final(text="x")


class NoReply:
    name = "x"


class Coroutine:
    name = "x"

    async def reply(self, turn):
        return Final(text="x")


def nothing(context):
    return None


def breaks(context):
    raise KeyError("the_reason")


class Box:
    make = staticmethod(make)
"""


def context(model: str = "", secrets: Mapping[str, str] | None = None) -> AgentContext:
    known = {name: held(name, value) for name, value in (secrets or {}).items()}
    return AgentContext(
        phantom_name="Casper", model=model, base_url="", instructions="", secret=known.get, now=time.time
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working folder with a user's modules; leaves the process as it was."""
    before, modules = Path.cwd(), set(sys.modules)
    (tmp_path / "my_agent.py").write_text(MODULE)
    (tmp_path / "broken_syntax.py").write_text("def make(:\n")
    (tmp_path / "broken_name.py").write_text("make = undefined_name\n")
    (tmp_path / "needs_more.py").write_text("import a_module_that_is_not_there\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "inner.py").write_text(MODULE)
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in OWN:  # others' stay: a library that is imported twice is two libraries
            del sys.modules[name]


async def answer(agent: Agent, text: str = "hello") -> str:
    turn = Turn(
        id="t",
        conversation=ConversationRef(channel="x", tenant="T", place="D", thread=None, kind=ConversationKind.DIRECT),
        author=Author(id="U1"),
        text=text,
    )
    events = [event async for event in agent.reply(turn)]
    assert isinstance(events[-1], Final)
    return events[-1].text


async def refusal(spec: str, model: str = "") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        await load_agent(agent=spec, model=model, context=context(model))
    return caught.value


async def test_nothing_set_is_the_offline_agent() -> None:
    agent = await load_agent(agent="", model=" ", context=context())
    assert isinstance(agent, OfflineAgent)
    assert "offline" in describe(agent)
    assert "PHANTOM_MODEL" in describe(agent)


@pytest.mark.parametrize("name", ["make", "bare", "later", "ready", "Echo", "Box.make"])
async def test_a_users_agent_is_found_from_the_working_folder(folder: Path, name: str) -> None:
    path = list(sys.path)
    agent = await load_agent(agent=f"my_agent:{name}", model="", context=context())
    assert await answer(agent) == "hello"
    assert describe(agent) == "echo"
    assert sys.path == path, "the working folder is on the path only while the module is imported"


async def test_packages_and_plain_functions_work_too(folder: Path) -> None:
    agent = await load_agent(agent="pack.inner:function", model="", context=context())
    assert await answer(agent) == "from a function"
    assert describe(agent) == "pack.inner:function"


async def test_a_users_agent_wins_over_the_model_and_gets_it_in_its_context(folder: Path) -> None:
    agent = await load_agent(agent="my_agent:make", model="anthropic:x", context=context("anthropic:x"))
    assert agent.name == "echo"
    assert agent.context.model == "anthropic:x"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("my_agent", "package.module:name"),
        ("my-agent:make", "package.module:name"),
        ("my_agent:", "package.module:name"),
        ("no_such_module:make", "no module no_such_module"),
        ("no_such.package:make", "no module no_such"),
        ("needs_more:make", "needs a_module_that_is_not_there"),
        ("broken_syntax:make", "SyntaxError"),
        ("broken_name:make", "NameError: name 'undefined_name'"),
        ("my_agent:mke", "has no mke; it has Box, Coroutine, Echo"),
        ("my_agent:NoName", "a NoName has no name"),
        ("my_agent:NoReply", "a NoReply has no reply"),
        ("my_agent:Coroutine", "must be an async generator"),
        ("my_agent:nothing", "None has no reply"),
        ("my_agent:breaks", "KeyError: 'the_reason'"),
    ],
)
async def test_each_mistake_says_what_is_wrong(folder: Path, spec: str, what: str) -> None:
    error = await refusal(spec)
    assert what in str(error)
    assert error.where == "PHANTOM_AGENT"
    assert error.hint


async def test_the_real_cause_is_kept(folder: Path) -> None:
    error = await refusal("needs_more:make")
    assert isinstance(error.__cause__, ModuleNotFoundError)


async def test_a_missing_key_is_said_before_the_first_message() -> None:
    error = await refusal("", "openrouter:x/y")
    assert "OPENROUTER_API_KEY" in str(error)


async def test_a_model_is_loaded_and_described() -> None:
    settings = context("anthropic:claude-x", {"anthropic_api_key": "k"})
    agent = await load_agent(agent="", model="anthropic:claude-x", context=settings)
    assert agent.name == "anthropic:claude-x"
    assert describe(agent) == "anthropic:claude-x (durable steps)"


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_without_the_extra_the_cure_is_one_command() -> None:
    shown = run_python(
        "import sys, asyncio; sys.modules['pydantic_ai'] = None\n"
        "from phantom.agent import AgentContext; from phantom.agents.loader import load_agent\n"
        "from phantom.errors import ConfigError; from phantom.secrets import held\n"
        "context = AgentContext(phantom_name='P', model='openai:x', base_url='', instructions='',"
        " secret=lambda n: held(n, 'k'), now=lambda: 0.0)\n"
        "try: asyncio.run(load_agent(agent='', model='openai:x', context=context))\n"
        "except ConfigError as error: print(error)\n"
    )
    assert "pip install 'phantom-daemon[models]'" in shown
    assert "pydantic_ai" in shown


def test_the_offline_agent_loads_no_model_sdk_and_no_workflow_engine() -> None:
    loaded = run_python(
        "import sys, phantom.agents.loader; "
        "print([m for m in ('pydantic_ai', 'openai', 'anthropic', 'dbos', 'pydantic', 'httpx2') if m in sys.modules])"
    )
    assert loaded == "[]"


@pytest.mark.parametrize(("model", "other"), [("anthropic:x", "openai"), ("openai:x", "anthropic")])
def test_a_model_loads_only_its_own_sdk(model: str, other: str) -> None:
    loaded = run_python(
        "import sys, asyncio\n"
        "from phantom.agent import AgentContext; from phantom.agents.loader import load_agent\n"
        "from phantom.secrets import held\n"
        f"context = AgentContext(phantom_name='P', model={model!r}, base_url='', instructions='',"
        " secret=lambda n: held(n, 'k'), now=lambda: 0.0)\n"
        f"asyncio.run(load_agent(agent='', model={model!r}, context=context))\n"
        f"print({other!r} in sys.modules, 'dbos' in sys.modules)"
    )
    assert loaded == "False False"
