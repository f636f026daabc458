"""An agent that asks a language model, through pydantic-ai. Durable: see `durable.py`.

Imported only when a model is configured: the SDKs take a second and tens of megabytes. Which model it is and whether
its key is there was settled before, in `model_choice.py`.

For your own agent with tools, build on it:

    def make(context: AgentContext) -> Agent:
        return model_agent(context, tools=[look_up_order])
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import DeferredToolRequests, DeferredToolResults, UsageLimits
from pydantic_ai.messages import ModelMessage, ToolCallPart
from pydantic_ai.tools import Tool
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from phantom.agent import AgentContext, AgentEvent, ApprovalNeeded, Failed, Final, TextDelta, Turn
from phantom.agents import conversation
from phantom.agents.durable import DurableModel, GaveUp, durable_toolset, emitting
from phantom.agents.failures import KNOWN, failure
from phantom.agents.instructions import instructions
from phantom.agents.model_choice import ModelChoice, choose
from phantom.agents.providers import READ_TIMEOUT, RETRIES, Served, serve
from phantom.errors import AgentError, ConfigError

MAX_MODEL_CALLS = 40
"""Model calls of one turn; a model that keeps calling tools is stopped there."""

_MAX_PAUSED = 1000
"""Turns waiting for an approval in this process that are remembered; the oldest goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paused:
    """Where a run stopped to ask: its messages and the calls that need a yes or no."""

    messages: list[ModelMessage]
    calls: tuple[ToolCallPart, ...]

    def unanswered(self, approvals: Mapping[str, bool]) -> ToolCallPart | None:
        return next((call for call in self.calls if call.tool_call_id not in approvals), None)


class ModelAgent:
    """Answers turns with a language model and, if given, tools. Build it with `model_agent`."""

    durable: Literal[True] = True

    def __init__(
        self,
        *,
        choice: ModelChoice,
        served: Served,
        phantom_name: str,
        extra_instructions: str = "",
        toolsets: Sequence[AbstractToolset[Any]] = (),
        mask: Callable[[str], str] = str,
    ) -> None:
        self.name = choice.name
        self._choice = choice
        self._served = served
        self._phantom_name = phantom_name
        self._extra = extra_instructions
        self._paused: OrderedDict[str, _Paused] = OrderedDict()
        self._agent: PydanticAgent[None, str | DeferredToolRequests] = PydanticAgent(
            DurableModel(served.model, choice, mask),
            name="phantom",
            deps_type=type(None),
            output_type=[str, DeferredToolRequests] if toolsets else [str],
            toolsets=[durable_toolset(toolset, mask) for toolset in toolsets],
        )

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        """Stream text and tool events, then `Final`, `Failed` or `ApprovalNeeded`.

        In a workflow the model's and the tools' steps are numbered by the workflow: whoever iterates must not run
        steps of its own before the last event. After a restart, text that was streamed before is not streamed again;
        `Final` always has the whole answer.
        """
        paused = self._paused.get(turn.id)
        if paused is not None and (waiting := paused.unanswered(turn.approvals)) is not None:
            yield _approval(waiting)
            return
        events = _Events()
        run = asyncio.create_task(self._run(turn, paused, events), name=f"agent {turn.id}")
        run.add_done_callback(lambda _: events.end())
        try:
            async for event in events:
                yield event
            yield await run
        finally:
            if run.cancel():
                await asyncio.wait([run])

    async def check(self) -> None:
        """Ask the provider for the model's entry, which costs nothing.

        Raises `ConfigError` or `SecretError` with the cure, `AgentError` when the provider cannot say.
        """
        choice = self._choice
        if choice.key is not None:
            await choice.key.ready()
        status = await self._served.probe()
        if status in (401, 403):
            raise ConfigError(
                f"{choice.host} refused the key for {choice.name}",
                where=choice.provider.variable,
                hint="check that the key is current and belongs to this provider",
            )
        if status == 404 and choice.own_service:
            raise ConfigError(f"{choice.host} has no such model", where="PHANTOM_MODEL", hint="check the model's name")
        # A compatible server need not have a list of models: its 404 says nothing.
        if status not in (200, 404):
            what = f"answered HTTP {status}" if status else "could not be reached"
            raise AgentError(
                f"{choice.host} {what}", hint="check the network and PHANTOM_MODEL_BASE_URL", retryable=True
            )

    async def _run(self, turn: Turn, paused: _Paused | None, events: _Events) -> AgentEvent:
        emitting.set(events.put)
        try:
            if self._choice.key is not None:
                await self._choice.key.ready()  # a key that is gone is said now, not after the SDK's retries
            result = await self._agent.run(
                None if paused else await conversation.prompt(turn),
                message_history=paused.messages if paused else conversation.messages(turn),
                deferred_tool_results=_answers(paused, turn.approvals) if paused else None,
                instructions=self._instructions(turn),
                usage_limits=UsageLimits(request_limit=MAX_MODEL_CALLS),
            )
        except GaveUp as end:
            self._paused.pop(turn.id, None)
            return end.failed
        except KNOWN as error:
            self._paused.pop(turn.id, None)
            return failure(error, self._choice)
        return self._ending(turn, result.output, result.all_messages())

    def _ending(self, turn: Turn, output: str | DeferredToolRequests, said: list[ModelMessage]) -> AgentEvent:
        self._paused.pop(turn.id, None)
        if isinstance(output, str):
            return Final(text=output)
        if output.calls or not output.approvals:
            return Failed(
                message="I wanted to use a tool that only works elsewhere, so I stopped.",
                hint="a tool with external execution cannot be used in a turn",
            )
        paused = _Paused(messages=said, calls=tuple(output.approvals))
        self._paused[turn.id] = paused
        while len(self._paused) > _MAX_PAUSED:
            self._paused.popitem(last=False)
        return _approval(paused.calls[0])

    def _instructions(self, turn: Turn) -> str:
        text = instructions(self._phantom_name, self._extra, shared=conversation.is_shared(turn))
        return "\n\n".join(part for part in (text, conversation.today(turn)) if part)


