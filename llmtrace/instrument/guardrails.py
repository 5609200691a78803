"""The guardrail that a call of `AnthropicBedrock` names in a header of its request, for itself or for its client.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
"""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

from llmtrace.instrument.contracts import Capture
from llmtrace.instrument.invocation import in_flight
from llmtrace.instrument.patched import Patched
from llmtrace.instrument.quiet import quietly, warn_of_release
from llmtrace.providers import Family

HEADER = "x-amzn-bedrock-guardrailidentifier"
CLIENTS = ("AnthropicBedrock", "AsyncAnthropicBedrock")
HOOK = "_prepare_request"


class GuardrailPatches:
    """The patched clients: what signs their requests sees all headers. No other client pays for it."""

    def __init__(self, module: ModuleType, family: Family, capture: Capture) -> None:
        """Patch the clients in MODULE, beside what records their calls."""
        self._patched = Patched()
        for name in CLIENTS:
            self._patched.patch(getattr(module, name, None), HOOK, _around_prepare)
        warn_of_release(family.sdk, self._patched.missing, is_recorded=True)

    def undo(self) -> None:
        """Put every original back where the wrapper still stands."""
        self._patched.restore()

    def forget_unread(self) -> None:
        """In a forked child: nothing is kept."""


def _around_prepare(original: Callable[..., Any]) -> Callable[..., Any]:
    def prepare(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        quietly(_note, request)
        return original(client, request, *args, **kwargs)

    return prepare


def _note(request: Any) -> None:
    """Note the guardrail that REQUEST, of the call in flight, names."""
    invocation, guardrail_id = in_flight.get(), request.headers.get(HEADER)
    if invocation is not None and guardrail_id:
        invocation.request = replace(invocation.request, guardrail_id=guardrail_id)
