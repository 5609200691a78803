"""Clients that leave, and a simulator that is stopped, steered and run as a program."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest
from anthropic import Anthropic
from openai import AsyncOpenAI, OpenAI
from simulator.asking import ASK_OPENAI, ask_claude, ask_gpt, wait_for

from llmtrace.simulator import Fault, Simulator
from llmtrace.simulator.faults import FaultSource
from llmtrace.simulator.schema import build_instance
from llmtrace.simulator.script import Script, Target
from llmtrace.simulator.text import count_tokens, seeded

try:
    import httpx2 as httpx
except ImportError:  # what older releases of the SDKs stand on
    import httpx  # type: ignore[no-redef]


def test_a_stream_that_is_left_early_is_known_to_be() -> None:
    with (
        Simulator(chunk_delay_s=0.02) as sim,
        OpenAI(base_url=sim.openai_base_url, api_key="any") as client,
    ):
        with ask_gpt(client, stream=True, stream_options={"include_usage": True}) as stream:
            next(iter(stream))
        assert sim.settle()
        (record,) = sim.requests
    assert record.client_left
    assert not record.usage_delivered
    assert record.usage is not None
    assert record.chunks_sent >= 1


def test_a_stream_that_is_not_read_to_its_end_is_known_to_be(sim: Simulator) -> None:
    sim.answer("word " * 50)
    with socket.create_connection(("127.0.0.1", sim.port)) as connection:
        body = json.dumps(ASK_OPENAI | {"stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.recv(100)
        wait_for(sim.settle)
    wait_for(lambda: sim.requests[0].client_left)


def test_an_async_client_that_is_cancelled_is_known_to_have_left(sim: Simulator) -> None:
    sim.fault(Fault.hang())

    async def main() -> None:
        async with AsyncOpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as client:
            asking = asyncio.create_task(client.chat.completions.create(**ASK_OPENAI))
            while not sim.requests or sim.requests[0].status != "hang":
                await asyncio.sleep(0.001)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(main())
    wait_for(lambda: sim.requests[0].client_left)


def test_random_faults_are_the_same_for_the_same_seed() -> None:
    def run(seed: int) -> list[Any]:
        with (
            Simulator(seed=seed, error_rate=0.3) as sim,
            OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as client,
        ):
            for _ in range(40):
                try:
                    ask_gpt(client)
                except openai.APIStatusError:
                    pass
            return [r.status for r in sim.requests]

    statuses = run(7)
    assert statuses == run(7) != run(8)
    assert set(statuses) == {200, 429, 500, 503}
    assert 5 <= sum(status != 200 for status in statuses) <= 20


def test_random_faults_are_drawn_from_what_is_given() -> None:
    source = FaultSource(Script(), 7, 1.0, (Fault.status(503), Fault.reset().on(provider="anthropic")))
    taken = [source.take(Target("openai", "gpt-4o", False), number) for number in range(20)]
    assert taken == [Fault.status(503)] * 20


def test_stopping_ends_what_hangs_at_once() -> None:
    failures: list[Exception] = []

    def ask(client: OpenAI) -> None:
        try:
            ask_gpt(client)
        except openai.APIConnectionError as error:
            failures.append(error)

    with Simulator() as sim, OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as client:
        sim.fault(Fault.hang())
        asking = threading.Thread(target=ask, args=[client])
        asking.start()
        wait_for(lambda: sim.requests and sim.requests[0].status == "hang")
        sim.stop()
        asking.join()
    assert len(failures) == 1


def test_it_can_be_stopped_twice_and_started_again() -> None:
    sim = Simulator()
    for _ in range(2):
        with sim, OpenAI(base_url=sim.openai_base_url, api_key="any") as client:
            ask_gpt(client)
            with pytest.raises(RuntimeError):
                sim.start()
        sim.stop()
    assert len(sim.requests) == 2
    with pytest.raises(RuntimeError):
        sim.url  # noqa: B018


def test_clients_that_vanish_make_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    with Simulator(chunk_delay_s=0.001) as sim:
        for sent in (b"", b"POST", b"POST /v1/messages HTTP/1.1\r\ncontent-length: 9\r\n\r\n{", b"nonsense\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", sim.port)) as connection:
                connection.sendall(sent)
        with OpenAI(base_url=sim.openai_base_url, api_key="any") as client, ask_gpt(client, stream=True) as stream:
            next(iter(stream))
        assert sim.settle()
    assert capfd.readouterr() == ("", "")


def test_another_process_scripts_and_reads_it(sim: Simulator, gpt: OpenAI) -> None:
    with httpx.Client(base_url=sim.url) as control:
        fault = {"status_code": 429, "retry_after_s": 0.01, "times": 2}
        assert control.post("/_simulator/faults", json=fault).json() == {"added": 1}
        assert control.get("/_simulator/faults").json() == [fault]
        assert control.post("/_simulator/answers", json=[{"text": "hello"}]).json() == {"added": 1}
        for _ in range(2):
            with pytest.raises(openai.RateLimitError):
                ask_gpt(gpt)
        assert ask_gpt(gpt).choices[0].message.content == "hello"
        records = control.get("/_simulator/requests").json()
        assert [record["status"] for record in records] == [429, 429, 200]
        assert records[2]["usage"] == sim.requests[2].usage
        assert control.delete("/_simulator/requests").status_code == 200
        assert control.get("/_simulator/requests").json() == sim.requests == []


@pytest.mark.parametrize("value", [{"no_such_field": 1}, [1], {"status_code": 500, "times": 0}])
def test_a_fault_that_makes_no_sense_is_refused(sim: Simulator, value: Any) -> None:
    with httpx.Client(base_url=sim.url) as control:
        answer = control.post("/_simulator/faults", json=value)
        assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
        assert control.get("/_simulator/nothing").status_code == 404


def test_as_a_program_it_prints_its_urls_and_ends_on_a_signal() -> None:
    command = [sys.executable, "-m", "llmtrace.simulator", "--seed", "7", "--error-rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        urls = dict(process.stdout.readline().strip().split("=") for _ in range(3))
        assert urls["OPENAI_BASE_URL"] == f"{urls['AZURE_OPENAI_ENDPOINT']}/v1"
        with (
            OpenAI(base_url=urls["OPENAI_BASE_URL"], api_key="any") as gpt,
            Anthropic(base_url=urls["ANTHROPIC_BASE_URL"], api_key="any") as claude,
        ):
            ask_gpt(gpt)
            ask_claude(claude)
        process.send_signal(signal.SIGTERM)
        assert (process.wait(10), process.stderr.read()) == (0, "")


def test_tokens_are_four_characters() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("schema", "check"),
    [
        ({"type": "integer", "minimum": 10, "maximum": 20}, lambda value: 10 <= value <= 20),
        ({"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5}, lambda value: value == 5),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, lambda value: 0 < value < 1),
        ({"type": "string", "minLength": 40, "maxLength": 42}, lambda value: 40 <= len(value) <= 42),
        ({"type": "string", "format": "date"}, lambda value: value == "2026-01-15"),
        ({"type": "array", "items": {"const": 1}, "minItems": 3}, lambda value: value == [1, 1, 1]),
        ({"type": ["null", "string"]}, lambda value: value is None),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, lambda value: value is True),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
            {"a": 1, "b": 2}.__eq__,
        ),
        ({"$ref": "#/definitions/x", "definitions": {"x": {"enum": ["y"]}}}, lambda value: value == "y"),
        ({}, lambda value: isinstance(value, str)),
    ],
)
def test_an_instance_fits_its_schema(schema: Any, check: Callable[[Any], bool]) -> None:
    assert check(build_instance(schema, seeded(7)))
