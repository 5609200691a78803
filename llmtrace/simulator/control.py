"""The simulator's own paths, by which another process scripts it and reads its log."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from llmtrace.simulator.answers import Answer
from llmtrace.simulator.exchange import State
from llmtrace.simulator.faults import Fault
from llmtrace.simulator.ledger import Use
from llmtrace.simulator.script import Aimed, Script

PREFIX = "/_simulator/"


def serve_control(state: State, method: str, path: str, raw: bytes) -> tuple[int, Any]:
    """Status and JSON of the answer to METHOD on PATH, which begins with PREFIX."""
    served = _ROUTES.get((method, path.removeprefix(PREFIX)))
    if served is None:
        known = ", ".join(f"{verb} {PREFIX}{name}" for verb, name in _ROUTES)
        return 404, {"error": f"there is no {method} {path}; there are: {known}"}
    try:
        return 200, served(state, json.loads(raw) if raw else None)
    except (ValueError, TypeError) as error:
        return 400, {"error": str(error)}


def _add_faults(state: State, value: Any) -> Any:
    return _add(state.faults.script, Fault, value)


def _add_answers(state: State, value: Any) -> Any:
    return _add(state.answers, Answer, value)


def _add(script: Script[Any], kind: type[Aimed], value: Any) -> Any:
    """Add the entries in VALUE, one object or a list of them; `times` says how often each counts."""
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, Mapping) for row in rows):
        raise ValueError("expected an object or a list of objects")
    entries = [(kind.from_json({k: v for k, v in row.items() if k != "times"}), row.get("times", 1)) for row in rows]
    for entry, times in entries:
        script.add(entry, times)
    return {"added": len(entries)}


def _list_faults(state: State, value: Any) -> Any:
    return [{**fault.as_json(), "times": times} for fault, times in state.faults.script.pending()]


def _drop_faults(state: State, value: Any) -> Any:
    state.faults.script.clear()
    return {}


def _drop_answers(state: State, value: Any) -> Any:
    state.answers.clear()
    return {}


def _list_requests(state: State, value: Any) -> Any:
    return [record.as_json() for record in state.log.list()]


def _drop_requests(state: State, value: Any) -> Any:
    state.log.clear()
    return {}


def _add_uses(state: State, value: Any) -> Any:
    """Put the uses in VALUE on the bill, one object or a list of them."""
    uses = [Use.of(**row) for row in (value if isinstance(value, list) else [value])]
    for use in uses:
        state.ledger.add(use)
    return {"added": len(uses)}


def _drop_uses(state: State, value: Any) -> Any:
    state.ledger.clear()
    return {}


_ROUTES: dict[tuple[str, str], Callable[[State, Any], Any]] = {
    ("POST", "faults"): _add_faults,
    ("GET", "faults"): _list_faults,
    ("DELETE", "faults"): _drop_faults,
    ("POST", "answers"): _add_answers,
    ("DELETE", "answers"): _drop_answers,
    ("GET", "requests"): _list_requests,
    ("DELETE", "requests"): _drop_requests,
    ("POST", "bill"): _add_uses,
    ("DELETE", "bill"): _drop_uses,
}
