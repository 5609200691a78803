"""The choke points of the SDKs that Stainless generates (openai, anthropic): three class attributes, once per process.

Every resource method, helper, raw response, pagination and `client.post` goes through `request` exactly once per
logical call, with retries inside it; `_process_response` has the HTTP response, `_process_response_data` every parsed
JSON datum. Three more are told per attempt. The names have been the same in every release for two and a half years; a
hook that is missing from one costs detail, not the call.
"""

from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from llmtrace.instrument.admission import ask_leave
from llmtrace.instrument.contracts import Capture
from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.patched import Patched
from llmtrace.instrument.quiet import quietly, warn_of_release
from llmtrace.instrument.streams import follow, follow_items, have_iterators
from llmtrace.providers import Endpoint, Family, find_endpoint
from llmtrace.providers.base import as_mapping

RAW_RESPONSE_HEADER = "x-stainless-raw-response"
DATA_HOOK = "_process_response_data"
UPLOADED_FOR = "batch"
MOST_SERVERS = 256


class OpenResponses(dict[int, Invocation]):
    """The invocations whose responses are not read to their end, by the response's identity."""

    when_empty: Callable[[], None] | None = None

    def pop(self, key: int, default: Any = None) -> Any:
        """Take the invocation under KEY out, if it is there."""
        found = super().pop(key, default)
        if self.when_empty is not None and not self:
            self.when_empty()
        return found


