"""A month of one shop's calls, made up but plausible, and the same for the same seed and moment.

The story in it: `support-chat` moves to a larger model twelve days before the end and its cost multiplies; Anthropic is
overloaded for three hours a week before the end; a batch of calls was never given a feature; one model has no price.
"""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llmtrace.model import Attempt, Call, Request, Response
from llmtrace.providers import find_provider

DAYS = 30
REGRESSION_DAYS_AGO = 12
OVERLOAD_DAYS_AGO = 7
OVERLOAD_HOURS = (13, 16)
SERVERS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}


@dataclass(frozen=True, slots=True)
class Workload:
    """How one feature calls a model: `per_day` calls of about these tokens, `later_model` since the regression."""

    feature: str | None
    service: str
    provider: str
    model: str
    per_day: int
    input_tokens: int
    output_tokens: int
    cached_share: float = 0.0
    stream: bool = False
    error_rate: float = 0.005
    later_model: str | None = None
    team: str = "core"


WORKLOADS: tuple[Workload, ...] = (
    Workload("support-chat", "shop-web", "openai", "gpt-4o-mini-2024-07-18", 210, 1900, 320, 0.35, stream=True,
             later_model="gpt-4o-2024-08-06", team="support"),
    Workload("summarize-reviews", "shop-jobs", "anthropic", "claude-haiku-4-5-20251001", 160, 3400, 210, 0.2,
             team="catalog"),
    Workload("product-search", "shop-web", "openai", "gpt-4.1-mini-2025-04-14", 260, 620, 45, team="search"),
    Workload("draft-email", "crm", "anthropic", "claude-sonnet-4-6", 45, 1500, 520, 0.5, stream=True, team="growth"),
    Workload("returns-agent", "shop-web", "anthropic", "claude-sonnet-4-6", 38, 5200, 640, 0.6, team="support"),
    Workload("classify-ticket", "shop-jobs", "openai", "gpt-4o-mini-2024-07-18", 190, 380, 12, team="support"),
    Workload("translate-listing", "shop-jobs", "openai", "gpt-4.1-2025-04-14", 55, 900, 870, team="catalog"),
    Workload("fraud-notes", "payments", "openai", "acme-risk-7b", 14, 700, 160, team="payments"),
    Workload(None, "shop-web", "openai", "gpt-4o-2024-08-06", 13, 1100, 240, team="core"),
)  # fmt: skip


def make_calls(now: datetime, seed: int = 7, days: int = DAYS) -> Iterator[tuple[Call, Mapping[str, str]]]:
    """Calls of the DAYS before NOW (naive UTC), oldest day first, each with its resource attributes."""
    rng = random.Random(seed)
    for days_ago in range(days, 0, -1):
        start = now - timedelta(days=days_ago)
        for workload in WORKLOADS:
            weekday = 0.55 if start.weekday() >= 5 else 1.0
            growth = 1.0 + 0.006 * (days - days_ago)
            count = round(workload.per_day * weekday * growth * rng.uniform(0.9, 1.1))
            for _ in range(count):
                yield _make_call(rng, workload, _moment(rng, start), days_ago, seed), _resource(workload)


def _moment(rng: random.Random, start: datetime) -> datetime:
    """A moment of the 24 hours from START on; afternoons are busier than nights."""
    while True:
        moment = start + timedelta(seconds=rng.uniform(0, 86400))
        busy = 0.55 + 0.45 * math.sin((moment.hour - 8) / 24 * 2 * math.pi)
        if rng.random() < busy:
            return moment


def _resource(workload: Workload) -> Mapping[str, str]:
    return {"service.name": workload.service, "deployment.environment.name": "production"}


