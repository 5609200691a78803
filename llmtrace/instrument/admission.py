"""Asks for leave before a call is sent: the one place from which an exception of ours reaches the application."""

from collections.abc import Mapping
from typing import Any

from llmtrace.instrument.contracts import Capture, Gate
from llmtrace.instrument.finished import read_request
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.quiet import quietly


def ask_leave(capture: Capture, invocation: Invocation, body: Mapping[str, Any]) -> None:
    """Note the permit for INVOCATION, a call whose JSON is BODY; nothing is asked where CAPTURE has no gate.

    A body that is sent as it stands is read here, for once before the call.

    Raises:
        BudgetExceeded: a budget that was told to raise has no room for it. The call has ended then; nothing is sent.
    """
    gate = capture.gate
    if gate is None:
        return
    if invocation.unread_request is not None:
        body = quietly(read_request, invocation) or body
    refusal = quietly(_admit, gate, capture.settings.feature, invocation, body)
    if refusal is not None:
        quietly(invocation.fail, refusal)
        raise refusal


def _admit(gate: Gate, default: str | None, invocation: Invocation, body: Mapping[str, Any]) -> Exception | None:
    feature = invocation.scope.feature if invocation.scope is not None else None
    outcome = gate.admit(invocation.request, body, feature or default)
    if isinstance(outcome, Exception):
        return outcome
    invocation.permit = outcome
    return None
