"""Whatever of llmtrace fails, the application's calls go on: every function that a call runs through raises in turn."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import canned
import pytest
from bare import stable
from calling import ANTHROPIC, OPENAI

import llmtrace

PACKAGE = str(Path(llmtrace.__file__).parent)
HOST = "https://api.openai.com/v1"
# What stands in the SDK's own place, and does nothing that could fail but call the SDK and `quietly`.
IN_PLACE = {
    "invocation.py": {"receive", "_strip_usage"},
    "quiet.py": {"quietly", "log_incomplete", "log_error"},
    "stainless.py": {
        *("request", "process", "process_data", "build", "should_retry", "retry_timeout", "__enter__", "__exit__"),
        *("__init__", "returned", "_respond"),
    },
    "streams.py": {
        *("close", "aclose", "iter_bytes", "aiter_bytes", "__iter__", "__next__", "__aiter__", "__anext__"),
        *("_ended", "_failed", "__init__", "follow_items"),
    },
}


class Injected(Exception):
    """What no function of llmtrace raises by itself."""


def is_ours(code: CodeType) -> bool:
    if not code.co_filename.startswith(PACKAGE):
        return False
    return code.co_name not in IN_PLACE.get(Path(code.co_filename).name, ())


class Uses:
    """Ways of calling; `stop` is the application's own exception."""

    def __init__(self) -> None:
        self.uses: dict[str, Callable[[], Any]] = {}
        kinds = (
            ("openai", canned.make_openai, self._chat, OPENAI, canned.CHAT, canned.CHAT_CHUNKS, canned.streaming_chat),
            (
                "anthropic",
                canned.make_anthropic,
                self._messages,
                ANTHROPIC,
                canned.MESSAGE,
                canned.MESSAGE_EVENTS,
                None,
            ),
        )
        for name, make, resource, body, answer, events, stream_answer in kinds:
            host = {"host": HOST} if name == "openai" else {}
            whole = make(canned.answering(answer), **host)
            streaming = stream_answer or canned.streaming(events)
            streamed = make(streaming, **host)
            broken = make(canned.streaming(events[:3], ConnectionError("gone")), **host)
            refused = make(lambda request: canned.httpx2.Response(400, json={"error": {"message": "no"}}), **host)
            asynchronous = make(streaming, is_async=True, **host)

            def plain(client: Any = whole, resource: Any = resource, body: Any = body) -> Any:
                return stable(resource(client).create(**body))

            def raw(client: Any = whole, resource: Any = resource, body: Any = body) -> Any:
                return stable(resource(client).with_raw_response.create(**body).parse())

            def stream(client: Any = streamed, resource: Any = resource, body: Any = body) -> Any:
                return [stable(item) for item in resource(client).create(**body, stream=True)]

            def left(client: Any = streamed, resource: Any = resource, body: Any = body) -> Any:
                with resource(client).create(**body, stream=True) as opened:
                    return stable(next(opened))

            def failing(client: Any = refused, resource: Any = resource, body: Any = body) -> Any:
                return error_of(lambda: resource(client).create(**body))

            def breaking(client: Any = broken, resource: Any = resource, body: Any = body) -> Any:
                return error_of(lambda: list(resource(client).create(**body, stream=True)))

            def stream_async(client: Any = asynchronous, resource: Any = resource, body: Any = body) -> Any:
                async def use() -> Any:
                    return [stable(item) async for item in await resource(client).create(**body, stream=True)]

                return asyncio.run(use())  # noqa: B023 - it is called here

            for use in (plain, raw, stream, left, failing, breaking, stream_async):
                self.uses[f"{name} {use.__name__}"] = use

    @staticmethod
    def _chat(client: Any) -> Any:
        return client.chat.completions

    @staticmethod
    def _messages(client: Any) -> Any:
        return client.messages


def error_of(use: Callable[[], Any]) -> Any:
    try:
        return use()
    except Exception as err:
        return type(err), str(err), type(err.__cause__), type(err.__context__)


def functions_of(use: Callable[[], Any]) -> list[CodeType]:
    """The functions of llmtrace that USE runs through on the application's thread."""
    found: dict[CodeType, None] = {}

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and is_ours(frame.f_code):
            found[frame.f_code] = None

    sys.setprofile(note)
    try:
        use()
    finally:
        sys.setprofile(None)
    return list(found)


def with_failure_in(code: CodeType, use: Callable[[], Any]) -> tuple[Any, bool]:
    """What USE gives where the function of CODE raises the first time, and whether it did."""
    has_raised = False

    def fail(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal has_raised
        if frame.f_code is code:
            has_raised = True
            raise Injected(code.co_qualname)

    sys.settrace(fail)
    try:
        return error_of(use), has_raised
    finally:
        sys.settrace(None)


USES = Uses()


@pytest.mark.expects_warning
@pytest.mark.parametrize("name", USES.uses)
@pytest.mark.parametrize("options", [{}, {"capture_content": True}], ids=["", "content"])
def test_no_failure_of_any_function_reaches_the_application(name: str, options: dict[str, Any], home: Path) -> None:
    use = USES.uses[name]
    bare = error_of(use)
    llmtrace.instrument(home=home, **options)
    with llmtrace.feature("x", user="u"):
        assert error_of(use) == bare
        seen_before = set(functions_of(use))  # what the collector ends in the middle of one run is not of this use
        functions = [code for code in functions_of(use) if code in seen_before]
        assert len(functions) > 20
        seen = {}
        for code in functions:
            seen[f"{code.co_filename.removeprefix(PACKAGE)}:{code.co_qualname}"] = with_failure_in(code, use)
    assert {where for where, (result, _) in seen.items() if result != bare} == set()
    assert {where for where, (_, has_raised) in seen.items() if not has_raised} == set()
    llmtrace.flush(10.0)
