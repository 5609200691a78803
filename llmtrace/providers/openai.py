"""OpenAI, and whoever else answers in its protocol.

Source: https://github.com/openai/openai-openapi (the API definition)
"""

import re
from collections.abc import Mapping

from llmtrace.model import Request, Response
from llmtrace.providers import openai_batches, openai_chat, openai_media, openai_responses, openai_work, xai_work
from llmtrace.providers.base import Endpoint, Family, as_int, as_text
from llmtrace.providers.openai_hosts import (
    HOSTS,
    OTHER_PROTOCOLS,
    SERVERS,
    UNKNOWN,
    find_provider_name,
    name_server,
)
from llmtrace.providers.openai_usage import bill, denormalise, normalise
from llmtrace.providers.uncharged import count_endpoint

# Azure's deployment paths are rewritten below the choke point, and end alike.
ENDPOINTS: tuple[Endpoint, ...] = (
    *openai_chat.ENDPOINTS,
    *openai_responses.ENDPOINTS,
    *openai_media.ENDPOINTS,
    *openai_work.ENDPOINTS,
    *xai_work.ENDPOINTS,
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

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


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


def complete(request: Request, response: Response, headers: Mapping[str, str]) -> tuple[Request, Response]:
    """REQUEST with who really answered it, and whether it is answered later; RESPONSE as it is."""
    request, response = name_server(request, response, headers)
    return xai_work.name_deferred(request, response), response


FAMILY = Family(
    sdk="openai",
    providers=frozenset({*(provider for _, provider in HOSTS), *SERVERS, UNKNOWN} - OTHER_PROTOCOLS),
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
    complete=complete,
)
