"""One request of an API from its body to the last byte of its answer."""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import HTTP
from threading import Event as Flag
from typing import Any
from urllib.parse import parse_qsl

from llmtrace.simulator.answers import Answer
from llmtrace.simulator.faults import Fault, FaultSource
from llmtrace.simulator.ledger import Ledger
from llmtrace.simulator.limits import LimitBook, Limits
from llmtrace.simulator.log import LoggedRequest, RequestLog
from llmtrace.simulator.protocol import Asked, Event, Problem, Protocol, Reply, Request, without_usage
from llmtrace.simulator.script import Script, Target
from llmtrace.simulator.text import seeded
from llmtrace.simulator.wire import ClientLeft, Wire

Latency = float | Mapping[str, float] | Callable[[str, random.Random], float]
JSON_HEADERS = {"content-type": "application/json"}
NO_FAULT = Fault()


@dataclass(slots=True)
class State:
    """What all requests of a simulator share."""

    seed: int
    latency_s: Latency
    chunk_delay_s: float
    enforces_limits: bool
    compresses: bool
    protocols: tuple[Protocol, ...]
    limits: LimitBook
    faults: FaultSource
    answers: Script[Answer] = field(default_factory=Script)
    usages: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    log: RequestLog = field(default_factory=RequestLog)
    ledger: Ledger = field(default_factory=Ledger)
    ids: random.Random = field(default_factory=random.Random)
    stopping: Flag = field(default_factory=Flag)


