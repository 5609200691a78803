"""The choke points of cohere: its HTTP client's `request`, which calls itself again for a retry, and `stream`."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.seam import Asked, Opening, Seam
from llmtrace.providers.base import as_mapping
from llmtrace.providers.cohere import prompt_texts

# Modules whose hooks send requests elsewhere, and who answers there.
ELSEWHERE = {"cohere.aws_client": "aws.bedrock", "cohere.oci_client": "oci"}


class CohereSeam(Seam):
    """The patched HTTP client of cohere."""

    def install(self, module: ModuleType) -> bool:
        """Whether MODULE, `core.http_client`, has what begins calls; all that it has is replaced."""
        sync, asynchronous = getattr(module, "HttpClient", None), getattr(module, "AsyncHttpClient", None)
        self._patched.patch(module, "_retry_timeout", _around_retry)
        self._patched.patch(module, "_retry_timeout_from_retries", _around_retry)
        begins = (
            self._patched.patch(sync, "request", self._around_request),
            self._patched.patch(asynchronous, "request", self._around_request_async),
            self._patched.patch(sync, "stream", self._around_stream),
            self._patched.patch(asynchronous, "stream", self._around_stream),
        )
        return all(begins)

    def _around_request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("retries"):
                _try_again()
                return original(client, *args, **kwargs)
            with self.flight(quietly(self._begin, client, args, kwargs)) as invocation:
                response = original(client, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return request

    def _around_request_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("retries"):
                _try_again()
                return await original(client, *args, **kwargs)
            with self.flight(quietly(self._begin, client, args, kwargs)) as invocation:
                response = await original(client, *args, **kwargs)
            if invocation is not None:
                quietly(self._answer, invocation, response)
            return response

        return request

    def _around_stream(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def stream(client: Any, *args: Any, **kwargs: Any) -> Any:
            manager = original(client, *args, **kwargs)
            return Opening(self, lambda: self._begin(client, args, kwargs), manager, _keep_prompt)

        return stream

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation | None:
        path = kwargs.get("path") or (args[0] if args else None) or ""
        base_url = kwargs.get("base_url") or client.base_url()
        http, body = client.httpx_client, as_mapping(kwargs.get("json"))
        hooks = getattr(http, "event_hooks", {}).get("request", ())
        name = next((ELSEWHERE[m] for hook in hooks if (m := getattr(hook, "__module__", "")) in ELSEWHERE), "")
        url = f"{base_url.rstrip('/')}/{path.lstrip('/')}"
        invocation = self.begin(Asked(name, kwargs["method"], url, body, body.get("stream") is True, http))
        if invocation is not None:
            invocation.attempts = 1
        return invocation

    def _answer(self, invocation: Invocation, response: Any) -> None:
        invocation.respond(response)
        self.hand_over(invocation, response)


def _keep_prompt(invocation: Invocation, response: Any) -> None:
    """What an estimate counts, from what was sent: what the SDK was given may be objects of its own."""
    invocation.prompt = prompt_texts(as_mapping(json.loads(response.request.content)))


def _try_again() -> None:
    invocation = in_flight.get()
    if invocation is not None:
        invocation.attempts += 1


def _around_retry(original: Callable[..., Any]) -> Callable[..., Any]:
    def retry_timeout(*args: Any, **kwargs: Any) -> Any:
        wait_s = original(*args, **kwargs)
        invocation = in_flight.get()
        if invocation is not None:
            quietly(_note_retry, invocation, kwargs.get("response"), wait_s)
        return wait_s

    return retry_timeout


def _note_retry(invocation: Invocation, response: Any, wait_s: float) -> None:
    if response is not None:
        invocation.answered_with(response.status_code)
    invocation.retry(wait_s)
