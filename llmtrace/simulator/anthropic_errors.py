"""Which requests Anthropic refuses, and how it words errors.

Source: https://docs.anthropic.com/en/api/errors
"""

from collections.abc import Iterator, Mapping
from typing import Any

from llmtrace.simulator.protocol import Problem, is_count

INVALID = "invalid_request_error"
LEAST_BUDGET_TOKENS = 1_024
MOST_BREAKPOINTS = 4
# A request that will not do better the next time; the answer to it says so.
SHOULD_NOT_RETRY = frozenset({400, 401, 403, 404, 413})

PROBLEMS: dict[int, tuple[str, str]] = {
    400: (INVALID, "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is a problem with billing."),
    403: ("permission_error", "The API key may not use this resource."),
    404: ("not_found_error", "The model was not found."),
    409: ("conflict_error", "The request conflicts with another one."),
    413: ("request_too_large", "The request is too large."),
    429: ("rate_limit_error", "This request would exceed a rate limit of the organization."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}


def find_problem(status: int, code: str | None, message: str | None) -> Problem:
    """The error that goes with STATUS; CODE replaces its type and MESSAGE its usual words."""
    usual = PROBLEMS.get(status) or (INVALID if status < 500 else "api_error", "The request could not be served.")
    return Problem(status, code or usual[0], message or usual[1])


def read_refusal(headers: Mapping[str, str], body: object) -> Problem | None:
    """Why a request with HEADERS and BODY is refused, or None."""
    if problem := refuse_stranger(headers, body):
        return problem
    if message := next(_complaints(body if isinstance(body, dict) else {}), None):
        return find_problem(400, None, message)
    return None


def refuse_stranger(headers: Mapping[str, str], body: object) -> Problem | None:
    """Why a request with HEADERS is nobody's, or BODY no object, or None."""
    if not (headers.get("x-api-key") or headers.get("authorization")):
        return find_problem(401, None, "x-api-key header is required")
    if not isinstance(body, dict):
        return find_problem(400, None, "The request body is not valid JSON.")
    return None


def _complaints(body: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "model: Field required"
    if "max_tokens" not in body:
        yield "max_tokens: Field required"
    elif not is_count(body["max_tokens"]) or body["max_tokens"] < 0:
        yield "max_tokens: Input should be a valid integer greater than or equal to 0"
    if "messages" not in body:
        yield "messages: Field required"
        return
    yield from _message_complaints(body["messages"])
    yield from _thinking_complaints(body)
    yield from _tool_complaints(body.get("tools"))
    if (found := sum(1 for _ in _breakpoints(body))) > MOST_BREAKPOINTS:
        yield f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {found}."


def _message_complaints(messages: object) -> Iterator[str]:
    if not isinstance(messages, list):
        yield "messages: Input should be a valid list"
    elif not messages:
        yield "messages: at least one message is required"
    else:
        for index, message in enumerate(messages):
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                yield f"messages.{index}.role: Field required"


def _thinking_complaints(body: Mapping[str, Any]) -> Iterator[str]:
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int):
        yield "thinking.enabled.budget_tokens: Field required"
    elif budget < LEAST_BUDGET_TOKENS:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_BUDGET_TOKENS}"
    elif budget >= body.get("max_tokens", 0):
        yield "`max_tokens` must be greater than `thinking.budget_tokens`"


def _tool_complaints(tools: object) -> Iterator[str]:
    if tools is not None and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        yield "tools: Input should be a valid list of objects"


def _breakpoints(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        if value.get("cache_control"):
            yield value["cache_control"]
        for key, part in value.items():
            # A schema or a tool's arguments may well have a property of that name.
            if key not in ("input_schema", "input", "output_config", "output_format"):
                yield from _breakpoints(part)
    elif isinstance(value, list):
        for part in value:
            yield from _breakpoints(part)
