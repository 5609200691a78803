"""What the application does with OpenAI's SDK: each function makes the calls of a behaviour, and returns what it saw."""

import asyncio
import contextlib
import gc
import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
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


class Stop(Exception):
    """An exception of the application's."""


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


def respond(lab: Lab) -> Any:
    """A response."""
    return lab.openai().responses.create(**ASKED)


def respond_async(lab: Lab) -> Any:
    """A response, awaited."""

    async def use() -> Any:
        async with lab.openai_async() as client:
            return await client.responses.create(**ASKED)

    return lab.run(use())


def respond_stream(lab: Lab) -> Any:
    """A response's events."""
    return list(lab.openai().responses.create(**ASKED, stream=True))


def respond_stream_async(lab: Lab) -> Any:
    """The same, awaited."""

    async def use() -> Any:
        async with lab.openai_async() as client:
            return [event async for event in await client.responses.create(**ASKED, stream=True)]

    return lab.run(use())


def respond_helper(lab: Lab) -> Any:
    """The stream helper for responses."""
    with lab.openai().responses.stream(**ASKED) as opened:
        return [event.type for event in opened], opened.get_final_response()


def respond_parse(lab: Lab) -> Any:
    """A response parsed into a class of the application's."""
    return lab.openai().responses.parse(**ASKED, text_format=answer_class())


def respond_raw(lab: Lab) -> Any:
    """The raw response, parsed by the application."""
    return lab.openai().responses.with_raw_response.create(**ASKED).parse()


def background(lab: Lab) -> Any:
    """A response in the background, fetched until it is there."""
    client = lab.openai()
    made = client.responses.create(**ASKED, background=True)
    for _ in range(5):
        if made.status == "completed":
            break
        made = client.responses.retrieve(made.id)
    return made


def embed(lab: Lab) -> Any:
    """An embedding."""
    return lab.openai().embeddings.create(model="text-embedding-3-small", input="The harbour at night")


def embed_async(lab: Lab) -> Any:
    """An embedding, awaited."""

    async def use() -> Any:
        async with lab.openai_async() as client:
            return await client.embeddings.create(model="text-embedding-3-small", input="The harbour at night")

    return lab.run(use())


def image(lab: Lab) -> Any:
    """An image by a model that counts tokens."""
    return lab.openai().images.generate(model="gpt-image-1", prompt="The harbour at night")


def speak(lab: Lab) -> Any:
    """Speech, of which the answer tells no usage."""
    return len(lab.openai().audio.speech.create(model="tts-1", voice="alloy", input="The harbour").content)


def transcribe(lab: Lab) -> Any:
    """A transcript by a model that counts tokens."""
    return lab.openai().audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.mp3", io.BytesIO(b"\0" * 9000)))


def moderate(lab: Lab) -> Any:
    """A moderation."""
    return lab.openai().moderations.create(model="omni-moderation-latest", input="The harbour")


def complete(lab: Lab) -> Any:
    """A text completion of the older kind."""
    return lab.openai().completions.create(model="gpt-3.5-turbo-instruct", prompt="The harbour", max_tokens=20)


