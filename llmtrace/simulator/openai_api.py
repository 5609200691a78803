"""What all endpoints of OpenAI share: errors, ids and headers."""

import random
from typing import ClassVar

from llmtrace.simulator.limits import Limits, go_duration
from llmtrace.simulator.openai_errors import find_problem
from llmtrace.simulator.openai_stream import write_data
from llmtrace.simulator.protocol import JSON, Event, Problem, Protocol

ORGANIZATION = "org-simulator"
VERSION = "2020-10-01"


class OpenAIProtocol(Protocol):
    """An endpoint of OpenAI."""

    name: ClassVar[str] = "openai"

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that OpenAI sends with STATUS."""
        return find_problem(status, code, message)

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return Problem(404, "invalid_request_error", f"Invalid URL ({method} {path})")

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        return {
            "error": {
                "message": problem.message,
                "type": problem.type,
                "param": problem.param,
                "code": problem.code,
            }
        }

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        return Event(write_data(self.error(problem, request_id)))

    def draw_request_id(self, ids: random.Random) -> str:
        """An id such as OpenAI's."""
        return f"req_{ids.getrandbits(128):032x}"

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Who answered, how fast and what is left; before a model is chosen (401, 404) only the id is known."""
        headers = {"x-request-id": request_id}
        if status in (401, 404):
            return headers
        headers |= {
            "openai-organization": ORGANIZATION,
            "openai-processing-ms": str(round(elapsed_s * 1_000)),
            "openai-version": VERSION,
        }
        for unit, bucket in (("requests", limits.requests), ("tokens", limits.tokens)):
            headers[f"x-ratelimit-limit-{unit}"] = str(bucket.limit)
            headers[f"x-ratelimit-remaining-{unit}"] = str(bucket.remaining)
            headers[f"x-ratelimit-reset-{unit}"] = go_duration(bucket.reset_s)
        return headers
