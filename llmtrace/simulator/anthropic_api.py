"""What all endpoints of Anthropic share: errors, ids and headers."""

import random
from typing import ClassVar

from llmtrace.simulator.anthropic_errors import SHOULD_NOT_RETRY, find_problem
from llmtrace.simulator.anthropic_stream import write_event
from llmtrace.simulator.limits import Bucket, Limits, rfc3339
from llmtrace.simulator.protocol import JSON, Event, Problem, Protocol
from llmtrace.simulator.text import draw_id

ORGANIZATION = "00000000-5111-4a70-8000-000000000000"


class AnthropicProtocol(Protocol):
    """An endpoint of Anthropic."""

    name: ClassVar[str] = "anthropic"

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that Anthropic sends with STATUS; CODE is a type of error."""
        return find_problem(status, code, message)

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return Problem(404, "not_found_error", "Not Found")

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        error = {"type": problem.type, "message": problem.message}
        return {"type": "error", "error": error, "request_id": request_id}

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        error = {"details": None, "type": problem.type, "message": problem.message}
        return Event(write_event({"type": "error", "error": error, "request_id": request_id}))

    def draw_request_id(self, ids: random.Random) -> str:
        """An id such as Anthropic's."""
        return draw_id(ids, "req_011C", 20)

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Who answered and what is left; a request that was refused has used nothing up."""
        headers = {"request-id": request_id}
        if status in SHOULD_NOT_RETRY:
            return headers | {"x-should-retry": "false"}
        headers["anthropic-organization-id"] = ORGANIZATION
        named = {
            "requests": (limits.requests, limits.requests.remaining),
            "tokens": (limits.tokens, _rounded(limits.tokens)),
            "input-tokens": (limits.input_tokens, _rounded(limits.input_tokens)),
            "output-tokens": (limits.output_tokens, _rounded(limits.output_tokens)),
        }
        for unit, (bucket, remaining) in named.items():
            headers[f"anthropic-ratelimit-{unit}-limit"] = str(bucket.limit)
            headers[f"anthropic-ratelimit-{unit}-remaining"] = str(remaining)
            headers[f"anthropic-ratelimit-{unit}-reset"] = rfc3339(bucket.reset_s)
        return headers


def _rounded(bucket: Bucket) -> int:
    # Anthropic tells remaining tokens in thousands.
    return min(round(bucket.remaining, -3), bucket.limit)
