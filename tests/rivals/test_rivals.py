"""Real instrumentors beside ours on the same calls: their rows say what ours say, but for a list of what they lack."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rivals.lacks import IGNORED, LACKS, TIMED
from serving import serve

from llmtrace.ingest import summarise
from llmtrace.journal import journal_folder, read_counters
from llmtrace.simulator import Simulator
from llmtrace.store.duckdb import DuckStore

pytestmark = [pytest.mark.rivals, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
VENVS = Path(os.environ.get("RIVAL_VENVS", "~/venvs")).expanduser()
LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}


@dataclass(frozen=True)
class Rival:
    """An instrumentor: the environment it is installed in, its settings, and the scope of its spans."""

    name: str
    settings: Mapping[str, str]

    @property
    def python(self) -> str:
        # The SDK's own spans need no more than the SDK.
        return sys.executable if self.name == "native" else str(VENVS / f"rival-{self.name}" / "bin" / "python")


RIVALS = {
    "openinference": Rival("openinference", {}),
    "openinference, content hidden": Rival(
        "openinference", {"OPENINFERENCE_HIDE_INPUTS": "true", "OPENINFERENCE_HIDE_OUTPUTS": "true"}
    ),
    "otelgenai": Rival("otelgenai", {}),
    "otelv2": Rival("otelv2", {}),
    "otelv2, latest": Rival("otelv2", LATEST),
    "openllmetry": Rival("openllmetry", {}),
    "logfire": Rival("logfire", {}),
    "pydantic-ai": Rival("pydantic-ai", {}),
    "litellm": Rival("litellm", {}),
    "langfuse": Rival("langfuse", {}),
    "mistral": Rival("mistral", {}),
    "native": Rival("native", {"ANTHROPIC_OPEN_TELEMETRY": "true"}),
}


@dataclass
class Comparison:
    """What came of one run: the calls made, in order, and of each the row of ours and of the rival."""

    rival: str
    names: list[str]
    own: list[dict[str, Any]]
    other: list[dict[str, Any]]
    store: DuckStore
    home: Path


@pytest.fixture(scope="module", params=RIVALS)
def comparison(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    rival = RIVALS[request.param]
    if not Path(rival.python).exists():
        pytest.fail(f"no {rival.python}; tests/rivals/venvs.sh makes it")
    home = tmp_path_factory.mktemp("home")
    names = run(rival, home)
    store = DuckStore(home / "llmtrace.duckdb")
    rows = store.query(
        "SELECT c.*, s.scope FROM calls_all c JOIN spans s USING (trace_id, span_id) ORDER BY c.started_at"
    ).dicts()
    own = [row for row in rows if row["scope"] == "llmtrace"]
    yield Comparison(request.param, names, own, [row for row in rows if row["scope"] != "llmtrace"], store, home)
    store.close()


def run(rival: Rival, home: Path) -> list[str]:
    """Make calls under RIVAL and llmtrace, whose home has a sidecar that RIVAL exports to; the names of the calls."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "LLMTRACE_HOME": str(home),
        "ANTHROPIC_OPEN_TELEMETRY": "false",
        **rival.settings,
    }
    with Simulator(seed=7) as simulator, serve(home) as sidecar:
        command = [rival.python, str(Path(__file__).with_name("traffic.py")), rival.name, simulator.url, sidecar.url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        names: list[str] = json.loads(done.stdout.splitlines()[-1])
        sidecar.settled(2 * len(names))
        return names


def test_both_saw_every_call(comparison: Comparison) -> None:
    assert len(comparison.own) == len(comparison.other) == len(comparison.names)


def test_rows_differ_in_nothing_but_what_the_rival_is_known_to_lack(comparison: Comparison) -> None:
    assert differences(comparison) == LACKS[comparison.rival]


def differences(comparison: Comparison) -> dict[str, frozenset[str]]:
    """The fields in which the rival's row differs from ours, with the calls in which it does."""
    found: dict[str, set[str]] = {}
    for name, own, other in zip(comparison.names, comparison.own, comparison.other, strict=True):
        for field in own.keys() - IGNORED:
            ours, theirs = own[field], other[field]
            same = (ours is None) == (theirs is None) if field in TIMED else ours == theirs
            if not same:
                found.setdefault(field, set()).add(name)
    return {field: frozenset(names) for field, names in found.items()}


def test_every_call_is_billed_once_and_as_ours(comparison: Comparison) -> None:
    billed = comparison.store.query("SELECT count(*), sum(cost_usd) FROM calls").rows
    total = sum((row["cost_usd"] for row in comparison.own), Decimal(0))
    assert billed == [(len(comparison.names), total)]
    for own, other in zip(comparison.own, comparison.other, strict=True):
        assert (own["duplicate_of"], other["duplicate_of"]) == (None, own["span_id"])


def test_a_cost_that_differs_from_ours_is_not_called_exact(comparison: Comparison) -> None:
    for own, other in zip(comparison.own, comparison.other, strict=True):
        if other["cost_status"] == "exact":
            assert other["cost_usd"] == own["cost_usd"]


def test_the_account_of_both_journals_is_right(comparison: Comparison) -> None:
    figures = summarise(comparison.store.progress().processes, read_counters(journal_folder(comparison.home)))
    # Agents, and what else is around a call, have spans too.
    spans = comparison.store.query("SELECT count(*) FROM spans").rows[0][0]
    assert figures.ended == figures.stored == spans >= 2 * len(comparison.names)
    assert (figures.pending, figures.dropped, figures.problems) == (0, {}, ())


# Several watchers at once, of whom two or three tell of each call.
CROWDS = {
    "framework, SDK and ours": Rival("langchain", {}),
    "framework with its content hidden": Rival(
        "langchain", {"OPENINFERENCE_HIDE_INPUTS": "true", "OPENINFERENCE_HIDE_OUTPUTS": "true"}
    ),
    "two of OpenTelemetry's, and ours": Rival("otelgenai", {"ANTHROPIC_OPEN_TELEMETRY": "true"}),
    "the SDK's own, OpenInference and ours": Rival("openinference", {"ANTHROPIC_OPEN_TELEMETRY": "true"}),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_call_that_many_tell_of_is_billed_once(crowd: str, tmp_path: Path) -> None:
    rival = CROWDS[crowd]
    if not Path(rival.python).exists():
        pytest.fail(f"no {rival.python}; tests/rivals/venvs.sh makes it")
    names = run(rival, tmp_path)
    store = DuckStore(tmp_path / "llmtrace.duckdb")
    billed = store.query("SELECT s.scope FROM calls c JOIN spans s USING (trace_id, span_id)").rows
    assert billed == [("llmtrace",)] * len(names)
    assert store.query("SELECT count(*) FROM calls_all").rows[0][0] > len(names) + 5
    store.close()
