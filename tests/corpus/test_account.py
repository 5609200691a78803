"""Every recorded interaction is replayed, or listed with the reason why it is not."""

from collections import Counter
from pathlib import Path

import pytest
from corpus.account import NO_REASON, NOTHING_ANSWERED, REASONS, account, rows_of
from corpus.plain_requests import Requests
from corpus.recorded import find_file
from replaying import outcome, serve, stored

import llmtrace

FILE = find_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"),
    pytest.mark.filterwarnings("ignore"),
]


def test_the_account_is_complete() -> None:
    reasons = Counter(why for _, why in account() if isinstance(why, str))
    kinds = Counter(" and ".join(p.kind for p in places) for _, places in account() if not isinstance(places, str))
    for name, number in (*kinds.most_common(), *reasons.most_common()):
        print(f"{number:5} {name}")
    assert set(reasons) <= {NOTHING_ANSWERED, *(why for _, _, why in REASONS)}
    assert NO_REASON not in reasons
    assert kinds.total() + reasons.total() == len(account())
    assert reasons.total() < 0.02 * len(account())


def test_requests_that_run_no_model_are_no_rows_and_the_caller_sees_no_difference(home: Path) -> None:
    rows = rows_of("requests")
    with serve({r.id: r for r in rows}) as address:
        requests = Requests(address)
        bare = {row.id: outcome(lambda row=row: requests.send(row)) for row in rows}
        llmtrace.instrument(home=home)
        seen = {}
        for row in rows:
            with llmtrace.feature(row.id):
                seen[row.id] = outcome(lambda row=row: requests.send(row))
        requests.close()
    calls = stored(home)
    refused = Counter((row.provider, bare[row.id][0]) for row in rows if bare[row.id][0] and row.status < 400)
    print(f"{len(rows)} tried; what the SDKs themselves do not take: {dict(refused)}")
    assert seen == bare
    assert {row.id: len(calls.get(row.id, [])) for row in rows} == {row.id: row.expect["rows"] for row in rows}
