"""OpenAI's responses: created at once, streamed or in the background, fetched again, cancelled and compacted.

Source: https://platform.openai.com/docs/api-reference/responses
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from llmtrace.simulator.caches import PrefixCache
from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_errors import INVALID, refuse_input, refuse_model, refuse_options, refuse_unauthorized
from llmtrace.simulator.openai_models import TELLS_WRITES
from llmtrace.simulator.openai_response_body import read_items, read_prompt, speak, write_body, write_item
from llmtrace.simulator.openai_response_store import ResponseStore, Stored
from llmtrace.simulator.openai_response_stream import unfinished, write_error, write_events
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Protocol, Reply, Request
from llmtrace.simulator.script import Target
from llmtrace.simulator.text import count_tokens

ID_LENGTH = 48
SUMMARY_TOKENS = 64
BACKGROUND = ("queued", "in_progress")
STORED_PATH = re.compile(r"/responses/(?P<id>resp_[^/]+)(?:/(?P<verb>cancel|input_items))?$")


def make_responses() -> tuple[Protocol, ...]:
    """The endpoints of responses, which share what is stored and cached."""
    store = ResponseStore()
    return Responses(store), Compaction(), InputTokens(store), StoredResponses(store)


class _Responses(OpenAIProtocol):
    """What the endpoints below have in common."""

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        body = asked.body
        return refuse_unauthorized(asked.headers) or refuse_model(body) or refuse_input(body) or refuse_options(body)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The events of the response."""
        return write_events(reply.body, -1, omits_usage=omits_usage)

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        return write_error(problem, number)


class Responses(_Responses):
    """Makes responses."""

    suffixes: ClassVar[tuple[str, ...]] = ("/responses",)

    def __init__(self, store: ResponseStore) -> None:
        """Keep responses in STORE, and start with a cold cache."""
        self._store = store
        self._cache = PrefixCache()

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := super().refuse(asked):
            return problem
        previous = asked.fields.get("previous_response_id")
        if previous is not None and self._store.find(previous) is None:
            message = f"Previous response with id '{previous}' not found."
            return Problem(400, INVALID, message, "previous_response_not_found", "previous_response_id")
        if asked.fields.get("background") and asked.fields.get("store") is False:
            return Problem(400, INVALID, "Background mode requires 'store' to be true.", None, "background")
        return None

    def reply(self, request: Request) -> Reply:
        """The complete response; one in the background is only queued, unless it is streamed."""
        body = request.body
        prompt = read_prompt(body, self._history(body))
        tokens = count_tokens(prompt)
        cached, written = self._cache.look_up(request.model, prompt)
        output, reasoning = speak(request)
        spoken = reasoning + output.tokens
        into = {"cached_tokens": cached} | (
            {"cache_write_tokens": written} if TELLS_WRITES.match(request.model) else {}
        )
        usage = _usage(tokens, into, spoken, reasoning)
        if request.answer is not None and request.answer.usage is not None:
            usage = dict(request.answer.usage)
        id_ = request.draw_id("resp_", ID_LENGTH)
        whole = write_body(request, output, usage, id_)
        is_waiting = bool(body.get("background")) and not body.get("stream")
        if body.get("store", True):
            items = [{"id": request.draw_id("msg_", ID_LENGTH), **item} for item in read_items(body)]
            progress = list(BACKGROUND) if is_waiting else []
            self._store.keep(id_, Stored(whole, items, prompt, progress))
        shown = unfinished(whole, BACKGROUND[0]) if is_waiting else whole
        return Reply(shown, shown["usage"], tokens, spoken)

    def _history(self, body: Mapping[str, Any]) -> str:
        stored = self._store.find(body.get("previous_response_id"))
        return stored.prompt + "".join(map(write_item, stored.body["output"])) if stored is not None else ""


