"""People's own SQL over the calls of a filter."""

from collections.abc import Iterator

import pytest
from samples import make_call

from llmtrace.analytics.restrict import restrict_sql
from llmtrace.demo.seed import write_calls
from llmtrace.errors import QueryError
from llmtrace.owner import Owner

CHAT = {"feature": "chat"}


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    home = tmp_path_factory.mktemp("home")
    names = ["chat", "chat", "it's", None]
    write_calls(home, [(make_call(i, feature=name), {}) for i, name in enumerate(names, 1)])
    opened = Owner(home, None, "report").open()
    opened.ingest()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM calls",
        "  -- WITH a remark\n select count(*) from calls",
        "FROM calls SELECT count(*)",
        "WITH mine AS (SELECT * FROM calls) SELECT count(*) FROM mine",
        "/* x */ with recursive n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 2) SELECT count(*) FROM n "
        "JOIN calls ON true WHERE i = 1",
        "SELECT count(*) FROM (SELECT * FROM calls UNION SELECT * FROM calls)",
    ],
)
def test_calls_means_those_of_the_filter(sql: str, owner: Owner) -> None:
    assert owner.sql(sql, CHAT).rows == [(2,)]
    assert owner.arrow(sql, CHAT).to_pydict()["count_star()"] == [2]


def test_any_filter_restricts_and_none_leaves_the_text_as_it_is(owner: Owner) -> None:
    count = "SELECT count(*) FROM calls"
    assert owner.sql(count, {"feature": ["it's", ""]}).rows == [(2,)]
    assert owner.sql(count, {"until": "2026-01-01"}).rows == [(0,)]
    assert restrict_sql(count, {}, "duckdb") is count


def test_the_order_that_was_asked_for_is_kept(owner: Owner) -> None:
    found = owner.sql("SELECT span_id FROM calls ORDER BY started_at DESC", CHAT).rows
    assert [row[0][-1] for row in found] == ["2", "1"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DESCRIBE calls", "filters apply to a SELECT"),
        ("", "filters apply to a SELECT"),
        ("SELECT 'open", "cannot be read"),
        ("SELECT 1; DROP TABLE spans", "only read"),
        ("SELECT * FROM nowhere", "nowhere"),
    ],
)
def test_what_cannot_be_restricted_says_so(sql: str, message: str, owner: Owner) -> None:
    with pytest.raises(QueryError, match=message):
        owner.sql(sql, CHAT)
