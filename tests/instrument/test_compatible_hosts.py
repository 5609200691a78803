"""Who answers an OpenAI client whose base URL is another's: by the host, by what the answer says, by the model."""

import http.server
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import recorded_calls
from loopback import served
from surface import MESSAGES

import llmtrace
from llmtrace.pricing import load_book, price_call

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


@contextmanager
def answering(body: dict[str, Any], **headers: str) -> Iterator[str]:
    """The address of a server, which is a proxy too, that answers everything with BODY and HEADERS."""

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def version_string(self) -> str:
            return headers.get("server", "test")

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            sent = json.dumps(body).encode()
            kind = "application/json"
            if asked.get("stream"):
                sent, kind = b"data: " + sent + b"\n\ndata: [DONE]\n\n", "text/event-stream"
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    with served(Answer) as address:
        yield address


def completion(model: str, usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Boats."}}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": usage or USAGE,
        **more,
    }


def ask(base_url: str, model: str, proxy: str | None = None) -> None:
    """One call of MODEL at BASE_URL, through PROXY, which answers in the host's place."""
    http_client = openai.DefaultHttpxClient(proxy=proxy) if proxy else None
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0, http_client=http_client) as client:
        client.chat.completions.create(model=model, messages=MESSAGES)


# base URL, provider, model, the usage that it answers with, and the cost by the book of today where it has one
HOSTS: list[tuple[str, str, str, dict[str, Any], str, str | None]] = [
    ("http://api.groq.com/openai/v1", "groq", "llama-3.3-70b-versatile", USAGE, "exact", "0.000669"),
    ("http://openrouter.ai/api/v1", "openrouter", "a/b", {**USAGE, "cost": 0.00123}, "provider_reported", "0.00123"),
    ("http://ai-gateway.vercel.sh/v1", "vercel", "a/b", {**USAGE, "cost": 0.002}, "provider_reported", "0.002"),
    (
        "http://api.x.ai/v1", "x_ai", "grok-4", {**USAGE, "cost_in_usd_ticks": 37_000_000}, "provider_reported",
        "0.0037",
    ),
    (
        "http://api.perplexity.ai", "perplexity", "sonar", {**USAGE, "cost": {"total_cost": 0.006}},
        "provider_reported", "0.006",
    ),
    ("http://generativelanguage.googleapis.com/v1beta/openai", "gcp.gemini", "gemini-2.5-pro", USAGE, "exact", None),
    ("http://api.cohere.ai/compatibility/v1", "cohere", "command-a-03-2025", USAGE, "exact", "0.0035"),
    ("http://api.anthropic.com/v1", "anthropic", "claude-sonnet-4-6", USAGE, "exact", "0.0045"),
    ("http://api.mistral.ai/v1", "mistral_ai", "nobody-knows", USAGE, "unpriced", None),
    ("http://api.deepseek.com", "deepseek", "nobody-knows", USAGE, "unpriced", None),
    ("http://api.together.xyz/v1", "together_ai", "gpt-4o", USAGE, "unpriced", None),
    ("http://api.fireworks.ai/inference/v1", "fireworks_ai", "gpt-4o", USAGE, "unpriced", None),
    ("http://bedrock-runtime.us-west-2.amazonaws.com/openai/v1", "aws.bedrock", "x", USAGE, "unpriced", None),
    ("http://bedrock-mantle.eu-west-1.api.aws/v1", "aws.bedrock", "x", USAGE, "unpriced", None),
    ("http://europe-west4-aiplatform.googleapis.com/v1", "gcp.vertex_ai", "x", USAGE, "unpriced", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base_url", "provider", "model", "usage", "status", "usd"), HOSTS, ids=[row[0][7:] for row in HOSTS]
)
def test_a_host_is_named_and_billed_as_its_own(
    base_url: str, provider: str, model: str, usage: dict[str, Any], status: str, usd: str | None, home: Path
) -> None:
    llmtrace.instrument(home=home)
    with answering(completion(model, usage)) as proxy:
        ask(base_url, model, proxy)
    (call,) = recorded_calls(home)
    assert call.request.provider == provider
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage_source) == (1000, 100, "provider")
    cost = price_call(load_book(), call)
    assert cost.status == status, cost.reason
    if usd is not None:
        assert cost.total_usd == Decimal(usd)
    elif status == "unpriced":
        assert cost.total_usd is None


