"""What all endpoints of Amazon Bedrock's runtime share: paths, errors, ids and headers.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
"""

import random
import re
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import unquote
from uuid import UUID

from llmtrace.simulator.bedrock_frames import CONTENT_TYPE, write_exception
from llmtrace.simulator.limits import Limits
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Protocol
from llmtrace.simulator.script import Target

PATH = re.compile(r"^/model/(?P<model>.+)/[a-z-]+$")
STREAMS = ("/converse-stream", "/invoke-with-response-stream")
PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("ValidationException", "The request is not valid."),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "Could not resolve the foundation model."),
    408: ("ModelTimeoutException", "The model took too long."),
    424: ("ModelErrorException", "The model could not answer."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The service met an unexpected error."),
    503: ("ServiceUnavailableException", "The service is not available."),
}


def model_of(asked: Asked) -> str:
    """The model in the path of what was ASKED."""
    found = PATH.match(asked.path)
    return unquote(found["model"]) if found else ""


class BedrockProtocol(Protocol):
    """An endpoint of Bedrock's runtime."""

    name: ClassVar[str] = "bedrock"
    stream_type = CONTENT_TYPE

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is this endpoint's."""
        return path.startswith("/model/") and super().serves(method, path)

    def target(self, asked: Asked) -> Target:
        """The traits of a request, all of which stand in its path."""
        return Target(self.name, model_of(asked), asked.path.endswith(STREAMS))

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if not asked.headers.get("authorization"):
            return Problem(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        return None if isinstance(asked.body, dict) else self.problem(400)

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that Bedrock sends with STATUS; CODE is a type of error."""
        usual = PROBLEMS.get(status) or PROBLEMS[400 if status < 500 else 500]
        return Problem(status, code or usual[0], message or usual[1])

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return Problem(404, "UnknownOperationException", "Unknown operation")

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body; its type stands in a header."""
        return {"message": problem.message}

    def error_headers(self, problem: Problem) -> dict[str, str]:
        """The type of PROBLEM."""
        return {"x-amzn-errortype": problem.type}

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream, where its type begins with a small letter."""
        name = problem.type[0].lower() + problem.type[1:]
        return Event(write_exception(name, {"message": problem.message}))

    def draw_request_id(self, ids: random.Random) -> str:
        """An id such as Amazon's."""
        return str(UUID(int=ids.getrandbits(128), version=4))

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Which request it was; what is left is not told."""
        return {"x-amzn-requestid": request_id}
