"""What each provider's usage object means in the same words."""

from typing import Any

import pytest

from llmtrace.model import Usage
from llmtrace.providers import FAMILIES, InvalidUsage, anthropic, find_endpoint, find_provider, openai, openai_chat
from llmtrace.providers.anthropic_usage import merge_usage

OPENAI_FULL = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0, "cache_write_tokens": 12},
    "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 4},
}
ANTHROPIC_FULL = {
    "input_tokens": 50,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 248,
    "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 503,
    "output_tokens_details": {"thinking_tokens": 120},
}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}, Usage(9, output_tokens=12)),
        (OPENAI_FULL, Usage(2006, 1920, 12, 300, 256, 0, 4)),
        ({"input_tokens": 9, "output_tokens": 0, "total_tokens": 9}, Usage(9, output_tokens=0)),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
        ({"prompt_tokens": 8, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(8, output_tokens=2)),
        ({"prompt_tokens": "8", "completion_tokens": True}, Usage()),
        ({}, Usage()),
    ],
    ids=["chat", "details", "responses", "embeddings", "null details", "wrong types", "empty"],
)
def test_openai_counts_everything_inside_its_totals(usage: dict[str, Any], expected: Usage) -> None:
    assert openai.FAMILY.normalise(usage) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 25, "output_tokens": 15}, Usage(25, output_tokens=15)),
        (ANTHROPIC_FULL, Usage(50 + 1800 + 248, 1800, 248, 503, 120)),
        (
            {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 0, "cache_creation_input_tokens": None},
            Usage(5, 0, None, 7),
        ),
        (
            {
                "input_tokens": 220, "output_tokens": 30,
                "iterations": [
                    {"type": "compaction", "input_tokens": 55_196, "output_tokens": 1200, "cache_read_input_tokens": 4},
                    {"type": "message", "input_tokens": 220, "output_tokens": 30},
                ],
            },
            Usage(220 + 55_196 + 4, 4, None, 1230),
        ),
        ({"output_tokens": 1}, Usage(output_tokens=1)),
    ],
    ids=["plain", "caches", "nulls", "compaction", "no input"],
)  # fmt: skip
def test_anthropic_counts_caches_and_separate_turns_beside_its_input(usage: dict[str, Any], expected: Usage) -> None:
    assert anthropic.FAMILY.normalise(usage) == expected


@pytest.mark.parametrize("count", [-1, "9", 9.5, True, 10**10], ids=repr)
@pytest.mark.parametrize("family", [openai.FAMILY, anthropic.FAMILY], ids=lambda f: f.sdk)
def test_what_is_no_count_reads_as_absent_and_cannot_be_billed(family: Any, count: Any) -> None:
    usage = {"prompt_tokens": count, "input_tokens": count, "completion_tokens": 2, "output_tokens": 2}
    assert family.normalise(usage) == Usage(output_tokens=2)
    with pytest.raises(InvalidUsage):
        family.bill(usage, {}, ())


@pytest.mark.parametrize("family", [openai.FAMILY, anthropic.FAMILY], ids=lambda f: f.sdk)
def test_counts_made_here_are_billed_like_the_providers_own(family: Any) -> None:
    usage = Usage(1000, 200, 100, 50)
    billing = family.bill(family.denormalise(usage), {}, ())
    amounts = {q.component: int(q.amount) for q in billing.quantities if q.amount}
    written = "cache_write" if family.sdk == "openai" else "cache_write_5m"
    assert amounts == {"input_uncached": 700, "input_cached": 200, written: 100, "output": 50}
    assert family.normalise(family.denormalise(usage)).input_tokens == 1000


