"""Batches as spans, on the journal's thread: one for each that is created, one for each change of its state, and one
for each result that the application reads.

A result's span has ids that are made of the provider's own, so that reading the results again makes no second call.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from llmtrace import codec, semconv
from llmtrace.batch import BatchResult, BatchState, encode_state
from llmtrace.ids import new_span_id
from llmtrace.instrument.batch_files import count_requests, looks_like_results, read_file
from llmtrace.instrument.finished import made_for, redacted, to_call
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.quiet import quietly
from llmtrace.model import BatchRequest, Call, Content, Request, Response, Span, Usage
from llmtrace.providers import Endpoint, find_endpoint, find_usage
from llmtrace.providers.amounts import as_count
from llmtrace.providers.base import as_float, as_mapping, as_text

MOST_BATCHES = 1024
# What a creation's span does not have of a call's: it is none.
OF_CALLS = frozenset({semconv.OPERATION_NAME, semconv.USAGE_SOURCE, semconv.ENDPOINT})
UNKNOWN = "batch_request"


@dataclass(frozen=True, slots=True)
class Lines:
    """A block of COUNT lines of the results that `invocation` reads; empty where there was no room for it."""

    invocation: Invocation
    block: bytes
    count: int


def told_of(invocation: Invocation) -> Sequence[tuple[str, BatchResult]]:
    """The results that the answer to INVOCATION holds, as far as it was read, each with the id of its batch."""
    batches = invocation.family.batches
    if batches is None or batches.read_told is None or invocation.endpoint.step != "retrieve":
        return ()
    return quietly(batches.read_told, as_mapping(_body(invocation)), invocation.subject or "") or ()


class BatchReader:
    """Reads what the steps of batches say, with what this process has seen of the same batches before."""

    def __init__(self) -> None:
        """Nothing is seen yet."""
        self._uploads: dict[str, tuple[int | None, tuple[str, ...]]] = {}
        self._states: dict[str, BatchState] = {}
        self._batch_of_file: dict[str, str] = {}

    def read_creation(self, invocation: Invocation) -> Span:
        """The span of INVOCATION, which asked for a batch, whether it got one or not."""
        call = to_call(invocation)
        attributes = {k: v for k, v in codec.encode(call).items() if k not in OF_CALLS}
        batches = invocation.family.batches
        told = batches.read_states(as_mapping(_body(invocation))) if batches is not None else ()
        for state in told[:1]:
            count, models = self._asked(invocation, state)
            state = replace(state, requests=count or state.requests, models=models or state.models)
            self._remember(state)
            attributes |= encode_state(state, "create")
        span = codec.to_span(call, {})
        return replace(span, name=invocation.endpoint.operation, attributes=attributes)

    def _asked(self, invocation: Invocation, state: BatchState) -> tuple[int | None, tuple[str, ...]]:
        uploaded = self._uploads.pop(state.input_file or "", None)
        batches = invocation.family.batches
        return uploaded or (batches.read_asked(as_mapping(invocation.asked)) if batches is not None else (None, ()))

    def read_progress(self, invocation: Invocation) -> list[Span]:
        """The spans of INVOCATION, which uploaded requests or asked how batches stand: one for each news."""
        to_call(invocation)  # reads the body, where nobody has
        batches, body = invocation.family.batches, as_mapping(_body(invocation))
        if batches is None or not body or invocation.status == "error":
            return []
        if invocation.endpoint.step == "upload":
            file_id = as_text(body.get("id"))
            if file_id is not None:
                _keep(self._uploads, file_id, count_requests(invocation.asked, as_count(body.get("bytes"))))
            return []
        is_list = invocation.subject is None
        return [
            _progress_span(invocation, state, number)
            for number, state in enumerate(batches.read_states(body))
            if self._is_news(state, is_list=is_list)
        ]

    def _is_news(self, state: BatchState, *, is_list: bool) -> bool:
        """Whether it says anything new; in a list, one without files that nobody here asked for does not."""
        known = self._states.get(state.id)
        if known is None and is_list and not state.files:
            return False
        return self._remember(state) != known

    def _remember(self, state: BatchState) -> BatchState:
        """What is known now that STATE is."""
        known = self._states.get(state.id)
        if known is not None:
            state = replace(state, requests=state.requests or known.requests, models=state.models or known.models)
        _keep(self._states, state.id, state)
        for file in state.files:
            _keep(self._batch_of_file, file, state.id)
        return state

    def read_file(self, invocation: Invocation) -> Iterator[Span | None]:
        """A span for each result in the file that INVOCATION has written what it read to; None for one unread."""
        for block in read_file(invocation):
            yield from self.read_results(Lines(invocation, block, block.count(b"\n")))

    def read_told(self, lines: Lines) -> Iterator[Span | None]:
        """The spans of LINES, an answer that tells how batches stand and may hold results of them."""
        invocation = lines.invocation
        try:
            invocation.events, invocation.response_bytes = [json.loads(lines.block)], None
        except (ValueError, RecursionError):
            return
        yield from self.read_answer(invocation)

    def read_answer(self, invocation: Invocation) -> Iterator[Span | None]:
        """The spans of the answer to INVOCATION: its news, and one for each result that it holds."""
        yield from quietly(self.read_progress, invocation) or ()
        for batch_id, result in told_of(invocation):
            where = BatchRequest(id=batch_id)
            yield quietly(_result_span, invocation, where, self._states.get(batch_id), result)

    def read_results(self, lines: Lines) -> Iterator[Span | None]:
        """A span for each result in LINES; None for one that cannot be read."""
        invocation = lines.invocation
        batches, subject = invocation.family.batches, invocation.subject or ""
        if batches is None or not looks_like_results(invocation, lines.block):
            return
        batch_id = self._batch_of_file.get(subject) if batches.results_are_files else subject
        where = BatchRequest(id=batch_id, file_id=subject if batches.results_are_files else None)
        state = self._states.get(batch_id or "")
        for line in _split(lines.block):
            try:
                result = batches.read_result(as_mapping(json.loads(line)), subject)
            except (ValueError, RecursionError):
                continue  # the last, which was not read to its end
            if result is not None:
                yield quietly(_result_span, invocation, where, state, result)


def _progress_span(invocation: Invocation, state: BatchState, number: int) -> Span:
    """The span of INVOCATION that tells STATE, the one with NUMBER of those that it tells."""
    request = invocation.request
    attributes = {**encode_state(state, "retrieve"), semconv.PROVIDER_NAME: request.provider}
    if request.server_address is not None:
        attributes[semconv.SERVER_ADDRESS] = request.server_address
    return Span(
        trace_id=invocation.trace_id,
        span_id=invocation.span_id if number == 0 else new_span_id(),
        parent_span_id=invocation.parent_span_id,
        name=invocation.endpoint.operation,
        start_ns=invocation.started_at_ns,
        end_ns=invocation.started_at_ns + invocation.ended_at - invocation.started,
        attributes=attributes,
        scope=semconv.SCOPE_NAME,
    )


def _result_span(invocation: Invocation, where: BatchRequest, state: BatchState | None, result: BatchResult) -> Span:
    """The span of RESULT, read by INVOCATION, of the batch with STATE."""
    family, body = invocation.family, result.body
    endpoint = _endpoint_of(invocation, state, body)
    response = endpoint.read_response(body) if endpoint is not None and body is not None else Response()
    meaning = find_usage(invocation.request.provider) or family
    usage = quietly(meaning.normalise, response.usage) if response.usage is not None else None
    request = Request(
        provider=invocation.request.provider,
        operation=endpoint.operation if endpoint is not None else UNKNOWN,
        endpoint=endpoint.name if endpoint is not None else UNKNOWN,
        model=_model_of(state, response),
        server_address=invocation.request.server_address,
        server_port=invocation.request.server_port,
    )
    failed = result.status != "ok"
    identity = f"{request.provider} {result.key}".encode()
    call = Call(
        trace_id=blake2b(identity, digest_size=16).hexdigest(),
        span_id=blake2b(identity, digest_size=8).hexdigest(),
        started_at_ns=_created_ns(state, body) or invocation.started_at_ns,
        duration_s=0.0,
        request=request,
        response=response,
        status=result.status if failed or response.error is None else "error",
        error_type=result.error_type if failed else response.error,
        usage=usage or Usage(),
        usage_source="provider" if usage is not None else "missing",
        http_status=result.http_status,
        request_id=result.request_id,
        batch=replace(where, custom_id=result.custom_id),
        content=_content(invocation, endpoint, body),
        **made_for(invocation),
    )
    return codec.to_span(call, {})


def _endpoint_of(invocation: Invocation, state: BatchState | None, body: Mapping[str, Any] | None) -> Endpoint | None:
    """The endpoint that the batch with STATE is for, or that answers with BODY."""
    batches = invocation.family.batches
    path = state.endpoint if state is not None else None
    if path is None and body is not None and batches is not None:
        path = batches.find_path(body)
    return find_endpoint(invocation.family.sdk, "POST", path) if path is not None else None


def _model_of(state: BatchState | None, response: Response) -> str | None:
    """The model that was asked for, where the batch with STATE asks for one alone, or one that RESPONSE's is one of."""
    models = state.models if state is not None else ()
    alike = [m for m in models if (response.model or "").startswith(m)]
    return models[0] if len(models) == 1 else max(alike, key=len, default=None)


