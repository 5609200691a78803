import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace.journal.records import HEADER_BYTES, MAGIC, Damage, Record, pack_record, parse_records


def segment(payloads: list[bytes]) -> bytes:
    return b"".join(pack_record(p, i, 1) for i, p in enumerate(payloads))


def payloads_of(found: list[Record | Damage]) -> list[bytes]:
    return [f.payload for f in found if isinstance(f, Record)]


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_what_is_packed_is_parsed(payloads: list[bytes]) -> None:
    found = list(parse_records(segment(payloads), 0, is_whole=True))
    assert payloads_of(found) == payloads
    assert not any(isinstance(f, Damage) for f in found)


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=8), st.data())
def test_reading_may_go_on_from_the_end_of_any_record(payloads: list[bytes], data: st.DataObject) -> None:
    whole = segment(payloads)
    ends = [r.end for r in parse_records(whole, 0, is_whole=True)]
    at = data.draw(st.sampled_from([0, *ends]))
    rest = list(parse_records(whole[at:], at, is_whole=True))
    assert payloads_of(rest) == payloads[([0, *ends]).index(at) :]


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=8), st.data())
def test_a_torn_tail_costs_only_itself(payloads: list[bytes], data: st.DataObject) -> None:
    whole = segment(payloads)
    last = list(parse_records(whole, 0, is_whole=True))[-1]
    cut = data.draw(st.integers(last.start + 1, len(whole) - 1))
    living = list(parse_records(whole[:cut], 0, is_whole=False))
    assert payloads_of(living) == payloads[:-1]
    assert len(living) == len(payloads) - 1, "an unfinished record of a living process is no damage yet"
    dead = list(parse_records(whole[:cut], 0, is_whole=True))
    assert dead[-1] == Damage(last.start, cut)


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=3, max_size=8), st.data())
def test_a_flipped_bit_costs_the_record_it_is_in(payloads: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(segment(payloads))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    hit = next(i for i, r in enumerate(parse_records(segment(payloads), 0, is_whole=True)) if r.start <= at < r.end)
    found = list(parse_records(bytes(whole), 0, is_whole=True))
    assert payloads_of(found) == payloads[:hit] + payloads[hit + 1 :]
    assert sum(isinstance(f, Damage) for f in found) == 1


def test_a_block_of_zeros_costs_the_records_it_covers() -> None:
    payloads = [bytes([i]) * 3000 for i in range(10)]
    whole = bytearray(segment(payloads))
    whole[4096:8192] = bytes(4096)
    found = list(parse_records(bytes(whole), 0, is_whole=True))
    assert payloads_of(found) == [payloads[0], *payloads[3:]]
    assert [f for f in found if isinstance(f, Damage)] == [Damage(3024, 9072)]


def test_the_gap_in_the_numbers_tells_how_many_spans_damage_cost() -> None:
    first, lost, third = pack_record(b"a", 0, 5), bytearray(pack_record(b"b", 5, 7)), pack_record(b"c", 12, 2)
    lost[HEADER_BYTES] ^= 0xFF
    found = [f for f in parse_records(first + lost + third, 0, is_whole=True) if isinstance(f, Record)]
    assert found[1].first_span - (found[0].first_span + found[0].span_count) == 7


def test_a_payload_that_contains_the_magic_is_not_taken_for_a_record() -> None:
    tricky = MAGIC * 40
    damaged = bytearray(pack_record(tricky, 0, 1))
    damaged[8] ^= 1  # its checksum
    found = list(parse_records(bytes(damaged) + pack_record(b"next", 1, 1), 0, is_whole=True))
    assert payloads_of(found) == [b"next"]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_never_a_record(seed: int) -> None:
    noise = random.Random(seed).randbytes(20_000)
    assert payloads_of(list(parse_records(noise, 0, is_whole=True))) == []


def test_the_checksum_covers_the_numbers_too() -> None:
    record = bytearray(pack_record(b"x", 3, 1))
    record[12] ^= 1  # first_span
    assert payloads_of(list(parse_records(bytes(record), 0, is_whole=True))) == []