def _make_call(rng: random.Random, workload: Workload, moment: datetime, days_ago: int, seed: int) -> Call:
    model = workload.model
    if workload.later_model is not None and days_ago <= REGRESSION_DAYS_AGO:
        model = workload.later_model
    overloaded = (
        workload.provider == "anthropic"
        and days_ago == OVERLOAD_DAYS_AGO
        and OVERLOAD_HOURS[0] <= moment.hour < OVERLOAD_HOURS[1]
    )
    failed = rng.random() < (0.42 if overloaded else workload.error_rate)
    usage = None if failed else _usage(rng, workload)
    output_tokens = 0 if usage is None else usage.get("completion_tokens", usage.get("output_tokens", 0))
    ttft_s = rng.lognormvariate(-0.9, 0.35) * (1.5 if model != workload.model else 1.0) * (2.2 if overloaded else 1.0)
    duration_s = ttft_s * 0.6 if failed else ttft_s + output_tokens / rng.uniform(55, 95)
    family = find_provider(workload.provider)
    assert family is not None
    return Call(
        trace_id=f"{rng.getrandbits(128):032x}",
        span_id=f"{rng.getrandbits(64):016x}",
        started_at_ns=int((moment - datetime(1970, 1, 1)).total_seconds() * 1e6) * 1000,
        duration_s=duration_s,
        ttft_s=ttft_s if workload.stream and not failed else None,
        time_to_first_chunk_s=ttft_s if workload.stream and not failed else None,
        request=Request(
            provider=workload.provider,
            operation="chat",
            endpoint="chat.completions" if workload.provider == "openai" else "messages",
            model=model,
            stream=workload.stream,
            server_address=SERVERS[workload.provider],
            server_port=443,
        ),
        response=Response() if usage is None else _response(rng, workload, model, usage),
        status="error" if failed else "ok",
        usage=family.normalise(usage) if usage is not None else family.normalise({}),
        usage_source="provider" if usage is not None else "missing",
        feature=workload.feature,
        feature_source="code" if workload.feature else None,
        user_id=f"user-{int(rng.paretovariate(1.2)) % 400}",
        session_id=f"session-{rng.randrange(4000)}" if workload.stream else None,
        prompt_version="v4" if days_ago <= REGRESSION_DAYS_AGO else "v3",
        tags={"team": workload.team},
        **_outcome(rng, failed, overloaded, workload.provider),
    )


def _outcome(rng: random.Random, failed: bool, overloaded: bool, provider: str) -> dict[str, Any]:
    """Status, error and attempts of a call."""
    if not failed:
        retried = rng.random() < (0.3 if overloaded else 0.01)
        first = (
            (Attempt("529" if provider == "anthropic" else "429", round(rng.uniform(0.5, 2), 3)),) if retried else ()
        )
        return {"http_status": 200, "attempts": (*first, Attempt("200"))}
    if overloaded:
        return {
            "http_status": 529,
            "error_type": "overloaded_error",
            "attempts": (Attempt("529", 0.6), Attempt("529", 1.2), Attempt("529")),
        }
    status, error = rng.choice(((429, "rate_limit_exceeded"), (500, "server_error"), (400, "invalid_request_error")))
    return {"http_status": status, "error_type": error, "attempts": (Attempt(str(status)),)}


def _usage(rng: random.Random, workload: Workload) -> dict[str, Any]:
    """A usage object as the provider would send it."""
    total_in = max(20, int(rng.lognormvariate(math.log(workload.input_tokens), 0.35)))
    out = max(3, int(rng.lognormvariate(math.log(workload.output_tokens), 0.45)))
    cached = int(total_in * workload.cached_share * rng.uniform(0.7, 1.2)) // 128 * 128 if rng.random() < 0.8 else 0
    if workload.provider == "openai":
        return {
            "prompt_tokens": total_in,
            "completion_tokens": out,
            "total_tokens": total_in + out,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }
    written = 0 if cached or not workload.cached_share else int(total_in * workload.cached_share)
    return {
        "input_tokens": total_in - cached - written,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": out,
        "service_tier": "standard",
    }


def _response(rng: random.Random, workload: Workload, model: str, usage: dict[str, Any]) -> Response:
    is_openai = workload.provider == "openai"
    prefix = "chatcmpl-" if is_openai else "msg_01"
    return Response(
        id=prefix + f"{rng.getrandbits(96):024x}",
        model=model,
        finish_reasons=("stop" if is_openai else "end_turn",),
        service_tier="default" if is_openai else "standard",
        usage=usage,
    )