def batch(lab: Lab) -> Any:
    """A batch of two requests, fetched until it is done, and its results."""
    client = lab.openai()
    lines = [
        {"custom_id": f"r{i}", "method": "POST", "url": "/v1/chat/completions", "body": {**CHAT, "max_tokens": 20 + i}}
        for i in range(2)
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("batch.jsonl", content), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    for _ in range(6):
        if made.output_file_id:
            break
        made = client.batches.retrieve(made.id)
    return [json.loads(line)["response"]["body"] for line in client.files.content(made.output_file_id).text.splitlines()]


def leave(lab: Lab) -> Any:
    """A loop that is left after three chunks, inside `with`."""
    seen = []
    with lab.openai().chat.completions.create(**CHAT, **WITH_USAGE) as opened:
        for chunk in opened:
            seen.append(chunk)
            if len(seen) == 3:
                break
    return seen


def close(lab: Lab) -> Any:
    """A stream that is closed after three chunks."""
    opened = lab.openai().chat.completions.create(**CHAT, **WITH_USAGE)
    seen = [next(opened) for _ in range(3)]
    opened.close()
    return seen


def raise_in_loop(lab: Lab) -> Any:
    """An exception of the application's in the loop."""
    with lab.openai().chat.completions.create(**CHAT, **WITH_USAGE) as opened:
        for number, _ in enumerate(opened, 1):
            if number == 3:
                raise Stop


def cancel(lab: Lab) -> Any:
    """A task that is cancelled while it reads."""
    lab.answer(text="word " * 500)
    lab.fault(chunk_delay_s=0.02, stream=True)

    async def use() -> Any:
        reading = asyncio.Event()

        async def read() -> None:
            async with lab.openai_async() as client:
                async for _ in await client.chat.completions.create(**CHAT, **WITH_USAGE):
                    reading.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(reading.wait(), 20)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    return lab.run(use())


def forget(lab: Lab) -> Any:
    """A stream that is dropped, and taken by the garbage collector."""
    opened = lab.openai().chat.completions.create(**CHAT, **WITH_USAGE)
    seen = [next(opened) for _ in range(3)]
    del opened
    gc.collect()
    return seen


def error_in_stream(lab: Lab) -> Any:
    """The server tells of an error after three chunks."""
    lab.fault(error_after=3, status_code=500, stream=True)
    return list(lab.openai().chat.completions.create(**CHAT, **WITH_USAGE))


def cut_off(lab: Lab) -> Any:
    """The connection breaks after three chunks."""
    lab.fault(cut_after=3)
    return list(lab.openai().chat.completions.create(**CHAT, **WITH_USAGE))


def bad_request(lab: Lab) -> Any:
    """An answer of 400."""
    lab.fault(status_code=400)
    return create(lab)


def bad_stream_request(lab: Lab) -> Any:
    """An answer of 429 to a request for a stream."""
    lab.fault(status_code=429)
    return stream(lab)


def unauthorized(lab: Lab) -> Any:
    """An answer of 401, awaited."""
    lab.fault(status_code=401)
    return create_async(lab)


def retried(lab: Lab) -> Any:
    """An answer of 429, then one of 200."""
    lab.fault(status_code=429, retry_after_ms=5)
    return lab.openai(max_retries=2).chat.completions.create(**CHAT)


def exhausted(lab: Lab) -> Any:
    """Answers of 500 until the SDK gives up."""
    lab.fault(status_code=500, retry_after_ms=5, times=2)
    return lab.openai(max_retries=1).chat.completions.create(**CHAT)


def time_out(lab: Lab) -> Any:
    """No answer in time."""
    lab.fault(hangs=True)
    return lab.openai(timeout=0.3).chat.completions.create(**CHAT)


def refused(lab: Lab) -> Any:
    """Nobody listens."""
    return lab.openai(base_url=f"http://127.0.0.1:{lab.free_port()}/v1").chat.completions.create(**CHAT)


def responses_error(lab: Lab) -> Any:
    """An answer of 400 to a request for a response."""
    lab.fault(status_code=400)
    return respond(lab)


def embeddings_error(lab: Lab) -> Any:
    """An answer of 400 to a request for an embedding."""
    lab.fault(status_code=400)
    return embed(lab)


def threads(lab: Lab) -> Any:
    """Four calls from a pool of threads."""
    client = lab.openai()
    with ThreadPoolExecutor(4) as pool:
        asked = [{**CHAT, "max_tokens": 20 + i} for i in range(4)]
        return list(pool.map(lambda kwargs: client.chat.completions.create(**kwargs), asked))


def tasks(lab: Lab) -> Any:
    """Four streams in as many tasks at once."""

    async def use() -> Any:
        async with lab.openai_async() as client:

            async def read(limit: int) -> Any:
                asked = {**CHAT, "max_tokens": limit, **WITH_USAGE}
                return [chunk async for chunk in await client.chat.completions.create(**asked)]

            return await asyncio.gather(*(read(20 + i) for i in range(4)))

    return lab.run(use())


def fork(lab: Lab) -> Any:
    """A call in a forked child, which lives on for a second and ends as a worker does."""
    child = os.fork()
    if not child:
        status = 1
        with contextlib.suppress(BaseException):
            create(lab)
            lab.early["flush"]()
            time.sleep(0.2)
            status = 0
        os._exit(status)
    return os.waitpid(child, 0)[1]


def bound_early(lab: Lab) -> Any:
    """A method that was bound before the instrumentation was switched on."""
    return lab.early["openai"](**CHAT)


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
