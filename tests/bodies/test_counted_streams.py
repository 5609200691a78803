"""Where llmtrace asks for a stream's usage, the caller sees the stream that it would have got, however it is sent."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import openai
import pytest
from answers import DONE, Answer, Part, take_apart
from bodies.reading import read_bodies
from corpus.account import rows_of
from corpus.recorded import find_file
from kinds import Callers
from mutations import MUTATIONS
from replaying import Caller, Row, plain, plain_async
from varying import Trial, report, try_all, wrong

pytestmark = pytest.mark.filterwarnings("ignore")
OWN_HOST = "http://api.openai.com/v1"
USAGE = {"prompt_tokens": 1117, "completion_tokens": 219, "total_tokens": 1336}
TRANSPORT = (
    "in_one_piece", "in_tiny_pieces", "in_odd_pieces", "encoded", "lines_end_with_two", "comments_between",
    "ends_without_a_line_end", "no_space_after_colons", "written_in_ascii", "no_end_mark",
)  # fmt: skip


class OwnHost(Caller):
    """OpenAI's client at its own host, through a proxy that answers in its place."""

    def __init__(self, proxy: str, *, is_async: bool = False) -> None:
        """Make the client."""
        kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
        http: Any = openai.DefaultAsyncHttpxClient if is_async else openai.DefaultHttpxClient
        client = kind(base_url=OWN_HOST, api_key="k", max_retries=0, http_client=http(proxy=proxy, trust_env=False))
        self.clients = {"openai": client}


class OwnHostCallers(Callers):
    """The same, as a kind of client."""

    ways = (plain,)
    async_ways = (plain_async,)

    def make(self, address: str, *, is_async: bool) -> Caller:
        """The client for the proxy at ADDRESS."""
        return OwnHost(address, is_async=is_async)


def both(row: Row) -> Row | None:
    """ROW as it is answered without usage, and with it where that is asked for; None where it cannot be."""
    answer = take_apart(row)
    is_whole = answer.kind == "events" and all(isinstance(p.data, dict) or p.text == DONE for p in answer.parts)
    if not is_whole or row.breaks or row.operation not in ("chat", "completions") or row.provider != "openai":
        return None
    chunks = [p for p in answer.parts if p.text is None]
    plain_parts = [_without_usage(p) for p in chunks if p.data.get("choices")]
    if not plain_parts or any("error" in p.data for p in chunks):
        return None
    done = [p for p in answer.parts if p.text == DONE]
    null = [replace(p, data={**p.data, "usage": None}) for p in plain_parts]
    told = Part({**plain_parts[-1].data, "choices": [], "usage": USAGE})
    return replace(
        row,
        provider="openai",
        body=Answer("events", [*plain_parts, *done]).encode(),
        counted=Answer("events", [*null, told, *done]).encode(),
        request={k: v for k, v in row.request.items() if k != "stream_options"},
    )


def _without_usage(part: Part) -> Part:
    return replace(part, data={k: v for k, v in part.data.items() if k not in ("usage", "x_groq")})


def varied(rows: Sequence[Row], each: int) -> list[Trial]:
    """ROWS as they are, and each in EACH of some other forms."""
    trials = []
    for number, row in enumerate(rows):
        trials.append(Trial(row, "own", number))
        for turn in range(each):
            name = TRANSPORT[(number + turn) % len(TRANSPORT)]
            change = MUTATIONS[name][1]
            asked = change(replace(row, body=row.counted or b""), Random(number))
            bare = change(row, Random(number))
            if bare is not None and asked is not None:
                changed = replace(bare, id=f"{row.id}/{name}", counted=asked.body)
                trials.append(Trial(changed, "own", number, row.id, name))
    return trials


def check(rows: Sequence[Row], each: int, home: Path) -> None:
    """Replay ROWS in EACH of some other forms."""
    trials = varied([found for row in rows if (found := both(row)) is not None], each)
    assert len(trials) > 10
    result = try_all(trials, {"own": OwnHostCallers()}, home)
    problems = wrong(trials, result)
    for trial in trials:
        for call in result.calls.get(trial.row.id, []):
            tokens = (call["usage_source"], call["input_tokens"], call["output_tokens"])
            if tokens != ("provider", 1117, 219) and not result.bare[trial.row.id][0]:
                problems.setdefault(trial.row.id, []).append(f"{tokens}")
    report(trials, problems)


def test_the_caller_of_a_counted_stream_sees_it_uncounted(home: Path) -> None:
    check([row for row, _ in read_bodies()], 2, home)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.skipif(find_file() is None, reason="external data: LLMTRACE_TEST_DATA names no folder")
def test_the_caller_of_a_counted_recorded_stream_sees_it_uncounted(home: Path) -> None:
    check(rows_of("stainless"), 3, home)