class StoredResponses(_Responses):
    """Fetches responses again, cancels and deletes them, and lists what they were asked with."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    speaks = False

    def __init__(self, store: ResponseStore) -> None:
        """Answer from STORE."""
        self._store = store
        self._verbs: dict[tuple[str, str | None], Callable[[str], Reply]] = {
            ("GET", None): self._fetch,
            ("DELETE", None): self._delete,
            ("POST", "cancel"): self._cancel,
            ("GET", "input_items"): self._list,
        }

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for a stored response."""
        found = STORED_PATH.search(path)
        return found is not None and (method, found["verb"]) in self._verbs

    def target(self, asked: Asked) -> Target:
        """The traits of a request; its model is that of the response."""
        stored = self._store.find(_id(asked))
        model = str(stored.body["model"]) if stored is not None else None
        return Target(self.name, model, asked.query.get("stream") == "true")

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_unauthorized(asked.headers):
            return problem
        if (stored := self._store.find(_id(asked))) is None:
            return Problem(404, INVALID, f"Response with id '{_id(asked)}' not found.")
        if asked.path.endswith("/cancel") and not stored.body["background"]:
            return Problem(400, INVALID, "Cannot cancel a synchronous response.")
        return None

    def reply(self, request: Request) -> Reply:
        """The response as it stands, or what became of it; its usage is told again, and counts no more."""
        asked = request.asked
        if asked.query.get("stream") == "true":
            whole = self._store.finish(_id(asked))
            return Reply(dict(whole), whole["usage"])
        found = STORED_PATH.search(asked.path)
        return self._verbs[asked.method, found["verb"] if found else None](_id(asked))

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The events of the response, from where the request wants to go on."""
        after = request.asked.query.get("starting_after", "")
        return write_events(reply.body, int(after) if after.isdigit() else -1, omits_usage=omits_usage)

    def _fetch(self, id_: str) -> Reply:
        body = self._store.fetch(id_)
        return Reply(dict(body), body["usage"])

    def _cancel(self, id_: str) -> Reply:
        body = self._store.cancel(id_)
        return Reply(dict(body), body["usage"])

    def _delete(self, id_: str) -> Reply:
        self._store.delete(id_)
        return Reply({"id": id_, "object": "response", "deleted": True})

    def _list(self, id_: str) -> Reply:
        stored = self._store.find(id_)
        items = [_listed(item) for item in reversed(stored.items)] if stored is not None else []
        ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {}
        return Reply({"object": "list", "data": items, "has_more": False, **ends})


class Compaction(_Responses):
    """Shortens a conversation, at the price of reading all of it."""

    suffixes: ClassVar[tuple[str, ...]] = ("/responses/compact",)
    speaks = False
    streams = False

    def reply(self, request: Request) -> Reply:
        """The user's messages and, encrypted, the rest."""
        tokens = count_tokens(read_prompt(request.body))
        usage = _usage(tokens, {"cached_tokens": 0}, SUMMARY_TOKENS, 0)
        kept = [item for item in read_items(request.body) if item.get("role") == "user"]
        items = [_listed({"id": request.draw_id("msg_", ID_LENGTH), **item}) for item in kept]
        summary = {"id": request.draw_id("cmp_", ID_LENGTH), "type": "compaction"}
        items.append(summary | {"encrypted_content": request.draw_id("gAAAAA", 250)})
        body = {
            "id": request.draw_id("resp_", ID_LENGTH),
            "object": "response.compaction",
            "created_at": request.created,
            "output": items,
            "usage": usage,
        }
        return Reply(body, usage, tokens, SUMMARY_TOKENS)


class InputTokens(_Responses):
    """Counts the tokens that a response would read; free of charge."""

    suffixes: ClassVar[tuple[str, ...]] = ("/responses/input_tokens",)
    speaks = False
    streams = False

    def __init__(self, store: ResponseStore) -> None:
        """Look up earlier responses in STORE."""
        self._store = store

    def reply(self, request: Request) -> Reply:
        """The count."""
        stored = self._store.find(request.body.get("previous_response_id"))
        prompt = read_prompt(request.body, stored.prompt if stored is not None else "")
        return Reply({"object": "response.input_tokens", "input_tokens": count_tokens(prompt)})


def _id(asked: Asked) -> str:
    found = STORED_PATH.search(asked.path)
    return found["id"] if found is not None else ""


def _listed(item: Mapping[str, Any]) -> JSON:
    """ITEM as the API tells of what it was given: a message's text is a part."""
    content = item.get("content")
    if not isinstance(content, str):
        return {"status": "completed", **item}
    kind = "output_text" if item.get("role") == "assistant" else "input_text"
    part = {"type": kind, "text": content}
    return {"type": "message", "status": "completed", **item, "content": [part]}


def _usage(input_tokens: int, details: JSON, output_tokens: int, reasoning_tokens: int) -> JSON:
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": details,
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": input_tokens + output_tokens,
    }
