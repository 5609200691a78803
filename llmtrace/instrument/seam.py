"""What the choke points of the other SDKs share: a call's beginning, its attempts, and its HTTP response.

A seam knows one SDK: which of its functions every call goes through, and what they are given. It replaces them at the
class, once per process. A function that is missing from a release costs detail, or the calls where it is the one that
begins them; either is said once.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from llmtrace.instrument.admission import ask_leave
from llmtrace.instrument.contracts import AttemptSpans, Capture
from llmtrace.instrument.errors import error_name, http_status_of, may_have_been_sent
from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.patched import Patched
from llmtrace.instrument.quiet import quietly, warn_of_release
from llmtrace.instrument.streams import follow
from llmtrace.model import Attempt
from llmtrace.providers import Family, find_endpoint

_T = TypeVar("_T")
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an SDK is about to ask for. `client` tells who answers where the host does not; `http` sends it."""

    client: str
    method: str
    url: str
    body: Mapping[str, Any]
    stream: bool = False
    http: Any = None


class Seam:
    """The choke points of one SDK in this process; `name` where it is not its family's."""

    name: str | None = None
    # Whether it follows the batches of its family.
    has_batches = False

    def __init__(self, module: ModuleType, family: Family, capture: Capture) -> None:
        """Replace what calls of FAMILY go through in MODULE, for CAPTURE."""
        self._family, self._capture = family, capture
        self._unread: dict[int, Invocation] = {}
        self._patched = Patched()
        self._is_active = True
        is_recorded = self.install(module)
        warn_of_release(self.name or family.sdk, self._patched.missing, is_recorded=is_recorded)

    def install(self, module: ModuleType) -> bool:
        """Whether MODULE has what begins calls; all that it has is replaced."""
        raise NotImplementedError

    def undo(self) -> None:
        """Put every original back where the wrapper still stands; elsewhere it does nothing from now on."""
        self._is_active = False
        self._patched.restore()

    def forget_unread(self) -> None:
        """In a forked child: the parent's open streams are the parent's."""
        self._unread.clear()

    def begin(self, asked: Asked, family: Family | None = None) -> Invocation | None:
        """The invocation for what is ASKED in the protocol of FAMILY, or None where it is not to be recorded."""
        family = family or self._family
        endpoint = find_endpoint(family.sdk, asked.method, asked.url)
        if endpoint is None or not self._is_active or (endpoint.step is not None and not self.has_batches):
            return None
        parts = urlsplit(asked.url)
        origin = (asked.client, parts.hostname, parts.port or PORTS.get(parts.scheme), asked.body, asked.stream)
        capture = self._capture
        quietly(capture.pipeline.begin)
        invocation = Invocation(capture.settings, capture.pipeline, family, endpoint, origin)
        if endpoint.step is not None:
            invocation.subject = endpoint.find_id(asked.url)
            invocation.asked = asked.body
            return invocation
        if capture.gate is not None:
            invocation.asked = asked.body
        if capture.shared_spans is not None:
            quietly(capture.shared_spans.begin, invocation)
        if capture.attempt_spans is not None and asked.http is not None:
            quietly(_watch, capture.attempt_spans, asked.http)
        return invocation

    def flight(self, invocation: Invocation | None) -> "Flight":
        """A run of the SDK's own code for INVOCATION."""
        return Flight(self._capture, invocation)

    def hand_over(self, invocation: Invocation, response: Any) -> None:
        """The SDK goes on with RESPONSE, an HTTP response of httpx's: end, or follow it where it is still unread."""
        invocation.http_response = None
        if response.is_closed:
            invocation.keep_body(response)
            invocation.end("ok")
            return
        self._unread[id(response)] = invocation
        follow(invocation, None, response, self._unread, is_raw=True, is_alone=True)


def _watch(attempt_spans: AttemptSpans, http: Any) -> None:
    # Google's asynchronous client sends through one of its own for each event loop.
    attempt_spans.watch(getattr(http, "_client_for_running_loop", lambda: http)())


