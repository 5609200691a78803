"""Bedrock's Converse: one shape for every model.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.bedrock_api import BedrockProtocol
from llmtrace.simulator.bedrock_frames import write_event
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request
from llmtrace.simulator.text import compact, count_tokens, mark_message, pad, split_chunks, split_json

LATENCY_MS = 5


class Converse(BedrockProtocol):
    """Answers a conversation, whole or in events."""

    suffixes: ClassVar[tuple[str, ...]] = ("/converse", "/converse-stream")

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := super().refuse(asked):
            return problem
        messages = asked.fields.get("messages")
        return None if isinstance(messages, list) and messages else self.problem(400, None, "messages are required")

    def reply(self, request: Request) -> Reply:
        """The whole answer."""
        body, answer = request.body, request.answer
        prompt_tokens = count_tokens("".join(_prompt(body)))
        output = compose(_wish(body), answer, request.rng)
        usage: JSON = {
            "inputTokens": prompt_tokens,
            "outputTokens": output.tokens,
            "totalTokens": prompt_tokens + output.tokens,
        }
        if answer is not None and answer.usage is not None:
            usage = dict(answer.usage)
        reason = (answer.finish_reason if answer is not None else None) or _reason(output)
        reply: JSON = {
            "output": {"message": {"role": "assistant", "content": _content(request, output)}},
            "stopReason": reason,
            "usage": usage,
            "metrics": {"latencyMs": LATENCY_MS},
        }
        return Reply(reply, usage, prompt_tokens, output.tokens)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The events of the answer; the usage comes last, in the metadata."""
        body = reply.body
        parts: list[tuple[str, JSON]] = [("messageStart", {"role": "assistant"})]
        for index, block in enumerate(body["output"]["message"]["content"]):
            parts += ((name, {"contentBlockIndex": index, **part}) for name, part in _block(block))
        parts.append(("messageStop", {"stopReason": body["stopReason"]}))
        events = [Event(write_event(name, part)) for name, part in parts]
        metadata = {"metrics": body["metrics"]} if omits_usage else {"usage": body["usage"], "metrics": body["metrics"]}
        return [*events, Event(write_event("metadata", metadata), not omits_usage)]


def _prompt(body: Mapping[str, Any]) -> Iterator[str]:
    for block in body.get("system") or ():
        yield pad(_text(block))
    for message in body["messages"]:
        yield mark_message(message.get("role"))
        yield from (pad(_text(block)) for block in message.get("content") or ())
    for tool in (body.get("toolConfig") or {}).get("tools") or ():
        yield pad(compact(tool))


def _text(block: Mapping[str, Any]) -> str:
    return str(block["text"]) if "text" in block else compact(block)


def _wish(body: Mapping[str, Any]) -> Wish:
    config = body.get("inferenceConfig") or {}
    said = any("toolResult" in block for block in body["messages"][-1].get("content") or ())
    specs = [tool.get("toolSpec") or {} for tool in (body.get("toolConfig") or {}).get("tools") or ()]
    tools = tuple(Tool(spec["name"], (spec.get("inputSchema") or {}).get("json") or {}) for spec in specs)
    return Wish(() if said else tools, None, tuple(config.get("stopSequences") or ()), config.get("maxTokens"))


def _reason(output: Output) -> str:
    if output.calls:
        return "tool_use"
    if output.stop is not None:
        return "stop_sequence"
    return "max_tokens" if output.is_cut else "end_turn"


def _content(request: Request, output: Output) -> list[JSON]:
    text: list[JSON] = [{"text": output.text}] if output.text or not output.calls else []
    return text + [
        {"toolUse": {"toolUseId": request.draw_id("tooluse_", 22), "name": name, "input": arguments}}
        for name, arguments in output.calls
    ]


def _block(block: Mapping[str, Any]) -> Iterator[tuple[str, JSON]]:
    if "toolUse" in block:
        tool = block["toolUse"]
        yield "contentBlockStart", {"start": {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}}
        for piece in split_json(compact(tool["input"])):
            yield "contentBlockDelta", {"delta": {"toolUse": {"input": piece}}}
    else:
        for piece in split_chunks(block["text"]):
            yield "contentBlockDelta", {"delta": {"text": piece}}
    yield "contentBlockStop", {}
