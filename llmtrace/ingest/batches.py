"""Brings the results of a batch together with the request that submitted it, whichever of them comes first.

Results are read when they are done, by any process. They belong to the feature that submitted the batch and are priced
by the time at which it did. Which batch a file of results is of, whoever asked how the batch stands was told.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llmtrace import semconv
from llmtrace.batch import MADE_FOR, BatchState, decode_made_for, decode_state
from llmtrace.ingest.pricing import price_again, price_span
from llmtrace.model import Call, Span
from llmtrace.pricing import PriceBook
from llmtrace.providers import find_endpoint, find_provider
from llmtrace.store.base import PricedCall, Store
from llmtrace.store.rows import environment_of, read_span

STEPS = ("create_batch", "retrieve_batch")
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Told:
    """What one span tells of a batch; `made_for` is None unless it is the one that created it."""

    provider: str
    state: BatchState
    service: str | None
    environment: str | None
    made_for: dict[str, Any] | None


@dataclass(slots=True)
class _Known:
    """All that is known of some batches, by provider and id."""

    told: dict[Key, list[_Told]] = field(default_factory=dict)
    batch_of_file: dict[Key, str] = field(default_factory=dict)

    def add(self, told: _Told) -> None:
        self.told.setdefault((told.provider, told.state.id), []).append(told)
        for file in told.state.files:
            self.batch_of_file[told.provider, file] = told.state.id

    def creation(self, provider: str, batch_id: str | None) -> _Told | None:
        return next((t for t in self.told.get((provider, batch_id or ""), ()) if t.made_for is not None), None)

    def facts(self, provider: str, batch_id: str | None, name: str) -> Any:
        """The first value of the field NAME that anybody told of the batch."""
        told = self.told.get((provider, batch_id or ""), ())
        return next((value for t in told if (value := getattr(t.state, name))), None)


class BatchSettler:
    """Settles the batches of one store. Costs nothing while there are none."""

    def __init__(self, store: Store, book: PriceBook) -> None:
        """Look earlier spans up in STORE, and price by BOOK."""
        self._store, self._book = store, book

    def settle(self, spans: Iterable[Span], calls: Sequence[PricedCall]) -> tuple[list[PricedCall], list[PricedCall]]:
        """CALLS, about to be stored with SPANS, as they are to be stored; and new revisions of stored calls."""
        told = [found for span in spans if (found := _read(span)) is not None]
        known = self._look_up([p.call for p in calls], told)
        news = [t for t in told if t.made_for is not None or t.state.files]
        return self._settle_all(calls, known), self._revise(news) if news else []

    def settle_stored(self, calls: Sequence[PricedCall]) -> list[PricedCall]:
        """CALLS, read from their spans anew, with what the store knows of their batches."""
        return self._settle_all(calls, self._look_up([p.call for p in calls], []))

    def _settle_all(self, calls: Sequence[PricedCall], known: _Known) -> list[PricedCall]:
        return [self._settle_one(p, known) if p.call.batch is not None else p for p in calls]

    def _settle_one(self, priced: PricedCall, known: _Known) -> PricedCall:
        """PRICED, a result, as what is KNOWN of its batch says."""
        call = priced.call
        assert call.batch is not None
        provider = call.request.provider
        batch_id = call.batch.id or known.batch_of_file.get((provider, call.batch.file_id or ""))
        if batch_id is None:
            return priced
        request = _complete(
            call, known.facts(provider, batch_id, "endpoint"), known.facts(provider, batch_id, "models")
        )
        creation = known.creation(provider, batch_id)
        settled = replace(call, batch=replace(call.batch, id=batch_id), request=request)
        if creation is not None:
            settled = replace(settled, **creation.made_for or {})
            priced = replace(priced, service=creation.service, environment=creation.environment)
        created_s = known.facts(provider, batch_id, "created_at_s")
        created_ns = call.started_at_ns if created_s is None else round(created_s * 1e6) * 1000
        if request == call.request and created_ns == call.started_at_ns:
            return replace(priced, call=settled)
        again = price_again(self._book, replace(priced, call=replace(settled, started_at_ns=created_ns)))
        return replace(again, call=settled)

    def _look_up(self, calls: Sequence[Call], told: Sequence[_Told]) -> _Known:
        """What TOLD and the store say of the batches of CALLS and of those that TOLD is of."""
        known = _Known()
        for found in told:
            known.add(found)
        ids = {c.batch.id for c in calls if c.batch is not None and c.batch.id is not None}
        files = {c.batch.file_id for c in calls if c.batch is not None and c.batch.id is None and c.batch.file_id}
        for found in self._ask(ids, files):
            known.add(found)
        for found in self._ask(
            {known.batch_of_file[key] for key in known.batch_of_file if key[1] in files} - ids, set()
        ):
            known.add(found)
        return known

    def _ask(self, ids: Iterable[str], files: Iterable[str]) -> list[_Told]:
        """What stored spans say of the batches called IDS, and of those whose results are in FILES."""
        ids, files = sorted(ids), sorted(files)
        if not ids and not files:
            return []
        found = self._store.query(_of_batches(self._store.dialect, ids, files), limit=None).dicts()
        return [told for row in found if (told := _read(read_span(row))) is not None]

    def _revise(self, told: Sequence[_Told]) -> list[PricedCall]:
        """New revisions of stored results that came before what is TOLD of their batches now."""
        ids = sorted({t.state.id for t in told})
        files = sorted({file for t in told for file in t.state.files})
        latest: dict[Key, dict[str, Any]] = {}
        for row in self._store.query(_results_of(self._store.dialect, ids, files), limit=None).dicts():
            key = row["trace_id"], row["span_id"]
            if key not in latest or latest[key]["revision"] < row["revision"]:
                latest[key] = row
        read = [(row, price_span(self._book, read_span(row))) for row in latest.values()]
        found = [(row, priced) for row, priced in read if priced is not None]
        known = self._look_up([p.call for _, p in found], told)
        settled = self._settle_all([p for _, p in found], known)
        return [
            replace(priced, duplicate_of=row["duplicate_of"])
            for (row, _), priced in zip(found, settled, strict=True)
            if _differs(row, priced)
        ]


def _read(span: Span) -> _Told | None:
    """What SPAN tells of a batch, or None."""
    if span.scope != semconv.SCOPE_NAME or span.name not in STEPS:
        return None
    state, provider = decode_state(span.attributes), span.attributes.get(semconv.PROVIDER_NAME)
    if state is None or not isinstance(provider, str):
        return None
    service = span.resource.get(semconv.SERVICE_NAME)
    return _Told(
        provider,
        state,
        service if isinstance(service, str) else None,
        environment_of(span),
        decode_made_for(span.attributes) if span.name == STEPS[0] else None,
    )


def _complete(call: Call, path: str | None, models: tuple[str, ...] | None) -> Any:
    """CALL's request with the endpoint at PATH, and the model if it is the one of MODELS, where it lacks them."""
    request, family = call.request, find_provider(call.request.provider)
    if request.model is None and models is not None and len(models) == 1:
        request = replace(request, model=models[0])
    if path is None or family is None or find_endpoint(family.sdk, "POST", path) is None:
        return request
    endpoint = find_endpoint(family.sdk, "POST", path)
    assert endpoint is not None
    return replace(request, operation=endpoint.operation, endpoint=endpoint.name)


