"""Anthropic's older completions of text, which never tell a usage.

Source: https://docs.anthropic.com/en/api/complete
"""

from typing import ClassVar

from llmtrace.simulator.answers import Wish, compose
from llmtrace.simulator.anthropic_api import AnthropicProtocol
from llmtrace.simulator.anthropic_errors import find_problem, refuse_stranger
from llmtrace.simulator.anthropic_stream import write_event
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request, is_count
from llmtrace.simulator.text import count_tokens, split_chunks

HUMAN = "\n\nHuman:"
REQUIRED = {"model": str, "prompt": str, "max_tokens_to_sample": int}


class Complete(AnthropicProtocol):
    """Continues a text."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v1/complete",)

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_stranger(asked.headers, asked.body):
            return problem
        missing = next((name for name, kind in REQUIRED.items() if not isinstance(asked.body.get(name), kind)), None)
        if missing is not None:
            return find_problem(400, None, f"{missing}: Field required")
        limit = asked.body["max_tokens_to_sample"]
        if not is_count(limit) or limit < 1:
            return find_problem(400, None, "max_tokens_to_sample: Input should be greater than or equal to 1")
        return None

    def reply(self, request: Request) -> Reply:
        """The complete completion."""
        body, answer = request.body, request.answer
        stops = (HUMAN, *(body.get("stop_sequences") or ()))
        output = compose(Wish(stops=stops, limit=body["max_tokens_to_sample"]), answer, request.rng)
        id_ = request.draw_id("compl_01", 22)
        reason = (answer.finish_reason if answer is not None else None) or (
            "max_tokens" if output.is_cut else "stop_sequence"
        )
        completion: JSON = {
            "type": "completion",
            "id": id_,
            "completion": output.text,
            "stop_reason": reason,
            "model": (answer.response_model if answer is not None else None) or request.model,
            "stop": (output.stop or HUMAN) if reason == "stop_sequence" else None,
            "log_id": id_,
        }
        return Reply(completion, None, count_tokens(body["prompt"]), output.tokens)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The completion piece by piece."""
        open_: JSON = {**reply.body, "stop_reason": None, "stop": None}
        parts = [{**open_, "completion": piece} for piece in split_chunks(reply.body["completion"])]
        parts[1:1] = [{"type": "ping"}]
        return [Event(write_event(part)) for part in [*parts, {**reply.body, "completion": ""}]]
