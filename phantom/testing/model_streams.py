"""The server-sent events of three model services, as the official SDKs read them. Shapes only; no serving here.

Sources: OpenAI API reference (Chat Completions streaming, Responses streaming) and Anthropic API reference (Messages
streaming).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Tools = Sequence[tuple[str, str, Mapping[str, object]]]


class Frames(Protocol):
    """Builds the frames of one answer: model name, pieces of text, tool calls."""

    def __call__(self, model: str, parts: Sequence[str], tools: Tools, /) -> Iterable[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One service's endpoint. `before_first_piece` counts the frames that come before the first piece of text."""

    path: str
    frames: Frames
    before_first_piece: int
    nested_error: bool

    def error(self, kind: str, message: str) -> dict[str, object]:
        """An error body in the service's own shape."""
        error = {"type": kind, "message": message, "code": kind, "param": None}
        return {"type": "error", "error": {"type": kind, "message": message}} if self.nested_error else {"error": error}


def _data(body: Mapping[str, object], event: str = "") -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(body)}\n\n".encode()


def _chat(model: str, parts: Sequence[str], tools: Tools, /) -> Iterator[bytes]:
    def chunk(delta: Mapping[str, object], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": model}
        return _data({**head, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    for part in parts:
        yield chunk({"content": part})
    for index, (call_id, name, arguments) in enumerate(tools):
        function = {"name": name, "arguments": json.dumps(arguments)}
        yield chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
    yield chunk({}, "tool_calls" if tools else "stop")
    yield b"data: [DONE]\n\n"


def _anthropic(model: str, parts: Sequence[str], tools: Tools, /) -> Iterator[bytes]:
    def event(kind: str, **body: object) -> bytes:
        return _data({"type": kind, **body}, kind)

    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage})
    index = 0
    if parts:
        yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        for part in parts:
            yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": part})
        yield event("content_block_stop", index=index)
        index += 1
    for call_id, name, arguments in tools:
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
        index += 1
    reason = "tool_use" if tools else "end_turn"
    yield event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 2})
    yield event("message_stop")


class _Responses:
    """Frames of one Responses stream; every event carries a running `sequence_number`."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._number = -1

    def event(self, kind: str, **body: object) -> bytes:
        self._number += 1
        return _data({"type": kind, "sequence_number": self._number, **body}, kind)

    def response(self, status: str, output: Sequence[object]) -> dict[str, object]:
        usage = {
            "input_tokens": 1,
            "output_tokens": 1,
            "total_tokens": 2,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 0,
            "model": self._model,
            "status": status,
            "output": list(output),
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": usage if status == "completed" else None,
        }

    def text(self, index: int, parts: Sequence[str]) -> Iterator[bytes]:
        where = {"output_index": index, "item_id": "item_text", "content_index": 0}
        item = self.text_item("", "in_progress")
        yield self.event("response.output_item.added", output_index=index, item={**item, "content": []})
        empty = {"type": "output_text", "text": "", "annotations": []}
        yield self.event("response.content_part.added", part=empty, **where)
        for part in parts:
            yield self.event("response.output_text.delta", delta=part, logprobs=[], **where)
        text = "".join(parts)
        yield self.event("response.output_text.done", text=text, logprobs=[], **where)
        yield self.event("response.content_part.done", part={**empty, "text": text}, **where)
        yield self.event("response.output_item.done", output_index=index, item=self.text_item(text, "completed"))

    def call(self, index: int, call_id: str, name: str, arguments: str) -> Iterator[bytes]:
        item = self.call_item(call_id, name, "", "in_progress")
        where = {"output_index": index, "item_id": item["id"]}
        yield self.event("response.output_item.added", output_index=index, item=item)
        yield self.event("response.function_call_arguments.delta", delta=arguments, **where)
        yield self.event("response.function_call_arguments.done", arguments=arguments, name=name, **where)
        done = self.call_item(call_id, name, arguments, "completed")
        yield self.event("response.output_item.done", output_index=index, item=done)

    @staticmethod
    def text_item(text: str, status: str) -> dict[str, object]:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        return {"id": "item_text", "type": "message", "role": "assistant", "status": status, "content": content}

    @staticmethod
    def call_item(call_id: str, name: str, arguments: str, status: str) -> dict[str, object]:
        head = {"id": f"item_{call_id}", "type": "function_call", "status": status}
        return {**head, "call_id": call_id, "name": name, "arguments": arguments}


def _responses(model: str, parts: Sequence[str], tools: Tools, /) -> Iterator[bytes]:
    stream = _Responses(model)
    output: list[object] = []
    yield stream.event("response.created", response=stream.response("in_progress", []))
    if parts:
        yield from stream.text(0, parts)
        output.append(stream.text_item("".join(parts), "completed"))
    for call_id, name, arguments in tools:
        text = json.dumps(arguments)
        yield from stream.call(len(output), call_id, name, text)
        output.append(stream.call_item(call_id, name, text, "completed"))
    yield stream.event("response.completed", response=stream.response("completed", output))


CHAT = Wire(path="/v1/chat/completions", frames=_chat, before_first_piece=1, nested_error=False)
ANTHROPIC = Wire(path="/v1/messages", frames=_anthropic, before_first_piece=2, nested_error=True)
RESPONSES = Wire(path="/v1/responses", frames=_responses, before_first_piece=3, nested_error=False)
WIRES = (CHAT, ANTHROPIC, RESPONSES)
