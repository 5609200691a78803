"""Arize Phoenix, run for real, takes our spans and shows model, tokens and cost."""

import json
import os
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rivals.test_rivals import VENVS

from llmtrace.simulator import Simulator

pytestmark = [pytest.mark.rivals, pytest.mark.timeout(300)]

PHOENIX = VENVS / "rival-phoenix" / "bin" / "phoenix"
START_S, STORE_S = 180, 60
APP = """
    import sys
    import llmtrace
    llmtrace.instrument("shop", otlp=sys.argv[3], capture_content=True)
    import anthropic, openai
    chat = openai.OpenAI(base_url=sys.argv[1], api_key="k").chat.completions
    hello = [{"role": "user", "content": "hello there"}]
    with llmtrace.feature("summarize", user="u1", session="s1"):
        chat.create(model="gpt-4o", messages=hello, max_tokens=30)
        list(chat.create(model="gpt-4o-mini", messages=hello, stream=True, stream_options={"include_usage": True}))
        messages = anthropic.Anthropic(base_url=sys.argv[2], api_key="k").messages
        messages.create(model="claude-sonnet-4-6", messages=hello, max_tokens=30)
    assert llmtrace.flush(30)
"""
QUESTION = """{projects {edges {node {spans(first: 50) {edges {node {
    name spanKind attributes tokenCountPrompt tokenCountCompletion costSummary {total {cost}}
}}}}}}}"""


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a Phoenix of its own."""
    if not PHOENIX.exists():
        pytest.fail(f"no {PHOENIX}; tests/rivals/venvs.sh makes it")
    folder = tmp_path_factory.mktemp("phoenix")
    http, grpc = _free_ports()
    settings = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": http,
        "PHOENIX_GRPC_PORT": grpc,
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "HOME": str(folder),
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [str(PHOENIX), "serve"], env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{http}"
    try:
        _wait(lambda: _get(f"{address}/healthz"), START_S)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _free_ports() -> tuple[str, str]:
    import socket

    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        return str(a.getsockname()[1]), str(b.getsockname()[1])


def _get(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        found: bytes = response.read()
        return found


def _wait(found: Any, timeout_s: float) -> Any:
    """What FOUND returns, once it returns something and does not raise."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            value = found()
        except OSError:
            value = None
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.5)


def _spans(address: str) -> list[dict[str, Any]]:
    answer = json.loads(_get(f"{address}/graphql", json.dumps({"query": QUESTION}).encode()))
    projects = answer["data"]["projects"]["edges"]
    return [edge["node"] for project in projects for edge in project["node"]["spans"]["edges"]]


def test_phoenix_shows_model_tokens_and_cost(phoenix: str, tmp_path: Path) -> None:
    with Simulator(seed=7) as simulator:
        addresses = [simulator.openai_base_url, simulator.anthropic_base_url, phoenix]
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(APP), *addresses],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LLMTRACE_HOME": str(tmp_path / "home")},
            check=True,
        )
        asked = {r.model: r for r in simulator.requests}
    spans = _wait(lambda: found if len(found := _spans(phoenix)) == len(asked) else None, STORE_S) or _spans(phoenix)
    assert sorted(s["name"] for s in spans) == sorted(f"chat {model}" for model in asked)
    for span in spans:
        request = asked[span["name"].removeprefix("chat ")]
        attributes = json.loads(span["attributes"])
        ours = attributes["gen_ai"]["usage"]
        assert span["spanKind"] == "llm"
        assert attributes["llm"]["model_name"] == request.model
        assert (span["tokenCountPrompt"], span["tokenCountCompletion"]) == (ours["input_tokens"], ours["output_tokens"])
        assert "hello there" in str(attributes["llm"]["input_messages"])
        assert attributes["llmtrace"]["feature"] == "summarize"
        # Phoenix prices by a table of its own; ours stands beside it, and they agree on these models.
        cost = Decimal(attributes["llmtrace"]["cost"]["usd"])
        assert (
            float(cost) == pytest.approx(ours["cost"]["amount"]) == pytest.approx(span["costSummary"]["total"]["cost"])
        )
