"""The command line as people run it: what it answers, and each command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from commands import llmtrace, llmtrace_here
from samples import NOON, make_call, ns

from llmtrace.cli import COMMANDS, cli
from llmtrace.demo.seed import write_calls
from llmtrace.model import Request, Response, Usage
from llmtrace.rendering import REPORT_KEYS


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("filled")
    unknown = Request("openai", "chat", "chat.completions", model="nobody-knows-1")
    calls = [
        make_call(1),
        make_call(2, user_id="u1", tags={"team": "red"}),
        make_call(3, feature="chat", duration_s=0.25, ttft_s=0.1),
        make_call(4, feature=None, feature_source=None),
        make_call(5, feature="new", request=unknown, response=Response(usage={"prompt_tokens": 9}), usage=Usage(9)),
        make_call(6, started_at_ns=ns(datetime(2026, 10, 1))),
    ]
    write_calls(home, [(call, {"service.name": "shop"}) for call in calls])
    yield home


def report(home: Path, *arguments: str) -> dict[str, Any]:
    done = llmtrace_here("report", "--json", *arguments, home=home)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_report_as_json_has_the_keys_that_scripts_rely_on(filled: Path) -> None:
    answer = report(filled)
    assert list(answer) == ["by", "rows", "total"]
    assert all(tuple(row) == REPORT_KEYS for row in [*answer["rows"], answer["total"]])
    rows = {row["key"]: row for row in answer["rows"]}
    assert set(rows) == {"summarize", "chat", "new", None}
    assert rows["summarize"] == {
        "key": "summarize", "calls": 3, "errors": 0, "error_rate": 0.0, "cost_usd": "0.010500000000",
        "unpriced_calls": 0, "estimated_calls": 0, "input_tokens": 3000, "cached_input_tokens": None,
        "cache_write_tokens": None, "output_tokens": 300, "reasoning_tokens": None, "latency_p50_s": 1.5,
        "latency_p95_s": 1.5, "latency_p99_s": 1.5, "ttft_p50_s": None, "ttft_p95_s": None,
    }  # fmt: skip
    assert (rows["new"]["cost_usd"], rows["new"]["unpriced_calls"]) == (None, 1)
    assert answer["total"]["key"] is None
    assert Decimal(answer["total"]["cost_usd"]) == sum(Decimal(r["cost_usd"]) for r in answer["rows"] if r["cost_usd"])


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("model", ["gpt-4o", "nobody-knows-1"]),
        ("provider", ["openai"]),
        ("user", ["u1", None]),
        ("tenant", [None]),
        ("session", [None]),
        ("service", ["shop"]),
        ("environment", [None]),
        ("prompt_version", [None]),
        ("day", ["2026-10-01", "2026-11-10"]),
        ("hour", ["2026-10-01T00:00Z", "2026-11-10T12:00Z"]),
        ("tag:team", ["red", None]),
    ],
)
def test_a_report_by_everything(by: str, keys: list[Any], filled: Path) -> None:
    answer = report(filled, "--by", by)
    assert answer["by"] == by
    assert sorted((row["key"] for row in answer["rows"]), key=str) == sorted(keys, key=str)


def test_filters_restrict_rows_and_total_alike(filled: Path) -> None:
    assert report(filled, "--since", "2026-11-01")["total"]["calls"] == 5
    assert report(filled, "--until", "2026-11-01")["total"]["calls"] == 1
    assert report(filled, "--feature", "chat", "--feature", "")["total"]["calls"] == 2
    assert report(filled, "--model", "nobody-knows-1")["total"]["calls"] == 1
    assert report(filled, "--service", "other")["rows"] == []
    assert report(filled, "--provider", "openai", "--environment", "")["total"]["calls"] == 6


def test_the_table_shows_what_is_not_tagged_and_not_priced(filled: Path) -> None:
    text = llmtrace("report", home=filled).stdout
    assert "untagged" in text
    assert "≥ $0.0175" in text, "one call has no price, so the total is a lower bound"
    assert "16.7% untagged ($0.0035) · 16.7% unpriced · 0.0% estimated" in text
    assert "estimates, not invoices" in text
    assert "\x1b" not in text, "no colours where nobody looks"


def test_the_table_fits_a_narrow_terminal(filled: Path) -> None:
    text = llmtrace("report", home=filled, columns=80).stdout
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "p95" in text


def test_names_that_look_like_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    write_calls(tmp_path, [(make_call(1, feature="[bold red]x[/] :smile:"), {})])
    assert "[bold red]x[/] :smile:" in llmtrace("report", home=tmp_path, columns=160).stdout
    assert "[bold red]x[/] :smile:" in llmtrace("query", "SELECT feature FROM calls", home=tmp_path).stdout


def test_an_empty_home_says_what_to_do(tmp_path: Path) -> None:
    done = llmtrace("report", home=tmp_path)
    assert done.returncode == 0
    assert "llmtrace.instrument()" in done.stdout
    assert report(tmp_path)["total"]["cost_usd"] is None


def test_a_query_prints_columns_and_rows(filled: Path) -> None:
    done = llmtrace(
        "query", "SELECT feature, cost_usd, started_at FROM calls WHERE feature = 'chat'", "--json", home=filled
    )
    assert json.loads(done.stdout) == {
        "columns": ["feature", "cost_usd", "started_at"],
        "rows": [{"feature": "chat", "cost_usd": "0.003500000000", "started_at": f"{NOON:%Y-%m-%d}T12:00:03Z"}],
    }
    assert "chat" in llmtrace("query", "SELECT feature FROM calls", home=filled).stdout


def test_a_query_that_was_cut_says_so(filled: Path) -> None:
    done = llmtrace("query", "SELECT * FROM range(20000)", "--json", home=filled)
    assert len(json.loads(done.stdout)["rows"]) == 10_000
    assert "only the first 10000 rows" in done.stderr


def test_doctor_accounts_for_every_span(filled: Path) -> None:
    answer = json.loads(llmtrace("doctor", "--json", home=filled).stdout)
    assert (answer["ended"], answer["stored"], answer["pending"], answer["dropped"]) == (6, 6, 0, {})
    assert (answer["owner"], answer["problems"]) == (None, [])
    assert answer["journal_bytes"] > 0
    assert answer["store"]["calls"] == 6
    assert answer["price_book"]["version"]
    assert "Nothing is lost." in llmtrace("doctor", home=filled).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["report", "--by", "colour"], 2, "cannot be grouped by 'colour'"),
        (["report", "--since", "soon"], 2, "write 7d"),
        (["report", "--colour"], 2, "No such option"),
        (["repot"], 2, "Did you mean 'report'?"),
        (["query", "DROP TABLE spans"], 2, "only read"),
        (["report", "--url", "http://127.0.0.1:9"], 3, "is it running?"),
        (["report", "--db", "/proc/none/x.duckdb"], 2, "--home or --db"),
    ],
    ids=str,
)
def test_errors_say_what_is_wrong_and_set_the_exit_code(
    arguments: list[str], code: int, message: str, filled: Path
) -> None:
    done = llmtrace_here(*arguments, home=filled)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "report --json",
        "query SELECT+feature+FROM+calls",
        "doctor --json",
        "explain 0000000000000001",
        "export --format csv --out -",
        "prices show gpt-4o",
        "budget",
        "rules list",
        "repot",
    ],
)
def test_a_command_says_in_a_process_of_its_own_what_it_says_in_this_one(arguments: str, filled: Path) -> None:
    words = [word.replace("+", " ") for word in arguments.split()]
    alone, here = llmtrace(*words, home=filled), llmtrace_here(*words, home=filled)
    assert (alone.returncode, alone.stdout) == (here.returncode, here.stdout)
    assert alone.stdout or alone.returncode == 2
    assert alone.stderr.splitlines()[-1:] == here.stderr.splitlines()[-1:]


def test_a_database_of_its_own_place(filled: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "mine.duckdb"
    assert report(filled, "--db", str(place))["total"]["calls"] == 6
    assert place.exists()


def test_output_into_a_pipe_that_closes_is_no_error(filled: Path) -> None:
    command = f"{sys.executable} -m llmtrace query 'SELECT * FROM range(10000)' | head -1"
    done = subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "LLMTRACE_HOME": str(filled)},
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_the_help_lists_each_command_as_it_describes_itself() -> None:
    context = click.Context(cli)
    for name, _, says in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert says


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom llmtrace.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('duckdb', 'ibis', 'pyarrow', 'rich', 'streamlit', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_version_is_told() -> None:
    done = subprocess.run([sys.executable, "-m", "llmtrace", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("llmtrace, version ")