class _Events:
    """Events on their way from the run to whoever iterates; keeps the text before and after a tool call apart."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[AgentEvent | None] = asyncio.Queue()
        self._spoke = False
        self._interrupted = False

    def put(self, event: AgentEvent) -> None:
        if isinstance(event, TextDelta):
            if self._interrupted:
                event = TextDelta(text="\n\n" + event.text)
            self._spoke, self._interrupted = True, False
        else:
            self._interrupted = self._spoke
        self._queue.put_nowait(event)

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        while (event := await self._queue.get()) is not None:
            yield event


def model_agent(
    context: AgentContext,
    *,
    tools: Sequence[Tool[Any] | Any] = (),
    toolsets: Sequence[AbstractToolset[Any]] = (),
    read_timeout: float = READ_TIMEOUT,
    retries: int = RETRIES,
) -> ModelAgent:
    """The agent that `context.model` names, with your tools: functions, `Tool(…, requires_approval=True)`, toolsets.

    A tool runs again only if the process died while it ran; what it returns must be picklable. `read_timeout` is in
    seconds of silence, `retries` counts tries after the first. Raises `ConfigError` with the cure.
    """
    choice = choose(context)
    own = [FunctionToolset(list(tools), id="tools")] if tools else []
    return ModelAgent(
        choice=choice,
        served=serve(choice, read_timeout=read_timeout, retries=retries),
        phantom_name=context.phantom_name,
        extra_instructions=context.instructions,
        toolsets=[*own, *toolsets],
        mask=context.mask,
    )


def _approval(call: ToolCallPart) -> ApprovalNeeded:
    arguments = json.dumps(call.args_as_dict(), ensure_ascii=False, sort_keys=True)
    shown = arguments if len(arguments) <= 600 else arguments[:600] + "…"
    # A fence longer than any the model could have put into the arguments: JSON strings keep back-ticks as they are.
    fence = "`" * max(3, _longest_run(shown) + 1)
    prompt = f"May I use **{call.tool_name.replace('_', ' ')}** with this?\n\n{fence}json\n{shown}\n{fence}"
    return ApprovalNeeded(approval_id=call.tool_call_id, prompt=prompt)


def _longest_run(text: str) -> int:
    longest = run = 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return longest


def _answers(paused: _Paused, approvals: Mapping[str, bool]) -> DeferredToolResults:
    return DeferredToolResults(approvals={call.tool_call_id: approvals[call.tool_call_id] for call in paused.calls})
