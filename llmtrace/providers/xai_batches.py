"""xAI's batches, made at OpenAI's path: requests are added to one, or stand in its file; results are read page by page.

No word says how a batch stands, only how many of its requests are pending.

Source: https://docs.x.ai/developers/advanced-api-usage/batch-api
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.batch import BatchResult, BatchState
from llmtrace.providers.amounts import as_count
from llmtrace.providers.base import as_list, as_mapping, as_moment_s, as_text
from llmtrace.providers.rpc_codes import error_name


def read_states(body: Mapping[str, Any]) -> Sequence[BatchState]:
    """The batches that BODY tells of: one, or those of a list."""
    told = as_list(body.get("batches")) if "batches" in body else [body]
    return [state for batch in told if (state := _read_state(as_mapping(batch))) is not None]


def _read_state(batch: Mapping[str, Any]) -> BatchState | None:
    id_, told = as_text(batch.get("batch_id")), as_mapping(batch.get("state"))
    if id_ is None:
        return None
    requests = as_count(told.get("num_requests")) or None
    is_over = requests is not None and told.get("num_pending") == 0
    return BatchState(
        id_,
        status="ended" if is_over else "in_progress",
        created_at_s=as_moment_s(batch.get("create_time")),
        requests=requests,
        input_file=as_text(batch.get("input_file_id")),
        succeeded=as_count(told.get("num_success")) if is_over else None,
    )


def read_told(body: Mapping[str, Any], batch_id: str) -> list[tuple[str, BatchResult]]:
    """The results on the page BODY, each with the BATCH_ID of all of them."""
    lines = (as_mapping(line) for line in as_list(body.get("results")))
    return [(batch_id, result) for line in lines if (result := _read_result(line, batch_id)) is not None]


def _read_result(line: Mapping[str, Any], batch_id: str) -> BatchResult | None:
    custom_id, told = as_text(line.get("batch_request_id")), as_mapping(line.get("batch_result"))
    # An answer stands under the name of the method that gave it.
    answer = next(iter(as_mapping(told.get("response")).values()), None)
    error, message = as_mapping(told.get("error")), as_text(line.get("error_message")) or as_text(told.get("error"))
    if custom_id is None or not (as_mapping(answer) or error or message):
        return None
    key = f"{batch_id} {custom_id}"
    if as_mapping(answer):
        return BatchResult(key, custom_id, body=as_mapping(answer))
    kind = error_name(error)
    return BatchResult(key, custom_id, "cancelled" if kind == "CANCELLED" else "error", kind)
