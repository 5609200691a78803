"""What Gemini's answers say of batches, however much of it they say."""

from typing import Any

import pytest

from llmtrace.providers.google_batches import BATCHES, find_path, read_asked, read_result, read_states, read_told

ANSWER = {"candidates": [], "usageMetadata": {"promptTokenCount": 3}, "responseId": "x"}
KIND = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
MADE = {
    "name": "batches/b1",
    "metadata": {
        "@type": KIND,
        "model": "models/gemini-2.5-flash",
        "createTime": "2026-07-21T16:05:49.689379878Z",
        "batchStats": {"requestCount": "2", "pendingRequestCount": "2"},
        "state": "BATCH_STATE_PENDING",
        "name": "batches/b1",
    },
}


def over(output: Any, state: str = "SUCCEEDED", **stats: str) -> dict[str, Any]:
    told = {**MADE["metadata"], "state": f"BATCH_STATE_{state}", "batchStats": stats, "output": output}
    return {"name": "batches/b1", "metadata": told, "done": True, "response": output}


def test_a_batch_that_was_made_is_known_by_its_name() -> None:
    (state,) = read_states(MADE)
    assert (state.id, state.status, state.requests, state.succeeded) == ("batches/b1", "pending", 2, None)
    assert (state.models, state.endpoint, state.files) == (("gemini-2.5-flash",), ":generateContent", ())
    assert state.created_at_s == pytest.approx(1784649949.689379, abs=1e-3)


def test_a_list_tells_of_each() -> None:
    listed = {"operations": [MADE, {**MADE, "name": "batches/b2"}, {"name": "operations/o1"}, "odd"]}
    assert [state.id for state in read_states(listed)] == ["batches/b1", "batches/b2"]


@pytest.mark.parametrize(
    ("state", "stats", "succeeded"),
    [
        ("SUCCEEDED", {"requestCount": "2", "successfulRequestCount": "2"}, 2),
        ("CANCELLED", {"requestCount": "2", "failedRequestCount": "2"}, 0),
        ("EXPIRED", {}, None),
        ("RUNNING", {"requestCount": "2", "successfulRequestCount": "1"}, None),
    ],
)
def test_how_many_were_answered_is_known_once_it_is_over(
    state: str, stats: dict[str, str], succeeded: int | None
) -> None:
    (found,) = read_states(over({}, state, **stats))
    assert (found.status, found.succeeded) == (state.lower(), succeeded)


def test_results_in_an_answer_have_the_name_of_their_batch_and_their_place() -> None:
    lines = [{"response": ANSWER, "metadata": {"key": "r0"}}, {"error": {"code": 8, "message": "m"}}, {}, "odd"]
    told = read_told(over({"inlinedResponses": {"inlinedResponses": lines}}), "b1")
    assert [(id_, r.key, r.custom_id, r.status, r.error_type, r.body) for id_, r in told] == [
        ("batches/b1", "batches/b1 0", "r0", "ok", None, ANSWER),
        ("batches/b1", "batches/b1 1", None, "error", "RESOURCE_EXHAUSTED", None),
    ]


def test_results_are_found_where_only_the_response_has_them() -> None:
    output = {"inlinedResponses": {"inlinedResponses": [{"response": ANSWER}]}}
    told = {**over({}), "response": output}
    assert [r.body for _, r in read_told(told, "b1")] == [ANSWER]


def test_an_embedding_has_the_tokens_that_are_told_beside_it() -> None:
    lines = [{"response": {"embedding": {"values": [0.5]}, "tokenCount": "4"}}]
    ((_, result),) = read_told(over({"inlinedEmbedContentResponses": {"inlinedResponses": lines}}), "b1")
    assert result.body is not None
    assert result.body["usageMetadata"] == {"promptTokenCount": 4}
    (state,) = read_states(over({"inlinedEmbedContentResponses": {"inlinedResponses": lines}}))
    assert state.endpoint == ":embedContent"


@pytest.mark.parametrize(
    ("line", "key", "status", "error"),
    [
        ({"key": "r0", "response": ANSWER}, "files/f r0", "ok", None),
        ({"response": ANSWER}, "files/f x", "ok", None),
        ({"key": "r0", "error": {"code": 1}}, "files/f r0", "cancelled", "CANCELLED"),
        ({"key": "r0", "error": {"code": 99}}, "files/f r0", "error", "99"),
        ({"key": "r0", "error": {"status": "INTERNAL"}}, "files/f r0", "error", "INTERNAL"),
        ({"key": "r0", "error": {"message": "m"}}, "files/f r0", "error", "error"),
    ],
)
def test_a_line_of_a_file_is_known_by_its_key_or_its_response(
    line: dict[str, Any], key: str, status: str, error: str | None
) -> None:
    result = read_result(line, "files/f")
    assert result is not None
    assert (result.key, result.status, result.error_type) == (key, status, error)


@pytest.mark.parametrize("line", [{"key": "r0", "request": {}}, {"response": {"candidates": []}}, {}, {"error": {}}])
def test_a_line_that_is_no_result_is_none(line: dict[str, Any]) -> None:
    assert read_result(line, "files/f") is None


def test_what_is_asked_for_is_counted_where_it_stands_in_the_request() -> None:
    inlined = {"inputConfig": {"requests": {"requests": [{}, {}]}}}
    assert read_asked({"model": "gemini-2.5-flash", "batch": inlined}) == (2, ("gemini-2.5-flash",))
    assert read_asked({"model": "m", "batch": {"inputConfig": {"fileName": "files/f"}}}) == (None, ("m",))
    assert read_asked({"batch": "odd"}) == (None, ())


def test_an_answer_tells_what_it_was_asked_with() -> None:
    assert (find_path(ANSWER), find_path({"embedding": {}}), find_path({})) == (
        ":generateContent", ":embedContent", None,
    )  # fmt: skip
    assert BATCHES.results_are_files