class Patches:
    """The patched attributes of one SDK, and what stood there before."""

    def __init__(self, base_client: ModuleType, family: Family, capture: Capture) -> None:
        """Patch the classes of BASE_CLIENT, the SDK's `_base_client` module, for CAPTURE."""
        self._family, self.capture = family, capture
        self._unread = OpenResponses()
        self._servers: dict[int, tuple[Any, tuple[str, int]]] = {}
        self._patched = Patched()
        self._is_active = True
        sync, asynchronous, base = (
            getattr(base_client, name, None) for name in ("SyncAPIClient", "AsyncAPIClient", "BaseClient")
        )
        patch = self._patched.patch
        begins = (
            patch(sync, "request", self._around_request),
            patch(asynchronous, "request", self._around_request_async),
        )
        responses = (
            patch(sync, "_process_response", self._around_process),
            patch(asynchronous, "_process_response", self._around_process_async),
        )
        self._sees_responses = all(responses)
        self._sees_data = patch(base, DATA_HOOK, self._around_data)
        self._can_withhold = self._sees_data and have_iterators(base_client)
        patch(base, "_build_request", self._around_build)
        patch(base, "_should_retry", self._around_should_retry)
        patch(base, "_calculate_retry_timeout", self._around_retry_timeout)
        warn_of_release(family.sdk, self._patched.missing, is_recorded=all(begins))

    def undo(self) -> None:
        """Put every original back where the wrapper still stands; elsewhere it does nothing from now on."""
        self._is_active = False
        self._patched.restore(keep=DATA_HOOK if self._unread else None)
        # Streams that are open still need the hook that shows their events; the last one to end takes it away.
        self._unread.when_empty = self._patched.restore

    def forget_unread(self) -> None:
        """In a forked child: the parent's open streams are the parent's."""
        self._unread.clear()

    # The call

    def _around_request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            with _Flight(self, client, args, kwargs) as flight:
                return flight.returned(original(client, *flight.args, **flight.kwargs))

        return request

    def _around_request_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            with _Flight(self, client, args, kwargs) as flight:
                return flight.returned(await original(client, *flight.args, **flight.kwargs))

        return request

    # The HTTP response

    def _around_process(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def process(client: Any, *args: Any, **kwargs: Any) -> Any:
            quietly(self._respond, kwargs)
            return original(client, *args, **kwargs)

        return process

    def _around_process_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def process(client: Any, *args: Any, **kwargs: Any) -> Any:
            quietly(self._respond, kwargs)
            return await original(client, *args, **kwargs)

        return process

    def _respond(self, kwargs: dict[str, Any]) -> None:
        invocation, response = in_flight.get(), kwargs.get("response")
        if invocation is not None and response is not None:
            self._unread[id(response)] = invocation
            invocation.respond(response)

    # Each parsed datum: the one hook that runs per chunk

    def _around_data(self, original: Callable[..., Any]) -> Callable[..., Any]:
        unread = self._unread

        def process_data(client: Any, *args: Any, **kwargs: Any) -> Any:
            invocation = unread.get(id(kwargs.get("response")))
            if invocation is None:
                return original(client, *args, **kwargs)
            data = kwargs.get("data")
            seen = invocation.receive(data)
            return seen if seen is not data else original(client, *args, **kwargs)

        return process_data

    # Each attempt

    def _around_build(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def build(client: Any, *args: Any, **kwargs: Any) -> Any:
            invocation = in_flight.get()
            if invocation is not None:
                invocation.attempts += 1
            request = original(client, *args, **kwargs)
            if invocation is not None and invocation.captures:
                quietly(invocation.send, request)
            return request

        return build

    def _around_should_retry(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def should_retry(client: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
            invocation = in_flight.get()
            if invocation is not None:
                quietly(lambda: invocation.answered_with(response.status_code))
            return original(client, response, *args, **kwargs)

        return should_retry

    def _around_retry_timeout(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def retry_timeout(client: Any, *args: Any, **kwargs: Any) -> Any:
            wait_s = original(client, *args, **kwargs)
            invocation = in_flight.get()
            if invocation is not None:
                quietly(invocation.retry, wait_s)
            return wait_s

        return retry_timeout

    # Beginning and ending

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Invocation | None":
        """The invocation for a call of `request` with ARGS and KWARGS, or None where it is not to be recorded."""
        options = kwargs.get("options") or args[1]
        endpoint = find_endpoint(self._family.sdk, options.method, options.url)
        if endpoint is None or not self._is_active:
            return None
        host, port = self._server_of(getattr(client, "_base_url", None) or client.base_url)
        body = as_mapping(options.json_data)  # a body of bytes reads as empty
        stream = bool(kwargs.get("stream"))
        origin = (type(client).__name__, host, port, body, stream)
        if endpoint.step == "upload" and body.get("purpose") != UPLOADED_FOR:
            return None
        if not self.capture.pipeline.has_begun:
            quietly(self.capture.pipeline.begin)
        invocation = Invocation(self.capture.settings, self.capture.pipeline, self._family, endpoint, origin)
        invocation.subject = endpoint.find_id(options.url)
        if endpoint.step is not None:
            invocation.asked = options.files if endpoint.step == "upload" else body
            return invocation
        if self.capture.shared_spans is not None:
            quietly(self.capture.shared_spans.begin, invocation)
        if self.capture.attempt_spans is not None:
            quietly(self.capture.attempt_spans.watch, client._client)
        invocation.injected = stream and self._wants_usage(endpoint, host, options, body)
        return invocation

    def _server_of(self, url: Any) -> tuple[str, int]:
        """Host and port of URL, a client's address: each client has one for all its calls."""
        known = self._servers.get(id(url))
        if known is not None and known[0] is url:
            return known[1]
        if len(self._servers) >= MOST_SERVERS:
            self._servers.clear()
        server = (url.host, url.port or (80 if url.scheme == "http" else 443))
        self._servers[id(url)] = url, server
        return server

    def _wants_usage(self, endpoint: Endpoint, host: str, options: Any, body: Any) -> bool:
        """Whether usage is to be asked for: only of the provider itself, and only where the caller left it open."""
        hosts = self._family.own_hosts
        if not endpoint.usage_on_request or not self.capture.settings.request_stream_usage or not self._can_withhold:
            return False
        if not isinstance(options.json_data, dict) or not any(host == own or host.endswith("." + own) for own in hosts):
            return False
        if "stream_options" in body or "stream_options" in as_mapping(getattr(options, "extra_json", None)):
            return False
        headers = options.headers if isinstance(options.headers, dict) else {}
        return all(name.lower() != RAW_RESPONSE_HEADER for name in headers)

    def hand_over(self, invocation: Invocation, result: Any, stream: bool) -> None:
        """The SDK hands RESULT to the caller: end, or follow it where there is more to read.

        Where there is no HTTP response, a middleware answered in the provider's place: that was no call.
        """
        if invocation.http_response is None and not self._sees_responses:
            self._find_response(invocation, result)
        response, invocation.http_response = invocation.http_response, None
        if response is None:
            if not self._sees_responses:
                invocation.end("ok")
                return
            if invocation.permit is not None:
                invocation.permit.release()
            return
        is_open = not response.is_closed
        is_raw = (is_open or stream) and RAW_RESPONSE_HEADER in response.request.headers
        if is_open or (stream and not is_raw):
            # Where nothing shows what is parsed, the bytes do.
            follow(invocation, result, response, self._unread, is_raw=is_raw or not self._sees_data)
            return
        self._unread.pop(id(response), None)
        invocation.keep_body(response)
        invocation.end("ok")

    def _find_response(self, invocation: Invocation, result: Any) -> None:
        """What the release does not show on its way is looked for in RESULT, which a caller of the SDK gets."""
        invocation.sent = True
        response = getattr(result, "response", None) or getattr(result, "http_response", None)
        if hasattr(response, "is_closed"):
            invocation.respond(response)
            self._unread[id(response)] = invocation
        elif hasattr(result, "to_dict"):
            invocation.take(result.to_dict())

    def give_up(self, invocation: Invocation, error: BaseException) -> None:
        """The call raised ERROR."""
        self._unread.pop(id(invocation.http_response), None)
        invocation.http_response = None
        invocation.fail(error)


class _Flight:
    """One run of `request`: makes the invocation known to the hooks below it, and ends it where the run fails."""

    __slots__ = ("_client", "_invocation", "_outer", "_patches", "args", "kwargs")

    def __init__(self, patches: Patches, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._patches, self._client, self.args, self.kwargs = patches, client, args, kwargs
        self._invocation: Invocation | None = None
        self._outer: Invocation | None = None

    def __enter__(self) -> "_Flight":
        self._invocation = quietly(self._patches.begin, self._client, self.args, self.kwargs)
        if self._invocation is not None:
            if self._patches.capture.gate is not None and self._invocation.endpoint.step is None:
                options = self.kwargs.get("options") or self.args[1]
                ask_leave(self._patches.capture, self._invocation, as_mapping(options.json_data))
            self._outer = in_flight.get()
            in_flight.set(self._invocation)
            if self._invocation.injected:
                self._invocation.injected = quietly(self._ask_for_usage) is True
        return self

    def returned(self, result: Any) -> Any:
        """RESULT, once the invocation knows of it."""
        if self._invocation is not None:
            stream = bool(self.kwargs.get("stream"))
            if self._invocation.injected:  # before anything else: what is withheld must find nobody who reads it
                self._invocation.injected = quietly(follow_items, self._invocation, result) is not None
            quietly(self._patches.hand_over, self._invocation, result, stream)
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
            quietly(self._patches.give_up, invocation, error)

    def _ask_for_usage(self) -> bool:
        """Send the request with `include_usage`, on a copy: the caller's objects stay as they are."""
        at = None if "options" in self.kwargs else 1
        options = (self.kwargs["options"] if at is None else self.args[at]).model_copy()
        options.json_data = {**options.json_data, "stream_options": {"include_usage": True}}
        if at is None:
            self.kwargs = {**self.kwargs, "options": options}
        else:
            self.args = (*self.args[:at], options, *self.args[at + 1 :])
        return True
