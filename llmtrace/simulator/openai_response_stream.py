"""A response as a stream of numbered events.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from llmtrace.simulator.protocol import JSON, Event, Problem
from llmtrace.simulator.text import split_chunks, split_json

# What a response does not have before its end.
UNFINISHED: JSON = {"output": [], "usage": None, "completed_at": None, "error": None, "incomplete_details": None}
# The events that tell how a tool's run goes, by the type of its item.
RUNS = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
}


def unfinished(body: Mapping[str, Any], status: str) -> JSON:
    """The response in BODY before its end, with STATUS; only then is it known which tier serves it."""
    tool_usage = {**body["tool_usage"], "web_search": {"num_requests": 0}}
    return {**body, **UNFINISHED, "status": status, "service_tier": "auto", "tool_usage": tool_usage}


def write_events(body: Mapping[str, Any], after: int, *, omits_usage: bool) -> list[Event]:
    """The events of the finished response in BODY that come after the one with number AFTER."""
    last = {**body, "usage": None} if omits_usage else body
    parts = [*_opening(body), *_items(body["output"]), {"type": f"response.{body['status']}", "response": last}]
    events = []
    for number, part in enumerate(parts):
        has_usage = number == len(parts) - 1 and last.get("usage") is not None
        events.append(Event(_encode(part | {"sequence_number": number}), has_usage))
    return events[after + 1 :]


def write_error(problem: Problem, number: int) -> Event:
    """PROBLEM as the event with NUMBER."""
    error = {"code": problem.code or problem.type, "message": problem.message, "param": problem.param}
    return Event(_encode({"type": "error", **error, "sequence_number": number}))


def _encode(event: Mapping[str, Any]) -> bytes:
    data = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def _opening(body: Mapping[str, Any]) -> Iterator[JSON]:
    first = "queued" if body["background"] else "in_progress"
    yield {"type": "response.created", "response": unfinished(body, first)}
    if body["background"]:
        yield {"type": "response.queued", "response": unfinished(body, first)}
    yield {"type": "response.in_progress", "response": unfinished(body, "in_progress")}


def _items(items: list[JSON]) -> Iterator[JSON]:
    for index, item in enumerate(items):
        yield {"type": "response.output_item.added", "item": _opened(item), "output_index": index}
        place: JSON = {"item_id": item["id"], "output_index": index}
        yield from (event | place for event in _inside(item))
        yield {"type": "response.output_item.done", "item": item, "output_index": index}


def _opened(item: JSON) -> JSON:
    empty: JSON = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {"summary": []}}
    status = {"status": "in_progress"} if "status" in item else {}
    return {**item, **status, **empty.get(item["type"], {})}


def _inside(item: JSON) -> Iterator[JSON]:
    kind = item["type"]
    if kind == "message":
        for index, part in enumerate(item["content"]):
            yield from (event | {"content_index": index} for event in _content(part))
    elif kind == "reasoning":
        for index, part in enumerate(item["summary"]):
            yield from (event | {"summary_index": index} for event in _summary(part))
    elif kind == "function_call":
        for piece in split_json(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", "delta": piece}
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **done}
    elif kind in RUNS:
        yield from ({"type": f"response.{kind}.{state}"} for state in RUNS[kind])


def _content(part: JSON) -> Iterator[JSON]:
    key = "text" if part["type"] == "output_text" else "refusal"
    name = f"response.{part['type']}"
    likely: JSON = {"logprobs": []} if key == "text" else {}
    yield {"type": "response.content_part.added", "part": {**part, key: ""}}
    for piece in split_chunks(part[key]):
        yield {"type": f"{name}.delta", "delta": piece, **likely}
    yield {"type": f"{name}.done", key: part[key], **likely}
    yield {"type": "response.content_part.done", "part": part}


def _summary(part: JSON) -> Iterator[JSON]:
    yield {"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""}}
    for piece in split_chunks(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", "part": part}
