"""`llmtrace rules`, as people use it: see what is untagged, write rules, try them, apply them, take them back."""

import json
from pathlib import Path

import pytest
from commands import llmtrace_here as llmtrace
from samples import make_call
from serving import serve

from llmtrace import codec, otlp_bytes
from llmtrace.journal import JournalWriter, journal_folder
from llmtrace.model import Origin

RULES = '[[rules]]\nname = "s"\nfeature = "find"\nroute = "/search*"\n'


@pytest.fixture
def mine(home: Path) -> Path:
    """A home with three untagged calls and one with a feature."""
    origins = [Origin(route="/search/{q}"), Origin(route="/search/{q}"), Origin(task="mail.digest")]
    calls = [make_call(n, feature=None, feature_source=None, origin=o) for n, o in enumerate(origins, 1)]
    calls.append(make_call(4, origin=Origin(route="/search/{q}")))
    folder = journal_folder(home)
    folder.mkdir(parents=True)
    writer = JournalWriter(folder, "app")
    writer.append(otlp_bytes.encode([codec.to_span(c, {"service.name": "shop"}) for c in calls]), len(calls))
    writer.close()
    return home


def test_the_way_from_untagged_to_named_and_back(mine: Path) -> None:
    report = llmtrace("report", home=mine).stdout
    assert "75.0% untagged ($0.01" in report
    assert "67% of the untagged cost comes from route /search/{q}: 'llmtrace rules suggest' writes a rule" in report

    suggested = llmtrace("rules", "suggest", home=mine).stdout
    assert suggested.startswith('[[rules]]\nroute = "/search/{q}"\nfeature = "search"\n')
    (mine / "llmtrace.toml").write_text(suggested)
    assert llmtrace("rules", "check", home=mine).stdout.endswith("can be used: 2 rules\n")
    listed = json.loads(llmtrace("rules", "list", "--json", home=mine).stdout)
    assert listed["rules"][0] == {"name": None, "feature": "search", "where": {"route": ["/search/{q}"]}}
    assert "/search/{q}" in llmtrace("rules", "list", home=mine).stdout

    tried = llmtrace("rules", "apply", "--dry-run", home=mine).stdout
    assert "3 of 3 calls that nobody tagged would get another feature" in tried
    assert "75.0% untagged" in llmtrace("report", home=mine).stdout
    applied = llmtrace("rules", "apply", home=mine).stdout
    assert "3 of 3 calls that nobody tagged got another feature" in applied
    rows = json.loads(llmtrace("report", "--json", home=mine).stdout)["rows"]
    assert {r["key"]: r["calls"] for r in rows} == {"search": 2, "digest": 1, "summarize": 1}

    (mine / "llmtrace.toml").write_text(RULES)
    changed = json.loads(llmtrace("rules", "apply", "--json", home=mine).stdout)
    moves = {(r["before"], r["after"], r["calls"]) for r in changed["rows"]}
    assert moves == {("search", "find", 2), ("digest", None, 1)}
    assert changed["changed_usd"] == "0.010500000000"


@pytest.mark.expects_warning
def test_a_file_with_a_mistake_is_told_and_applied_by_nobody(mine: Path) -> None:
    (mine / "llmtrace.toml").write_text(RULES + '[[rules]]\nfeature = 3\nroute = "/x"\n')
    checked = llmtrace("rules", "check", home=mine)
    assert (checked.returncode, "line 6: " in checked.stderr) == (1, True)
    answer = json.loads(llmtrace("rules", "check", "--json", home=mine).stdout)
    assert (answer["ok"], answer["line"]) == (False, 6)
    done = llmtrace("rules", "apply", home=mine)
    assert (done.returncode, "line 6" in done.stderr) == (2, True)
    health = json.loads(llmtrace("doctor", "--json", home=mine).stdout)
    assert any("your rules are not used as they stand" in problem for problem in health["problems"])
    missing = llmtrace("rules", "apply", home=mine, LLMTRACE_CONFIG=str(mine / "no.toml"))
    assert (missing.returncode, "no such file" in missing.stderr) == (2, True)


def test_a_sidecar_applies_them_for_whoever_asks(mine: Path) -> None:
    (mine / "llmtrace.toml").write_text(RULES)
    with serve(mine) as sidecar:
        sidecar.settled(4)
        assert llmtrace("rules", "apply", "--url", sidecar.url, home=mine).stdout.startswith("0 of 3 calls")
        (mine / "llmtrace.toml").write_text(RULES.replace("find", "seek"))
        tried = llmtrace("rules", "apply", "--dry-run", "--url", sidecar.url, "--json", home=mine)
        assert [(r["before"], r["after"]) for r in json.loads(tried.stdout)["rows"]] == [("find", "seek")]
        untagged = sidecar.json("/api/v1/untagged")["rows"]
        assert [(r["kind"], r["origin"]) for r in untagged] == [("task", "mail.digest")]
        body, kind = b'{"filter": {}, "dry_run": 1}', {"content-type": "application/json"}
        assert sidecar.ask("POST", "/api/v1/rules", body, kind)[0] == 400
        (mine / "llmtrace.toml").write_text("oh no")
        refused = llmtrace("rules", "apply", "--url", sidecar.url, home=mine)
        assert (refused.returncode, "line 1" in refused.stderr) == (2, True)
        status, errors = sidecar.stop()
    assert (status, "your rules are not used as they stand" in errors) == (0, True), "it says so, once"


def test_an_export_has_the_feature_that_a_rule_named(mine: Path) -> None:
    (mine / "llmtrace.toml").write_text(RULES)
    out = mine / "spans.jsonl"
    done = llmtrace("export", "--format", "otlp", "--out", str(out), home=mine)
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    assert text.count('"stringValue": "find"') == 2
    assert text.count('"stringValue": "rule:s"') == 2
