"""Recorded answers of those who speak OpenAI's protocol, through the real client at their own hosts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus.account import rows_of
from corpus.hosts import BASES, Hosts
from corpus.recorded import find_file
from corpus.sampling import PARTS, choose
from corpus.test_replay import SYNC_WAYS, report
from replaying import Caller, Row, outcome, plain_async, serve, stored

import llmtrace

FILE = find_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module", params=PARTS)
def rows(request: pytest.FixtureRequest) -> list[Row]:
    assert FILE is not None
    return choose(request.param, rows_of("compatible"))


def expected(usage: dict[str, Any]) -> tuple[int | None, int | None]:
    """All input and all output that USAGE tells of: reasoning is beside the output where the total says so."""
    total_in = usage.get("prompt_tokens", usage.get("input_tokens"))
    total_out = usage.get("completion_tokens", usage.get("output_tokens"))
    total = usage.get("total_tokens") or 0
    if total_in is None and total_out is None and total:
        return total, None  # embeddings have no output, and some tell no more
    if total_in is not None and total > total_in + (total_out or 0):
        total_out = total - total_in
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
