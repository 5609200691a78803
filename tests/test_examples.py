"""Each example runs, and llmtrace shows what it did."""

import ast
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import recorded_calls
from otlp_receiver import Receiver

from llmtrace.model import Call

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_example(name: str, home: Path, **environment: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LLMTRACE_HOME": str(home), **environment}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, timeout=60, env=env, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def answered(output: str) -> list[tuple[str, dict[str, Any]]]:
    """Model and usage of each request, as the simulator's log has them."""
    lines = [line.strip() for line in output.splitlines() if line.startswith("  ")]
    return [(line.split(": ", 1)[0], ast.literal_eval(line.split(": ", 1)[1])) for line in lines]


def report(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "llmtrace", "report", "--json", "--home", str(home), *arguments],
        capture_output=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_quickstart_reports_features_tokens_and_costs_to_the_last_digit(home: Path) -> None:
    log = answered(run_example("quickstart.py", home))
    rows = {row["key"]: row for row in report(home)["rows"]}
    assert {key: row["calls"] for key, row in rows.items()} == {"classify-ticket": 2, "summarize": 1, "draft-reply": 1}
    (mini1, mini2), (gpt4o,), (sonnet,) = (
        [usage for model, usage in log if model == name] for name in ("gpt-4o-mini", "gpt-4o", "claude-sonnet-4-6")
    )
    asked = mini1["prompt_tokens"] + mini2["prompt_tokens"]
    said = mini1["completion_tokens"] + mini2["completion_tokens"]
    classify = rows["classify-ticket"]
    assert (classify["input_tokens"], classify["output_tokens"]) == (asked, said)
    # $0.15 and $0.60 per million: https://developers.openai.com/api/docs/pricing
    assert Decimal(classify["cost_usd"]) == (asked * Decimal("0.15") + said * Decimal("0.60")) / 1_000_000
    # $2.50 and $10
    expected = gpt4o["prompt_tokens"] * Decimal("2.50") + gpt4o["completion_tokens"] * Decimal(10)
    assert Decimal(rows["summarize"]["cost_usd"]) == expected / 1_000_000
    # $3 and $15: https://platform.claude.com/docs/en/about-claude/pricing
    expected = sonnet["input_tokens"] * Decimal(3) + sonnet["output_tokens"] * Decimal(15)
    assert Decimal(rows["draft-reply"]["cost_usd"]) == expected / 1_000_000
    assert rows["draft-reply"]["ttft_p50_s"] is not None


def test_quickstart_costs_are_the_literals_worked_by_hand(home: Path) -> None:
    run_example("quickstart.py", home)
    assert {row["key"]: row["cost_usd"] for row in report(home)["rows"]} == {
        "classify-ticket": "0.000030900000",  # (24 + 22) × 0.15 + (20 + 20) × 0.60 = 30.9, per million
        "summarize": "0.000517500000",  # 19 × 2.50 + 47 × 10 = 517.5
        "draft-reply": "0.001143000000",  # 16 × 3 + 73 × 15 = 1143
    }


def test_an_app_with_opentelemetry_keeps_its_own_spans_and_is_the_parent(home: Path) -> None:
    output = run_example("with_opentelemetry.py", home)
    lines = output.splitlines()
    assert [line for line in lines if line.startswith("app span")] == ["app span: POST /checkout"]
    (trace_id,) = [line.removeprefix("trace: ") for line in lines if line.startswith("trace: ")]
    (call,) = recorded_calls(home)
    assert (call.trace_id, call.feature) == (trace_id, "fraud-check")
    assert call.parent_span_id is not None


def test_spans_are_exported_with_their_cost(home: Path, receiver: Receiver) -> None:
    output = run_example("otlp_export.py", home, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert "delivered" in output
    (span,) = receiver.spans()
    assert span.attributes["gen_ai.usage.cost.currency"] == "USD"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(home: Path, port: int, path: str, *command: str) -> Iterator[str]:
    """The address of the server that COMMAND starts on PORT, once it answers at PATH."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LLMTRACE_HOME": str(home)}
    process = subprocess.Popen([sys.executable, "-m", *command], env=env, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url + path).close()
            break
        except urllib.error.HTTPError as err:
            err.close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.terminate()
    assert process.wait(15) is not None


@pytest.fixture
def fastapi_url(home: Path) -> Iterator[str]:
    port = free_port()
    command = ("uvicorn", "--app-dir", str(EXAMPLES), "fastapi_sse:app", "--port", str(port), "--log-level", "error")
    with serving(home, port, "/docs", *command) as url:
        yield url


@pytest.fixture
def flask_url(home: Path) -> Iterator[str]:
    port = free_port()
    with serving(home, port, "/", "flask", "--app", str(EXAMPLES / "flask_stream.py"), "run", "-p", str(port)) as url:
        yield url


def calls_within(home: Path, number: int) -> list[Call]:
    deadline = time.monotonic() + 10
    while len(found := recorded_calls(home)) < number and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_fastapi_has_a_feature_per_route_and_sees_a_browser_leave(fastapi_url: str, home: Path) -> None:
    with urllib.request.urlopen(f"{fastapi_url}/chat?question=hello") as response:
        assert response.read().endswith(b"data: [DONE]\n\n")
    with urllib.request.urlopen(f"{fastapi_url}/title?text=a%20boat") as response:
        assert json.load(response)["title"]
    with urllib.request.urlopen(f"{fastapi_url}/chat?question={'tell%20me%20more%20' * 40}") as response:
        response.readline()  # and the browser leaves
    calls = calls_within(home, 3)
    assert [(c.feature, c.status, c.request.stream) for c in calls] == [
        ("chat", "ok", True),
        ("title", "ok", False),
        ("chat", "cancelled", True),
    ]
    assert calls[0].usage_source == "provider"
    assert calls[0].ttft_s is not None
    assert (calls[2].usage_source, calls[2].usage_complete) == ("estimated", False)


def test_flask_streams_under_the_feature_of_the_service_that_asks(flask_url: str, home: Path) -> None:
    asked = urllib.request.Request(f"{flask_url}/chat?question=hello", headers={"baggage": "llmtrace.feature=tour"})
    for request in (asked, f"{flask_url}/chat?question=hello", f"{flask_url}/title?text=a%20boat"):
        with urllib.request.urlopen(request) as response:
            assert response.read()
    assert [(c.feature, c.feature_source, c.status, c.request.stream) for c in calls_within(home, 3)] == [
        ("tour", "baggage", "ok", True),
        (None, None, "ok", True),
        ("title", "code", "ok", False),
    ]


def test_a_batch_job_is_one_feature_however_many_calls_run_at_once(home: Path) -> None:
    assert run_example("batch_job.py", home) == "100 records classified\n"
    (row,) = report(home)["rows"]
    assert (row["key"], row["calls"], row["errors"]) == ("classify-mood", 100, 0)
    assert [(r["key"], r["calls"]) for r in report(home, "--by", "tag:run")["rows"]] == [("2026-11-21", 100)]


def test_retries_of_tenacity_are_calls_and_the_fallback_is_tagged(home: Path) -> None:
    run_example("retries_and_fallback.py", home)
    seen = [(c.request.model, c.status, len(c.attempts), c.feature, c.tags) for c in recorded_calls(home)]
    failed = ("gpt-4o", "error", 1, "answer-question", {})
    assert seen == [
        failed,
        ("gpt-4o", "ok", 1, "answer-question", {}),
        failed,
        failed,
        failed,
        ("gpt-4o-mini", "ok", 1, "answer-question", {"fallback": "gpt-4o-mini"}),
    ]
    rows = {row["key"]: row for row in report(home, "--by", "tag:fallback")["rows"]}
    assert (rows[None]["calls"], rows[None]["errors"], rows["gpt-4o-mini"]["errors"]) == (5, 4, 0)


def test_prompt_caching_shows_what_the_cache_saves(home: Path) -> None:
    lines = run_example("prompt_caching.py", home).splitlines()
    rows = {row["key"]: row for row in report(home)["rows"]}
    plain, cached = rows["handbook"], rows["handbook-cached"]
    assert plain["input_tokens"] == cached["input_tokens"]
    assert cached["cached_input_tokens"] == 19 * cached["cache_write_tokens"] > 19 * 1024
    read, written = cached["cached_input_tokens"], cached["cache_write_tokens"]
    # $3 per million fresh, $0.30 read and $3.75 written: https://platform.claude.com/docs/en/about-claude/pricing
    spoken = plain["output_tokens"] - cached["output_tokens"]  # at $15
    saved = (read * Decimal("2.70") - written * Decimal("0.75") + spoken * 15) / 1_000_000
    assert Decimal(plain["cost_usd"]) - Decimal(cached["cost_usd"]) == saved
    assert lines[-1].startswith(f"saved: ${saved:.6f}, ")


def test_forked_workers_record_for_themselves(home: Path) -> None:
    assert run_example("forking_worker.py", home) == "exit codes: [0, 0, 0]\n"
    assert {row["key"]: row["calls"] for row in report(home)["rows"]} == {"summarize": 8, "translate": 4}


def test_a_feature_crosses_from_one_service_to_the_other(home: Path) -> None:
    assert run_example("two_services.py", home) == "asked three times\n"
    found = [(c.feature, c.feature_source, c.tenant) for c in recorded_calls(home)]
    similar, complete = ("find-similar", "baggage", "acme"), ("autocomplete", "baggage", "umbrella")
    assert found == [similar, similar, complete]
    assert {row["key"] for row in report(home, "--by", "service")["rows"]} == {"search"}


def test_reconcile_finds_the_seven_percent_that_were_not_tracked_and_names_the_cause(home: Path) -> None:
    lines = run_example("reconcile_demo.py", home, COLUMNS="80").splitlines()
    output = " ".join(" ".join(lines).split())
    assert lines[0].startswith("$ llmtrace reconcile --provider openai --since 20")
    assert "coverage 93.0% · drift +$" in lines[2]
    assert "(+7.0%)" in lines[2]
    assert [line.split(":")[0] for line in lines if ": 2 rows" in line] == ["calls_outside"]
    assert "(7.0% of the bill), in 7 requests that are not; proj_search was billed exactly that" in output
    assert lines[-1] == "exit code: 1"
    assert max(map(len, lines)) <= 80


def test_every_example_is_tested() -> None:
    tested = Path(__file__).read_text()
    names = {path.name for path in EXAMPLES.glob("*.py")} - {"provider.py"}
    assert {name for name in names if name not in tested and name.removesuffix(".py") not in tested} == set()
