"""What the application does with Anthropic's SDK: each function makes the calls of a behaviour."""

import asyncio
import json
from typing import Any

from behaviours.lab import Lab
from behaviours.openai_calls import LONG, SAID, SCHEMA, answer_class, kind

MESSAGE: dict[str, Any] = {"model": "claude-sonnet-4-6", "messages": SAID, "max_tokens": 60}
TOOL = {"name": "weather", "description": "Weather", "input_schema": SCHEMA}
CACHED = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


def create(lab: Lab) -> Any:
    """One message."""
    return lab.anthropic().messages.create(**MESSAGE)


def create_async(lab: Lab) -> Any:
    """One message, awaited."""

    async def use() -> Any:
        async with lab.anthropic_async() as client:
            return await client.messages.create(**MESSAGE)

    return lab.run(use())


def stream(lab: Lab) -> Any:
    """A stream, read to its end."""
    return list(lab.anthropic().messages.create(**MESSAGE, stream=True))


def stream_async(lab: Lab) -> Any:
    """The same, awaited."""

    async def use() -> Any:
        async with lab.anthropic_async() as client:
            return [event async for event in await client.messages.create(**MESSAGE, stream=True)]

    return lab.run(use())


def helper(lab: Lab) -> Any:
    """The stream helper: its events and its final message."""
    with lab.anthropic().messages.stream(**MESSAGE) as opened:
        return [event.type for event in opened], opened.get_final_message()


def helper_text(lab: Lab) -> Any:
    """The stream helper of which only the text is read."""
    with lab.anthropic().messages.stream(**MESSAGE) as opened:
        return list(opened.text_stream)


def helper_async(lab: Lab) -> Any:
    """The stream helper, awaited."""

    async def use() -> Any:
        async with lab.anthropic_async() as client, client.messages.stream(**MESSAGE) as opened:
            return [event.type async for event in opened], await opened.get_final_message()

    return lab.run(use())


def beta(lab: Lab) -> Any:
    """A message by the beta interface."""
    return lab.anthropic().beta.messages.create(**MESSAGE)


def beta_stream(lab: Lab) -> Any:
    """The stream helper of the beta interface."""
    with lab.anthropic().beta.messages.stream(**MESSAGE) as opened:
        return [event.type for event in opened], opened.get_final_message()


def raw(lab: Lab) -> Any:
    """The raw response, parsed by the application."""
    got = lab.anthropic().messages.with_raw_response.create(**MESSAGE)
    return got.http_response.status_code, got.parse()


def streaming_response(lab: Lab) -> Any:
    """The bytes of a response that is not kept."""
    with lab.anthropic().messages.with_streaming_response.create(**MESSAGE) as got:
        return json.loads(b"".join(got.iter_bytes()))


def parse(lab: Lab) -> Any:
    """A message parsed into a class of the application's."""
    return lab.anthropic().messages.parse(**MESSAGE, output_format=answer_class())


def count(lab: Lab) -> Any:
    """A count of tokens, which costs nothing."""
    asked = {name: value for name, value in MESSAGE.items() if name != "max_tokens"}
    return lab.anthropic().messages.count_tokens(**asked)


def tool(lab: Lab) -> Any:
    """The model uses a tool."""
    return lab.anthropic().messages.create(**MESSAGE, tools=[TOOL])


def cached(lab: Lab) -> Any:
    """A long prompt twice: written to the cache, then read from it."""
    create_ = lab.anthropic().messages.create
    return [create_(**MESSAGE, system=CACHED), create_(**MESSAGE, system=CACHED)]


def cached_stream(lab: Lab) -> Any:
    """The same as streams, of another model."""
    create_ = lab.anthropic().messages.create
    asked = {**MESSAGE, "model": "claude-haiku-4-5", "system": CACHED, "stream": True}
    return [list(create_(**asked)), list(create_(**asked))]


def thinking(lab: Lab) -> Any:
    """A model that thinks."""
    return lab.anthropic().messages.create(**{**MESSAGE, "max_tokens": 3000}, thinking=THINKING)


def leave(lab: Lab) -> Any:
    """A loop that is left after three events, inside `with`."""
    seen = []
    with lab.anthropic().messages.create(**MESSAGE, stream=True) as opened:
        for event in opened:
            seen.append(event)
            if len(seen) == 3:
                break
    return seen


def leave_helper(lab: Lab) -> Any:
    """The stream helper, left after five events."""
    seen = []
    with lab.anthropic().messages.stream(**MESSAGE) as opened:
        for event in opened:
            seen.append(event.type)
            if len(seen) == 5:
                break
    return seen


def bad_request(lab: Lab) -> Any:
    """An answer of 400."""
    lab.fault(status_code=400)
    return create(lab)


def overloaded(lab: Lab) -> Any:
    """The server is overloaded after three events of a stream."""
    lab.fault(error_after=3, status_code=529, stream=True)
    return stream(lab)


def overloaded_helper(lab: Lab) -> Any:
    """The same, read by the stream helper."""
    lab.fault(error_after=3, status_code=529, stream=True)
    return helper(lab)


def retried(lab: Lab) -> Any:
    """An answer of 529, then one of 200."""
    lab.fault(status_code=529, retry_after_ms=5)
    return lab.anthropic(max_retries=2).messages.create(**MESSAGE)


def no_usage(lab: Lab) -> Any:
    """A stream that breaks off before it tells what was said."""
    lab.fault(cut_after=4)
    return stream(lab)


def batch(lab: Lab) -> Any:
    """A batch of two messages, fetched until it is done, and its results."""
    client = lab.anthropic()
    asked = [{"custom_id": f"r{i}", "params": {**MESSAGE, "max_tokens": 20 + i}} for i in range(2)]
    made = client.messages.batches.create(requests=asked)
    for _ in range(6):
        if made.processing_status == "ended":
            break
        made = client.messages.batches.retrieve(made.id)
    return [line.result.message for line in client.messages.batches.results(made.id)]


def tasks(lab: Lab) -> Any:
    """Four messages in as many tasks at once."""

    async def use() -> Any:
        async with lab.anthropic_async() as client:
            asked = [{**MESSAGE, "max_tokens": 20 + i} for i in range(4)]
            return await asyncio.gather(*(client.messages.create(**kwargs) for kwargs in asked))

    return lab.run(use())


def bound_early(lab: Lab) -> Any:
    """A method that was bound before the instrumentation was switched on."""
    return lab.early["anthropic"](**MESSAGE)


def kinds(lab: Lab) -> Any:
    """The classes of what the application gets, as `isinstance` sees them."""
    client = lab.anthropic()
    opened = client.messages.create(**MESSAGE, stream=True)
    events = list(opened)
    raw_ = client.messages.with_raw_response.create(**MESSAGE)
    with client.messages.stream(**MESSAGE) as helped:
        for _ in helped:
            pass
    return [kind(made) for made in (opened, events[0], raw_, raw_.parse(), helped)]