def _differs(row: dict[str, Any], priced: PricedCall) -> bool:
    """Whether PRICED says anything else than ROW, which is stored."""
    call = priced.call
    batch_id = call.batch.id if call.batch is not None else None
    now = {**{name: getattr(call, name) for name in MADE_FOR}, "batch_id": batch_id}
    now |= {"called_by": priced.service, "called_in": priced.environment, "request_model": call.request.model}
    now |= {"cost_usd": priced.cost.total_usd, "cost_status": priced.cost.status}
    return any(row[name] != value for name, value in now.items()) or json.loads(row["tags"] or "{}") != call.tags


def _of_batches(dialect: str, ids: Sequence[str], files: Sequence[str]) -> str:
    """The query for the spans that tell of the batches called IDS, or of those whose results are in FILES."""
    from llmtrace.analytics import compile_expression
    from llmtrace.analytics.relations import SPANS
    from llmtrace.analytics.tables import json_extract_string

    told = SPANS.filter((SPANS.scope == semconv.SCOPE_NAME) & SPANS.name.isin(STEPS))
    named = json_extract_string(told.attributes, f"/{semconv.BATCH_ID}").isin(list(ids))
    for place in (0, 1) if files else ():
        named |= json_extract_string(told.attributes, f"/{semconv.BATCH_FILES}/{place}").isin(list(files))
    return compile_expression(told.filter(named), dialect)


def _results_of(dialect: str, ids: Sequence[str], files: Sequence[str]) -> str:
    """The query for the spans of stored results of the batches called IDS, or in FILES, beside their revisions."""
    from llmtrace.analytics import compile_expression
    from llmtrace.analytics.relations import CALLS_ALL, SPANS
    from llmtrace.analytics.tables import json_extract_string

    # A result whose batch nobody knew then has no duration either.
    is_result = CALLS_ALL.batch_id.isin(list(ids)) | (CALLS_ALL.batch_id.isnull() & CALLS_ALL.duration_s.isnull())
    state = CALLS_ALL.filter(is_result).select(
        "trace_id", "span_id", "revision", "duplicate_of", "batch_id", *MADE_FOR, "tags", "request_model",
        "cost_usd", "cost_status", called_by="service", called_in="environment",
    )  # fmt: skip
    joined = state.join(SPANS, ["trace_id", "span_id"])
    of_file = json_extract_string(joined.attributes, f"/{semconv.BATCH_FILE_ID}").isin(list(files))
    return compile_expression(joined.filter(joined.batch_id.notnull() | of_file), dialect)