def test_cumulative_counts_replace_and_missing_ones_say_nothing() -> None:
    start = {"input_tokens": 2679, "cache_read_input_tokens": 10, "output_tokens": 3, "service_tier": "standard"}
    merged = merge_usage(start, {"input_tokens": 10_682, "output_tokens": 510, "cache_read_input_tokens": None})
    assert merged == {
        "input_tokens": 10_682, "cache_read_input_tokens": 10, "output_tokens": 510, "service_tier": "standard",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "client", "provider"),
    [
        ("api.openai.com", "OpenAI", "openai"),
        ("eu.api.openai.com", "OpenAI", "openai"),
        ("127.0.0.1", "OpenAI", "openai"),
        ("my-llm-proxy.internal", "OpenAI", "openai"),
        ("evil-api.openai.com.example", "OpenAI", "openai"),
        ("acme.openai.azure.com", "AzureOpenAI", "azure.ai.openai"),
        ("gateway.internal", "AsyncAzureOpenAI", "azure.ai.openai"),
        ("openrouter.ai", "OpenAI", "openrouter"),
        ("api.groq.com", "AsyncOpenAI", "groq"),
        ("api.x.ai", "OpenAI", "x_ai"),
        (None, "OpenAI", "openai"),
    ],
)
def test_who_answers_an_openai_client(host: str | None, client: str, provider: str) -> None:
    assert openai.find_provider_name(host, client) == provider


@pytest.mark.parametrize(
    ("client", "provider"),
    [
        ("Anthropic", "anthropic"),
        ("AsyncAnthropic", "anthropic"),
        ("AnthropicBedrock", "aws.bedrock"),
        ("AsyncAnthropicVertex", "gcp.vertex_ai"),
    ],
)
def test_who_answers_an_anthropic_client(client: str, provider: str) -> None:
    assert anthropic.find_provider_name("anything", client) == provider


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        ("post", "/chat/completions", "chat.completions"),
        ("POST", "https://host/v1/chat/completions?x=1", "chat.completions"),
        ("POST", "/openai/deployments/x/chat/completions/", "chat.completions"),
        ("get", "/chat/completions", None),
        ("post", "/chat/completions/abc", None),
        ("post", "/models", None),
        ("post", "/responses", "responses"),
        ("post", "/responses?beta=true", "responses"),
        ("post", "/responses/compact", "responses.compact"),
        ("get", "/responses/resp_1?stream=true", "responses.retrieve"),
        ("get", "/responses/resp_1/input_items", None),
        ("post", "/responses/resp_1/cancel", None),
        ("post", "/responses/input_tokens", "responses.input_tokens"),
        ("delete", "/responses/resp_1", None),
        ("post", "/completions", "completions"),
        ("post", "/embeddings", "embeddings"),
        ("post", "/images/generations", "images.generations"),
        ("post", "/openai/deployments/x/images/edits", "images.edits"),
        ("post", "/images/variations", "images.variations"),
        ("post", "/audio/speech", "audio.speech"),
        ("post", "/audio/transcriptions", "audio.transcriptions"),
        ("post", "/audio/translations", "audio.translations"),
        ("post", "/moderations", "moderations"),
        ("post", "/decisions", "decisions"),
        ("post", "/threads/runs", "threads.runs"),
        ("post", "/threads/t_1/runs", "threads.runs"),
        ("get", "/threads/t_1/runs", None),
        ("get", "/threads/t_1/runs/run_1", "threads.runs.retrieve"),
        ("get", "/threads/t_1/runs/run_1/steps", None),
        ("post", "/threads/t_1/runs/run_1/submit_tool_outputs", "threads.runs.retrieve"),
        ("post", "/threads/t_1/messages", None),
        ("post", "/agents/sessions", "agents.sessions"),
        ("get", "/agents/sessions/s_1", "agents.sessions.retrieve"),
        ("get", "/agents/sessions/s_1/events", "agents.sessions.retrieve"),
        ("post", "/agents/sessions/s_1/events", None),
        ("get", "/agents/sessions/s_1/turns", None),
        ("post", "/evals", None),
        ("post", "/evals/eval_1/runs", "evals.runs"),
        ("get", "/evals/eval_1/runs", None),
        ("get", "/evals/eval_1/runs/r_1", "evals.runs.retrieve"),
        ("get", "/evals/eval_1/runs/r_1/output_items", None),
        ("post", "/fine_tuning/jobs", "fine_tuning.jobs"),
        ("get", "/fine_tuning/jobs/ftjob-1", "fine_tuning.jobs.retrieve"),
        ("get", "/fine_tuning/jobs/ftjob-1/events", None),
        ("post", "/fine_tuning/alpha/graders/run", "graders.run"),
        ("post", "/videos", "videos"),
        ("post", "/videos/video_1/remix", "videos"),
        ("post", "/videos/characters", None),
        ("get", "/videos/video_1", "videos.retrieve"),
        ("get", "/videos/video_1/content", None),
        ("post", "/videos/generations", "videos"),
        ("post", "/videos/edits", "videos"),
        ("get", "/chat/deferred-completion/c_1", "chat.deferred.retrieve"),
        ("post", "/tts", "audio.speech"),
        ("get", "/tts/voices", None),
        ("post", "/stt", "audio.transcriptions"),
        ("post", "/documents/search", "documents.search"),
        ("post", "/conversations", None),
        ("post", "/files", "files.create"),
    ],
)
def test_the_openai_endpoints_that_are_recorded(method: str, url: str, expected: str | None) -> None:
    endpoint = find_endpoint("openai", method, url)
    assert (endpoint and endpoint.name) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/v1/messages", "messages"),
        ("/v1/messages?beta=true", "messages"),
        ("/v1/messages/count_tokens", "messages.count_tokens"),
        ("/v1/messages/batches", "messages.batches.create"),
        ("/v1/complete", "complete"),
        ("/v1/sessions", "sessions"),
        ("/v1/sessions?beta=true", "sessions"),
        ("/v1/sessions/sesn_1/events", None),
        ("/v1/sessions/sesn_1/archive", "sessions.retrieve"),
        ("/v1/deployments/depl_1/run", "deployments.run"),
        ("/v1/deployments", None),
        ("/v1/dreams", "dreams"),
        ("/v1/dreams/drm_1/cancel", "dreams.retrieve"),
        ("/v1/files", None),
        ("/v1/skills", None),
    ],
)
def test_the_anthropic_endpoints_that_are_recorded(url: str, expected: str | None) -> None:
    endpoint = find_endpoint("anthropic", "post", url)
    assert (endpoint and endpoint.name) == expected


