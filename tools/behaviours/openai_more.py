"""What the application does with the rest of OpenAI's SDK: responses, embeddings, media and batches."""

import io
import json
from typing import Any

from behaviours.lab import Lab
from behaviours.openai_calls import ASKED, CHAT, answer_class


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
    return [
        json.loads(line)["response"]["body"] for line in client.files.content(made.output_file_id).text.splitlines()
    ]
