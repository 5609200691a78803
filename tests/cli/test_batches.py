"""`report` says how many requests of batches have no known cost yet."""

import json
from pathlib import Path

from batching import read, submit
from commands import llmtrace_here as command

from llmtrace.simulator import Simulator

PENDING = "3 batch requests pending: priced when their results are read"


def report(home: Path, *options: str) -> str:
    return command("report", *options, home=home).stdout


def test_what_is_pending_stands_below_the_report_until_it_is_read(simulator: Simulator, home: Path) -> None:
    id_ = submit(simulator, home)
    assert f"No calls yet: {PENDING}." in report(home)
    read(simulator, id_, 1)
    shown = report(home)
    assert "2 batch requests pending" in shown
    assert "nightly" in shown
    read(simulator, id_, 3)
    assert "pending" not in report(home)


def test_a_filter_leaves_out_the_batches_of_others(simulator: Simulator, home: Path) -> None:
    submit(simulator, home)
    for chosen, expected in (("nightly", True), ("search", False)):
        shown = report(home, "--feature", chosen)
        assert (PENDING in shown) is expected


def test_the_json_of_the_report_keeps_its_keys(simulator: Simulator, home: Path) -> None:
    submit(simulator, home)
    assert sorted(json.loads(report(home, "--json"))) == ["by", "rows", "total"]
