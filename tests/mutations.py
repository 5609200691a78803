"""Ways in which an answer may differ from the one that was written down: in how it is sent, and in what it says.

A mutation gives the row anew, or None where it has no such difference. `KEEPS` is what must be as without it: the whole
`row` that is stored, its `tokens`, or nothing but that there is `one`. In any case the caller sees what it sees
without llmtrace.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Literal

from answers import DONE, Answer, Part, Style, put_together, take_apart
from replaying import ENCODINGS, Row, Sending

Keeps = Literal["row", "tokens", "one"]
Mutation = Callable[[Row, Random], Row | None]
MUTATIONS: dict[str, tuple[Keeps, Mutation]] = {}
MOST_CUTS = 300
USAGE = ("usage", "usageMetadata", "meta", "x_groq", "usage_info", "metrics", "amazon-bedrock-invocationMetrics")
# What an answer may lack and still be one; a total tells some usage objects apart, and is none of it.
OPTIONAL = frozenset({
    "created", "created_at", "system_fingerprint", "service_tier", "logprobs", "annotations", "refusal", "responseId",
    "modelVersion", "native_finish_reason", "provider", "createTime", "avgLogprobs", "safetyRatings", "total_duration",
    "load_duration", "prompt_eval_duration", "eval_duration", "api_version", "container", "context_management",
    "stop_sequence", "metadata", "latencyMs", "trace",
    "inference_geo", "queue_time", "prompt_time", "completion_time",
})  # fmt: skip
# What is somebody's data, or a table of somebody's names.
DATA = ("input", "arguments", "args", "schema", "parameters", "metadata", "result", "output", "per_model_usage")
FUTURE: Mapping[str, Any] = {
    "x_future": {"kind": "vivid", "levels": [1, 2.5, None]},
    "x_future_tokens": 7,
    "x_future_text": "größer 🜁",
    "x_future_null": None,
}


def mutation(keeps: Keeps) -> Callable[[Mutation], Mutation]:
    """Add a function to those that vary answers."""

    def add(function: Mutation) -> Mutation:
        MUTATIONS[function.__name__] = keeps, function
        return function

    return add


# How it is sent


def _sent(row: Row, **how: Any) -> Row:
    return replace(row, sent=Sending(**how))


@mutation("row")
def in_one_piece(row: Row, random: Random) -> Row | None:
    """The body at once, its length told."""
    return _sent(row, has_length=True)


@mutation("row")
def in_tiny_pieces(row: Row, random: Random) -> Row | None:
    """The first bytes one by one."""
    return _sent(row, cuts=tuple(range(1, min(len(row.body), MOST_CUTS))))


@mutation("row")
def in_odd_pieces(row: Row, random: Random) -> Row | None:
    """Cut within characters, between the two halves of a line's end, and anywhere."""
    body = row.body
    within = [i for i in range(1, len(body)) if body[i] & 0xC0 == 0x80 or body[i - 1 : i + 1] in (b"\r\n", b"\n\n")]
    anywhere = [random.randrange(len(body) + 1) for _ in range(40)]
    return _sent(row, cuts=tuple(sorted({*random.sample(within, min(len(within), MOST_CUTS)), *anywhere})))


@mutation("row")
def encoded(row: Row, random: Random) -> Row | None:
    """Compressed in one of the ways that every client understands, and cut."""
    if row.provider == "bedrock":
        return None  # asks for none
    encoding = random.choice(sorted(ENCODINGS))
    return _sent(row, encoding=encoding, cuts=tuple(sorted(random.randrange(len(row.body) + 1) for _ in range(9))))


def _styled(row: Row, style: Style, kinds: tuple[str, ...]) -> Row | None:
    answer = take_apart(row)
    return put_together(row, answer, style) if answer.kind in kinds and not row.breaks else None


@mutation("row")
def lines_end_with_two(row: Row, random: Random) -> Row | None:
    """CRLF, cut in the middle of some."""
    varied = _styled(row, Style(line_end="\r\n"), ("events", "lines"))
    return None if varied is None else in_odd_pieces(varied, random)


@mutation("row")
def lines_end_with_a_return(row: Row, random: Random) -> Row | None:
    """CR alone, which event streams allow."""
    varied = _styled(row, Style(line_end="\r"), ("events",))
    return None if varied is None else in_odd_pieces(varied, random)


@mutation("row")
def comments_between(row: Row, random: Random) -> Row | None:
    """Comments that keep a connection alive, and fields that nobody needs."""
    between = random.choice(("\n: ping - 12:00", "\n: OPENROUTER PROCESSING\n\n:", "\nretry: 3000", "\nid: 7", "\n\n"))
    return _styled(row, Style(between=between + "\n"), ("events",))


