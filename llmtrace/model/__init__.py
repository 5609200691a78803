"""The values that travel through llmtrace: never changed, without behaviour, importing nothing of ours.

A provider adapter turns SDK data into `Request`, `Response` and raw usage; an invocation turns those into a `Call`;
the codec turns a `Call` into span attributes and back; pricing turns a call's usage into `CostItem`s and a `Cost`.
`None` means "nobody said so" throughout: it is never a zero in disguise. What a bill has many of is a named tuple,
and what a call has is `quick`: that is made in a third of the time.
"""

from llmtrace.model.bills import NOTHING_STATED, Cost, CostItem, CostStatus, Price, Quantity
from llmtrace.model.calls import (
    Attempt,
    Attributes,
    AttributeValue,
    BatchRequest,
    Call,
    CallStatus,
    Content,
    Conversation,
    Origin,
    RawUsage,
    Request,
    Response,
    Span,
    SpanEvent,
    Usage,
    UsageSource,
    quick,
)

__all__ = [
    "NOTHING_STATED",
    "Attempt",
    "AttributeValue",
    "Attributes",
    "BatchRequest",
    "Call",
    "CallStatus",
    "Content",
    "Conversation",
    "Cost",
    "CostItem",
    "CostStatus",
    "Origin",
    "Price",
    "Quantity",
    "RawUsage",
    "Request",
    "Response",
    "Span",
    "SpanEvent",
    "Usage",
    "UsageSource",
    "quick",
]
