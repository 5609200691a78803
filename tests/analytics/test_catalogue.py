"""The questions as data: nothing undescribed, nothing described that is not there."""

from pathlib import Path

from llmtrace.analytics import catalogue as data
from llmtrace.analytics.catalogue import catalogue
from llmtrace.analytics.columns import RELATIONS
from llmtrace.analytics.filters import Filter
from llmtrace.analytics.questions import QUESTIONS
from llmtrace.store.duckdb import DuckStore


def test_every_question_parameter_column_and_filter_is_described() -> None:
    listed = catalogue()
    lacking = [
        f"{question['name']}: {part[:-1]} {entry['name']}"
        for question in listed["questions"]
        for part in ("parameters", "columns")
        for entry in question[part]
        if not entry["description"]
    ]
    lacking += [f"question {q['name']}" for q in listed["questions"] if not q["description"]]
    lacking += [f"filter {f['name']}" for f in listed["filters"] if not f["description"]]
    assert not lacking, f"describe in llmtrace/analytics/catalogue.py: {lacking}"


def test_nothing_is_described_that_is_gone() -> None:
    listed = catalogue()["questions"]
    parameters = {p["name"] for q in listed for p in q["parameters"]}
    relations = [set(relation) for relation in RELATIONS.values()]
    answers = [{c["name"] for c in q["columns"]} for q in listed]
    columns = {name for answer in answers if answer not in relations for name in answer}
    stale = [
        *(f"parameter {n}" for n in set(data.PARAMETERS) - parameters),
        *(f"column {n}" for n in set(data.COLUMNS) - columns),
        *(f"filter {n}" for n in set(data.FILTERS) - set(Filter.__slots__)),
    ]
    assert not stale, f"take out of llmtrace/analytics/catalogue.py: {stale}"


def test_a_question_is_listed_with_defaults_and_types() -> None:
    listed = {q["name"]: q for q in catalogue()["questions"]}
    assert list(listed) == [q.name for q in QUESTIONS]
    assert listed["calls"]["parameters"][0] == {
        "name": "limit",
        "type": "integer",
        "default": 100,
        "description": data.PARAMETERS["limit"],
    }
    assert {c["name"]: c["type"] for c in listed["coverage"]["columns"]} == {
        "cost_status": "string",
        "calls": "int64",
        "cost_usd": "decimal(38, 12)",
    }


def test_every_column_of_every_relation_is_described(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "x.duckdb")
    for relation, described in RELATIONS.items():
        there = [row[0] for row in store.query(f"DESCRIBE {relation}").rows]
        assert sorted(described) == sorted(there), f"describe {relation} in llmtrace/analytics/columns.py"
    store.close()
