"""Gemini's batches: the requests stand in the request that makes one, or in a file; so do the results.

A batch that is over tells its results itself, in the answer to whoever asks how it stands, unless it was made of a
file: then it names a file of them.

Source: https://ai.google.dev/api/batch-api
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.batch import BatchResult, BatchState
from llmtrace.model import CallStatus
from llmtrace.providers.amounts import as_count
from llmtrace.providers.base import Batches, as_list, as_mapping, as_moment_s, as_text, batch_endpoint
from llmtrace.providers.google_usage import PROMPT
from llmtrace.providers.rpc_codes import error_name

_BATCHES = r"/v1[a-z0-9]*/batches"
ENDPOINTS = (
    batch_endpoint("batches.create", "create", "POST", r":(?:batchGenerateContent|asyncBatchEmbedContent)$"),
    batch_endpoint("batches.get", "retrieve", "GET", _BATCHES + r"(?:/(?P<id>[^/:]+))?$"),
    batch_endpoint("files.download", "results", "GET", r"/(?P<id>files/[^/:]+):download$"),
)
CONTENT, EMBEDDING = ":generateContent", ":embedContent"
INLINED = ("inlinedResponses", "inlinedEmbedContentResponses")
STATUSES: Mapping[str | None, CallStatus] = {None: "ok", "CANCELLED": "cancelled"}
OVER = frozenset({"succeeded", "failed", "cancelled", "expired"})


def read_states(body: Mapping[str, Any]) -> Sequence[BatchState]:
    """The batches that BODY tells of: one, or those of a list."""
    return [state for batch in _operations(body) if (state := _read_state(batch)) is not None]


def _operations(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [as_mapping(batch) for batch in (as_list(body["operations"]) if "operations" in body else [body])]


def _read_state(batch: Mapping[str, Any]) -> BatchState | None:
    id_, told = as_text(batch.get("name")), as_mapping(batch.get("metadata"))
    if id_ is None or not id_.startswith("batches/"):
        return None
    model, state, stats = as_text(told.get("model")), as_text(told.get("state")), as_mapping(told.get("batchStats"))
    status = state.removeprefix("BATCH_STATE_").lower() if state is not None else None
    output, kind = _output(batch), str(told.get("@type"))
    file = as_text(output.get("responsesFile"))
    return BatchState(
        id_,
        status=status,
        created_at_s=as_moment_s(told.get("createTime")),
        requests=_count(stats.get("requestCount")) or None,
        endpoint=EMBEDDING if "Embed" in kind or INLINED[1] in output else CONTENT if "Content" in kind else None,
        models=(model.rpartition("/")[2],) if model else (),
        input_file=as_text(as_mapping(told.get("inputConfig")).get("fileName")),
        files=(file,) if file else (),
        # The answers leave a number that is nothing out.
        succeeded=(_count(stats.get("successfulRequestCount")) or 0) if status in OVER and stats else None,
    )


def _output(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_mapping(as_mapping(batch.get("metadata")).get("output")) or as_mapping(batch.get("response"))


def _count(value: Any) -> int | None:
    """VALUE, a number that may be written as text."""
    return as_count(int(value)) if isinstance(value, str) and value.isdigit() else as_count(value)


def read_asked(body: Mapping[str, Any]) -> tuple[int | None, tuple[str, ...]]:
    """How many requests BODY, the JSON that is sent and the `model` of the path, holds, and the model they ask for."""
    config, model = as_mapping(as_mapping(body.get("batch")).get("inputConfig")), as_text(body.get("model"))
    requests = as_mapping(config.get("requests")).get("requests")
    return len(as_list(requests)) or None, (model,) if model else ()


def read_told(body: Mapping[str, Any], batch_id: str) -> list[tuple[str, BatchResult]]:
    """The results that BODY, which tells how one batch stands or several do, holds, each with its batch's id."""
    return [(str(b.get("name")), r) for b in _operations(body) if as_text(b.get("name")) for r in _results_of(b)]


def _results_of(batch: Mapping[str, Any]) -> list[BatchResult]:
    output, id_ = _output(batch), batch["name"]
    told = [as_list(as_mapping(output.get(name)).get("inlinedResponses")) for name in INLINED]
    # They come in the order of the requests, which have no other name.
    lines = [as_mapping(line) for lines in told for line in lines]
    found = (_read(line, f"{id_} {number}") for number, line in enumerate(lines))
    return [result for result in found if result is not None]


def read_result(line: Mapping[str, Any], file_id: str) -> BatchResult | None:
    """The result in LINE of the file FILE_ID; None where it is none, such as a request."""
    name = as_text(line.get("key")) or as_text(as_mapping(line.get("response")).get("responseId"))
    return _read(line, f"{file_id} {name}") if name is not None else None


def _read(line: Mapping[str, Any], key: str) -> BatchResult | None:
    answer, error = as_mapping(line.get("response")), as_mapping(line.get("error"))
    if not answer and not error:
        return None
    custom_id = as_text(line.get("key")) or as_text(as_mapping(line.get("metadata")).get("key"))
    kind = None if answer else error_name(error)
    return BatchResult(key, custom_id, STATUSES.get(kind, "error"), kind, body=_with_usage(answer) if answer else None)


def _with_usage(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """ANSWER, with its count of tokens where other answers have it: that of an embedding stands beside it."""
    tokens = _count(answer.get("tokenCount"))
    return answer if tokens is None or "usageMetadata" in answer else {**answer, "usageMetadata": {PROMPT: tokens}}


def find_path(body: Mapping[str, Any]) -> str | None:
    """The end of the path of the request that was answered with BODY."""
    return EMBEDDING if "embedding" in body else CONTENT if "candidates" in body or "usageMetadata" in body else None


BATCHES = Batches(
    read_states,
    read_asked,
    read_result,
    find_path,
    results_are_files=True,
    marks=(b'"key"', b'"response"', b'"error"'),
    read_told=read_told,
    told_mark=b'Responses"',
)
