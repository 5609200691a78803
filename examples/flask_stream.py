"""Flask: an answer streamed to the browser, and the feature of the service that asks.

    flask --app examples/flask_stream.py run
    curl -N -H "baggage: llmtrace.feature=onboarding" "http://127.0.0.1:5000/chat?question=Hello"

`WsgiFeature` names the feature after the `baggage` of the request; the decorator names it where there is none, and
belongs on the generator, which runs after the route has returned.
"""

import atexit
import contextlib
from collections.abc import Iterator

from flask import Flask, Response, request
from provider import clients

import llmtrace
from llmtrace.middleware import WsgiFeature

llmtrace.instrument("flask-example")
app = Flask(__name__)
app.wsgi_app = WsgiFeature(app.wsgi_app)  # type: ignore[method-assign]
opened = contextlib.ExitStack()
chat, claude = opened.enter_context(clients(show=False))
atexit.register(opened.close)


def answer(question: str) -> Iterator[str]:
    with claude.messages.stream(
        model="claude-sonnet-4-6", max_tokens=200, messages=[{"role": "user", "content": question}]
    ) as stream:
        yield from stream.text_stream


@app.get("/chat")
def stream_answer() -> Response:
    return Response(answer(request.args["question"]), mimetype="text/plain")


@app.get("/title")
@llmtrace.feature("title")
def title() -> dict[str, str | None]:
    completion = chat.chat.completions.create(
        model="gpt-4o-mini",
        max_tokens=12,
        messages=[{"role": "user", "content": f"A title for {request.args['text']}"}],
    )
    return {"title": completion.choices[0].message.content}
