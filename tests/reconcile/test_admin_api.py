"""The bill is read from the admin APIs: page after page, with tries, and with an error that says what to do next."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import billing as b
import pytest
from commands import llmtrace_here as llmtrace
from samples import NOON

from llmtrace.simulator import Fault, Simulator

PERIOD = ("--since", "2026-11-10", "--until", "2026-11-13")
KEYS = {"OPENAI_ADMIN_KEY": "sk-admin-1", "ANTHROPIC_ADMIN_KEY": "sk-ant-admin01-1"}


def reconcile(home: Path, *arguments: str, code: int, **environment: str) -> str:
    done = llmtrace("reconcile", *arguments, home=home, **environment)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stderr if code > 1 else done.stdout


def asked(simulator: Simulator) -> list[str]:
    return [request.path for request in simulator.requests]


def test_a_missing_key_is_named_with_what_to_do(home: Path) -> None:
    said = reconcile(home, "--provider", "openai", *PERIOD, code=2)
    assert "OPENAI_ADMIN_KEY is not set" in said
    assert "--file" in said
    assert "neither OPENAI_ADMIN_KEY nor ANTHROPIC_ADMIN_KEY is set" in reconcile(home, *PERIOD, code=2)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_key_of_an_app_is_refused_with_what_to_do(provider: str, home: Path, simulator: Simulator) -> None:
    name = f"{provider.upper()}_ADMIN_KEY"
    url = {"openai": simulator.openai_base_url, "anthropic": simulator.anthropic_base_url}[provider]
    said = reconcile(home, "--base-url", url, *PERIOD, code=3, **{name: "sk-ant-api03-secret"})
    assert f"{name} must be an admin key of the organization" in said
    assert "secret" not in said
    assert len(simulator.requests) == 1


def test_the_only_key_that_is_set_says_whose_bill_it_is(home: Path, simulator: Simulator) -> None:
    environment = {"LLMTRACE_ANTHROPIC_ADMIN_URL": simulator.url, "ANTHROPIC_ADMIN_KEY": "sk-ant-admin01-1"}
    assert "Nothing was tracked or billed by anthropic" in reconcile(home, *PERIOD, code=0, **environment)
    assert asked(simulator) == ["/v1/organizations/usage_report/messages", "/v1/organizations/cost_report"]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_more_days_than_a_page_holds_are_read_whole(provider: str, home: Path, simulator: Simulator) -> None:
    model = {"openai": b.MODEL, "anthropic": "claude-sonnet-4-6"}[provider]
    used = {"openai": b.usage(1000, 100), "anthropic": {"input_tokens": 1000, "output_tokens": 100}}[provider]
    for day in range(70):
        simulator.bill(provider, model, used, at=NOON - timedelta(days=day))
    url = {"openai": simulator.openai_base_url, "anthropic": simulator.url}[provider]
    period = ("--since", "2026-09-02", "--until", "2026-11-11", "--json")
    answer: dict[str, Any] = json.loads(
        reconcile(home, "--provider", provider, "--base-url", url, *period, code=1, **KEYS)
    )
    assert answer["total"]["billed_tokens"] == str(70 * 1100)
    assert len({row["day"] for row in answer["rows"]}) == 70
    assert len(simulator.requests) == 3 * (3 if provider == "openai" else 2)


def test_a_rate_limit_is_waited_for(home: Path, simulator: Simulator) -> None:
    b.track(home)
    for day in range(3):
        simulator.bill("openai", b.MODEL, b.usage(1000, 100), at=NOON + timedelta(days=day), times=b.CALLS)
    simulator.fault(Fault.status(429, retry_after_s=0.01), times=2)
    simulator.fault(Fault.status(500, retry_after_s=0.01))
    output = reconcile(home, "--provider", "openai", "--base-url", simulator.openai_base_url, *PERIOD, code=0, **KEYS)
    assert "6 of 6 rows agree within 1 %" in output
    assert [request.status for request in simulator.requests] == [429, 429, 500, 200, 200, 200]


def test_a_provider_that_fails_for_good_is_named(home: Path, simulator: Simulator) -> None:
    simulator.fault(Fault.status(503, retry_after_s=0.01), times=5)
    said = reconcile(home, "--provider", "openai", "--base-url", simulator.openai_base_url, *PERIOD, code=3, **KEYS)
    assert "/v1/organization/usage/completions failed 5 times (503); try again later" in said


class Elsewhere(BaseHTTPRequestHandler):
    """Sends whoever asks to another host, or answers with a page for people."""

    def do_GET(self) -> None:
        moves = self.path.startswith("/moved")
        self.send_response(302 if moves else 200)
        self.send_header("location", "http://127.0.0.1:9/v1")
        self.send_header("content-length", "15")
        self.end_headers()
        self.wfile.write(b'{"hello": true}')

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_redirect_is_not_followed_with_the_key(elsewhere: str, home: Path) -> None:
    said = reconcile(home, "--provider", "openai", "--base-url", f"{elsewhere}/moved", *PERIOD, code=3, **KEYS)
    assert "it answered with a redirect, which is not followed" in said


def test_an_answer_that_is_no_report_is_named(elsewhere: str, home: Path) -> None:
    said = reconcile(home, "--provider", "openai", "--base-url", elsewhere, *PERIOD, code=3, **KEYS)
    assert "answered something that is no report" in said


def test_a_key_is_not_sent_over_the_network_unencrypted(home: Path) -> None:
    said = reconcile(home, "--provider", "openai", "--base-url", "http://proxy.internal", *PERIOD, code=2, **KEYS)
    assert "would show an admin key to the network; write https://" in said


def test_a_key_that_cannot_be_one_is_refused_before_it_is_sent(home: Path, simulator: Simulator) -> None:
    keys = {"OPENAI_ADMIN_KEY": "sk-admin-1\nhost: x"}
    said = reconcile(home, "--base-url", simulator.openai_base_url, *PERIOD, code=2, **keys)
    assert "OPENAI_ADMIN_KEY holds something that no key has" in said
    assert simulator.requests == []
