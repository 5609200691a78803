"""Azure's OpenAI: the same endpoints under other paths, with its own key, errors and content filter.

Source: https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference
"""

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from uuid import UUID

from llmtrace.simulator.limits import Limits
from llmtrace.simulator.openai_stream import write_data
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Protocol, Reply, Request
from llmtrace.simulator.script import Target

PREFIX = "/openai/"
DEPLOYMENT = re.compile(r"/openai/deployments/(?P<name>[^/]+)/")
VERSIONLESS = "/openai/v1/"
REGION = "Sweden Central"
RENEWAL_S = 60

MESSAGES = {
    400: "The request is not valid.",
    401: "Access denied due to invalid subscription key or wrong API endpoint.",
    404: "Resource not found",
    429: "Requests have exceeded the rate limit of your current pricing tier. Please retry after some time.",
}
SAFE: JSON = {"filtered": False, "severity": "safe"}
VERDICT: JSON = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), SAFE)


class Azure(Protocol):
    """An endpoint of OpenAI as Azure serves it; a deployment is called like its model."""

    name: ClassVar[str] = "azure"
    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, endpoint: Protocol) -> None:
        """Serve ENDPOINT."""
        self._endpoint = endpoint
        self.speaks, self.streams = endpoint.speaks, endpoint.streams

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for this endpoint on Azure."""
        return path.startswith(PREFIX) and self._endpoint.serves(method, path)

    def target(self, asked: Asked) -> Target:
        """The traits of a request; its model may stand in the path alone."""
        return replace(self._endpoint.target(_with_model(asked)), provider=self.name)

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if not (asked.headers.get("api-key") or asked.headers.get("authorization")):
            return self.problem(401)
        if not asked.path.startswith(VERSIONLESS) and "api-version" not in asked.query:
            return self.problem(404)
        return self._endpoint.refuse(_with_model(asked))

    def reply(self, request: Request) -> Reply:
        """The answer of the endpoint, with what the content filter thinks of it."""
        reply = self._endpoint.reply(replace(request, asked=_with_model(request.asked)))
        choices = reply.body.get("choices")
        if choices is None:
            return reply
        judged = [choice | {"content_filter_results": VERDICT} for choice in choices]
        return replace(reply, body={**reply.body, "choices": judged, "prompt_filter_results": _judge_prompt()})

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The events of the endpoint; before the choices comes a chunk without any, which judges the prompt."""
        events = self._endpoint.events(request, reply, omits_usage=omits_usage)
        if "choices" not in reply.body:
            return events
        empty = {"choices": [], "created": 0, "id": "", "model": "", "object": ""}
        return [Event(write_data({**empty, "prompt_filter_results": _judge_prompt()})), *events]

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that Azure sends with STATUS."""
        text = message or MESSAGES.get(status) or "The service could not serve the request."
        return Problem(status, "azure_error", text, code or str(status))

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return self.problem(404)

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body: Azure's own has a code alone, one of the model's the rest too."""
        if problem.type == "azure_error":
            return {"error": {"code": problem.code, "message": problem.message}}
        return self._endpoint.error(problem, request_id)

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        return self._endpoint.stream_error(problem, request_id, number)

    def draw_request_id(self, ids: random.Random) -> str:
        """An id such as Azure's."""
        return str(UUID(int=ids.getrandbits(128), version=4))

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Who answered and what is left, in seconds where OpenAI writes durations."""
        headers = {"apim-request-id": request_id, "x-request-id": request_id, "x-ms-region": REGION}
        if status in (401, 404):
            return headers
        for unit, bucket in (("requests", limits.requests), ("tokens", limits.tokens)):
            headers[f"x-ratelimit-limit-{unit}"] = str(bucket.limit)
            headers[f"x-ratelimit-remaining-{unit}"] = str(bucket.remaining)
            headers[f"x-ratelimit-reset-{unit}"] = str(round(bucket.reset_s))
            headers[f"x-ratelimit-renewalperiod-{unit}"] = str(RENEWAL_S)
        return headers


def _with_model(asked: Asked) -> Asked:
    """ASKED with the deployment in its path for the model: that is who answers, whatever the body says."""
    found = DEPLOYMENT.search(asked.path)
    if found is None or not isinstance(asked.body, Mapping):
        return asked
    return replace(asked, body={**asked.body, "model": found["name"]})


def _judge_prompt() -> list[JSON]:
    return [{"prompt_index": 0, "content_filter_results": VERDICT}]
