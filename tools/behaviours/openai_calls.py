"""What the application does with OpenAI's chat: each function makes the calls of a row, and returns what it saw."""

import json
from typing import Any

from behaviours.lab import Lab

SAID = [{"role": "user", "content": "Tell me about the harbour at night, please."}]
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": SAID, "max_tokens": 60}
ASKED: dict[str, Any] = {"model": "gpt-4o", "input": "Tell me about the harbour at night, please."}
WITH_USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
LONG = "The harbour master keeps a book of every ship that came in at night. " * 120
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": SCHEMA}}
STRUCTURED = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
HEARD = {
    "prompt_tokens": 120,
    "completion_tokens": 80,
    "total_tokens": 200,
    "prompt_tokens_details": {"audio_tokens": 100, "cached_tokens": 0},
    "completion_tokens_details": {"audio_tokens": 60, "reasoning_tokens": 0},
}


def answer_class() -> Any:
    """A pydantic model to parse an answer into."""
    from pydantic import BaseModel

    class Place(BaseModel):
        """A place."""

        city: str

    return Place


def create(lab: Lab) -> Any:
    """One call."""
    return lab.openai().chat.completions.create(**CHAT)


def create_async(lab: Lab) -> Any:
    """One call, awaited."""

    async def use() -> Any:
        async with lab.openai_async() as client:
            return await client.chat.completions.create(**CHAT)

    return lab.run(use())


def stream(lab: Lab) -> Any:
    """A stream that tells its usage."""
    return list(lab.openai().chat.completions.create(**CHAT, **WITH_USAGE))


def stream_async(lab: Lab) -> Any:
    """The same, awaited."""

    async def use() -> Any:
        async with lab.openai_async() as client:
            return [chunk async for chunk in await client.chat.completions.create(**CHAT, **WITH_USAGE)]

    return lab.run(use())


def stream_silent(lab: Lab) -> Any:
    """A stream that was not asked for its usage, by a server that is not OpenAI's."""
    return list(lab.openai().chat.completions.create(**CHAT, stream=True))


def stream_own_host(lab: Lab) -> Any:
    """The same at OpenAI's own address."""
    return list(lab.openai_host().chat.completions.create(**CHAT, stream=True))


def helper(lab: Lab) -> Any:
    """The stream helper: its events and its final completion."""
    with lab.openai().chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as opened:
        events = [event.type for event in opened]
        return events, opened.get_final_completion()


def helper_async(lab: Lab) -> Any:
    """The same, awaited."""

    async def use() -> Any:
        asked = {**CHAT, "stream_options": {"include_usage": True}}
        async with lab.openai_async() as client, client.chat.completions.stream(**asked) as opened:
            events = [event.type async for event in opened]
            return events, await opened.get_final_completion()

    return lab.run(use())


def parse(lab: Lab) -> Any:
    """An answer parsed into a class of the application's."""
    return lab.openai().chat.completions.parse(**CHAT, response_format=answer_class())


def parse_async(lab: Lab) -> Any:
    """The same, awaited."""

    async def use() -> Any:
        async with lab.openai_async() as client:
            return await client.chat.completions.parse(**CHAT, response_format=answer_class())

    return lab.run(use())


def raw(lab: Lab) -> Any:
    """The raw response, parsed by the application."""
    got = lab.openai().chat.completions.with_raw_response.create(**CHAT)
    return got.http_response.status_code, got.parse()


def raw_stream(lab: Lab) -> Any:
    """The raw response of a stream, read by the application."""
    return list(lab.openai().chat.completions.with_raw_response.create(**CHAT, **WITH_USAGE).parse())


def streaming_response(lab: Lab) -> Any:
    """The bytes of a response that is not kept."""
    with lab.openai().chat.completions.with_streaming_response.create(**CHAT) as got:
        return json.loads(b"".join(got.iter_bytes()))


def tool(lab: Lab) -> Any:
    """The model calls a tool."""
    return lab.openai().chat.completions.create(**CHAT, tools=[TOOL])


def tool_stream(lab: Lab) -> Any:
    """The model calls a tool in a stream."""
    return list(lab.openai().chat.completions.create(**CHAT, tools=[TOOL], **WITH_USAGE))


def structured(lab: Lab) -> Any:
    """An answer that fits a schema."""
    return lab.openai().chat.completions.create(**CHAT, response_format=STRUCTURED)


def cut_short(lab: Lab) -> Any:
    """An answer that runs into the limit."""
    return lab.openai().chat.completions.create(**{**CHAT, "max_tokens": 3})


def cached(lab: Lab) -> Any:
    """A long prompt twice: the second comes from the cache."""
    create_ = lab.openai().chat.completions.create
    asked = {**CHAT, "messages": [{"role": "system", "content": LONG}, *SAID]}
    return [create_(**asked), create_(**asked)]


def reasoning(lab: Lab) -> Any:
    """A model that reasons."""
    return lab.openai().chat.completions.create(model="o4-mini", messages=SAID, max_completion_tokens=3000)


def choices(lab: Lab) -> Any:
    """Three choices in one answer."""
    return lab.openai().chat.completions.create(**CHAT, n=3)


def audio_chat(lab: Lab) -> Any:
    """A model that hears and speaks."""
    lab.answer(text="The harbour lies still.", usage=HEARD)
    return lab.openai().chat.completions.create(**{**CHAT, "model": "gpt-4o-audio-preview"})


def no_usage(lab: Lab) -> Any:
    """A server that tells no usage."""
    lab.fault(omits_usage=True)
    return lab.openai().chat.completions.create(**CHAT)


def kinds(lab: Lab) -> Any:
    """The classes of what the application gets, as `isinstance` sees them."""
    client = lab.openai()
    opened = client.chat.completions.create(**CHAT, **WITH_USAGE)
    chunks = list(opened)
    raw_ = client.chat.completions.with_raw_response.create(**CHAT)
    with client.chat.completions.stream(**CHAT) as helped:
        for _ in helped:
            pass
    with client.responses.stream(**ASKED) as responding:
        for _ in responding:
            pass
    answer = client.responses.create(**ASKED)
    return [kind(made) for made in (opened, chunks[0], raw_, raw_.parse(), helped, responding, answer)]


def kinds_async(lab: Lab) -> Any:
    """The same of an asynchronous client."""

    async def use() -> Any:
        async with lab.openai_async() as client:
            opened = await client.chat.completions.create(**CHAT, **WITH_USAGE)
            chunks = [chunk async for chunk in opened]
            raw_ = await client.chat.completions.with_raw_response.create(**CHAT)
            async with client.chat.completions.stream(**CHAT) as helped:
                async for _ in helped:
                    pass
            return [kind(made) for made in (opened, chunks[0], raw_, helped)]

    return lab.run(use())


def kind(made: Any) -> str:
    """The class that `isinstance` goes by: a proxy that says it is the SDK's class is taken for one."""
    return f"{made.__class__.__module__}.{made.__class__.__qualname__}"
