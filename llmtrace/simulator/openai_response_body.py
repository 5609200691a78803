"""The items of a response: what the model reads, and what it says.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.openai_models import REASONING, find_snapshot, find_tier, think_tokens
from llmtrace.simulator.protocol import JSON, Request
from llmtrace.simulator.text import compact, iter_texts, mark_message, pad, write_prose

JSON_MODE: JSON = {"type": "object", "properties": {"answer": {"type": "string"}}}
# Tools that OpenAI runs itself, by the start of their type: the item that tells of a run, and its prefix.
SERVER_TOOLS = {
    "web_search": ("web_search_call", "ws_"),
    "file_search": ("file_search_call", "fs_"),
    "code_interpreter": ("code_interpreter_call", "ci_"),
}
# Why a response is incomplete; any other reason for an end is none of the API's.
INCOMPLETE = frozenset({"max_output_tokens", "content_filter"})
FAILURE: JSON = {"code": "server_error", "message": "The server had an error while processing your request."}


def read_items(body: Mapping[str, Any]) -> list[JSON]:
    """The input in BODY as items; a text is the user's message."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def read_prompt(body: Mapping[str, Any], history: str = "") -> str:
    """Everything in BODY that the model reads after HISTORY, as whole tokens, what changes least first."""
    parts = [pad(compact(tool)) for tool in body.get("tools") or ()]
    if schema := _schema(body):
        parts.append(pad(compact(schema)))
    if isinstance(body.get("instructions"), str):
        parts += [mark_message("developer"), pad(body["instructions"])]
    parts.append(history)
    parts += [write_item(item) for item in read_items(body)]
    return "".join(parts)


def write_item(item: Mapping[str, Any]) -> str:
    """ITEM as the model reads it, in whole tokens."""
    kind = item.get("type") or "message"
    texts = iter_texts(item.get("content")) if kind == "message" else [compact(item)]
    return mark_message(item.get("role") or kind) + "".join(pad(text) for text in texts)


def speak(request: Request) -> tuple[Output, int]:
    """What the model says to REQUEST, and the tokens that it thinks before."""
    body = request.body
    limit = body.get("max_output_tokens")
    reasoning = think_tokens(request, (body.get("reasoning") or {}).get("effort"))
    if limit is not None:
        reasoning = min(reasoning, limit)
        limit -= reasoning
    wish = Wish(_tools(body), _schema(body), (), limit)
    return compose(wish, request.answer, request.rng), reasoning


def write_body(request: Request, output: Output, usage: Mapping[str, Any], id_: str) -> JSON:
    """The finished response ID_ in which OUTPUT stands."""
    body, reason = request.body, _reason(request, output)
    has_failed = reason == "failed"
    status = "failed" if has_failed else "incomplete" if reason in INCOMPLETE else "completed"
    items = [] if has_failed else _items(request, output, "incomplete" if status == "incomplete" else "completed")
    searches = sum(item["type"] == "web_search_call" for item in items)
    return {
        "id": id_,
        "object": "response",
        "created_at": request.created,
        "status": status,
        "background": bool(body.get("background")),
        "completed_at": request.created if status == "completed" else None,
        "error": FAILURE if has_failed else None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": find_snapshot(request),
        "output": items,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None} | (body.get("reasoning") or {}),
        "service_tier": find_tier(body.get("service_tier")),
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"} | (body.get("text") or {}),
        "tool_choice": body.get("tool_choice") or "auto",
        "tool_usage": {"image_gen": _no_images(), "web_search": {"num_requests": searches}},
        "tools": list(body.get("tools") or ()),
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": None if has_failed else dict(usage),
        "user": body.get("user"),
        "metadata": dict(body.get("metadata") or {}),
    }


def _no_images() -> JSON:
    details = {"image_tokens": 0, "text_tokens": 0}
    counts = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return {**counts, "input_tokens_details": details, "output_tokens_details": dict(details)}


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_schema":
        schema = wanted.get("schema")
        return schema if isinstance(schema, dict) else JSON_MODE
    return JSON_MODE if wanted.get("type") == "json_object" else None


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The functions to call now: when a choice forces it, else when the user spoke last."""
    choice = body.get("tool_choice") or "auto"
    if choice == "none" or (choice == "auto" and not _user_spoke(body)):
        return ()
    tools = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    wanted = choice.get("name") if isinstance(choice, dict) else None
    return tuple(Tool(str(t.get("name")), t.get("parameters") or {}) for t in tools if wanted in (None, t.get("name")))


def _user_spoke(body: Mapping[str, Any]) -> bool:
    items = read_items(body)
    return bool(items) and items[-1].get("role") == "user"


def _reason(request: Request, output: Output) -> str | None:
    if request.answer is not None and request.answer.finish_reason is not None:
        return request.answer.finish_reason
    return "max_output_tokens" if output.is_cut else None


def _items(request: Request, output: Output, status: str) -> list[JSON]:
    items = [_reasoning(request)] if REASONING.match(request.model) else []
    items += _server_calls(request)
    if output.text or output.refusal is not None or not output.calls:
        items.append(_message(request, output, status))
    for name, arguments in output.calls:
        call: JSON = {"id": request.draw_id("fc_", 48), "type": "function_call", "status": status}
        items.append(call | {"arguments": compact(arguments), "call_id": request.draw_id("call_", 24), "name": name})
    return items


def _reasoning(request: Request) -> JSON:
    body = request.body
    item: JSON = {"id": request.draw_id("rs_", 48), "type": "reasoning", "summary": []}
    if (body.get("reasoning") or {}).get("summary"):
        item["summary"] = [{"type": "summary_text", "text": write_prose(request.rng, 6, 18)}]
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        item["encrypted_content"] = request.draw_id("gAAAAA", 90)
    return item


def _server_calls(request: Request) -> list[JSON]:
    if not _user_spoke(request.body):
        return []
    calls: list[JSON] = []
    for tool in request.body.get("tools") or ():
        kind = next((name for name in SERVER_TOOLS if str(tool.get("type")).startswith(name)), None)
        if kind is not None:
            item_type, prefix = SERVER_TOOLS[kind]
            item: JSON = {"id": request.draw_id(prefix, 48), "type": item_type, "status": "completed"}
            calls.append(item | _run(request, kind))
    return calls


def _run(request: Request, kind: str) -> JSON:
    """What a tool of KIND was asked for."""
    query = write_prose(request.rng, 3, 5)
    if kind == "web_search":
        return {"action": {"type": "search", "query": query}}
    if kind == "file_search":
        return {"queries": [query], "results": None}
    return {"code": "print(6 * 7)", "container_id": request.draw_id("cntr_", 48), "outputs": None}


def _message(request: Request, output: Output, status: str) -> JSON:
    if output.refusal is not None:
        part: JSON = {"type": "refusal", "refusal": output.refusal}
    else:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": output.text}
    head: JSON = {"id": request.draw_id("msg_", 48), "type": "message", "status": status}
    return head | {"content": [part], "role": "assistant"}
