"""OpenAI's batches: a file of requests goes up, a batch is made of it, and files of results come down.

A line of results names neither its batch nor that it is one: the batch that the file belongs to does.

Source: https://developers.openai.com/api/docs/guides/batch
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.batch import BatchResult, BatchState
from llmtrace.providers import xai_batches
from llmtrace.providers.amounts import as_count
from llmtrace.providers.base import Batches, as_float, as_int, as_list, as_mapping, as_text, batch_endpoint
from llmtrace.providers.openai_chat import read_error

# Paths are the API's own, with or without its version: other resources have files too.
_START = r"^(?:/openai)?(?:/v1)?"
ENDPOINTS = (
    batch_endpoint("files.create", "upload", "POST", _START + r"/files$"),
    batch_endpoint("batches.create", "create", "POST", _START + r"/batches$"),
    batch_endpoint("batches.retrieve", "retrieve", "GET", _START + r"/batches(?:/(?P<id>[^/]+))?$"),
    batch_endpoint("batches.cancel", "retrieve", "POST", _START + r"/batches/(?P<id>[^/]+)/cancel$"),
    # xAI's: https://docs.x.ai/developers/advanced-api-usage/batch-api
    batch_endpoint("batches.cancel", "retrieve", "POST", _START + r"/batches/(?P<id>[^/:]+):cancel$"),
    batch_endpoint("batches.results", "retrieve", "GET", _START + r"/batches/(?P<id>[^/]+)/results$"),
    batch_endpoint("files.content", "results", "GET", _START + r"/files/(?P<id>[^/]+)/content$"),
)
# Kind of an answer to the path of its request.
OBJECTS = {
    "chat.completion": "/v1/chat/completions",
    "text_completion": "/v1/completions",
    "response": "/v1/responses",
    "list": "/v1/embeddings",
}
OVER = frozenset({"completed", "expired", "cancelled"})
CANCELLED = frozenset({"batch_cancelled", "batch_canceled"})


def read_states(body: Mapping[str, Any]) -> Sequence[BatchState]:
    """The batches that BODY tells of: one, or those of a list."""
    if "batch_id" in body or "batches" in body:
        return xai_batches.read_states(body)
    told = as_list(body.get("data")) if body.get("object") == "list" else [body]
    return [state for batch in told if (state := _read_state(as_mapping(batch))) is not None]


def _read_state(batch: Mapping[str, Any]) -> BatchState | None:
    id_, model = as_text(batch.get("id")), as_text(batch.get("model"))
    if id_ is None or batch.get("object") != "batch":
        return None
    files = (as_text(batch.get(name)) for name in ("output_file_id", "error_file_id"))
    status, counts = as_text(batch.get("status")), as_mapping(batch.get("request_counts"))
    return BatchState(
        id_,
        status=status,
        created_at_s=as_float(batch.get("created_at")),
        requests=as_count(counts.get("total")) or None,
        endpoint=as_text(batch.get("endpoint")),
        models=(model,) if model else (),
        input_file=as_text(batch.get("input_file_id")),
        files=tuple(f for f in files if f),
        succeeded=as_count(counts.get("completed")) if status in OVER else None,
    )


def read_asked(body: Mapping[str, Any]) -> tuple[int | None, tuple[str, ...]]:
    """Nothing: what is asked for stands in the file that was uploaded before."""
    return None, ()


def read_result(line: Mapping[str, Any], file_id: str) -> BatchResult | None:
    """The result in LINE of the file FILE_ID; None where it is none, such as a request."""
    response, failure = as_mapping(line.get("response")), as_mapping(line.get("error"))
    if not response and not failure:
        return None
    custom_id, status = as_text(line.get("custom_id")), as_int(response.get("status_code"))
    body = as_mapping(response.get("body"))
    key = as_text(line.get("id")) or as_text(body.get("id")) or f"{file_id} {custom_id}"
    is_ok = not failure and (status is None or status < 400)
    error = None if is_ok else (read_error(failure) if failure else read_error(body)) or str(status or "error")
    return BatchResult(
        key,
        custom_id,
        status="ok" if is_ok else "cancelled" if error in CANCELLED else "error",
        error_type=error,
        http_status=status,
        request_id=as_text(response.get("request_id")),
        body=body if is_ok else None,
    )


def find_path(body: Mapping[str, Any]) -> str | None:
    """The path of the request that was answered with BODY."""
    return OBJECTS.get(str(body.get("object")))


BATCHES = Batches(
    read_states,
    read_asked,
    read_result,
    find_path,
    results_are_files=True,
    read_told=xai_batches.read_told,
    told_mark=b'"batch_result"',
)
