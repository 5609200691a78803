"""Makes received spans fit to be kept: within limits, and without secrets, before anything is written.

An absurd span loses its content, never its usage. What tells usage, model and feature is kept in every dialect; what
goes first are prompts and answers.
"""

import re
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from llmtrace import semconv
from llmtrace.config import keeps_received_content
from llmtrace.redaction.configured import redactor_of
from llmtrace.redaction.fitting import DEEPEST, MAX_BYTES, fit_text
from llmtrace.redaction.media import may_hold_media
from llmtrace.redaction.redactor import REDACTED, Redactor, Watch, Withheld, log_withheld
from llmtrace.redaction.secrets import PERSONAL, find_secrets, is_secret_field, redact

SPAN_ATTRIBUTES = 128
SPAN_EVENTS = 128
SHORT_CHARACTERS = 512
# However many there are: nothing that a bill needs is cut, and nobody fills a disk with it.
MOST_ATTRIBUTES = 512
# What bills and attribution are read from, in any dialect.
NEEDED = re.compile(
    r"(^|[._])(usage|token|tokens|token_count|cost|model|model_name|model_id|provider|system|operation|operation_name"
    r"|service_tier|feature|span\.kind|operationId)([._]|$)|^llmtrace\.(?!tag\.|rate_limit\.)|\.response[._]id$|"
    r"[uU]sage|[tT]okens|gen_ai\.response\.finish_reasons$|^(error|exception)\.type$|^http\.response\.status_code$"
)
MESSAGE_EVENTS = re.compile(r"gen_ai\.(content\.|choice$|\w+\.message$|client\.inference)")
CONTENT_IN_EVENT = re.compile(r"content|message|body|prompt|completion|arguments")


@dataclass(slots=True)
class Examination:
    """What was done to the spans of one request: how many were changed, had something cut, lost their content."""

    changed: int = 0
    cut: int = 0
    withheld: int = 0


def make_fit(request: ExportTraceServiceRequest, payload: bytes, home: Path) -> Examination:
    """Cut and redact the spans of REQUEST, whose serialisation is PAYLOAD, in place, by the settings of HOME."""
    redactor = redactor_of(home)
    done = Examination()
    keeps_content = keeps_received_content()
    # Where every text must be looked at, a look at the bytes spares none.
    is_strict = bool(redactor.own or redactor.problem or not keeps_content) or _has_secret_field(request)
    is_suspect = is_strict or _is_suspect(payload)
    for resource_spans in request.resource_spans:
        if is_suspect:
            _Fitting(redactor, keeps_content).attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                is_large = len(span.attributes) > SPAN_ATTRIBUTES or span.ByteSize() > MAX_BYTES
                if is_large or is_strict or (is_suspect and _is_suspect(span.SerializeToString())):
                    _fit_span(span, redactor, keeps_content, done)
    return done


def _is_suspect(data: bytes) -> bool:
    """Whether DATA may hold a secret or media, escapes of JSON considered."""
    return bool(find_secrets(data)) or may_hold_media(data) or b"\\u00" in data