def _created_ns(state: BatchState | None, body: Mapping[str, Any] | None) -> int | None:
    """When the batch with STATE was created, or else when BODY was, by the provider's clock."""
    created_s = state.created_at_s if state is not None else None
    if created_s is None and body is not None:
        created_s = as_float(body.get("created")) or as_float(body.get("created_at"))
    return None if created_s is None else round(created_s * 1e6) * 1000


def _content(invocation: Invocation, endpoint: Endpoint | None, body: Mapping[str, Any] | None) -> Content | None:
    if endpoint is None or body is None or not invocation.settings.capture_content:
        return None
    return redacted(quietly(endpoint.read_content, None, [body], False), invocation.settings.home)


def _body(invocation: Invocation) -> Any:
    return invocation.events[0] if invocation.events else None


def _split(block: bytes) -> Iterator[bytes]:
    """The lines of BLOCK that are not blank."""
    start = 0
    while start < len(block):
        end = block.find(b"\n", start)
        end = len(block) if end < 0 else end
        line = block[start:end].strip()
        if line:
            yield line
        start = end + 1


def _keep(known: dict[str, Any], key: str, value: Any) -> None:
    """Put VALUE into KNOWN under KEY, in the place of the oldest where it is full."""
    known.pop(key, None)
    known[key] = value
    if len(known) > MOST_BATCHES:
        del known[next(iter(known))]
