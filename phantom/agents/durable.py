"""Makes a model's calls and a toolset's calls durable steps of the workflow they run in.

Inside a DBOS workflow each call's outcome is recorded when it ends; after a crash the workflow's body runs again and
a recorded call answers from the record: no model call is paid twice, no finished tool runs again. Outside a workflow
the calls are plain. Registration before the workflow engine starts is not needed: steps are named when they run.

What is recorded holds no secret: failures are recorded as the translated `Failed`, never as an SDK's exception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic_ai.exceptions import ModelAPIError, ModelRetry, ToolFailed
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset

from phantom.agent import AgentEvent, Failed, TextDelta, ToolFinished, ToolStarted
from phantom.agents.failures import failure
from phantom.agents.model_choice import ModelChoice
from phantom.agents.tool_output import Mask, masked

T = TypeVar("T")

Emit = Callable[[AgentEvent], None]

emitting: ContextVar[Emit] = ContextVar("phantom_agent_emit")
"""Where the events of the run in this context go; set by `ModelAgent` for each run."""


class GaveUp(Exception):
    """Ends a run with `failed`; raised outside the recorded step, so it is the same on a replay."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.hint)
        self.failed = failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStep:
    """The record of one model call: the response as pydantic-ai's JSON (it outlives class changes), or the failure."""

    response: bytes = b""
    failed: Failed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStep:
    """The record of one tool call: its value, or a message for the model to try again with or to go on without."""

    value: object = None
    retry: str | None = None
    failed: str | None = None


async def step(name: str, body: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `body` as the workflow step `name`, or plainly where no workflow runs."""
    if "dbos" not in sys.modules:
        # Nobody loaded the workflow engine, so there is no workflow; importing it here would cost half a second.
        return await body()
    from dbos import DBOS

    if DBOS.workflow_id is None or DBOS.step_id is not None:
        return await body()
    return await DBOS.run_step_async({"name": name}, body)


class DurableModel(WrapperModel):
    """Each request is streamed, its text emitted as it comes, and recorded as one step, masked."""

    def __init__(self, wrapped: WrapperModel | Any, choice: ModelChoice, mask: Mask) -> None:
        super().__init__(wrapped)
        self._choice = choice
        self._mask = mask

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async def call() -> ModelStep:
            try:
                response = await self._stream(messages, model_settings, model_request_parameters)
            except ModelAPIError as error:
                return ModelStep(failed=failure(error, self._choice))
            response = replace(response, parts=masked(response.parts, self._mask))
            return ModelStep(response=ModelMessagesTypeAdapter.dump_json([response]))

        # Not named after the model: a turn that a restart under another PHANTOM_MODEL resumes goes on with that one.
        record = await step("model", call)
        if record.failed is not None:
            raise GaveUp(record.failed)
        (response,) = ModelMessagesTypeAdapter.validate_json(record.response)
        assert isinstance(response, ModelResponse)  # noqa: S101 - what was recorded above
        return response

    async def _stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        emit = emitting.get()
        async with self.wrapped.request_stream(messages, model_settings, model_request_parameters) as stream:
            async for event in stream:
                match event:
                    case PartStartEvent(part=TextPart(content=text)) if text:
                        emit(TextDelta(text=text))
                    case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                        emit(TextDelta(text=text))
            return stream.get()


@dataclass
class DurableToolset(WrapperToolset[Any]):
    """Each tool call is recorded as one step named by its call id, and shown as `ToolStarted`/`ToolFinished`. `mask`
    goes over what a tool says before it is recorded or told to the model.

    The events come outside the step: after a restart the finished calls are shown again, though not run again.
    """

    mask: Mask

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        async def call() -> ToolStep:
            try:
                return ToolStep(value=masked(await self.wrapped.call_tool(name, tool_args, ctx, tool), self.mask))
            except ModelRetry as error:
                return ToolStep(retry=self.mask(error.message))
            except ToolFailed as error:
                return ToolStep(failed=self.mask(error.message))

        emit = emitting.get()
        call_id = ctx.tool_call_id or name
        emit(ToolStarted(call_id=call_id, tool=name, summary=name.replace("_", " ")))
        ok = False
        try:
            record = await step(f"tool:{name}:{call_id}", call)
            ok = record.retry is None and record.failed is None
        finally:
            emit(ToolFinished(call_id=call_id, tool=name, ok=ok, summary=name.replace("_", " ")))
        if record.retry is not None:
            raise ModelRetry(record.retry)
        if record.failed is not None:
            raise ToolFailed(record.failed)
        return record.value


def durable_toolset(toolset: AbstractToolset[Any], mask: Mask) -> DurableToolset:
    """`toolset` with every call recorded and its answer masked."""
    return DurableToolset(wrapped=toolset, mask=mask)
