"""Compares what an application sees and sends without llmtrace and with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import llmtrace
from llmtrace.simulator import Simulator

# What differs from one call to the next, whoever watches.
VOLATILE = {
    *("id", "created", "created_at", "completed_at", "request_id", "_request_id", "signature", "item_id", "call_id"),
    *("tool_use_id", "encrypted_content", "container_id", "expires_at", "previous_response_id", "log_id"),
}


def both_ways(home: Path, use: Callable[[Simulator], Any]) -> tuple[Any, Any, Any, Any]:
    """What USE gives and what it asked for, bare and then with llmtrace, each with a simulator of its own."""
    results = []
    for is_traced in (False, True):
        with Simulator(seed=7) as simulator:
            if is_traced:
                llmtrace.instrument(home=home)
            try:
                seen: Any = use(simulator)
            except Exception as err:
                seen = (type(err), str(err).split("req_")[0], getattr(err, "status_code", None), err.__cause__ is None)
            results += [seen, asked_of(simulator)]
    bare, bare_asked, traced, traced_asked = results
    return bare, bare_asked, traced, traced_asked


def asked_of(simulator: Simulator) -> list[Any]:
    """What reached SIMULATOR, without what differs from one run to the next."""
    return [(r.method, r.path, r.query, stable(r.body), stable_headers(r.headers)) for r in simulator.requests]


def stable_headers(headers: Any) -> dict[str, str]:
    changing = {"host", "idempotency-key", "x-stainless-read-timeout", "content-length"}
    return {k: v for k, v in headers.items() if k not in changing}


def stable(value: Any) -> Any:
    """VALUE without what differs from one call to the next."""
    if hasattr(value, "model_dump"):
        dumped = value.model_dump(exclude_unset=True, warnings=False)
        return (type(value).__module__, type(value).__qualname__, stable(dumped), sorted(value.model_fields_set))
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list | tuple):
        return [stable(v) for v in value]
    return value
