"""Prompts and answers of foreign spans, in the shapes in which ours are kept.

Three spellings are met: one attribute for each field of each message, numbered (OpenInference, older OpenLLMetry), and
events that hold all messages, or one each, as JSON (OpenTelemetry's generations before attributes had them).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace import semconv as s
from llmtrace.dialects.base import Said, mapping, parse
from llmtrace.model import Attributes, Span
from llmtrace.providers.content import Message, Part, text_part, tool_call_part
from llmtrace.redaction.fitting import fit_json

# Newest name to the starts of the numbered ones, and to the (event, attribute) that holds a JSON list.
NUMBERED = (
    (s.INPUT_MESSAGES, ("llm.input_messages.", "gen_ai.prompt.", "llm.prompts.")),
    (s.OUTPUT_MESSAGES, ("llm.output_messages.", "gen_ai.completion.", "llm.completions.")),
)
EVENTS = (
    (s.INPUT_MESSAGES, "gen_ai.content.prompt", "gen_ai.prompt"),
    (s.OUTPUT_MESSAGES, "gen_ai.content.completion", "gen_ai.completion"),
)
# One event for each message, by the role it has where it does not say.
MESSAGE_EVENTS = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
CHOICE_EVENT = "gen_ai.choice"
EVENT_BODY = "gen_ai.event.content"
# What OpenInference puts between the parts of a name.
PADDING = re.compile(r"\b(?:message|message_content|tool_call|function)\.")
MOST_MESSAGES = 10_000


def add_content(said: Said, span: Span) -> None:
    """Put into SAID the messages that SPAN has in older spellings."""
    for name, starts in NUMBERED:
        if name not in said:
            found = next((rows for start in starts if (rows := _numbered(span.attributes, start))), [])
            _set(said, name, [_message(row) for row in found])
    for name, event, attribute in EVENTS:
        if name not in said:
            texts = (e.attributes.get(attribute) for e in span.events if e.name == event)
            _set(said, name, [_message(row) for text in texts for row in _rows(text)])
    if s.INPUT_MESSAGES not in said:
        asked = ((MESSAGE_EVENTS[e.name], e.attributes) for e in span.events if e.name in MESSAGE_EVENTS)
        _set(said, s.INPUT_MESSAGES, [_message({"role": role, **_body(a)}) for role, a in asked])
    if s.OUTPUT_MESSAGES not in said:
        _set(said, s.OUTPUT_MESSAGES, [_message({"role": "assistant", **choice}) for choice in _choices(span)])


def messages_of(value: Any, name: str) -> str | None:
    """The messages in VALUE for the attribute NAME, as JSON: a list of them, one, or a plain text."""
    parsed = parse(value)
    if isinstance(parsed, dict):
        inner = parsed.get("messages")
        parsed = inner if isinstance(inner, list) else [parsed]
    if not isinstance(parsed, list):
        role = "user" if name == s.INPUT_MESSAGES else "assistant"
        parsed = [{"role": role, "content": value}] if isinstance(value, str) else []
    said: Said = {}
    _set(said, name, [_message(_spread(row)) for row in parsed if isinstance(row, dict)])
    messages = said.get(name)
    return messages if isinstance(messages, str) else None


def _spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """A message of OpenAI's with its tool calls under the names that numbered ones have."""
    calls = row.get("tool_calls")
    spread = {k: v for k, v in row.items() if k != "tool_calls"}
    for i, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            spread |= {f"tool_calls.{i}.{k}": v for k, v in {"id": call.get("id"), **function}.items()}
    return spread


def finish_reasons(span: Span) -> tuple[str, ...]:
    """Why the model stopped, as the events for SPAN's choices say."""
    return tuple(r for choice in _choices(span) if isinstance(r := choice.get("finish_reason"), str) and r)


def _choices(span: Span) -> list[dict[str, Any]]:
    """The answers in SPAN's events, each with the reason it ended."""
    bodies = [_body(e.attributes) for e in span.events if e.name == CHOICE_EVENT]
    return [{**body, **(m if isinstance(m := body.get("message"), dict) else {})} for body in bodies]


def _body(attributes: Attributes) -> dict[str, Any]:
    """What an event says: its attributes, and the JSON object in one of them."""
    return {**attributes, **mapping(attributes.get(EVENT_BODY))}


def _set(said: Said, name: str, messages: Sequence[Message]) -> None:
    told = [m for m in messages if m["parts"]]
    if name == s.OUTPUT_MESSAGES:
        told = [{"finish_reason": "stop", **m} for m in told]
    if told:
        said[name] = fit_json(told)


def _numbered(fields: Mapping[str, Any], start: str) -> list[dict[str, Any]]:
    """The fields behind START and a number, one row for each number, in their order."""
    rows: dict[int, dict[str, Any]] = {}
    for name, value in fields.items():
        number, dot, rest = name[len(start) :].partition(".") if name.startswith(start) else ("", "", "")
        if dot and number.isascii() and number.isdecimal() and int(number[:9]) < MOST_MESSAGES:
            rows.setdefault(int(number[:9]), {})[PADDING.sub("", rest)] = value
    return [rows[number] for number in sorted(rows)]


def _rows(text: Any) -> list[Attributes]:
    """The objects in TEXT, a JSON list of them."""
    parsed = parse(text)
    return [row for row in parsed if isinstance(row, dict)] if isinstance(parsed, list) else []


def _message(row: Mapping[str, Any]) -> Message:
    """ROW as a message: a text, numbered contents, numbered tool calls, or the answer of a tool."""
    role, content = str(row.get("role") or "user"), row.get("content")
    parts: list[Part] = []
    if isinstance(content, str) and content:
        answered = row.get("tool_call_id")
        if role == "tool" and answered is not None:
            parts.append({"type": "tool_call_response", "id": answered, "response": content})
        else:
            parts.append(text_part(content))
    for field in ("contents.", "tool_calls."):
        parts += [part for part in map(_part, _numbered(row, field)) if part is not None]
    reason = row.get("finish_reason")
    return {"role": role, "parts": parts, **({"finish_reason": reason} if isinstance(reason, str) else {})}


def _part(row: Mapping[str, Any]) -> Part | None:
    name, text = row.get("name"), row.get("text")
    if isinstance(name, str):
        return tool_call_part(row.get("id"), name, row.get("arguments"))
    return text_part(text) if isinstance(text, str) else None
