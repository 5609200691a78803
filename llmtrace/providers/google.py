"""Google's models, on the Gemini API and on Vertex AI, whose answers are the same.

Sources: https://ai.google.dev/api/generate-content, https://ai.google.dev/api/embeddings,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers import google_batches, google_interactions, google_live, google_usage
from llmtrace.providers.base import Endpoint, Family, as_float, as_int, as_list, as_mapping, as_text, as_texts
from llmtrace.providers.google_content import read_content

KEPT_TEXT_CHARACTERS = 32_768
VERTEX = "vertex"
VERTEX_HOST = "aiplatform.googleapis.com"
_MODEL = re.compile(r"/(?:models|endpoints|tunedModels)/([^/:]+):[A-Za-z]+$")
# Search is charged by the prompt up to this generation, and by the query after it.
_BY_PROMPT = re.compile(r"^gemini-[12]\.")
# What a model may put into a part beside text.
OUTPUTS = ("functionCall", "inlineData", "fileData", "executableCode", "codeExecutionResult")


def model_in(url: str) -> str | None:
    """The model that URL names, as requests here have it in their path."""
    found = _MODEL.search(url.partition("?")[0])
    return found[1] if found is not None else None


def find_provider_name(host: str | None, client: str) -> str:
    """Who answers at HOST: Vertex AI where it is its own or CLIENT was made for it, else the Gemini API."""
    is_vertex = client == VERTEX or (host is not None and host.endswith(VERTEX_HOST))
    return "gcp.vertex_ai" if is_vertex else "gcp.gemini"


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent and the `model` of the path, has a value for."""
    config = as_mapping(body.get("generationConfig"))
    thinking = as_mapping(config.get("thinkingConfig"))
    choices = as_int(config.get("candidateCount"))
    is_json = config.get("responseMimeType") == "application/json"
    return {
        "model": as_text(body.get("model")),
        "max_tokens": as_int(config.get("maxOutputTokens")),
        "temperature": as_float(config.get("temperature")),
        "top_p": as_float(config.get("topP")),
        "top_k": as_int(config.get("topK")),
        "frequency_penalty": as_float(config.get("frequencyPenalty")),
        "presence_penalty": as_float(config.get("presencePenalty")),
        "seed": as_int(config.get("seed")),
        "choice_count": choices if choices != 1 else None,
        "stop_sequences": as_texts(config.get("stopSequences")),
        "output_type": "json" if is_json else None,
        "reasoning_level": as_text(thinking.get("thinkingLevel")),
        "service_tier": as_text(body.get("serviceTier")),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of instructions and contents in BODY, by reference: what an estimate counts where no event arrives."""
    contents = (body.get("systemInstruction"), *as_list(body.get("contents")))
    parts = (as_mapping(p) for c in contents for p in as_list(as_mapping(c).get("parts")))
    return [t for part in parts if isinstance(t := part.get("text"), str)]


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY: candidates, or the reason why there is none."""
    candidates = [as_mapping(c) for c in as_list(body.get("candidates"))]
    blocked = as_text(as_mapping(body.get("promptFeedback")).get("blockReason"))
    reasons = [read_reason(c) for c in candidates] or [blocked]
    usage = as_mapping(body.get("usageMetadata"))
    return Response(
        id=as_text(body.get("responseId")),
        model=as_text(body.get("modelVersion")),
        finish_reasons=tuple(r or "error" for r in reasons) if any(reasons) else None,
        service_tier=as_text(usage.get("serviceTier")),
        refusal_category=blocked,
        tool_requests=read_searches(as_text(body.get("modelVersion")), candidates),
        error=(read_error(body) or "error") if body.get("error") else None,
        usage=usage or None,
    )


def read_reason(candidate: Mapping[str, Any]) -> str | None:
    """Why the model stopped: a word, which some answers of Vertex AI number."""
    reason = candidate.get("finishReason")
    return str(reason) if as_int(reason) else as_text(reason)


def read_searches(model: str | None, candidates: list[Mapping[str, Any]]) -> Mapping[str, int]:
    """How often CANDIDATES were grounded in a search that is charged: by the prompt or the query, after MODEL."""
    metadata = (as_mapping(c.get("groundingMetadata")) for c in candidates)
    queries = sum(len(as_list(m.get("webSearchQueries"))) for m in metadata)
    if not queries:
        return {}
    return {"grounded_prompts": 1} if _BY_PROMPT.match(model or "") else {"grounding_queries": queries}


def read_error(body: Mapping[str, Any]) -> str | None:
    """The status in the API's error envelope, such as `RESOURCE_EXHAUSTED`."""
    error = as_mapping(body.get("error"))
    code = as_int(error.get("code"))
    return as_text(error.get("status")) or (str(code) if code is not None else None)


class ContentFold:
    """Gathers the chunks of a streamed answer: each is a response of its own, with what is new in it.

    Counts are cumulative; the prompt's are there from the first chunk on.
    """

    __slots__ = (
        "_blocked",
        "_counted_late",
        "_finish",
        "_id",
        "_kept",
        "_model",
        "_searches",
        "error",
        "text_parts",
        "usage",
    )

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.usage: Mapping[str, Any] | None = None
        self.error: str | None = None
        self._finish: dict[int, str] = {}
        self._blocked: str | None = None
        self._counted_late = False
        self._id: str | None = None
        self._model: str | None = None
        self._searches: Mapping[str, int] = {}
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take a chunk; True when it carried output of the model."""
        if event.get("error"):
            self.error = self.error or read_error(event) or "error"
            return False
        candidates = [as_mapping(c) for c in as_list(event.get("candidates"))]
        self._id = as_text(event.get("responseId")) or self._id
        self._model = as_text(event.get("modelVersion")) or self._model
        self._blocked = as_text(as_mapping(event.get("promptFeedback")).get("blockReason")) or self._blocked
        self._searches = read_searches(as_text(event.get("modelVersion")), candidates) or self._searches
        spoke = False
        for candidate in candidates:
            spoke = self._add_candidate(candidate) or spoke
        usage = as_mapping(event.get("usageMetadata"))
        if usage:
            self.usage = usage
            self._counted_late = self.complete
        return spoke

    def _add_candidate(self, candidate: Mapping[str, Any]) -> bool:
        reason = read_reason(candidate)
        if reason is not None:
            self._finish[as_int(candidate.get("index")) or 0] = reason
        spoke = False
        for part in map(as_mapping, as_list(as_mapping(candidate.get("content")).get("parts"))):
            text = as_text(part.get("text"))
            if text is not None and self._kept < KEPT_TEXT_CHARACTERS:
                self.text_parts.append(text)
                self._kept += len(text)
            spoke = spoke or text is not None or any(name in part for name in OUTPUTS)
        return spoke

    def response(self) -> Response:
        """The response as far as it got."""
        reasons = tuple(self._finish[i] for i in sorted(self._finish))
        return Response(
            id=self._id,
            model=self._model,
            finish_reasons=reasons or ((self._blocked,) if self._blocked else None),
            service_tier=as_text(as_mapping(self.usage).get("serviceTier")),
            refusal_category=self._blocked,
            tool_requests=self._searches,
            usage=self.usage,
        )

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return bool(self._finish) or self._blocked is not None

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's final count arrived: with the reason to stop, or after it."""
        return self._counted_late


def read_embedding_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, which asks for embeddings in one of three shapes, has a value for."""
    first = as_mapping(next(iter(as_list(body.get("requests"))), {}))
    sizes = (
        first.get("outputDimensionality"),
        as_mapping(body.get("parameters")).get("outputDimensionality"),
        as_mapping(body.get("embedContentConfig")).get("outputDimensionality"),
        body.get("outputDimensionality"),
    )
    size = next((n for s in sizes if (n := as_int(s)) is not None), None)
    return {"model": as_text(body.get("model")), "dimensions": size}


def read_embeddings(body: Mapping[str, Any]) -> Response:
    """The response in BODY: the Gemini API counts as everywhere, Vertex AI's predictions each for themselves."""
    usage = as_mapping(body.get("usageMetadata"))
    if not usage:
        embeddings = (as_mapping(as_mapping(p).get("embeddings")) for p in as_list(body.get("predictions")))
        counts = [as_int(as_mapping(e.get("statistics")).get("token_count")) for e in embeddings]
        told = [n for n in counts if n is not None]
        usage = {google_usage.PROMPT: sum(told)} if counts and len(told) == len(counts) else {}
    return Response(error=(read_error(body) or "error") if body.get("error") else None, usage=usage or None)


def read_prediction_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, which asks for images or video, has a value for."""
    count = as_int(as_mapping(body.get("parameters")).get("sampleCount"))
    return {"model": as_text(body.get("model")), "choice_count": count if count != 1 else None}


def read_prediction(body: Mapping[str, Any]) -> Response:
    """The response in BODY: what was made is priced by the piece, which no usage tells."""
    return Response(id=as_text(body.get("name")), error=(read_error(body) or "error") if body.get("error") else None)


def _generating(name: str, path: str, *, stream: bool) -> Endpoint:
    return Endpoint(
        name=name,
        operation="generate_content",
        method="POST",
        matches=re.compile(path),
        read_request=read_request,
        read_response=read_response,
        new_fold=ContentFold if stream else None,
        prompt_texts=prompt_texts,
        read_content=read_content,
    )


def _embedding(path: str) -> Endpoint:
    return Endpoint(
        name="embeddings",
        operation="embeddings",
        method="POST",
        matches=re.compile(path),
        read_request=read_embedding_request,
        read_response=read_embeddings,
    )


def _predicting(name: str, path: str) -> Endpoint:
    return Endpoint(
        name=name,
        operation="generate_content",
        method="POST",
        matches=re.compile(path),
        read_request=read_prediction_request,
        read_response=read_prediction,
    )


ENDPOINTS = (
    _generating("generate_content", r":generateContent$", stream=False),
    _generating("generate_content", r":streamGenerateContent$", stream=True),
    _embedding(r":(?:batchEmbedContents|embedContent)$"),
    _embedding(r"embedding[^/]*:predict$"),
    _predicting("predict", r":predict$"),
    _predicting("predict_long_running", r":predictLongRunning$"),
    *google_interactions.ENDPOINTS,
    *google_live.ENDPOINTS,
    *google_batches.ENDPOINTS,
)

USAGE = google_usage.FAMILY
FAMILY = Family(
    sdk="google.genai",
    providers=frozenset({"gcp.gemini", "gcp.gen_ai"}),
    endpoints=ENDPOINTS,
    find_provider_name=find_provider_name,
    read_error=read_error,
    read_rate_limits=lambda headers: {},
    normalise=USAGE.normalise,
    denormalise=USAGE.denormalise,
    bill=USAGE.bill,
    read_model=USAGE.read_model,
    request_id_header="x-request-id",
    batches=google_batches.BATCHES,
)
