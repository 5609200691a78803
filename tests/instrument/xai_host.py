"""xAI as a proxy plays it, and OpenAI's SDK as its client."""

import asyncio
import http.server
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
from loopback import served
from surface import entered, settle

BASE = "http://api.x.ai/v1"
NO_ANSWER = (404, {"error": "there is nothing here"})
Answers = dict[str, list[tuple[int, Any]]]


@contextmanager
def xai(answers: Answers) -> Iterator[str]:
    """The address of a proxy that is xAI: each path gives its ANSWERS in turn, bytes being audio."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("/v1")[2]
            status, body = answers[path].pop(0) if answers.get(path) else NO_ANSWER
            is_audio = isinstance(body, bytes)
            sent = body if is_audio else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "audio/mpeg" if is_audio else "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as address:
        yield address


def use(answers: Answers, is_async: bool, body: Any) -> Any:
    """What BODY gives for a client of xAI, which gives these ANSWERS."""

    async def go(proxy: str) -> Any:
        kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
        http_kind: Any = openai.DefaultAsyncHttpxClient if is_async else openai.DefaultHttpxClient
        http_client = http_kind(proxy=proxy, trust_env=False)
        async with entered(kind(base_url=BASE, api_key="k", max_retries=0, http_client=http_client)) as client:
            return await body(client)

    with xai(answers) as proxy:
        return asyncio.run(go(proxy))


async def post(client: Any, path: str, **body: Any) -> Any:
    return await settle(client.post(path, body=body, cast_to=object))


async def get(client: Any, path: str) -> Any:
    return await settle(client.get(path, cast_to=object))
