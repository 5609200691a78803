"""OpenAI, and whoever else answers in its protocol.

Source: https://github.com/openai/openai-openapi (the API definition)
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from llmtrace.providers import openai_batches, openai_chat, openai_media, openai_responses, openai_work
from llmtrace.providers.base import Endpoint, Family, as_int, as_text
from llmtrace.providers.openai_usage import bill, denormalise, normalise
from llmtrace.providers.uncharged import count_endpoint

# Azure's deployment paths are rewritten below the choke point, and end alike.
ENDPOINTS: tuple[Endpoint, ...] = (
    *openai_chat.ENDPOINTS,
    *openai_responses.ENDPOINTS,
    *openai_media.ENDPOINTS,
    *openai_work.ENDPOINTS,
    count_endpoint("responses.input_tokens", r"/responses/input_tokens$"),
    Endpoint(
        name="moderations",
        operation="moderation",
        method="POST",
        matches=re.compile(r"/moderations$"),
        read_request=lambda body: {"model": as_text(body.get("model"))},
        read_response=openai_chat.read_response,
    ),
    Endpoint(
        name="embeddings",
        operation="embeddings",
        method="POST",
        matches=re.compile(r"/embeddings$"),
        read_request=lambda body: {"model": as_text(body.get("model")), "dimensions": as_int(body.get("dimensions"))},
        read_response=openai_chat.read_response,
    ),
    *openai_batches.ENDPOINTS,
)

# Hosts that speak OpenAI's protocol, by the end of their name. An unknown host keeps the SDK's own name: it is most
# often a proxy in front of OpenAI.
HOSTS: tuple[tuple[str, str], ...] = (
    ("api.openai.com", "openai"),
    ("openai.azure.com", "azure.ai.openai"),
    ("cognitiveservices.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.openai"),
    ("openrouter.ai", "openrouter"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.together.xyz", "together_ai"),
    ("api.fireworks.ai", "fireworks_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
)
# Who also answers in this protocol, but first in one of its own.
WITH_AN_SDK = frozenset({"gcp.gemini", "mistral_ai"})
AZURE_CLIENTS = frozenset({"AzureOpenAI", "AsyncAzureOpenAI", "_AzureModuleClient"})

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@lru_cache(maxsize=512)
def find_provider_name(host: str | None, client_class: str) -> str:
    """Who answers at HOST, in OpenTelemetry's words."""
    for ending, provider in HOSTS:
        if host is not None and (host == ending or host.endswith("." + ending)):
            return provider
    return "azure.ai.openai" if client_class in AZURE_CLIENTS else "openai"


def read_rate_limits(headers: Mapping[str, str]) -> dict[str, float]:
    """Limits from `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: counts, and seconds until a reset."""
    limits: dict[str, float] = {}
    for kind in ("limit", "remaining", "reset"):
        for unit in ("requests", "tokens"):
            text = headers.get(f"x-ratelimit-{kind}-{unit}")
            value = None if text is None else _duration_s(text) if kind == "reset" else _number(text)
            if value is not None:
                limits[f"{unit}.{kind}" + ("_s" if kind == "reset" else "")] = value
    return limits


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _duration_s(text: str) -> float | None:
    """Seconds in TEXT, a Go duration such as `6m0s` or `17ms`, or plain seconds."""
    parts = _DURATION.findall(text)
    if parts and "".join(n + u for n, u in parts) == text:
        return sum(float(n) * _UNIT_S[u] for n, u in parts)
    return _number(text)


FAMILY = Family(
    sdk="openai",
    providers=frozenset({provider for _, provider in HOSTS}) - WITH_AN_SDK,
    endpoints=ENDPOINTS,
    find_provider_name=find_provider_name,
    read_error=openai_chat.read_error,
    read_rate_limits=read_rate_limits,
    normalise=normalise,
    denormalise=denormalise,
    bill=bill,
    request_id_header="x-request-id",
    own_hosts=("api.openai.com",),
    batches=openai_batches.BATCHES,
)
