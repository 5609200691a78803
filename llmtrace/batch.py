"""Batches as their providers tell of them, and the span attributes that carry what was told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmtrace import semconv as s
from llmtrace.codec import prefixed, typed, write_fields
from llmtrace.fields import CALL_FIELDS, ORIGIN_FIELDS, Fields
from llmtrace.model import Attributes, AttributeValue, CallStatus, Origin

MADE_FOR = ("feature", "feature_source", "user_id", "session_id", "tenant", "prompt_version")
STATE_FIELDS = Fields(
    (
        (s.BATCH_ID, "id", str),
        (s.BATCH_STATUS, "status", str),
        (s.BATCH_CREATED_AT, "created_at_s", float),
        (s.BATCH_REQUESTS, "requests", int),
        (s.BATCH_ENDPOINT, "endpoint", str),
        (s.BATCH_MODELS, "models", tuple),
        (s.BATCH_INPUT_FILE, "input_file", str),
        (s.BATCH_FILES, "files", tuple),
        (s.BATCH_SUCCEEDED, "succeeded", int),
    )
)


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch as its provider tells of it: `status` in the provider's words, `created_at_s` since the epoch (UTC).

    `requests` is how many there are, None or 0 while nobody has counted; `models` are those that they ask for. `files`
    hold the results, where they are files. `succeeded` is how many were answered, once the batch is over.
    """

    id: str
    status: str | None = None
    created_at_s: float | None = None
    requests: int | None = None
    endpoint: str | None = None
    models: tuple[str, ...] = ()
    input_file: str | None = None
    files: tuple[str, ...] = ()
    succeeded: int | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One result of a batch: the answer in `body`, or why there is none. `key` is what no other result has."""

    key: str
    custom_id: str | None
    status: CallStatus = "ok"
    error_type: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    body: Mapping[str, Any] | None = None


def encode_state(state: BatchState, step: str) -> Attributes:
    """The span attributes that carry STATE of a batch, as it was told at STEP: `create` or `retrieve`."""
    attributes: dict[str, AttributeValue] = {s.BATCH_STEP: step}
    write_fields(attributes, STATE_FIELDS, state)
    return {name: value for name, value in attributes.items() if value != ()}


def decode_state(attributes: Attributes) -> BatchState | None:
    """The state of a batch that ATTRIBUTES carry, or None."""
    if s.BATCH_STEP not in attributes or typed(attributes.get(s.BATCH_ID), str) is None:
        return None
    found = {name: typed(attributes.get(attribute), kind) for attribute, name, kind in STATE_FIELDS}
    return BatchState(**{name: value for name, value in found.items() if value is not None})  # type: ignore[arg-type]


def decode_made_for(attributes: Attributes) -> dict[str, Any]:
    """The fields of `Call` that say on whose behalf the span with ATTRIBUTES was made, absent ones included."""
    told = {name: typed(attributes.get(attribute), str) for attribute, name, _ in CALL_FIELDS if name in MADE_FOR}
    places = {name: typed(attributes.get(attribute), str) for attribute, name, _ in ORIGIN_FIELDS}
    return {**told, "tags": prefixed(attributes, s.TAG_PREFIX, str), "origin": Origin(**places)}