@mutation("row")
def no_space_after_colons(row: Row, random: Random) -> Row | None:
    """`data:{...}`."""
    return _styled(row, Style(after_colon=""), ("events",))


@mutation("row")
def ends_without_a_line_end(row: Row, random: Random) -> Row | None:
    """The last line is the last byte."""
    return _styled(row, Style(has_end=False), ("events", "lines"))


@mutation("row")
def written_wide(row: Row, random: Random) -> Row | None:
    """JSON over several lines, which are several lines of data in an event."""
    return _styled(row, Style(indent=2), ("events", "json"))


@mutation("row")
def written_in_ascii(row: Row, random: Random) -> Row | None:
    """Escapes for all characters beyond."""
    return _styled(row, Style(is_ascii=True), ("events", "json", "lines", "frames"))


@mutation("row")
def space_around(row: Row, random: Random) -> Row | None:
    """Empty lines before the answer, as servers send while it is made, and after it."""
    if take_apart(row).kind != "json":
        return None
    return replace(row, body=b"\n" * 5 + b"   \r\n" + row.body + b"\n\n")


@mutation("row")
def type_in_other_words(row: Row, random: Random) -> Row | None:
    """The content type in capitals, or with a parameter."""
    told = row.headers.get("content-type", "")
    kind = told.partition(";")[0]
    if row.provider == "bedrock":
        return None
    words = [kind.upper(), f"{kind};charset=UTF-8", f"{kind} ; charset=utf-8", kind.title()]
    return replace(row, headers={**row.headers, "content-type": random.choice(words)})


@mutation("row")
def no_end_mark(row: Row, random: Random) -> Row | None:
    """No `[DONE]`."""
    answer = take_apart(row)
    kept = [p for p in answer.parts if p.text != DONE]
    return put_together(row, Answer("events", kept)) if len(kept) < len(answer.parts) else None


# What it says


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in VALUE, but those whose keys are somebody's data."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key not in DATA:
                yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _edited(row: Row, edit: Callable[[Any], Any]) -> Row | None:
    """ROW with each JSON of its answer as EDIT leaves it, which is given a copy; None where that changes nothing."""
    answer = take_apart(row)
    if answer.kind == "other":
        return None
    parts = []
    for part in answer.parts:
        data = json.loads(json.dumps(part.data))
        edit(data)
        parts.append(replace(part, data=data))
    if [p.data for p in parts] == [p.data for p in answer.parts]:
        return None
    return put_together(row, Answer(answer.kind, parts))


@mutation("row")
def unknown_fields(row: Row, random: Random) -> Row | None:
    """Fields that nobody knows yet, in every object, the usage included."""

    def edit(data: Any) -> None:
        for found in filter(None, list(_objects(data))):
            name = random.choice(sorted(FUTURE))
            found[name] = FUTURE[name]

    return _edited(row, edit)


@mutation("row")
def fields_in_another_order(row: Row, random: Random) -> Row | None:
    """The fields of each object, the last first."""

    def edit(data: Any) -> None:
        for found in list(_objects(data)):
            items = list(found.items())[::-1]
            found.clear()
            found.update(items)

    varied = _edited(row, edit)
    answer = take_apart(row)
    if varied is not None or answer.kind == "other":
        return varied
    parts = [replace(p, data=_reversed(p.data)) for p in answer.parts]
    return put_together(row, Answer(answer.kind, parts))


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _reversed(value[k]) for k in reversed(value)}
    return [_reversed(v) for v in value] if isinstance(value, list) else value


@mutation("row")
def unknown_events(row: Row, random: Random) -> Row | None:
    """Events of kinds that nobody knows yet, here and there."""
    answer = take_apart(row)
    if answer.kind != "events" or len(answer.parts) < 2:
        return None
    is_named = any(line.startswith("event:") for part in answer.parts for line in part.head)
    shape: dict[str, Any] = {"type": "future.happened", **FUTURE} if is_named else {"choices": [], **FUTURE}
    if row.provider in ("gemini", "vertex"):
        shape = dict(FUTURE)
    event = Part(shape, None, ("event: future.happened",) if is_named else ())
    parts = list(answer.parts)
    for _ in range(3):
        parts.insert(random.randrange(1, len(parts)), event)
    return put_together(row, Answer("events", parts))


@mutation("row")
def null_usage_until_it_is_known(row: Row, random: Random) -> Row | None:
    """`usage: null` in each chunk that has none."""

    def edit(data: Any) -> None:
        if isinstance(data, dict) and "choices" in data:
            data.setdefault("usage", None)

    return _edited(row, edit) if row.streaming else None