def test_rate_limits_are_numbers_and_seconds() -> None:
    headers = {
        "x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "17ms", "x-ratelimit-limit-tokens": "lots",
    }  # fmt: skip
    assert openai.read_rate_limits(headers) == {
        "requests.limit": 10000.0, "requests.remaining": 9999.0, "requests.reset_s": 360.0, "tokens.reset_s": 0.017,
    }  # fmt: skip
    limits = anthropic.read_rate_limits(
        {
            "anthropic-ratelimit-input-tokens-limit": "50000",
            "anthropic-ratelimit-requests-reset": "2020-01-01T00:00:00Z",
        }
    )
    assert limits == {"input_tokens.limit": 50000.0, "requests.reset_s": 0.0}


def test_events_nobody_knows_yet_break_nothing() -> None:
    for fold in (e.new_fold() for family in FAMILIES for e in family.endpoints if e.new_fold is not None):
        for event in ({}, {"type": "from_the_future", "delta": {"x": 1}}, {"choices": None}, {"choices": [{}]}):
            assert fold.add(event) is False
        assert fold.response().usage is None


def test_choices_may_come_in_any_number() -> None:
    fold = openai_chat.ChatFold()
    fold.add({"id": "a", "model": "m", "choices": [{"index": 7, "delta": {"content": "x"}, "finish_reason": None}]})
    fold.add({"id": "a", "model": "m", "choices": [{"index": 7, "delta": {}, "finish_reason": "stop"}]})
    fold.add({"id": "a", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
    assert fold.response().finish_reasons == ("length", "stop")


def test_a_stream_folds_to_the_response_that_its_body_would_be() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    head = {"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "service_tier": "default", "system_fingerprint": "fp"}
    body = {**head, "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}], "usage": usage}
    fold = openai_chat.ChatFold()
    fold.add({**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    fold.add({**head, "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]})
    fold.add({**head, "choices": [], "usage": usage})
    assert fold.response() == openai_chat.read_response(body)
    message = {
        "id": "msg_1", "model": "claude-sonnet-4-6", "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 2, "service_tier": "standard"},
    }  # fmt: skip
    stream = anthropic.MessageFold()
    start = {**message, "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}  # type: ignore[dict-item]
    stream.add({"type": "message_start", "message": start})
    stream.add({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}})
    stream.add({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}})
    assert stream.response() == anthropic.read_response(message)


def test_every_provider_belongs_to_one_family() -> None:
    names = [p for family in FAMILIES for p in family.providers]
    assert len(names) == len(set(names))
    assert find_provider("anthropic") is anthropic.FAMILY
    assert find_provider("nobody") is None