class Exchange:
    """Answers one request."""

    def __init__(self, state: State, wire: Wire, record: LoggedRequest, protocol: Protocol) -> None:
        """Answer the request of RECORD over WIRE, as PROTOCOL has it."""
        self._state = state
        self._wire = wire
        self._record = record
        self._protocol = protocol
        self._started = time.monotonic()
        self._request_id = protocol.draw_request_id(state.ids)

    def run(self, raw: bytes) -> None:
        """Answer the request with the body RAW; a client that leaves is noted in the log."""
        record = self._record
        pairs = tuple(parse_qsl(record.query))
        body = _parse(raw, record.headers)
        asked = Asked(record.method, record.path, dict(pairs), record.headers, body, pairs, raw)
        target = self._protocol.target(asked)
        fault = self._state.faults.take(target, self._record.number)
        self._change(
            provider=target.provider,
            model=target.model,
            stream=target.stream,
            body=asked.body,
            request_id=self._request_id,
            fault=fault.as_json() if fault else None,
        )
        try:
            if fault is None or not self._interfere(fault):
                self._answer(asked, target, fault or NO_FAULT)
        except ClientLeft:
            self._change(client_left=True)

    def refuse(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        """Answer with an error, and with HEADERS beside the usual ones."""
        told = self._protocol.error_headers(problem)
        sent = {**JSON_HEADERS, **self._headers(problem.status), **told, **(headers or {})}
        body = json.dumps(self._protocol.error(problem, self._request_id), separators=(",", ":"))
        self._wire.send(problem.status, sent, body.encode())

    def _interfere(self, fault: Fault) -> bool:
        """Do what FAULT does before an answer; True when there will be none."""
        self._wire.wait(fault.delay_s)
        if fault.hangs:
            self._change(status="hang")
            self._wire.wait(float("inf"))
        elif fault.resets:
            self._change(status="reset")
            self._wire.reset()
        elif fault.status_code is not None and fault.error_after is None:
            problem = self._protocol.problem(fault.status_code, fault.code, fault.message)
            self.refuse(problem, fault.retry_headers())
        else:
            return False
        return True

    def _answer(self, asked: Asked, target: Target, fault: Fault) -> None:
        problem = self._protocol.refuse(asked)
        if problem is not None:
            return self.refuse(problem)
        limits = self._limits()
        if self._state.enforces_limits and (empty := limits.exhausted()):
            name, bucket = empty
            problem = self._protocol.problem(429, None, f"Rate limit reached on {name} per minute.")
            return self.refuse(problem, Fault.status(429, retry_after_s=bucket.wait_s).retry_headers())
        limits.requests.spend(1)
        self._wire.wait(self._latency())
        request = replace(self._request(self._protocol, asked), ask=self._reply_in_batch)
        reply = self._protocol.reply(request)
        limits.spend_tokens(reply.input_tokens, reply.output_tokens)
        self._change(response_id=reply.response_id, usage=reply.usage)
        self._state.ledger.note(self._protocol.name, self._record.received_at, asked, reply)
        if target.stream:
            return self._stream(request, reply, fault)
        return self._send(reply, fault)

    def _reply_in_batch(self, protocol: Protocol, asked: Asked) -> Reply:
        reply = protocol.reply(self._request(protocol, asked))
        self._state.ledger.note(protocol.name, self._record.received_at, asked, reply, batch=True)
        return reply

    def _request(self, protocol: Protocol, asked: Asked) -> Request:
        return Request.of(asked, self._state.seed, self._state.ids, self._dictated(protocol, protocol.target(asked)))

    def _dictated(self, protocol: Protocol, target: Target) -> Answer | None:
        if not protocol.speaks:
            return None
        answer = self._state.answers.take(target)
        usage = self._state.usages.get(target.model or "")
        if usage is None or (answer is not None and answer.usage is not None):
            return answer
        return replace(answer or Answer(), usage=usage)

    def _send(self, reply: Reply, fault: Fault) -> None:
        body = without_usage(reply.body) if fault.omits_usage else reply.body
        data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() if reply.raw is None else reply.raw
        self._wire.send(
            200,
            {"content-type": reply.content_type, **self._headers(200), **reply.headers},
            data[: len(data) // 2] if fault.is_malformed else data,
            has_usage=reply.usage is not None and not (fault.omits_usage or fault.is_malformed),
            is_gzipped=self._is_gzipped(fault),
            is_cut=fault.cut_after is not None,
        )

    def _stream(self, request: Request, reply: Reply, fault: Fault) -> None:
        events = self._protocol.events(request, reply, omits_usage=fault.omits_usage)
        if fault.error_after is not None:
            problem = self._protocol.problem(fault.status_code or 500, fault.code, fault.message)
            # At the latest in place of the event that says that all is well.
            at = min(fault.error_after, len(events) - 1)
            events[at:] = [self._protocol.stream_error(problem, self._request_id, at)]
        if fault.is_malformed:
            events[1:2] = [_break(event) for event in events[1:2]]
        delay = self._state.chunk_delay_s if fault.chunk_delay_s is None else fault.chunk_delay_s
        headers = {"content-type": self._protocol.stream_type, "cache-control": "no-cache", **self._headers(200)}
        self._wire.open(200, headers, is_gzipped=self._is_gzipped(fault))
        for index, event in enumerate(events[: fault.cut_after]):
            self._wire.wait(delay if index else 0.0)
            is_last = index == len(events) - 1 and fault.cut_after is None
            self._wire.event(event.data, has_usage=event.has_usage, is_last=is_last)
        if fault.cut_after is not None:
            self._wire.cut()

    def _is_gzipped(self, fault: Fault) -> bool:
        accepted = self._record.headers.get("accept-encoding", "")
        return fault.is_gzipped or (self._state.compresses and "gzip" in accepted)

    def _latency(self) -> float:
        latency, model = self._state.latency_s, self._record.model or ""
        if isinstance(latency, Mapping):
            return float(latency.get(model, latency.get("*", 0.0)))
        if callable(latency):
            return float(latency(model, seeded(self._state.seed, "latency", self._record.number)))
        return latency

    def _limits(self) -> Limits:
        return self._state.limits.limits(self._protocol.name, self._record.model or "")

    def _headers(self, status: int) -> dict[str, str]:
        elapsed_s = time.monotonic() - self._started
        return self._protocol.headers(status, self._request_id, elapsed_s, self._limits())

    def _change(self, **values: Any) -> None:
        self._state.log.change(self._record, **values)


def _parse(raw: bytes, headers: Mapping[str, str]) -> Any:
    content_type = headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return _parse_form(raw, content_type)
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _parse_form(raw: bytes, content_type: str) -> dict[str, Any]:
    """The fields of a form; a file is its name and content."""
    fields: dict[str, Any] = {}
    for part in message_from_bytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + raw, policy=HTTP).walk():
        name, filename = part.get_param("name", header="content-disposition"), part.get_filename()
        if name is not None:
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            fields[str(name)] = {"filename": filename, "content": content} if filename is not None else content.decode()
    return fields


def _break(event: Event) -> Event:
    half = event.data.rstrip()
    return Event(half[: len(half) * 2 // 3] + b"\n\n")
