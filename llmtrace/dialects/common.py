"""What every foreign span needs before it is read: the provider's name and endpoint, the failure, on whose behalf."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from llmtrace import semconv as s
from llmtrace.codec import STATUS_ERROR
from llmtrace.dialects.attribution import attribute
from llmtrace.dialects.base import Said, text, texts, whole
from llmtrace.dialects.content import add_content, finish_reasons
from llmtrace.model import Call, Span
from llmtrace.providers import find_provider
from llmtrace.providers.openai_hosts import find_provider_name

# Names for providers that were or are in use beside OpenTelemetry's.
PROVIDERS = {
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "aws": "aws.bedrock",
    "amazon": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "langchain": None,  # the library, not who answers
}
UNKNOWN_PROVIDER = "unknown"
# The last parts of a scope that name a provider.
SCOPE_PROVIDERS = {"anthropic": "anthropic", "openai": "openai", "openai_v2": "openai", "groq": "groq"}
# OpenTelemetry's words for why a model stopped, in each provider's own where only one is meant.
FINISH_REASONS = {
    "openai": {"tool_call": "tool_calls", "tool-calls": "tool_calls", "content-filter": "content_filter"},
    "mistralai": {"tool_call": "tool_calls", "tool-calls": "tool_calls"},
    "anthropic": {
        "length": "max_tokens",
        "tool_call": "tool_use",
        "tool_calls": "tool_use",
        "tool-calls": "tool_use",
        "content-filter": "refusal",
    },
}
ENDPOINTS = {
    ("openai", "chat"): "chat.completions",
    ("openai", "text_completion"): "completions",
    ("anthropic", "chat"): "messages",
    ("google.genai", "generate_content"): "generate_content",
    ("google.genai", "chat"): "generate_content",
    ("mistralai", "chat"): "chat.completions",
    ("mistralai", "text_completion"): "fim.completions",
    ("cohere", "chat"): "chat",
    ("ollama", "chat"): "chat",
    ("ollama", "text_completion"): "generate",
}
BASE_URLS = ("gen_ai.openai.api_base", "llm.openai.api_base", "openai.api_base")
# How the exceptions of OpenAI's and Anthropic's SDKs begin, after the class's name where that is put before or around;
# and those of Pydantic AI.
STATUS_IN_MESSAGE = re.compile(r"""^(?:[\w.]+(?:: |\(["']))?(?:Error code|status_code): ([45]\d\d)\b""")
UNSTATED_TIERS = (None, "auto", "default", "standard", "standard_only")


def complete(said: Said, span: Span) -> None:
    """Put into SAID what SPAN tells outside the attributes that its dialect translates."""
    _name_server(said)
    said[s.PROVIDER_NAME] = _provider(said, span.scope)
    _name_endpoint(said)
    if s.RESPONSE_FINISH_REASONS not in said and (reasons := finish_reasons(span)):
        said[s.RESPONSE_FINISH_REASONS] = reasons
    _list_finish_reasons(said)
    if span.status_code == STATUS_ERROR:
        _name_failure(said, span)
    if (status := whole(said, s.HTTP_STATUS_CODE)) is None or not 100 <= status <= 599:
        said.pop(s.HTTP_STATUS_CODE, None)
    attribute(said, span.attributes)
    add_content(said, span)


def find_common_doubts(call: Call) -> Iterable[str]:
    """What is open about the cost of CALL, whoever told of it."""
    if call.request.provider == "anthropic" and call.usage.cache_write_tokens and call.response.usage is None:
        yield "how long the cache keeps what was written is not told, and taken as five minutes"
    if call.request.service_tier not in UNSTATED_TIERS and call.response.service_tier is None:
        yield f"the tier {call.request.service_tier} was asked for, and which one served is not told"


def _provider(said: Said, scope: str) -> str:
    """Who answered: as the span says, else as the server's name or the scope says."""
    name = (text(said, s.PROVIDER_NAME) or "").lower()
    name = PROVIDERS.get(name, name) or ""
    if name in ("", "openai") and (host := text(said, s.SERVER_ADDRESS)) is not None:
        # Many answer in OpenAI's protocol, and the instrumentations call all of them openai.
        by_host = find_provider_name(host, "")
        name = by_host if name or by_host != "openai" else name
    return name or next((SCOPE_PROVIDERS[p] for p in scope.split(".") if p in SCOPE_PROVIDERS), UNKNOWN_PROVIDER)


def _name_server(said: Said) -> None:
    url = text(said, *BASE_URLS)
    if (address := text(said, s.SERVER_ADDRESS)) is not None:
        # Some write the port there too.
        name, _, number = address.rpartition(":")
        if name and number.isdecimal() and (":" not in name or name.endswith("]")):
            said[s.SERVER_ADDRESS] = name
    if url is None or s.SERVER_ADDRESS in said:
        return
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return
    if host:
        said[s.SERVER_ADDRESS] = host
        if port is not None:
            said[s.SERVER_PORT] = port


def _name_endpoint(said: Said) -> None:
    """The endpoint, in our words."""
    operation, family = said[s.OPERATION_NAME], find_provider(str(said[s.PROVIDER_NAME]))
    if s.ENDPOINT in said or family is None:
        return
    if said.get(s.OPENAI_API_TYPE) == "responses":
        said[s.ENDPOINT] = "responses"
    elif (name := ENDPOINTS.get((family.sdk, str(operation)))) is not None:
        said[s.ENDPOINT] = name


def _list_finish_reasons(said: Said) -> None:
    """Why the model stopped, as a list in the provider's words."""
    stated = said.get(s.RESPONSE_FINISH_REASONS)
    reasons = (texts(stated) or (stated,)) if isinstance(stated, str) else stated
    family = find_provider(str(said[s.PROVIDER_NAME]))
    words = FINISH_REASONS.get(family.sdk, {}) if family is not None else {}
    if isinstance(reasons, tuple) and reasons and all(isinstance(r, str) for r in reasons):
        said[s.RESPONSE_FINISH_REASONS] = tuple(words.get(str(r), str(r)) for r in reasons)
    else:
        said.pop(s.RESPONSE_FINISH_REASONS, None)


def _name_failure(said: Said, span: Span) -> None:
    """The error's type and the HTTP status, from the exception where no attribute has them."""
    failure = next((e.attributes for e in reversed(span.events) if e.name == "exception"), {})
    if text(said, s.ERROR_TYPE) is None:
        said[s.ERROR_TYPE] = text(failure, "exception.type") or "_OTHER"
    if s.HTTP_STATUS_CODE not in said:
        messages = (span.status_message, text(failure, "exception.message") or "")
        found = next((m for text_ in messages if (m := STATUS_IN_MESSAGE.match(text_))), None)
        if found is not None:
            said[s.HTTP_STATUS_CODE] = int(found[1])
