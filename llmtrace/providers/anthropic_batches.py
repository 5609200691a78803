"""Anthropic's message batches: the requests stand in the request that makes one, the results in a stream of lines.

Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.batch import BatchResult, BatchState
from llmtrace.model import CallStatus
from llmtrace.providers.amounts import as_count
from llmtrace.providers.base import Batches, as_list, as_mapping, as_moment_s, as_text, batch_endpoint

_PATH = r"/v1/messages/batches"
ENDPOINTS = (
    batch_endpoint("messages.batches.create", "create", "POST", _PATH + "$"),
    batch_endpoint("messages.batches.retrieve", "retrieve", "GET", _PATH + r"(?:/(?P<id>[^/]+))?$"),
    batch_endpoint("messages.batches.cancel", "retrieve", "POST", _PATH + r"/(?P<id>[^/]+)/cancel$"),
    batch_endpoint("messages.batches.results", "results", "GET", _PATH + r"/(?P<id>[^/]+)/results$"),
)
MOST_MODELS = 16
STATUSES: Mapping[str, CallStatus] = {"succeeded": "ok", "canceled": "cancelled"}


def read_states(body: Mapping[str, Any]) -> Sequence[BatchState]:
    """The batches that BODY tells of: one, or those of a list."""
    told = as_list(body.get("data")) if "data" in body else [body]
    return [state for batch in told if (state := _read_state(as_mapping(batch))) is not None]


def _read_state(batch: Mapping[str, Any]) -> BatchState | None:
    id_ = as_text(batch.get("id"))
    if id_ is None or batch.get("type") != "message_batch":
        return None
    told, status = as_mapping(batch.get("request_counts")), as_text(batch.get("processing_status"))
    counts = [n for c in told.values() if (n := as_count(c)) is not None]
    return BatchState(
        id_,
        status=status,
        created_at_s=as_moment_s(batch.get("created_at")),
        requests=sum(counts) or None,
        endpoint="/v1/messages",
        succeeded=as_count(told.get("succeeded")) if status == "ended" else None,
    )


def read_asked(body: Mapping[str, Any]) -> tuple[int | None, tuple[str, ...]]:
    """How many requests BODY, the JSON that is sent, holds, and the models that they ask for."""
    requests = body.get("requests")
    if not isinstance(requests, list | tuple):
        return None, ()
    models = {as_text(as_mapping(as_mapping(r).get("params")).get("model")) for r in requests}
    return len(requests), tuple(sorted(m for m in models if m)[:MOST_MODELS])


def read_result(line: Mapping[str, Any], batch_id: str) -> BatchResult | None:
    """The result in LINE of the batch BATCH_ID, or None where it is none."""
    result, custom_id = as_mapping(line.get("result")), as_text(line.get("custom_id"))
    kind = as_text(result.get("type"))
    if kind is None or custom_id is None:
        return None
    error = as_mapping(result.get("error"))
    return BatchResult(
        f"{batch_id} {custom_id}",
        custom_id,
        status=STATUSES.get(kind, "error"),
        error_type=None if kind == "succeeded" else _error_type(error) or kind,
        request_id=as_text(error.get("request_id")),
        body=as_mapping(result.get("message")) if kind == "succeeded" else None,
    )


def _error_type(error: Mapping[str, Any]) -> str | None:
    """The type in ERROR, the API's envelope or what stands in it."""
    return as_text((as_mapping(error.get("error")) or error).get("type"))


def find_path(body: Mapping[str, Any]) -> str | None:
    """That of messages: batches are of nothing else."""
    return "/v1/messages"


BATCHES = Batches(read_states, read_asked, read_result, find_path, results_are_files=False)
