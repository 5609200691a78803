from hypothesis import given
from hypothesis import strategies as st

from llmtrace.ingest.account import account_for, close_account, summarise
from llmtrace.journal import Counter, Eviction
from llmtrace.store.base import Process


def test_stored_spans_follow_the_records() -> None:
    account = account_for(Process("p"), 0, 10, 10, [], is_first=False)
    account = account_for(account, 10, 5, 5, [], is_first=False)
    assert (account.next_span, account.stored, account.dropped) == (15, 15, {})


def test_a_gap_in_the_numbers_is_damage() -> None:
    account = account_for(Process("p", next_span=10, stored=10), 17, 3, 3, [], is_first=False)
    assert (account.stored, account.dropped) == (13, {"damaged_record": 7})


def test_a_gap_that_was_deleted_for_want_of_room_says_so() -> None:
    evictions = [Eviction("p-1", "p", 0, 15), Eviction("q-1", "q", 0, 99)]
    account = account_for(Process("p", next_span=10, stored=10), 20, 1, 1, evictions, is_first=False)
    assert account.dropped == {"journal_full": 5, "damaged_record": 5}


def test_what_an_earlier_database_read_is_not_damage() -> None:
    account = account_for(Process("p"), 100, 1, 1, [], is_first=True)
    assert account.dropped == {"expired": 100}


def test_spans_that_cannot_be_used_are_counted() -> None:
    assert account_for(Process("p"), 0, 10, 8, [], is_first=False).dropped == {"invalid_span": 2}


def test_what_a_dead_process_still_had_in_memory_died_with_it() -> None:
    account = Process("p", next_span=90, stored=90)
    closed = close_account(account, Counter("p", ended=100, dropped={"queue_full": 4}), [])
    assert closed.dropped == {"process_died": 6}
    summary = summarise({"p": closed}, [Counter("p", ended=100, dropped={"queue_full": 4})])
    assert summary.dropped == {"process_died": 6, "queue_full": 4}
    assert (summary.ended, summary.stored, summary.pending) == (100, 90, 0)


def test_what_a_living_process_has_not_written_yet_is_pending() -> None:
    summary = summarise({"p": Process("p", next_span=90, stored=90)}, [Counter("p", ended=100, is_alive=True)])
    assert (summary.ended, summary.stored, summary.pending, summary.dropped) == (100, 90, 10, {})


def test_a_process_that_was_never_read_is_all_pending() -> None:
    summary = summarise({}, [Counter("p", ended=7, dropped={"queue_full": 2}, is_alive=True)])
    assert (summary.ended, summary.stored, summary.pending, summary.dropped) == (7, 0, 5, {"queue_full": 2})


def test_a_counter_that_is_gone_is_a_problem_and_not_a_loss() -> None:
    summary = summarise({"p": Process("p", next_span=9, stored=9)}, [])
    assert (summary.ended, summary.stored, summary.pending) == (9, 9, 0)
    assert len(summary.problems) == 1


def test_a_journal_ahead_of_its_counter_is_not_counted_twice() -> None:
    # The counter is written before the records it counts, but a crash may come between two batches.
    closed = close_account(Process("p", next_span=12, stored=12), Counter("p", ended=10), [])
    summary = summarise({"p": closed}, [Counter("p", ended=10)])
    assert (summary.ended, summary.stored, summary.pending, summary.dropped) == (12, 12, 0, {})


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20), st.booleans()), max_size=10),
    st.integers(0, 30),
    st.integers(0, 9),
    st.booleans(),
)
def test_ended_is_always_stored_pending_and_dropped(
    records: list[tuple[int, int, bool]], in_memory: int, dropped: int, dies: bool
) -> None:
    account, number = Process("p"), 0
    for count, bad, is_damaged in records:
        if not is_damaged:
            account = account_for(account, number, count, max(0, count - bad), [], is_first=False)
        number += count
    counter = Counter("p", number + in_memory + dropped, {"queue_full": dropped}, is_alive=not dies)
    if dies:
        account = close_account(account, counter, [])
    summary = summarise({"p": account}, [counter])
    assert summary.ended == number + in_memory + dropped
    assert summary.ended == summary.stored + summary.pending + sum(summary.dropped.values())
    if dies:
        assert summary.pending == 0
