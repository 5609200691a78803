"""Bedrock's InvokeModel: each maker's models in their own words, with the counts beside them in headers.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from llmtrace.simulator.answers import Wish, compose
from llmtrace.simulator.anthropic import Messages
from llmtrace.simulator.bedrock_api import BedrockProtocol, model_of
from llmtrace.simulator.bedrock_frames import write_chunk
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request
from llmtrace.simulator.text import count_tokens, split_chunks

METRICS = "amazon-bedrock-invocationMetrics"
DIMENSIONS = 8
HEADER = "x-amzn-bedrock-{}-token-count"


class Invoke(BedrockProtocol):
    """Answers as Anthropic's, Meta's, Amazon's and Cohere's models do."""

    suffixes: ClassVar[tuple[str, ...]] = ("/invoke", "/invoke-with-response-stream")

    def __init__(self) -> None:
        """With a cold cache."""
        self._messages = Messages()

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        problem = super().refuse(asked)
        if problem is None and _is_claude(model_of(asked)):
            problem = self._messages.refuse(_with_model(asked))
            return None if problem is None else self.problem(problem.status, None, problem.message)
        return problem

    def reply(self, request: Request) -> Reply:
        """The whole answer, in the words of the model that was asked."""
        model = model_of(request.asked)
        if _is_claude(model):
            reply = self._messages.reply(replace(request, asked=_with_model(request.asked)))
            return replace(reply, headers=_counts(reply.input_tokens, reply.output_tokens))
        if "embed" in model:
            return _embed(model, request)
        prompt = str(request.body.get("prompt") or request.body.get("inputText") or "")
        tokens = count_tokens(prompt)
        limit = request.body.get("max_gen_len") or (request.body.get("textGenerationConfig") or {}).get("maxTokenCount")
        output = compose(Wish(limit=limit), request.answer, request.rng)
        reason = "length" if output.is_cut else "stop"
        body: JSON = {"generation": output.text, "prompt_token_count": tokens, "generation_token_count": output.tokens}
        body["stop_reason"] = reason
        usage: JSON = {"prompt_token_count": tokens, "generation_token_count": output.tokens}
        if "titan" in model:
            result = {"tokenCount": output.tokens, "outputText": output.text, "completionReason": reason.upper()}
            body = {"inputTextTokenCount": tokens, "results": [result]}
            usage = {"inputTextTokenCount": tokens, "results": [{"tokenCount": output.tokens}]}
        return Reply(body, usage, tokens, output.tokens, headers=_counts(tokens, output.tokens))

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The answer in chunks; the last has what Bedrock counted itself."""
        parts = self._parts(request, reply, omits_usage=omits_usage)
        if not omits_usage:
            parts[-1] = {
                **parts[-1],
                METRICS: {
                    "inputTokenCount": reply.input_tokens,
                    "outputTokenCount": reply.output_tokens,
                    "invocationLatency": 5,
                    "firstByteLatency": 2,
                },
            }
        return [Event(write_chunk(part), part is parts[-1] and not omits_usage) for part in parts]

    def _parts(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[JSON]:
        if _is_claude(model_of(request.asked)):
            events = self._messages.events(request, reply, omits_usage=omits_usage)
            return [json.loads(event.data.partition(b"data: ")[2]) for event in events]
        text = reply.body.get("generation") or reply.body["results"][0]["outputText"]
        pieces: list[JSON] = [{"generation": p, "stop_reason": None} for p in split_chunks(text)]
        if "results" in reply.body:
            pieces = [{"outputText": piece["generation"], "index": 0} for piece in pieces]
        return pieces or [{"generation": ""}]


def _is_claude(model: str) -> bool:
    return "anthropic.claude" in model


def _with_model(asked: Asked) -> Asked:
    """ASKED as Anthropic is asked: the model in the body, the key in its own header."""
    body: Mapping[str, Any] = {**asked.fields, "model": model_of(asked).rpartition("anthropic.")[2]}
    return replace(asked, body=body)


def _embed(model: str, request: Request) -> Reply:
    """Vectors; Cohere's models tell no count but in the header."""
    if "cohere" in model:
        texts = list(request.body.get("texts") or ())
        tokens = sum(count_tokens(str(text)) for text in texts)
        vectors = [[round(request.rng.uniform(-1, 1), 6) for _ in range(DIMENSIONS)] for _ in texts]
        body: JSON = {"id": request.draw_id("", 24), "response_type": "embeddings_floats", "embeddings": vectors}
        usage: JSON = {HEADER.format("input"): str(tokens)}
        return Reply(body, usage, tokens, 0, headers=_counts(tokens))
    tokens = count_tokens(str(request.body.get("inputText") or ""))
    size = request.body.get("dimensions") or DIMENSIONS
    vector = [round(request.rng.uniform(-1, 1), 6) for _ in range(size)]
    body = {"embedding": vector, "inputTextTokenCount": tokens}
    return Reply(body, {"inputTextTokenCount": tokens}, tokens, 0, headers=_counts(tokens))


def _counts(input_tokens: int, output_tokens: int | None = None) -> dict[str, str]:
    counts = {HEADER.format("input"): str(input_tokens)}
    if output_tokens is not None:
        counts[HEADER.format("output")] = str(output_tokens)
    return counts