@mutation("row")
def usage_told_twice(row: Row, random: Random) -> Row | None:
    """The last event that has the usage, once more."""
    answer = take_apart(row)
    told = [i for i, p in enumerate(answer.parts) if isinstance(p.data, dict) and _has_usage(p.data)]
    if answer.kind != "events" or not told or row.breaks or len(told) > 1:
        return None
    if any(isinstance(p.data, dict) and p.data.get("error") for p in answer.parts):
        return None  # what came before a failure is counted here, and came twice
    parts = list(answer.parts)
    parts.insert(told[-1] + 1, parts[told[-1]])
    return put_together(row, Answer("events", parts))


def _has_usage(data: Any) -> bool:
    return any(found.get(name) for found in _objects(data) for name in USAGE)


@mutation("tokens")
def without_what_is_optional(row: Row, random: Random) -> Row | None:
    """Without some of what an answer may lack."""
    dropped = set(random.sample(sorted(OPTIONAL), len(OPTIONAL) // 2))

    def edit(data: Any) -> None:
        for found in list(_objects(data)):
            for name in dropped & set(found):
                del found[name]

    return _edited(row, edit)


@mutation("tokens")
def nulls_for_what_is_optional(row: Row, random: Random) -> Row | None:
    """Null for some of what an answer may lack."""
    emptied = set(random.sample(sorted(OPTIONAL), len(OPTIONAL) // 2))

    def edit(data: Any) -> None:
        for found in list(_objects(data)):
            found.update(dict.fromkeys(emptied & set(found)))

    return _edited(row, edit)


@mutation("one")
def without_usage(row: Row, random: Random) -> Row | None:
    """No usage anywhere, or an empty one."""
    instead = random.choice((None, {}, "gone"))

    def edit(data: Any) -> None:
        for found in list(_objects(data)):
            for name in set(USAGE) & set(found):
                if instead == "gone":
                    del found[name]
                else:
                    found[name] = instead

    return _edited(row, edit)


ODD: tuple[Any, ...] = (None, True, -1, 1.5, 10**30, "", "odd", [], [None], ["odd"], {}, {"odd": 1}, [[1]])


def _values(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in VALUE that holds something: its container and its key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _values(inner)


@mutation("one")
def values_of_other_types(row: Row, random: Random) -> Row | None:
    """Some values are of types that nobody expects."""

    def edit(data: Any) -> None:
        places = list(_values(data))
        for container, key in random.sample(places, min(len(places), random.choice((1, 2, 5)))):
            container[key] = random.choice(ODD)

    return _edited(row, edit)


@mutation("one")
def usage_of_other_types(row: Row, random: Random) -> Row | None:
    """A count is no number, or the usage no object."""

    def edit(data: Any) -> None:
        for found in list(_objects(data)):
            for name in set(USAGE) & set(found):
                places = [(found, name), *_values(found[name])]
                container, key = random.choice(places)
                container[key] = random.choice(ODD)

    return _edited(row, edit)


# What goes wrong

BROKEN_BODIES: tuple[bytes, ...] = (
    b"", b"null", b"[]", b"{}", b'"busy"', b"<html><body>502 Bad Gateway</body></html>", b'{"error": null}',
    b'{"error": "overloaded"}', b'{"error": {"code": 429, "message": "slow down", "type": null}}',
    b'{"detail": "Not Found"}', b'{"message": ["no"]}', b'[{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}]',
    b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', b'{"error": {"message": ',
    b'{"object": "error", "message": "bad", "type": "invalid_request_error", "code": 3051}', b"\xff\xfe\x00busy",
    b'{"__type": "ThrottlingException", "message": "Too many requests"}', b'{"error": []}', b'{"error": {"type": {}}}',
)  # fmt: skip
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 424, 429, 498, 499, 500, 502, 503, 504, 529)


@mutation("one")
def failed(row: Row, random: Random) -> Row | None:
    """An HTTP error, whatever it has for a body."""
    kind = random.choice(("application/json", "text/html", "text/plain", "application/json; charset=utf-8"))
    headers = {"content-type": kind, "retry-after": random.choice(("1", "0.5", "Sat, 21 Nov 2026 12:00:00 GMT", "x"))}
    return replace(
        row, status=random.choice(STATUSES), headers=headers, body=random.choice(BROKEN_BODIES), usage=None,
        streaming=row.streaming,
    )  # fmt: skip


@mutation("one")
def another_body(row: Row, random: Random) -> Row | None:
    """Status 200, and no answer in it."""
    return replace(row, body=random.choice(BROKEN_BODIES), usage=None) if row.status == 200 else None


@mutation("one")
def cut_short(row: Row, random: Random) -> Row | None:
    """The end is missing; the connection may be cut there."""
    if len(row.body) < 2 or row.provider == "bedrock":
        return None
    return replace(row, body=row.body[: random.randrange(len(row.body))], breaks=random.random() < 0.5)
