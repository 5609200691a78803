"""The choke points of botocore, below boto3: one class attribute for calls, two that are told per attempt.

Every client of every service is a subclass of `BaseClient` that is made at run time and calls `_make_api_call`, with
retries inside it. Only the clients of Bedrock's runtime are looked at.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType, TracebackType
from typing import Any
from urllib.parse import urlsplit

from llmtrace.instrument.admission import ask_leave
from llmtrace.instrument.boto_bodies import follow_body, follow_events
from llmtrace.instrument.contracts import Capture
from llmtrace.instrument.errors import error_name
from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.patched import Patched
from llmtrace.instrument.quiet import quietly, warn_of_release
from llmtrace.model import Attempt
from llmtrace.providers import Family
from llmtrace.providers.base import as_mapping
from llmtrace.providers.bedrock import find_operation

SERVICE = "bedrock-runtime"


class BotoSeam:
    """The patched attributes of botocore, and what stood there before."""

    def __init__(self, client: ModuleType, family: Family, capture: Capture) -> None:
        """Patch the base class of clients in the module CLIENT, and what sends for it, for CAPTURE."""
        self._family, self.capture = family, capture
        self._unread: dict[int, Invocation] = {}
        self._patched = Patched()
        self._is_active = True
        endpoint = getattr(sys.modules.get("botocore.endpoint"), "Endpoint", None)
        begins = self._patched.patch(getattr(client, "BaseClient", None), "_make_api_call", self._around_call)
        self._sees_attempts = self._patched.patch(endpoint, "_get_response", _around_attempt)
        self._patched.patch(endpoint, "_needs_retry", _around_retry)
        self._patched.patch(endpoint, "_send", _around_send)
        warn_of_release("botocore", self._patched.missing, is_recorded=begins)

    def undo(self) -> None:
        """Put every original back where the wrapper still stands; elsewhere it does nothing from now on."""
        self._is_active = False
        self._patched.restore()

    def forget_unread(self) -> None:
        """In a forked child: the parent's open streams are the parent's."""
        self._unread.clear()

    def _around_call(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def make_api_call(client: Any, operation_name: str, api_params: Any) -> Any:
            with _Flight(self, client, operation_name, api_params) as flight:
                return flight.returned(original(client, operation_name, api_params))

        return make_api_call

    def begin(self, client: Any, operation_name: str, parameters: Any) -> Invocation | None:
        """The invocation for OPERATION_NAME of CLIENT with PARAMETERS, or None where it is not to be recorded."""
        if not self._is_active or client._service_model.service_name != SERVICE:
            return None
        model = parameters.get("modelId")
        endpoint = find_operation(operation_name, model if isinstance(model, str) else "")
        if endpoint is None:
            return None
        host, port = _address(client.meta.endpoint_url)
        stream = operation_name.endswith("Stream")
        quietly(self.capture.pipeline.begin)
        invocation = Invocation(
            self.capture.settings,
            self.capture.pipeline,
            self._family,
            endpoint,
            (model, host, port, parameters, stream),
        )
        body = parameters.get("body")
        if isinstance(body, bytes | str):
            invocation.unread_request = body
        if invocation.captures:
            invocation.request_bytes = quietly(_sent, parameters)
        if self.capture.shared_spans is not None:
            quietly(self.capture.shared_spans.begin, invocation)
        return invocation

    def hand_over(self, invocation: Invocation, result: Any) -> None:
        """The client hands RESULT to the caller: end, or follow what is still to be read.

        Where nothing was sent, a handler of the client's events answered in Bedrock's place: that was no call.
        """
        if self._sees_attempts and not invocation.attempts:
            if invocation.permit is not None:
                invocation.permit.release()
            return
        _note_head(invocation, result)
        body, events = result.get("body"), result.get("stream")
        if body is not None and hasattr(body, "_event_generator"):
            body, events = None, body
        if events is not None:
            follow_events(invocation, events, self._unread)
        elif hasattr(body, "_raw_stream"):
            follow_body(invocation, body, self._unread)
        else:
            invocation.take(_snapshot(result) if invocation.captures else result)
            invocation.end("ok")


class _Flight:
    """One call of a client: makes the invocation known to the hooks below it, and ends it where the call fails."""

    __slots__ = ("_arguments", "_invocation", "_outer", "_patches")

    def __init__(self, patches: BotoSeam, *arguments: Any) -> None:
        self._patches, self._arguments = patches, arguments
        self._invocation: Invocation | None = None
        self._outer: Invocation | None = None

    def __enter__(self) -> "_Flight":
        self._invocation = quietly(self._patches.begin, *self._arguments)
        if self._invocation is not None:
            ask_leave(self._patches.capture, self._invocation, as_mapping(self._arguments[-1]))
            self._outer = in_flight.get()
            in_flight.set(self._invocation)
        return self

    def returned(self, result: Any) -> Any:
        """RESULT, once the invocation knows of it."""
        if self._invocation is not None:
            quietly(self._patches.hand_over, self._invocation, result)
        return result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        invocation = self._invocation
        if invocation is None:
            return
        if in_flight.get() is invocation:
            in_flight.set(self._outer)
        if error is not None:
            quietly(_give_up, invocation, error)


def _give_up(invocation: Invocation, error: BaseException) -> None:
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        _note_head(invocation, answer)
    invocation.fail(error)


def _note_head(invocation: Invocation, answer: Any) -> None:
    """Note the status and the headers of ANSWER, what was parsed of a response."""
    head = answer.get("ResponseMetadata")
    if head:
        invocation.sent = True
        invocation.http_status = head.get("HTTPStatusCode")
        invocation.headers = head.get("HTTPHeaders")


def _around_attempt(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_response(endpoint: Any, request: Any, operation: Any, *args: Any, **kwargs: Any) -> Any:
        invocation = in_flight.get()
        # Credentials may be fetched from another service on the way.
        if invocation is not None and quietly(_is_ours, operation):
            invocation.attempts += 1
            invocation.http_status = None
        return original(endpoint, request, operation, *args, **kwargs)

    return get_response


def _around_send(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(endpoint: Any, request: Any) -> Any:
        response = original(endpoint, request)
        invocation = in_flight.get()
        if invocation is not None and invocation.attempts and invocation.http_status is None:
            # Else unknown where the client cannot parse what it got. Before an attempt, credentials are fetched.
            invocation.http_status = getattr(response, "status_code", None)
        return response

    return send


def _is_ours(operation: Any) -> bool:
    return bool(operation.service_model.service_name == SERVICE)


def _around_retry(original: Callable[..., Any]) -> Callable[..., Any]:
    def needs_retry(
        endpoint: Any, attempts: Any, operation: Any, request: Any, response: Any = None, caught_exception: Any = None
    ) -> Any:
        started = time.perf_counter()
        is_again = original(endpoint, attempts, operation, request, response, caught_exception)
        invocation = in_flight.get()
        if is_again and invocation is not None and quietly(_is_ours, operation):
            quietly(_note_retry, invocation, response, caught_exception, time.perf_counter() - started)
        return is_again

    return needs_retry


def _note_retry(invocation: Invocation, response: Any, error: BaseException | None, wait_s: float) -> None:
    """An attempt that got RESPONSE, or failed with ERROR, was given up; the next began after WAIT_S."""
    if response is not None:
        invocation.sent = True
        outcome = str(response[0].status_code)
    else:
        outcome = error_name(error, invocation.family)
    invocation.tried(Attempt(outcome, round(wait_s, 3)))


@lru_cache(maxsize=64)
def _address(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def _sent(parameters: Any) -> bytes | None:
    """PARAMETERS as they stand now, for the content that is kept: what is bytes inside is only named."""
    body = parameters.get("body")
    if body is not None:
        return body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else None
    return _as_json(parameters).encode()


def _snapshot(result: Any) -> Any:
    return json.loads(_as_json(result))


def _as_json(value: Any) -> str:
    return json.dumps(value, default=lambda v: f"[{len(v)} bytes]" if isinstance(v, bytes) else str(v))
