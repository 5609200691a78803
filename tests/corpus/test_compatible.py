"""Recorded answers of those who speak OpenAI's protocol, through the real client at their own hosts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from corpus.recorded import find_file, load
from corpus.test_replay import SYNC_WAYS, report
from replaying import Caller, Row, outcome, plain_async, serve, stored

import llmtrace

FILE = find_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
# What the recordings call a provider -> its base URL (over http, so that a proxy sees it), and what llmtrace calls it.
# None: a server of the user's own, whose name the answers decide.
BASES: dict[str, tuple[str, str | None]] = {
    "groq": ("http://api.groq.com/openai/v1", "groq"),
    "deepseek": ("http://api.deepseek.com", "deepseek"),
    "xai": ("http://api.x.ai/v1", "x_ai"),
    "openrouter": ("http://openrouter.ai/api/v1", "openrouter"),
    "mistral": ("http://api.mistral.ai/v1", "mistral_ai"),
    "perplexity": ("http://api.perplexity.ai", "perplexity"),
    "together": ("http://api.together.ai/v1", "together_ai"),
    "cerebras": ("http://api.cerebras.ai/v1", "cerebras"),
    "vercel_gateway": ("http://ai-gateway.vercel.sh/v1", "vercel"),
    "huggingface": ("http://router.huggingface.co/v1", "hugging_face"),
    "databricks": ("http://adb-1.1.azuredatabricks.net/serving-endpoints", "databricks"),
    "snowflake": ("http://a-b.snowflakecomputing.com/api/v2/cortex/v1", "snowflake"),
    "zai": ("http://api.z.ai/api/paas/v4", "z_ai"),
    "api.cloudflare.com": ("http://api.cloudflare.com/client/v4/accounts/a/ai/v1", "cloudflare"),
    "api.avian.io": ("http://api.avian.io/v1", "avian"),
    "api.inference.crusoecloud.com": ("http://api.inference.crusoecloud.com/v1", "crusoe"),
    "azure_ai": ("http://acme.services.ai.azure.com/models", "azure.ai.openai"),
    "bedrock": ("http://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "aws.bedrock"),
    "ollama": ("http://localhost:11434/v1", "ollama"),
    "vllm": ("http://gpu.internal:8000/v1", None),
    "gateway_local": ("http://gateway.internal/v1", None),
    "gpustack": ("http://gpustack.internal/v1", "openai_compatible"),
    "voyage": ("http://api.voyageai.com/v1", "voyage_ai"),
}


class Hosts(Caller):
    """Calls each row at its provider's own host, through a proxy that answers in its place."""

    def __init__(self, proxy: str, *, is_async: bool = False) -> None:
        """Make one client per provider."""
        client: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
        proxied: Any = openai.DefaultAsyncHttpxClient if is_async else openai.DefaultHttpxClient
        self.clients = {
            name: client(base_url=base, api_key="k", max_retries=0, http_client=proxied(proxy=proxy, trust_env=False))
            for name, (base, _) in BASES.items()
        }


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    assert FILE is not None
    found, excluded = load(FILE, BASES)
    spoken = [r for r in found if r.operation in ("chat", "completions", "responses", "embeddings")]
    for reason, number in sorted(excluded.items()):
        print(f"{number:5} left out: {reason}")
    print(f"{len(found) - len(spoken):5} left out: Anthropic's protocol at a gateway")
    print(f"{len(spoken):5} replayed")
    return spoken


def expected(usage: dict[str, Any]) -> tuple[int | None, int | None]:
    """All input and all output that USAGE tells of: reasoning is beside the output where the total says so."""
    total_in = usage.get("prompt_tokens", usage.get("input_tokens"))
    total_out = usage.get("completion_tokens", usage.get("output_tokens"))
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    reasoning = details.get("reasoning_tokens") or 0
    if reasoning and usage.get("total_tokens") == (total_in or 0) + (total_out or 0) + reasoning:
        total_out = (total_out or 0) + reasoning
    return total_in, total_out


def wrong(row: Row, calls: list[dict[str, Any]], *, error: str) -> list[str]:
    """What is wrong with the CALLS of one replay of ROW, whose caller got ERROR or none."""
    if len(calls) != 1:
        return [f"{len(calls)} rows"]
    (call,) = calls
    provider = BASES[row.provider][1]
    found = [] if provider in (None, call["provider"]) else [f"answered by {call['provider']}, not {provider}"]
    if call["http_status"] != row.status:
        found.append(f"status {call['http_status']}, not {row.status}")
    if error and call["status"] != "error":
        found.append(f"{call['status']} where the caller got {error}")
    if not row.usage:
        # Groq tells it beside the stream's own fields, where the recordings' reader did not look.
        is_told = call["usage_source"] == "provider" and b'"x_groq"' not in row.body
        return [*found, "usage that nobody reported"] if is_told else found
    if error and call["http_status"] == 200 and call["usage_source"] == "estimated":
        return found  # the SDK raises at the event that has both an error and the usage, and shows it to nobody
    if call["usage_source"] != "provider":
        found.append(f"usage is {call['usage_source']}")
    tokens = (call["input_tokens"], call["output_tokens"])
    if tuple(n or 0 for n in tokens) != tuple(n or 0 for n in expected(row.usage)):
        found.append(f"{tokens} tokens, not {expected(row.usage)}")
    if call["provider"] not in ("openai", "azure.ai.openai") and call["price_book"] and call["cost_usd"] is not None:
        reported = row.usage.get("cost") is not None or "cost_in_usd_ticks" in row.usage
        if reported and call["cost_status"] != "provider_reported" and not row.usage.get("is_byok"):
            found.append(f"{call['cost_status']}, though the provider told the cost")
    return found


@pytest.mark.parametrize("way", SYNC_WAYS, ids=lambda way: str(way.__name__))
def test_every_compatible_answer_is_one_row_of_its_own_provider(
    way: Callable[[Caller, Row], list[str]], rows: list[Row], home: Path
) -> None:
    problems: dict[str, list[str]] = {}
    seen: dict[str, tuple[str, list[str]]] = {}
    with serve({r.id: r for r in rows}) as proxy:
        caller = Hosts(proxy)
        bare = {row.id: outcome(lambda row=row: way(caller, row)) for row in rows}
        llmtrace.instrument(home=home)
        for row in rows:
            with llmtrace.feature(row.id):
                seen[row.id] = outcome(lambda row=row: way(caller, row))
        for client in caller.clients.values():
            client.close()
    calls = stored(home)
    for row in rows:
        found = wrong(row, calls.get(row.id, []), error=seen[row.id][0])
        if seen[row.id] != bare[row.id]:
            found.append(f"the caller saw {str(seen[row.id])[:200]}, and {str(bare[row.id])[:200]} without llmtrace")
        if found:
            problems[f"{row.provider} {row.operation} {row.id}"] = found
    report(problems, len(rows))


def test_async_clients_record_the_same_of_compatible_answers(rows: list[Row], home: Path) -> None:
    errors: dict[str, str] = {}

    async def call_all(proxy: str) -> None:
        caller = Hosts(proxy, is_async=True)
        for row in rows:
            with llmtrace.feature(row.id):
                try:
                    await plain_async(caller, row)
                except Exception as err:
                    errors[row.id] = repr(err)
        for client in caller.clients.values():
            await client.close()

    llmtrace.instrument(home=home)
    with serve({r.id: r for r in rows}) as proxy:
        asyncio.run(call_all(proxy))
    calls = stored(home)
    found = {r.id: wrong(r, calls.get(r.id, []), error=errors.get(r.id, "")) for r in rows}
    report({key: what for key, what in found.items() if what}, len(rows))
