"""OpenAI's responses: created, streamed, made in the background, and fetched again.

A response that is fetched again tells its usage again; that is no new inference. A response made in the background has
no usage when it is created: it comes when the finished response is fetched.

Source: https://developers.openai.com/api/docs/guides/background
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.amounts import read_count
from llmtrace.providers.base import Endpoint, as_float, as_int, as_list, as_mapping, as_text
from llmtrace.providers.openai_chat import KEPT_TEXT_CHARACTERS, read_error
from llmtrace.providers.openai_response_content import read_response_content
from llmtrace.providers.uncharged import FETCH_OPERATION

TERMINAL_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})
RESPONSE_EVENTS = TERMINAL_EVENTS | {"response.created", "response.in_progress", "response.queued"}
# What is kept of a response that has only begun: it repeats the instructions and the tools that it was asked with.
BEGUN = ("id", "model", "status", "service_tier", "usage", "error")
REASONS = {"max_output_tokens": "length"}
# Output items that OpenAI charges for beside the tokens.
TOOL_ITEMS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    text_format = as_mapping(as_mapping(body.get("text")).get("format")).get("type")
    return {
        "model": as_text(body.get("model")),
        "max_tokens": as_int(body.get("max_output_tokens")),
        "temperature": as_float(body.get("temperature")),
        "top_p": as_float(body.get("top_p")),
        "output_type": "json" if text_format in ("json_schema", "json_object") else None,
        "reasoning_level": as_text(as_mapping(body.get("reasoning")).get("effort")),
        "service_tier": as_text(body.get("service_tier")),
        "cache_ttl": as_text(as_mapping(body.get("prompt_cache_options")).get("ttl")),
        "previous_response_id": as_text(body.get("previous_response_id")),
        "conversation_id": _conversation(body.get("conversation")),
    }


def _conversation(value: Any) -> str | None:
    return as_text(value) or as_text(as_mapping(value).get("id"))


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY, as far as it got."""
    return Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        finish_reasons=_finish_reasons(body),
        service_tier=as_text(body.get("service_tier")),
        tool_requests=_tool_requests(body),
        error=read_failure(body),
        usage=as_mapping(body.get("usage")) or None,
    )


def read_failure(body: Mapping[str, Any]) -> str | None:
    """The name of the error with which the response in BODY failed, if it did: the HTTP status is 200 all the same."""
    status, error = body.get("status"), as_mapping(body.get("error"))
    if status == "failed" or (status is None and error):
        return (read_error(error) if error else None) or "failed"
    return None


def _finish_reasons(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    status = body.get("status")
    if status == "completed":
        items = as_list(body.get("output"))
        return ("tool_calls" if any(as_mapping(i).get("type") == "function_call" for i in items) else "stop",)
    if status == "incomplete":
        reason = as_text(as_mapping(body.get("incomplete_details")).get("reason")) or "incomplete"
        return (REASONS.get(reason, reason),)
    return ("error",) if status in ("failed", "cancelled") else None


def _tool_requests(body: Mapping[str, Any]) -> dict[str, int]:
    """How often each tool was used that is charged beside the tokens; of a web search only the searches are.

    `tool_usage`, where it is sent, leaves out the searches that are not charged.
    """
    counts: Counter[str] = Counter()
    tools = [as_text(as_mapping(t).get("type")) or "" for t in as_list(body.get("tools"))]
    is_preview = any(t.startswith("web_search_preview") for t in tools)
    for entry in as_list(body.get("output")):
        item = as_mapping(entry)
        name = TOOL_ITEMS.get(str(item.get("type")))
        if name is None or (name == "web_search" and as_mapping(item.get("action")).get("type", "search") != "search"):
            continue
        counts["web_search_preview" if name == "web_search" and is_preview else name] += 1
    billable = read_count(as_mapping(as_mapping(body.get("tool_usage")).get("web_search")), "num_requests")
    if billable is not None:
        counts["web_search_preview" if is_preview else "web_search"] = billable
    return {name: n for name, n in counts.items() if n}


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of the input in BODY, by reference: what an estimate counts where no usage arrives."""
    texts = [t for t in (body.get("instructions"), body.get("input")) if isinstance(t, str)]
    items = body.get("input")
    for item in items if isinstance(items, list | tuple) else ():
        content = as_mapping(item).get("content") or as_mapping(item).get("output")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list | tuple):
            texts += [t for part in content if isinstance(t := as_mapping(part).get("text"), str)]
    return texts


class ResponseFold:
    """Gathers the events of a streamed response; the last one holds the whole."""

    __slots__ = ("_body", "_kept", "error", "text_parts", "usage_complete")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self.usage_complete = False
        self._body: Mapping[str, Any] = {}
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        kind = as_text(event.get("type"))
        if kind is not None and kind.endswith(".delta"):
            text = event.get("delta")
            if isinstance(text, str) and self._kept < KEPT_TEXT_CHARACTERS:
                self.text_parts.append(text)
                self._kept += len(text)
            return True
        if kind in RESPONSE_EVENTS or event.get("object") == "response":
            body = as_mapping(event.get("response")) or event
            has_ended = kind not in RESPONSE_EVENTS or kind in TERMINAL_EVENTS or body.get("output")
            self._body = body if has_ended else {name: body[name] for name in BEGUN if name in body}
            self.usage_complete = self.usage_complete or bool(self._body.get("usage"))
            self.error = read_failure(self._body) or self.error
        elif kind == "error" or (kind is None and event.get("error")):
            self.error = read_error(event) or "error"
        return False

    def response(self) -> Response:
        """The response as far as it got."""
        return read_response(self._body)

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return as_text(self._body.get("status")) in ("completed", "incomplete", "failed", "cancelled")


ENDPOINTS = (
    Endpoint(
        name="responses",
        operation="chat",
        method="POST",
        matches=re.compile(r"/responses$"),
        read_request=read_request,
        read_response=read_response,
        new_fold=ResponseFold,
        prompt_texts=prompt_texts,
        read_content=read_response_content,
    ),
    Endpoint(
        name="responses.compact",
        operation="chat",
        method="POST",
        matches=re.compile(r"/responses/compact$"),
        read_request=read_request,
        read_response=read_response,
    ),
    Endpoint(
        name="responses.retrieve",
        operation=FETCH_OPERATION,
        method="GET",
        matches=re.compile(r"/responses/[^/]+$"),
        read_request=lambda body: {},
        read_response=read_response,
        new_fold=ResponseFold,
    ),
)
