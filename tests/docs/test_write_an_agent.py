"""Every snippet of the how-to on agents runs: agents are loaded as Phantom loads them, its tests by pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phantom.agent import Agent, AgentContext, AgentEvent, Failed, Final, TextDelta, ToolFinished, ToolStarted, Turn
from phantom.agents.loader import load_agent
from phantom.messages import Author, ConversationKind, ConversationRef, LocalFile

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "write-an-agent.md"
BLOCKS = re.findall(r"^```python\n# ([\w.]+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
AGENTS = {
    "my_agent.py": "my_agent:Shout",
    "one_function.py": "one_function:reply",
    "streaming.py": "streaming:Counting",
    "weather.py": "weather:make",
    "files.py": "files:LineCounter",
    "careful.py": "careful:Careful",
    "support.py": "support:make",
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    before, modules = Path.cwd(), set(sys.modules)
    for name, text in BLOCKS:
        (tmp_path / name).write_text(text)
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)
    for name in {Path(block).stem for block, _ in BLOCKS} & (set(sys.modules) - modules):
        del sys.modules[name]


def context() -> AgentContext:
    return AgentContext(
        phantom_name="Casper",
        model="openai:any",
        base_url="http://127.0.0.1:9/v1",
        instructions="",
        secret=lambda _: None,
        now=lambda: 0.0,
    )


async def load(name: str) -> Agent:
    return await load_agent(agent=AGENTS[name], model="", context=context())


async def events(agent: Agent, text: str, **more: Any) -> list[AgentEvent]:
    place = ConversationRef(channel="x", tenant="T", place="D", thread=None, kind=ConversationKind.DIRECT)
    turn = Turn(id="t", conversation=place, author=Author(id="U1"), text=text, **more)
    return [event async for event in agent.reply(turn)]


def contents(file: LocalFile) -> str:
    return Path(file.path).read_text()


def test_every_python_block_is_a_named_file_and_known_here() -> None:
    assert PAGE.read_text().count("```python") == len(BLOCKS)
    assert {name for name, _ in BLOCKS} == {*AGENTS, "test_my_agents.py"}


@pytest.mark.parametrize("name", list(AGENTS))
async def test_each_agent_loads(folder: Path, name: str) -> None:
    assert isinstance(await load(name), Agent)


async def test_the_agents_do_what_the_page_says(folder: Path) -> None:
    assert await events(await load("my_agent.py"), "hi") == [Final(text="HI")]
    assert await events(await load("one_function.py"), "four") == [Final(text="You wrote 4 characters.")]
    counted = await events(await load("streaming.py"), "")
    assert counted[-1] == Final(text="1 … 2 … 3 … 4 … 5 … done")
    assert sum(isinstance(event, TextDelta) for event in counted) == 5
    started, finished, final = await events(await load("weather.py"), "Bern")
    assert isinstance(started, ToolStarted)
    assert isinstance(finished, ToolFinished)
    assert final == Final(text="Casper says: **sunny**")
    assert isinstance((await events(await load("weather.py"), "Oslo"))[-1], Failed)


async def test_the_file_agent_reads_and_sends(folder: Path) -> None:
    data = folder / "data.txt"
    data.write_text("one\ntwo\n")
    attached = LocalFile(name="data.txt", media_type="text/plain", path=str(data), size=8)
    (final,) = await events(await load("files.py"), "", attachments=[attached])
    assert isinstance(final, Final)
    (sent,) = final.attachments
    assert contents(sent) == "file,lines\ndata.txt,2\n"


def test_the_tests_of_the_page_pass(folder: Path) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE") if name in os.environ}
    environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "HOME": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    result = subprocess.run(
        [*command, f"--rootdir={folder}", "test_my_agents.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 passed" in result.stdout