def _has_secret_field(request: ExportTraceServiceRequest) -> bool:
    """Whether an attribute is named like a secret. Names repeat from span to span: each is looked at once."""
    names: set[str] = set()
    for resource_spans in request.resource_spans:
        names.update(pair.key for pair in resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                names.update([pair.key for pair in span.attributes])
    return any(is_secret_field(name) for name in names)


def _fit_span(span: SpanMessage, redactor: Redactor, keeps_content: bool, done: Examination) -> None:
    fitting = _Fitting(redactor, keeps_content)
    cut = _limit(span.attributes, SPAN_ATTRIBUTES) + max(0, len(span.events) - SPAN_EVENTS)
    del span.events[SPAN_EVENTS:]
    fitting.attributes(span.attributes)
    for event in span.events:
        cut += _limit(event.attributes, SPAN_ATTRIBUTES)
        fitting.attributes(event.attributes, is_message=MESSAGE_EVENTS.match(event.name) is not None)
    for link in span.links:
        fitting.attributes(link.attributes)
    if span.status.message:
        span.status.message = fitting.message(span.status.message)
    span.name = fit_text(redact(span.name.encode()).decode())
    cut += fitting.cut
    if cut:
        done.cut += 1
        span.attributes.append(KeyValue(key=semconv.ATTRIBUTES_CUT, value=AnyValue(int_value=cut)))
    if fitting.reason is not None:
        done.withheld += 1
        log_withheld(fitting.reason)
        span.attributes.append(
            KeyValue(key=semconv.CONTENT_WITHHELD, value=AnyValue(string_value=fit_text(fitting.reason, 512)))
        )
    done.changed += 1


def _limit(attributes: MutableSequence[KeyValue], most: int) -> int:
    """Leave MOST of ATTRIBUTES, content going first and what is needed last; how many were left out."""
    number = len(attributes)
    if number <= most:
        return 0
    ranked = sorted(range(number), key=lambda at: _rank(attributes[at].key))
    needed = sum(1 for pair in attributes if _rank(pair.key) == 0)
    kept = sorted(ranked[: max(most, min(needed, MOST_ATTRIBUTES))])
    pairs = [KeyValue.FromString(attributes[at].SerializeToString()) for at in kept]
    del attributes[:]
    attributes.extend(pairs)
    return number - len(kept)


def _rank(name: str) -> int:
    if semconv.CONTENT.match(name):
        return 2
    return 0 if NEEDED.search(name) else 1


class _Fitting:
    """Cuts and redacts what belongs to one span, for as long as its time lasts."""

    def __init__(self, redactor: Redactor, keeps_content: bool) -> None:
        self._redactor, self._keeps_content = redactor, keeps_content
        self._watch = Watch()
        self.cut = 0
        self.reason: str | None = redactor.withholds

    def attributes(self, attributes: MutableSequence[KeyValue], *, is_message: bool = False) -> None:
        """Redact ATTRIBUTES in place; IS_MESSAGE: they are those of an event that holds a prompt or an answer."""
        dropped = []
        for at, pair in enumerate(attributes):
            is_content = semconv.CONTENT.match(pair.key) or (is_message and CONTENT_IN_EVENT.search(pair.key))
            if is_content and not (self._keeps_content and self._is_made_safe(pair)):
                dropped.append(at)
            elif not is_content and not self._is_made_safe(pair):
                pair.value.string_value = REDACTED
        for at in reversed(dropped):
            del attributes[at]

    def message(self, text: str) -> str:
        """TEXT redacted, and no longer than an attribute."""
        return fit_text(self._redactor.free_text(text))

    def _is_made_safe(self, pair: KeyValue) -> bool:
        """Redact the value of PAIR; False where that cannot be done."""
        try:
            self._value(pair.key, pair.value, 0)
        except Withheld as err:
            self.reason = str(err)
            return False
        except Exception as err:  # whatever it is: what was not looked at is not written
            self.reason = f"redaction failed: {type(err).__name__}"
            return False
        return True

    def _value(self, name: str, value: AnyValue, depth: int) -> None:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            text = value.string_value
            cleaned = fit_text(self._clean(name, text))
            if cleaned != text:
                self.cut += len(text) > MAX_BYTES
                value.string_value = cleaned
        elif kind == "bytes_value":
            if len(value.bytes_value) > MAX_BYTES or find_secrets(value.bytes_value):
                self.cut += len(value.bytes_value) > MAX_BYTES
                value.bytes_value = redact(value.bytes_value)[:MAX_BYTES]
        elif kind in ("array_value", "kvlist_value"):
            self._nested(name, value, depth)

    def _clean(self, name: str, text: str) -> str:
        if len(text) < SHORT_CHARACTERS and NEEDED.search(name) and not is_secret_field(name):
            return redact(text.encode(), keep=PERSONAL).decode()  # at any time, and whatever patterns are wrong
        return self._redactor.attribute(name, text, self._watch)

    def _nested(self, name: str, value: AnyValue, depth: int) -> None:
        if depth >= DEEPEST or value.ByteSize() > 4 * MAX_BYTES:
            self.cut += 1
            value.string_value = REDACTED
            return
        for key, item in _items(name, value):
            self._value(key, item, depth + 1)


def _items(name: str, value: AnyValue) -> Iterator[tuple[str, AnyValue]]:
    pairs: Sequence[KeyValue] = value.kvlist_value.values
    yield from ((pair.key, pair.value) for pair in pairs)
    yield from ((name, item) for item in value.array_value.values)