@pytest.mark.parametrize(
    ("model", "answered", "more", "server", "provider"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", {}, "test", "openai"),
        ("our-fast-one", "gpt-4o-2024-08-06", {}, "test", "openai"),
        ("openai/gpt-4o", "openai/gpt-4o", {}, "test", "openai"),
        ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct", {}, "uvicorn", "openai_compatible"),
        ("gpt-oss-20b", "gpt-oss-20b", {}, "uvicorn", "openai_compatible"),
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b", {}, "uvicorn", "openai_compatible"),
        ("qwen3", "qwen3", {"system_fingerprint": "fp_ollama"}, "test", "ollama"),
        ("gpt-4o", "gpt-4o", {"system_fingerprint": "fp_ollama"}, "test", "ollama"),
        ("gpt-3.5-turbo", "gpt-3.5-turbo", {}, "llama.cpp", "llama_cpp"),
        ("gpt-4o", "phi-4", {"system_fingerprint": "phi-4"}, "test", "lm_studio"),
    ],
)
def test_a_server_of_the_users_own_is_openais_only_where_nothing_else_is_known(
    model: str, answered: str, more: dict[str, Any], server: str, provider: str, home: Path
) -> None:
    llmtrace.instrument(home=home)
    with answering(completion(answered, **more), server=server) as address:
        ask(f"{address}/v1", model)
        ask("http://llm.internal/v1", model, address)
    calls = recorded_calls(home)
    assert [call.request.provider for call in calls] == [provider, provider]
    for call in calls:
        cost = price_call(load_book(), call)
        if provider == "openai":
            assert answered.startswith("openai/") or cost.total_usd is not None
        else:
            assert (cost.status, cost.total_usd) == ("unpriced", None), "never at OpenAI's rates"


@pytest.mark.parametrize(("port", "provider"), [(11434, "ollama"), (1234, "lm_studio"), (8000, "openai_compatible")])
def test_a_local_server_is_known_by_its_port_even_where_it_fails(port: int, provider: str, home: Path) -> None:
    llmtrace.instrument(home=home)
    with answering(completion("llama3.2")) as proxy:
        ask(f"http://gpu.internal:{port}/v1", "llama3.2", proxy)
    (call,) = recorded_calls(home)
    assert call.request.provider == provider


def test_a_stream_of_anothers_reasoning_speaks_with_its_first_thought(home: Path) -> None:
    delta = {"role": "assistant", "reasoning": "Boats come at night."}
    chunk = completion("qwen3", choices=[{"index": 0, "delta": delta, "finish_reason": "stop"}])
    llmtrace.instrument(home=home)
    with (
        answering({**chunk, "object": "chat.completion.chunk"}) as address,
        openai.OpenAI(base_url=address, api_key="k") as client,
    ):
        assert list(client.chat.completions.create(model="qwen3", messages=MESSAGES, stream=True))
    (call,) = recorded_calls(home)
    assert call.ttft_s is not None
    assert (call.request.provider, call.usage_source) == ("openai_compatible", "provider")


def test_own_prices_and_free_calls_can_be_stated_for_such_a_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "prices.yaml").write_text(
        """
rates:
  - provider: openai_compatible
    model: llama3.2
    valid_from: 2026-01-01
    others: unpriced
    usd_per_mtok: {input_uncached: "1", output: "2"}
free:
  - provider: ollama
""",
    )
    from llmtrace.pricing.current import current_book

    llmtrace.instrument(home=home)
    with answering(completion("llama3.2")) as proxy:
        ask("http://gpu.internal:8000/v1", "llama3.2", proxy)
        ask("http://gpu.internal:11434/v1", "llama3.2", proxy)
    vllm, ollama = (price_call(current_book(home), call) for call in recorded_calls(home))
    assert (vllm.status, vllm.total_usd) == ("exact", Decimal("0.0012"))
    assert (ollama.status, ollama.total_usd) == ("not_billed", Decimal(0))