class Flight:
    """One run of an SDK's own code: INVOCATION is known to the hooks below, and ends where the run fails."""

    __slots__ = ("_capture", "_invocation", "_outer")

    def __init__(self, capture: Capture, invocation: Invocation | None) -> None:
        """None: nothing is recorded. Else CAPTURE is asked for leave."""
        self._capture, self._invocation = capture, invocation
        self._outer: Invocation | None = None

    def __enter__(self) -> Invocation | None:
        """The invocation.

        Raises:
            BudgetExceeded: the call may not be made.
        """
        if self._invocation is not None:
            if self._invocation.endpoint.step is None:
                body, self._invocation.asked = self._invocation.asked, None
                ask_leave(self._capture, self._invocation, body or {})
            self._outer = in_flight.get()
            in_flight.set(self._invocation)
        return self._invocation

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the flight back to whoever was in it before."""
        invocation = self._invocation
        if invocation is None:
            return
        if in_flight.get() is invocation:
            in_flight.set(self._outer)
        if error is not None:
            quietly(invocation.fail, error)


def attempt(function: Callable[..., _T]) -> Callable[..., _T]:
    """FUNCTION, which makes one HTTP attempt, seen by the call in flight."""

    def attempted(*args: Any, **kwargs: Any) -> _T:
        invocation = in_flight.get()
        if invocation is None:
            return function(*args, **kwargs)
        quietly(_begin_attempt, invocation)
        try:
            result = function(*args, **kwargs)
        except Exception as err:
            quietly(_fail_attempt, invocation, err)
            raise
        quietly(_finish_attempt, invocation, result)
        return result

    return attempted


def attempt_async(function: Callable[..., Awaitable[_T]]) -> Callable[..., Awaitable[_T]]:
    """The same, awaiting."""

    async def attempted(*args: Any, **kwargs: Any) -> _T:
        invocation = in_flight.get()
        if invocation is None:
            return await function(*args, **kwargs)
        quietly(_begin_attempt, invocation)
        try:
            result = await function(*args, **kwargs)
        except Exception as err:
            quietly(_fail_attempt, invocation, err)
            raise
        quietly(_finish_attempt, invocation, result)
        return result

    return attempted


def _begin_attempt(invocation: Invocation) -> None:
    """The SDK tries, after a wait if it tried before."""
    if invocation.pending_outcome is not None:
        waited = time.perf_counter_ns() - invocation.failed_at
        invocation.tried(Attempt(invocation.pending_outcome, round(waited / 1e9, 6)))
        invocation.pending_outcome = None
    invocation.attempts += 1


def _fail_attempt(invocation: Invocation, error: BaseException) -> None:
    """The attempt raised ERROR, after which the SDK may try again."""
    status = http_status_of(error)
    invocation.sent = invocation.sent or status is not None or may_have_been_sent(error)
    invocation.pending_outcome = str(status) if status is not None else error_name(error, invocation.family)
    invocation.failed_at = time.perf_counter_ns()


def _finish_attempt(invocation: Invocation, response: Any) -> None:
    """The attempt got RESPONSE, after which the SDK tries again where its status is an error."""
    invocation.pending_outcome = str(response.status_code)
    invocation.failed_at = time.perf_counter_ns()


class Opening:
    """A response that an SDK opens as MANAGER, sync or async: the call begins when it is entered.

    SEAM follows the response, whose own `close` ends the call; `see` is told of both first.
    """

    def __init__(
        self,
        seam: Seam,
        begin: Callable[[], Invocation | None],
        manager: Any,
        see: Callable[[Invocation, Any], None] | None = None,
    ) -> None:
        """BEGIN gives the invocation, or None where it is not to be recorded."""
        self._seam, self._begin, self._manager, self._see = seam, begin, manager, see

    def __enter__(self) -> Any:
        """The response."""
        with self._seam.flight(quietly(self._begin)) as invocation:
            response = self._manager.__enter__()
        return self._entered(invocation, response)

    def __exit__(self, *error: Any) -> Any:
        """Close it."""
        return self._manager.__exit__(*error)

    async def __aenter__(self) -> Any:
        """The response."""
        with self._seam.flight(quietly(self._begin)) as invocation:
            response = await self._manager.__aenter__()
        return self._entered(invocation, response)

    async def __aexit__(self, *error: Any) -> Any:
        """Close it."""
        return await self._manager.__aexit__(*error)

    def _entered(self, invocation: Invocation | None, response: Any) -> Any:
        if invocation is not None:
            if self._see is not None:
                quietly(self._see, invocation, response)
            quietly(invocation.respond, response)
            quietly(self._seam.hand_over, invocation, response)
        return response
