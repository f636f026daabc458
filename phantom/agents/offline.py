"""The built-in agent: needs no key, no network and no third-party code, and says so.

It exists so that the first minute works, and so that everything an agent can do (stream, use tools, show progress,
ask for approval, fail) can be seen without a model. It keeps no state: memory is read back from `turn.history`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

from phantom.agent import (
    AgentEvent,
    ApprovalNeeded,
    Failed,
    Final,
    TextDelta,
    ToolFinished,
    ToolStarted,
    Turn,
)
from phantom.agents.arithmetic import NotArithmetic, calculate, looks_like_arithmetic
from phantom.agents.memory import recall
from phantom.agents.showcase import HELP, PLUG_IN, long_answer
from phantom.messages import LocalFile

MAX_SLOW_SECONDS = 30
"""`slow N` never works longer than this."""

_PIECE = 48
"""Characters of one streamed piece, about; pieces end at spaces so that words arrive whole."""

_GREETING = re.compile(r"^(?:hi|hello|hey|hallo|hola|moin|salut|ciao|good (?:morning|afternoon|evening))\b", re.I)
_CALCULATE = re.compile(r"^(?:calc(?:ulate)?|compute|what(?:'s| is))\s+(?P<sum>.+?)\s*[=?]*$", re.I | re.DOTALL)
_THANKS = re.compile(r"^(?:thanks|thank you|thx|merci|danke)\b", re.I)
_TIME = re.compile(r"^(?:time|date|now|what(?:'s| is) the (?:time|date)|what time is it)[?!. ]*$", re.I)
_HELP = re.compile(r"^(?:help|\?|commands|what can you do|how do (?:you|i)\b.*)[?!. ]*$", re.I)
_LEADING_MENTION = re.compile(r"^(?:<@[^>]+>|@[\w.-]+)[\s,:]*")

_ANYTHING = re.compile(r".*", re.DOTALL)
_NOTHING = re.compile(r"")
_NEVER = re.compile(r"(?!)")
_SECONDS = re.compile(r"(?:\d{1,4}\s*(?:s|sec|seconds?)?)?")

Handler = Callable[[Turn, str], AsyncIterator[AgentEvent]]


class OfflineAgent:
    """Answers by rules. `now` gives seconds since the epoch and `sleep` suspends for seconds, so tests own time."""

    name = "offline"

    def __init__(
        self,
        *,
        phantom_name: str,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._phantom_name = phantom_name
        self._now = now
        self._sleep = sleep
        # Word, what may follow it, and who answers: `long time no see` is talk, `long` alone is the word.
        self._words: dict[str, tuple[re.Pattern[str], Handler]] = {
            "echo": (_ANYTHING, self._echo),
            "status": (_NOTHING, self._status),
            "slow": (_SECONDS, self._slow),
            "long": (_NOTHING, self._long),
            "fail": (_NOTHING, self._fail),
            "approve": (_ANYTHING, self._approve),
        }

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        """Stream the answer in pieces, then `Final` with the whole of it (or `Failed`, or `ApprovalNeeded`)."""
        text = _LEADING_MENTION.sub("", turn.text.strip()).strip()
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        may_follow, handler = self._words.get(word.lower().rstrip(":,.!?"), (_NEVER, self._converse))
        events = handler(turn, rest) if may_follow.fullmatch(rest) else self._converse(turn, text)
        async for event in events:
            yield event

    async def _converse(self, turn: Turn, text: str) -> AsyncIterator[AgentEvent]:
        if _TIME.match(text):
            async for event in self._time(turn):
                yield event
            return
        wanted = _CALCULATE.match(text)
        calculation = wanted["sum"] if wanted else text.rstrip("=? ")
        if looks_like_arithmetic(calculation):
            async for event in self._calculate(turn, calculation):
                yield event
            return
        async for event in _say(self._words_for(turn, text)):
            yield event

    def _words_for(self, turn: Turn, text: str) -> str:
        if _HELP.match(text):
            return HELP.format(name=self._phantom_name, plug_in=PLUG_IN)
        memory = recall(turn.history)
        remembered = memory.take(text, turn.author.id) or memory.answer(text, turn.author.id)
        about_files = _about_files(turn)
        if remembered:
            return "\n\n".join(part for part in (remembered, about_files) if part)
        if about_files:
            return about_files
        if _GREETING.match(text) or not text:
            return self._greeting(turn, memory.names.get(turn.author.id))
        if _THANKS.match(text):
            return "You are welcome."
        return (
            f"I read: “{_clip(text, 200)}”, but I am the offline agent: rules, not a language model, so I cannot "
            "answer that. Say `help` for what I can do.\n\n" + PLUG_IN
        )

    def _greeting(self, turn: Turn, known_name: str | None) -> str:
        name = known_name or turn.author.display_name
        hello = f"Hello, {name}!" if name else "Hello!"
        return (
            f"{hello} I am {self._phantom_name}, and everything between us works. Behind me is the built-in offline "
            "agent, not a language model. Try:\n\n"
            "- `remember my cat is called Mia`, then `what is my cat called?`\n"
            "- `time` or `2 * 21` to see a tool run\n"
            "- `slow 5` to see progress, `long` to see a long answer\n"
            "- `help` for the rest, and for how to plug in a model"
        )

    async def _echo(self, turn: Turn, rest: str) -> AsyncIterator[AgentEvent]:
        answer = rest or "You said `echo` and nothing after it."
        files = _about_files(turn)
        async for event in _say(f"{answer}\n\n{files}" if files else answer):
            yield event

    async def _status(self, turn: Turn, rest: str) -> AsyncIterator[AgentEvent]:
        memory = recall(turn.history)
        known = len(memory.facts) + (turn.author.id in memory.names)
        lines = [
            f"- I am {self._phantom_name}; the agent is the built-in **offline** one (no model)",
            f"- earlier messages I can see in this conversation: {len(turn.history)}",
            f"- things you told me that I remember: {known}",
            f"- conversation: {turn.conversation.kind.value}, on {turn.conversation.channel}",
        ]
        if turn.attempt > 1:
            lines.append(f"- this is attempt {turn.attempt}: I was interrupted and started again")
        async for event in _say("Ready.\n\n" + "\n".join(lines)):
            yield event

    async def _time(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        yield ToolStarted(call_id=f"{turn.id}/clock", tool="clock", summary="reading the clock")
        moment = datetime.fromtimestamp(self._now(), UTC)
        shown = f"{moment:%H:%M:%S} UTC on {moment:%A}, {moment.day} {moment:%B %Y}"
        yield ToolFinished(call_id=f"{turn.id}/clock", tool="clock", summary=shown)
        async for event in _say(f"It is {shown}."):
            yield event

    async def _calculate(self, turn: Turn, text: str) -> AsyncIterator[AgentEvent]:
        call_id = f"{turn.id}/calculator"
        yield ToolStarted(call_id=call_id, tool="calculator", summary=_clip(text, 60))
        try:
            result = calculate(text)
        except NotArithmetic as error:
            yield ToolFinished(call_id=call_id, tool="calculator", ok=False, summary=str(error))
            answer = f"I could not calculate that: {error}."
        else:
            yield ToolFinished(call_id=call_id, tool="calculator", summary=_clip(result, 60))
            answer = f"`{text.strip()}` = **{result}**"
        async for event in _say(answer):
            yield event

    async def _slow(self, turn: Turn, rest: str) -> AsyncIterator[AgentEvent]:
        digits = re.match(r"\d{1,4}", rest)
        seconds = min(max(int(digits[0]) if digits else 5, 1), MAX_SLOW_SECONDS)
        for second in range(1, seconds + 1):
            call_id = f"{turn.id}/wait{second}"
            yield ToolStarted(call_id=call_id, tool="wait", summary=f"second {second} of {seconds}")
            await self._sleep(1)
            yield ToolFinished(call_id=call_id, tool="wait", summary=f"second {second} of {seconds}")
        plural = "second" if seconds == 1 else "seconds"
        async for event in _say(f"Done: I worked for {seconds} {plural} and showed each one."):
            yield event

    async def _long(self, turn: Turn, rest: str) -> AsyncIterator[AgentEvent]:
        async for event in _say(long_answer()):
            yield event

    async def _fail(self, turn: Turn, rest: str) -> AsyncIterator[AgentEvent]:
        yield TextDelta(text="About to fail on purpose… ")
        yield Failed(
            message="I failed because you asked me to. Nothing is broken; say `help` to go on.",
            hint="the offline agent was told to fail",
        )

    async def _approve(self, turn: Turn, rest: str) -> AsyncIterator[AgentEvent]:
        approval_id = "offline-demo"
        answer = turn.approvals.get(approval_id)
        if answer is None:
            what = _clip(rest, 120) or "pretend to do something"
            yield ApprovalNeeded(approval_id=approval_id, prompt=f"May I {what}? (A demonstration: nothing happens.)")
            return
        said = "You said yes, so here I would act." if answer else "You said no, so I did nothing."
        async for event in _say(said):
            yield event


async def _say(text: str) -> AsyncIterator[AgentEvent]:
    for piece in pieces(text):
        yield TextDelta(text=piece)
    yield Final(text=text)


def pieces(text: str, size: int = _PIECE) -> list[str]:
    """`text` cut into pieces of about `size` characters that end at white space; joined they are `text` again."""
    result: list[str] = []
    start = 0
    for match in re.finditer(r"\s+", text):
        if match.end() - start >= size:
            result.append(text[start : match.end()])
            start = match.end()
    if start < len(text):
        result.append(text[start:])
    return result


def _about_files(turn: Turn) -> str:
    if not turn.attachments:
        return ""
    count = len(turn.attachments)
    head = "I received one file:" if count == 1 else f"I received {count} files:"
    return head + "\n\n" + "\n".join(_file_line(file) for file in turn.attachments)


def _file_line(file: LocalFile) -> str:
    name = file.name.replace("`", "'")
    return f"- `{_clip(name, 100)}`: {file.media_type or 'unknown type'}, {_size(file.size)}"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _clip(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
