"""Batches and files behave as the providers' do, as their SDKs see them."""

import asyncio
import json

import anthropic
import openai
import pytest
from batching import CHAT, haiku_requests, lines, submit_openai, wait_anthropic, wait_openai
from surface import make_anthropic, make_azure, make_openai

from llmtrace.simulator import Simulator


def test_an_openai_batch_runs_through_its_states_and_leaves_two_files(simulator: Simulator) -> None:
    with make_openai(simulator, False) as client:
        file = client.files.create(file=("in.jsonl", lines(3, invalid=[1])), purpose="batch")
        assert (file.bytes, file.purpose, file.filename) == (len(lines(3, invalid=[1])), "batch", "in.jsonl")
        batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        states = [batch.status] + [client.batches.retrieve(batch.id).status for _ in range(3)]
        assert states == ["validating", "in_progress", "completed", "completed"]
        batch = client.batches.retrieve(batch.id)
        assert batch.request_counts is not None and batch.request_counts.to_dict() == {
            "total": 3, "completed": 2, "failed": 1,
        }  # fmt: skip
        answers = [json.loads(line) for line in client.files.content(batch.output_file_id or "").text.splitlines()]
        errors = [json.loads(line) for line in client.files.content(batch.error_file_id or "").text.splitlines()]
        assert [a["custom_id"] for a in answers] == ["r0", "r2"]
        assert {a["response"]["body"]["object"] for a in answers} == {"chat.completion"}
        assert [(e["custom_id"], e["response"]["status_code"]) for e in errors] == [("r1", 400)]
        assert [b.id for b in client.batches.list()] == [batch.id]
        assert client.files.delete(file.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(file.id)


@pytest.mark.parametrize("content", [b"no json", b'{"custom_id": "r0"}', lines(1, "/v1/embeddings")])
def test_an_openai_batch_of_a_bad_file_fails(simulator: Simulator, content: bytes) -> None:
    with make_openai(simulator, False) as client:
        batch = asyncio.run(wait_openai(client, asyncio.run(submit_openai(client, content))))
    assert (batch.status, batch.output_file_id) == ("failed", None)
    assert batch.errors.data[0].code == "invalid_json_line"


def test_an_openai_batch_needs_a_file_of_its_purpose(simulator: Simulator) -> None:
    with make_openai(simulator, False) as client:
        file = client.files.create(file=("in.jsonl", lines(1)), purpose="assistants")
        with pytest.raises(openai.BadRequestError):
            client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        with pytest.raises(openai.NotFoundError):
            client.batches.retrieve("batch_none")


def test_azure_serves_batches_too(simulator: Simulator) -> None:
    with make_azure(simulator, False) as client:
        batch = asyncio.run(wait_openai(client, asyncio.run(submit_openai(client, lines(2)))))
        assert len(client.files.content(batch.output_file_id).text.splitlines()) == 2


def test_an_anthropic_batch_runs_through_its_states(simulator: Simulator) -> None:
    with make_anthropic(simulator, False) as client:
        batch = client.messages.batches.create(requests=haiku_requests(3, invalid=[1]))
        assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 3)
        with pytest.raises(anthropic.AnthropicError, match="finished processing"):
            client.messages.batches.results(batch.id)
        batch = asyncio.run(wait_anthropic(client.messages.batches, batch.id))
        assert (batch.request_counts.succeeded, batch.request_counts.errored) == (2, 1)
        found = {r.custom_id: r.result for r in client.messages.batches.results(batch.id)}
        assert [found[f"r{n}"].type for n in range(3)] == ["succeeded", "errored", "succeeded"]
        assert found["r0"].type == "succeeded" and found["r0"].message.usage.service_tier == "batch"
        assert [b.id for b in client.messages.batches.list()] == [batch.id]


def test_an_anthropic_batch_needs_requests_of_their_own_names(simulator: Simulator) -> None:
    with make_anthropic(simulator, False) as client:
        for requests in ([], [haiku_requests(1)[0]] * 2):
            with pytest.raises(anthropic.BadRequestError):
                client.messages.batches.create(requests=requests)


def test_batches_stand_on_the_bill_at_batch_rates(simulator: Simulator) -> None:
    with make_anthropic(simulator, False) as client:
        batch = client.messages.batches.create(requests=haiku_requests(2))
        asyncio.run(wait_anthropic(client.messages.batches, batch.id))
    uses = simulator._state.ledger._uses
    assert [(use.model, use.is_batch) for use in uses] == [("claude-haiku-4-5-20251001", True)] * 2
