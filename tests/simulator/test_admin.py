"""Usage and costs of an organization: what was answered is what is reported, in the shapes of the real APIs."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import httpx
import openai
import pytest

from llmtrace.simulator import Fault, Simulator

DAY = datetime(2026, 11, 10, tzinfo=UTC)
START = int(DAY.timestamp())
HELLO: Any = [{"role": "user", "content": "Tell me about the harbour at night, please."}]


@pytest.fixture
def admin(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=simulator.openai_base_url, api_key="sk-proj-1", admin_api_key="sk-admin-1", max_retries=0
    ) as client:
        yield client


def report(simulator: Simulator, name: str, *pairs: tuple[str, str], key: str = "sk-ant-admin01-k") -> httpx.Response:
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return httpx.get(f"{simulator.url}/v1/organizations/{name}", params=list(pairs), headers=headers)


def today() -> int:
    return int(time.time()) // 86400 * 86400


def test_what_was_answered_is_reported_with_its_project_model_and_price(
    simulator: Simulator, admin: openai.OpenAI
) -> None:
    asked = admin.with_options(project="proj_shop")
    usages = [asked.chat.completions.create(model="gpt-4o", messages=HELLO).usage for _ in range(3)]
    into, out = (sum(getattr(u, f"{side}_tokens") for u in usages) for side in ("prompt", "completion"))
    page = admin.admin.organization.usage.completions(
        start_time=today(), group_by=["model", "project_id", "batch", "service_tier"]
    )
    (result,) = [r for bucket in page.data for r in bucket.results]
    assert result.object == "organization.usage.completions.result"
    assert (result.model, result.project_id, result.batch) == ("gpt-4o-2024-08-06", "proj_shop", False)
    assert (result.input_tokens, result.output_tokens, result.num_model_requests) == (into, out, 3)
    costs = admin.admin.organization.usage.costs(start_time=today(), group_by=["line_item"])
    found = [r for bucket in costs.data for r in bucket.results]
    lines = {r.line_item: r.amount.value for r in found if r.object == "organization.costs.result" and r.amount}
    # $2.50 and $10 per million: https://developers.openai.com/api/docs/pricing
    assert lines == {
        "gpt-4o-2024-08-06, input": pytest.approx(into * 2.5 / 1e6),
        "gpt-4o-2024-08-06, output": pytest.approx(out * 10 / 1e6),
    }


def test_embeddings_have_a_report_of_their_own(simulator: Simulator, admin: openai.OpenAI) -> None:
    usage = admin.embeddings.create(model="text-embedding-3-small", input=["harbour", "night"]).usage
    page = admin.admin.organization.usage.embeddings(start_time=today(), group_by=["model"])
    assert [(r.model, r.input_tokens) for b in page.data for r in b.results if "embeddings" in r.object] == [
        ("text-embedding-3-small", usage.prompt_tokens)
    ]
    completions = admin.admin.organization.usage.completions(start_time=today())
    assert [b.results for b in completions.data] == [[]]


def test_a_response_made_in_the_background_is_charged_once(admin: openai.OpenAI) -> None:
    made = admin.responses.create(model="gpt-5-mini", input="Tell me about the harbour.", background=True)
    for _ in range(4):
        fetched = admin.responses.retrieve(made.id)
    assert fetched.usage is not None
    page = admin.admin.organization.usage.completions(start_time=today())
    (result,) = [r for bucket in page.data for r in bucket.results]
    assert (result.num_model_requests, result.output_tokens) == (1, fetched.usage.output_tokens)  # type: ignore[union-attr]


def test_a_request_that_failed_is_not_charged(simulator: Simulator, admin: openai.OpenAI) -> None:
    simulator.fault(Fault.status(500))
    with pytest.raises(openai.InternalServerError):
        admin.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert [b.results for b in admin.admin.organization.usage.completions(start_time=today()).data] == [[]]


def test_tokens_whose_usage_was_not_told_are_charged_all_the_same(simulator: Simulator, admin: openai.OpenAI) -> None:
    simulator.fault(Fault.no_usage())
    assert admin.chat.completions.create(model="gpt-4o", messages=HELLO).usage is None
    (result,) = [r for b in admin.admin.organization.usage.completions(start_time=today()).data for r in b.results]
    assert result.input_tokens > 0  # type: ignore[union-attr]


def test_pages_follow_each_other_until_there_are_no_more(simulator: Simulator, admin: openai.OpenAI) -> None:
    for day in range(5):
        simulator.bill(
            "openai",
            "gpt-4o",
            {"prompt_tokens": 1000 + day, "completion_tokens": 1},
            at=DAY + timedelta(days=day, hours=23),
        )
    ends, seen, page = START + 5 * 86400, [], openai.omit
    for _ in range(3):
        body: Any = admin.admin.organization.usage.completions(start_time=START, end_time=ends, limit=2, page=page)
        seen += [r.input_tokens for bucket in body.data for r in bucket.results]
        page = body.next_page
    assert (seen, body.has_more, page) == ([1000, 1001, 1002, 1003, 1004], False, None)


def test_hours_are_buckets_too(simulator: Simulator, admin: openai.OpenAI) -> None:
    for hour in (1, 1, 3):
        simulator.bill(
            "openai", "gpt-4o", {"prompt_tokens": 10, "completion_tokens": 1}, at=DAY + timedelta(hours=hour)
        )
    page: Any = admin.admin.organization.usage.completions(
        start_time=START, end_time=START + 4 * 3600, bucket_width="1h"
    )
    assert [[r.input_tokens for r in b.results] for b in page.data] == [[], [20], [], [10]]


@pytest.mark.parametrize(
    ("more", "word"),
    [({"limit": 32}, "limit"), ({"bucket_width": "1w"}, "bucket_width"), ({"group_by": ["color"]}, "group_by")],
    ids=["limit", "width", "group"],
)
def test_a_parameter_that_makes_no_sense_is_refused(more: Any, word: str, admin: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=word):
        admin.admin.organization.usage.completions(start_time=START, **more)


def test_a_key_of_an_app_opens_no_report(simulator: Simulator) -> None:
    with (
        openai.OpenAI(
            base_url=simulator.openai_base_url, api_key="k", admin_api_key="sk-proj-1", max_retries=0
        ) as client,
        pytest.raises(openai.PermissionDeniedError, match=r"api\.usage\.read"),
    ):
        client.admin.organization.usage.costs(start_time=START)
    refused = report(simulator, "cost_report", ("starting_at", "2026-11-10T00:00:00Z"), key="sk-ant-api03-k")
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")


def test_admin_keys_stay_out_of_the_log(simulator: Simulator, admin: openai.OpenAI) -> None:
    admin.admin.organization.usage.costs(start_time=START)
    assert simulator.requests[-1].headers["authorization"] == "sk-admin-***"


def test_messages_are_reported_with_their_cache_and_searches_and_billed_in_cents(simulator: Simulator) -> None:
    with anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="k", max_retries=0) as client:
        usage = client.messages.create(model="claude-sonnet-4-6", max_tokens=60, messages=HELLO).usage
    simulator.bill(
        "anthropic",
        "claude-sonnet-4-6",
        {
            "input_tokens": 10,
            "cache_creation_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "cache_read_input_tokens": 400,
            "output_tokens": 5,
            "server_tool_use": {"web_search_requests": 2},
        },
        scope="wrkspc_search",
    )
    day = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")
    groups = [("group_by[]", name) for name in ("workspace_id", "model", "service_tier")]
    body = report(simulator, "usage_report/messages", ("starting_at", day), *groups).json()
    results = {r["workspace_id"]: r for bucket in body["data"] for r in bucket["results"]}
    assert (results[None]["uncached_input_tokens"], results[None]["output_tokens"]) == (
        usage.input_tokens,
        usage.output_tokens,
    )
    other = results["wrkspc_search"]
    assert other["cache_creation"] == {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}
    assert (other["cache_read_input_tokens"], other["server_tool_use"]) == (400, {"web_search_requests": 2})
    costs = report(
        simulator, "cost_report", ("starting_at", day), ("group_by[]", "description"), ("group_by[]", "workspace_id")
    ).json()
    found = [r for b in costs["data"] for r in b["results"] if r["workspace_id"] == "wrkspc_search"]
    # In cents, at $3, $0.30, $3.75, $6 and $15 a million and $10 for a thousand searches:
    # https://platform.claude.com/docs/en/about-claude/pricing
    assert {r["token_type"] or r["cost_type"]: float(r["amount"]) for r in found} == {
        "uncached_input_tokens": 0.003,
        "cache_read_input_tokens": 0.012,
        "cache_creation.ephemeral_5m_input_tokens": 0.0375,
        "cache_creation.ephemeral_1h_input_tokens": 0.12,
        "output_tokens": 0.0075,
        "web_search": 2.0,
    }


def test_another_price_holds_from_its_day_on(simulator: Simulator, admin: openai.OpenAI) -> None:
    for day in range(2):
        simulator.bill(
            "openai",
            "gpt-4o-2024-08-06",
            {"prompt_tokens": 1_000_000, "completion_tokens": 0},
            at=DAY + timedelta(days=day),
        )
    simulator.charge("gpt-4o-2024-08-06", "input_uncached", "3", since=DAY + timedelta(days=1))
    page: Any = admin.admin.organization.usage.costs(start_time=START, end_time=START + 2 * 86400)
    assert [[r.amount.value for r in b.results] for b in page.data] == [[2.5], [3.0]]


def test_another_process_puts_uses_on_the_bill_and_empties_it(simulator: Simulator, admin: openai.OpenAI) -> None:
    use = {"provider": "openai", "model": "gpt-4o", "usage": {"prompt_tokens": 7}, "at": "2026-11-10T12:00:00Z"}
    url = f"{simulator.url}/_simulator/bill"
    assert httpx.post(url, json=[use, {**use, "times": 2}]).json() == {"added": 2}
    asked: Any = admin.admin.organization.usage.completions
    (bucket,) = asked(start_time=START, end_time=START + 86400).data
    assert [(r.input_tokens, r.num_model_requests) for r in bucket.results] == [(21, 3)]
    httpx.delete(url)
    assert asked(start_time=START, end_time=START + 86400).data[0].results == []
    assert httpx.post(url, json={**use, "provider": "nobody"}).status_code == 400
    assert httpx.post(url, json={"provider": "openai"}).status_code == 400
