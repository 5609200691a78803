"""FastAPI: a feature per route, and answers streamed to the browser as server-sent events.

    uvicorn --app-dir examples fastapi_sse:app
    curl -N "http://127.0.0.1:8000/chat?question=Hello"

The stream's generator is decorated itself: it runs after the route has returned. When the browser goes away in the
middle, the call is recorded as cancelled, with the tokens that were read.
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator

import openai
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

import llmtrace
from llmtrace.simulator import Simulator

llmtrace.instrument("fastapi-example")


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with contextlib.ExitStack() as stack:
        if os.environ.get("OPENAI_API_KEY"):
            app.state.chat = openai.AsyncOpenAI()
        else:
            simulator = stack.enter_context(Simulator(seed=7, chunk_delay_s=0.02))
            app.state.chat = openai.AsyncOpenAI(base_url=simulator.openai_base_url, api_key="simulated")
        yield
        await app.state.chat.close()


app = FastAPI(lifespan=lifespan)


@llmtrace.feature("chat")
async def answer(question: str) -> AsyncIterator[str]:
    stream = await app.state.chat.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async with stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield f"data: {json.dumps(chunk.choices[0].delta.content)}\n\n"
    yield "data: [DONE]\n\n"


@app.get("/chat")
async def chat(question: str) -> StreamingResponse:
    return StreamingResponse(answer(question), media_type="text/event-stream")


@app.get("/title")
@llmtrace.feature("title")
async def title(text: str) -> dict[str, str | None]:
    completion = await app.state.chat.chat.completions.create(
        model="gpt-4o-mini", max_tokens=12, messages=[{"role": "user", "content": f"A title for: {text}"}]
    )
    return {"title": completion.choices[0].message.content}
