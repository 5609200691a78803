"""Vercel's AI SDK, run for real in Node: its rows say what ours say of the same requests, sent again from Python."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from rivals.lacks import IGNORED, LACKS, TIMED
from rivals.test_rivals import VENVS
from serving import serve

import llmtrace
from llmtrace.simulator import Fault, LoggedRequest, Simulator
from llmtrace.store.duckdb import DuckStore

pytestmark = [pytest.mark.rivals, pytest.mark.timeout(300)]

FOLDER = VENVS / "rival-vercel"
PROGRAM = Path(__file__).with_name("traffic.mjs")
# The same requests get the same answers, but no two of them one id.
OTHER_RUN = frozenset({"server_address", "response_id", "request_id"})
ROWS = "SELECT * FROM calls_all ORDER BY started_at"


@pytest.fixture(scope="module", params=["otel", "legacy"])
def compared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The kind of spans, the names of the calls, and the rows of ours and of theirs."""
    if not (FOLDER / "node_modules").exists():
        pytest.fail(f"no {FOLDER}; tests/rivals/venvs.sh makes it")
    theirs, ours = tmp_path_factory.mktemp("theirs"), tmp_path_factory.mktemp("ours")
    with Simulator(seed=7) as simulator, serve(theirs) as sidecar:
        command = ["node", str(PROGRAM), request.param, simulator.url, sidecar.url]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        names: list[str] = json.loads(done.stdout.splitlines()[-1])
        sidecar.settled(2 * len(names))
        asked = [r for r in simulator.requests if r.provider is not None]
    assert len(asked) == len(names)
    send_again(asked, ours)
    with serve(ours) as sidecar:
        sidecar.settled(len(names))
    yield request.param, names, read(ours), read(theirs)


def send_again(requests: Sequence[LoggedRequest], home: Path) -> None:
    """Make REQUESTS with the providers' Python SDKs, recorded into HOME."""
    llmtrace.instrument(service_name="rivals", home=home)
    with Simulator(seed=7) as simulator:
        gpt = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k", max_retries=0)
        claude = anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="k", max_retries=0)
        ways: dict[str, Any] = {
            "/v1/chat/completions": gpt.chat.completions.create,
            "/v1/responses": gpt.responses.create,
            "/v1/embeddings": gpt.embeddings.create,
            "/v1/messages": claude.messages.create,
        }
        for request in requests:
            if request.status == 400:
                simulator.fault(Fault.status(400))
            try:
                answer = ways[request.path](**request.body)
                if request.stream:
                    list(answer)
            except (openai.BadRequestError, anthropic.BadRequestError):
                assert request.status == 400
    assert llmtrace.shutdown(10.0)


def read(home: Path) -> list[dict[str, Any]]:
    store = DuckStore(home / "llmtrace.duckdb")
    rows = store.query(ROWS).dicts()
    store.close()
    return rows


def test_each_call_to_a_provider_is_one_row_and_what_wraps_it_none(compared: Any) -> None:
    _, names, ours, theirs = compared
    assert len(ours) == len(theirs) == len(names)
    assert [row["duplicate_of"] for row in theirs] == [None] * len(names)


def test_rows_differ_in_nothing_but_what_it_is_known_to_lack(compared: Any) -> None:
    kind, names, ours, theirs = compared
    found: dict[str, set[str]] = {}
    for name, own, other in zip(names, ours, theirs, strict=True):
        for field in own.keys() - IGNORED:
            is_timed = field in TIMED or field in OTHER_RUN
            same = (own[field] is None) == (other[field] is None) if is_timed else own[field] == other[field]
            if not same:
                found.setdefault(field, set()).add(name)
    assert {field: frozenset(calls) for field, calls in found.items()} == LACKS[f"vercel, {kind}"]


def test_a_cost_that_differs_from_ours_is_not_called_exact(compared: Any) -> None:
    _, _, ours, theirs = compared
    for own, other in zip(ours, theirs, strict=True):
        if other["cost_status"] == "exact":
            assert other["cost_usd"] == own["cost_usd"]
    assert sum((row["cost_usd"] or Decimal(0) for row in theirs), Decimal(0)) > 0
