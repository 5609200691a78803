"""A call: who was asked for what, what was answered, and all that is known around it; and the span it travels as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, Literal, TypeAlias, TypeVar

CallStatus: TypeAlias = Literal["ok", "error", "cancelled"]
UsageSource: TypeAlias = Literal["provider", "estimated", "missing"]
RawUsage: TypeAlias = Mapping[str, Any]
AttributeValue: TypeAlias = str | bool | int | float | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]
Attributes: TypeAlias = Mapping[str, AttributeValue]
_T = TypeVar("_T")


def quick(kind: type[_T]) -> type[_T]:
    """KIND, a frozen dataclass, made without a function call for each field: only type checkers keep it frozen then."""
    copied = [
        (f.name, f.type, field(default=f.default, default_factory=f.default_factory))
        for f in fields(kind)  # type: ignore[arg-type]
    ]
    unfrozen = make_dataclass(kind.__name__, copied, repr=False, eq=False)
    kind.__init__ = unfrozen.__init__  # type: ignore[method-assign, misc]
    del kind.__setattr__, kind.__delattr__
    return kind


@quick
@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one response, normalised so that every provider means the same.

    `input_tokens` holds all input, cached and written to a cache included; `output_tokens` holds all output,
    reasoning included. The others are subsets of those two. `None`: the provider did not say.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    image_tokens: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked a provider for; a field is `None` where the caller sent nothing."""

    provider: str
    operation: str
    endpoint: str
    model: str | None = None
    stream: bool = False
    server_address: str | None = None
    server_port: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    choice_count: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    output_type: str | None = None
    reasoning_level: str | None = None
    service_tier: str | None = None
    dimensions: int | None = None
    cache_ttl: str | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    guardrail_id: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Response:
    """What a provider answered, as far as it got; `usage` is the provider's own object, untouched.

    `refusal_category` is what a refusal was about, where the provider says so: it decides whether it is charged.
    `tool_requests` counts the uses of tools that are charged by the call. `error` names a failure that the provider
    reported in a response that was otherwise delivered.
    """

    id: str | None = None
    model: str | None = None
    finish_reasons: tuple[str, ...] | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    refusal_category: str | None = None
    tool_requests: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    usage: RawUsage | None = None


@quick
@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP attempt of a call: its outcome (a status code, or an error name) and the wait that followed it."""

    outcome: str
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Conversation:
    """Prompt and answer as they were said, in the shapes of OpenTelemetry's GenAI schemas; what is empty was not said.

    Nothing has been taken out of it yet: it is not written anywhere. Redaction makes a `Content` of it.
    """

    input_messages: Sequence[Any] = ()
    output_messages: Sequence[Any] = ()
    system_instructions: Sequence[Any] = ()
    tool_definitions: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """Prompt and answer of a call, as JSON in the shapes of OpenTelemetry's GenAI schemas. Kept only on request.

    `withheld` says why there is nothing, where it was asked for and could not be made safe.
    """

    input_messages: str | None = None
    output_messages: str | None = None
    system_instructions: str | None = None
    tool_definitions: str | None = None
    withheld: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the application a call was made, as far as that is known: what rules attribute calls by.

    `route` is the template of a web request's path (`/items/{id}`), `task` the name of a queue's task, `command` that
    of a command line, `test` a test's id. `module` and `function` are the application's own code that made the call.
    """

    route: str | None = None
    task: str | None = None
    command: str | None = None
    test: str | None = None
    module: str | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Where a call is one request of a batch: the batch's id, its own id in it, and the file its result was read from.

    `id` is None where only the file is known.
    """

    id: str | None = None
    custom_id: str | None = None
    file_id: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Call:
    """One finished call to a provider: what a row of the `calls` relation is made from.

    Ids are lower-case hex. Times are nanoseconds since the epoch (UTC) and seconds. `usage` is normalised;
    `response.usage` is the provider's own. `request_sent` is False where no connection was ever made, so that nothing
    can have been billed. `usage_complete` is False where the stream ended before the provider's final count.
    `batch` is set where it is a request of a batch: such a call starts when the batch is created, and has no duration.
    """

    trace_id: str
    span_id: str
    started_at_ns: int
    duration_s: float
    request: Request
    response: Response = field(default_factory=Response)
    status: CallStatus = "ok"
    parent_span_id: str | None = None
    ttft_s: float | None = None
    time_to_first_chunk_s: float | None = None
    usage: Usage = field(default_factory=Usage)
    usage_source: UsageSource = "missing"
    usage_complete: bool = True
    error_type: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    request_sent: bool = True
    attempts: tuple[Attempt, ...] = ()
    rate_limits: Mapping[str, float] = field(default_factory=dict)
    feature: str | None = None
    feature_source: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    tenant: str | None = None
    prompt_version: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    origin: Origin = Origin()
    content: Content | None = None
    batch: BatchRequest | None = None


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span; its time is in nanoseconds since the epoch (UTC)."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class Span:
    """One span as it travels: OpenTelemetry's fields, with ids as lower-case hex and times in nanoseconds (UTC).

    `kind` and `status_code` are OTLP's numbers (3 is CLIENT; 0 unset, 1 ok, 2 error).
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    start_ns: int
    end_ns: int
    kind: int = 3
    status_code: int = 0
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    scope: str = ""
    events: tuple[SpanEvent, ...] = ()
