"""Which requests OpenAI refuses, and how it words errors.

Source: https://platform.openai.com/docs/guides/error-codes
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.simulator.protocol import Problem, is_count

INVALID = "invalid_request_error"
MOST_CHOICES = 128
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")

# type, code and message by status; the first entry of a status is its usual one.
PROBLEMS: tuple[tuple[int, str, str | None, str], ...] = (
    (400, INVALID, None, "The request is not valid."),
    (401, INVALID, "invalid_api_key", "Incorrect API key provided."),
    (403, "request_forbidden", "unsupported_country_region_territory", "This region is not supported."),
    (404, INVALID, "model_not_found", "The model does not exist or you do not have access to it."),
    (429, "requests", "rate_limit_exceeded", "Rate limit reached on requests per min (RPM)."),
    (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota; check your plan and billing."),
    (500, "server_error", None, "The server had an error while processing your request."),
    (503, "server_error", None, "The server is overloaded with other requests."),
)


def find_problem(status: int, code: str | None, message: str | None) -> Problem:
    """The error that goes with STATUS, in particular that called CODE; MESSAGE replaces its usual words."""
    rows = [row for row in PROBLEMS if row[0] == status]
    row = next((row for row in rows if code is not None and row[2] == code), rows[0] if rows else None)
    if row is None:
        row = (status, INVALID if status < 500 else "server_error", None, "The request could not be served.")
    return Problem(status, row[1], message or row[3], code if code is not None else row[2])


def read_refusal(headers: Mapping[str, str], body: object) -> Problem | None:
    """Why a chat completion with HEADERS and BODY is refused, or None."""
    return (
        refuse_unauthorized(headers)
        or refuse_model(body)
        or (_refuse_messages(body.get("messages")) or refuse_options(body) if isinstance(body, dict) else None)
    )


def refuse_unauthorized(headers: Mapping[str, str]) -> Problem | None:
    """Why a request with HEADERS is nobody's, or None."""
    if headers.get("authorization") or headers.get("api-key"):
        return None
    return Problem(401, INVALID, "You didn't provide an API key, in an Authorization header with Bearer auth.")


def refuse_model(body: object) -> Problem | None:
    """Why BODY is no request to a model, or None."""
    if not isinstance(body, dict):
        return Problem(400, INVALID, "The JSON body of your request could not be parsed.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        return Problem(400, INVALID, "you must provide a model parameter")
    return None


def refuse_input(body: Mapping[str, Any]) -> Problem | None:
    """Why the input in BODY is refused, or None."""
    given = body.get("input")
    if given is None and body.get("previous_response_id") is None:
        return Problem(400, INVALID, "Missing required parameter: 'input'.", "missing_required_parameter", "input")
    if not isinstance(given, str | list | None):
        return Problem(400, INVALID, "Invalid type for 'input'.", "invalid_type", "input")
    return None


def _refuse_messages(messages: object) -> Problem | None:
    if messages is None:
        message = "Missing required parameter: 'messages'."
        return Problem(400, INVALID, message, "missing_required_parameter", "messages")
    if not isinstance(messages, list):
        message = "Invalid type for 'messages': expected an array of objects."
        return Problem(400, INVALID, message, "invalid_type", "messages")
    if not messages:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        return Problem(400, INVALID, message, "empty_array", "messages")
    for index, entry in enumerate(messages):
        if not isinstance(entry, dict) or not isinstance(entry.get("role"), str):
            param = f"messages[{index}].role"
            message = f"Missing required parameter: '{param}'."
            return Problem(400, INVALID, message, "missing_required_parameter", param)
    return None


def refuse_options(body: Mapping[str, Any]) -> Problem | None:
    """Why an option in BODY is refused, or None."""
    tools = body.get("tools")
    if tools is not None and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        return Problem(400, INVALID, "Invalid type for 'tools': expected an array of objects.", "invalid_type", "tools")
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        return Problem(400, INVALID, message, None, "stream_options")
    for name, most in (*((limit, None) for limit in LIMITS), ("n", MOST_CHOICES)):
        value = body.get(name)
        if value is not None and not (is_count(value) and value >= 1 and (most is None or value <= most)):
            return Problem(400, INVALID, f"Invalid value for '{name}'.", "invalid_value", name)
    return None
