"""Streams that are read in one task and closed in another: nothing is logged, and the call stands where it was made."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import canned
import pytest
from calling import ANTHROPIC, OPENAI
from conftest import recorded_calls
from opentelemetry.sdk.trace import TracerProvider

import llmtrace
from llmtrace import codec, wire
from llmtrace.journal import Record, journal_folder, list_segments, read_segment

TRACER = TracerProvider().get_tracer("app")
SDKS = {
    "openai": (canned.make_openai, canned.CHAT_CHUNKS, lambda c: c.chat.completions.create(**OPENAI, stream=True)),
    "anthropic": (canned.make_anthropic, canned.MESSAGE_EVENTS, lambda c: c.messages.create(**ANTHROPIC, stream=True)),
}


@pytest.mark.parametrize("options", [{}, {"http_spans": True}], ids=["", "http_spans"])
@pytest.mark.parametrize("name", SDKS)
def test_a_stream_that_another_task_closes_leaves_no_log_and_the_right_parent(
    name: str, options: dict[str, Any], home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, events, create = SDKS[name]
    caplog.set_level(logging.DEBUG, "opentelemetry")
    unhandled: list[Any] = []

    async def answer(client: Any) -> AsyncIterator[Any]:
        with llmtrace.feature("answer"):
            async for item in await create(client):
                yield item

    async def use() -> str:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
        async with make(canned.streaming(events), is_async=True) as client:
            with TRACER.start_as_current_span("request") as span:
                items = answer(client)
                await asyncio.create_task(anext(items))  # type: ignore[arg-type]
            await asyncio.create_task(items.aclose())  # type: ignore[attr-defined]
            return f"{span.get_span_context().span_id:016x}"

    llmtrace.instrument(home=home, **options)
    parent = asyncio.run(use())
    assert llmtrace.flush(10.0)
    records = [r for s in list_segments(journal_folder(home)) for r in read_segment(s, 0) if isinstance(r, Record)]
    (call,) = [c for r in records for span in wire.decode(r.payload) if (c := codec.decode(span)) is not None]
    assert (call.status, call.parent_span_id, call.feature) == ("cancelled", parent, "answer")
    assert [record.getMessage() for record in caplog.records if "ontext" in record.getMessage()] == []
    assert unhandled == []


@pytest.mark.parametrize("name", SDKS)
def test_a_page_that_calls_while_it_is_streamed_is_the_features(
    name: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from flask import Flask, stream_with_context

    make, events, create = SDKS[name]
    app = Flask("shop")
    caplog.set_level(logging.DEBUG, "opentelemetry")

    @app.get("/")
    @llmtrace.feature("page")
    def page() -> Any:
        @llmtrace.feature("page")
        def parts() -> Iterator[str]:
            with make(canned.streaming(events)) as client:
                for _ in create(client):
                    yield "."

        return app.response_class(stream_with_context(parts()))

    llmtrace.instrument(home=home)
    for _ in range(2):
        with TRACER.start_as_current_span("request"):
            assert len(app.test_client().get("/").data) >= len(events) - 1
    assert [(c.status, c.feature) for c in recorded_calls(home)] == [("ok", "page")] * 2
    assert [record.getMessage() for record in caplog.records if "oken" in record.getMessage()] == []
