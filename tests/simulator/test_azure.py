"""The real OpenAI SDK's Azure clients, sync and async, against the simulator."""

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncAzureOpenAI, AzureOpenAI, OpenAI

from llmtrace.simulator import Fault, Simulator

HELLO: Any = [{"role": "user", "content": "Say something about the weather."}]
VERSION = "2024-10-21"


@pytest.fixture
def client(sim: Simulator) -> Iterator[AzureOpenAI]:
    with AzureOpenAI(azure_endpoint=sim.azure_endpoint, api_key="k", api_version=VERSION, max_retries=0) as client:
        yield client


def test_a_deployment_answers_and_the_filter_judges(client: AzureOpenAI, sim: Simulator) -> None:
    completion: Any = client.chat.completions.create(model="gpt-4o", messages=HELLO).to_dict()
    (record,) = sim.requests
    assert (record.path, record.query) == (
        "/openai/deployments/gpt-4o/chat/completions",
        f"api-version={VERSION}",
    )
    assert (record.provider, record.model, record.headers["api-key"]) == ("azure", "gpt-4o", "***")
    assert completion["usage"] == record.usage
    assert completion["prompt_filter_results"][0]["prompt_index"] == 0
    assert completion["choices"][0]["content_filter_results"]["hate"]["filtered"] is False


def test_a_stream_begins_with_a_chunk_without_choices(client: AzureOpenAI) -> None:
    first, *chunks = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert (first.choices, first.id, first.usage) == ([], "", None)
    assert "prompt_filter_results" in first.to_dict()
    assert (chunks[-1].choices, chunks[-1].usage is not None) == ([], True)
    assert all(chunk.choices for chunk in chunks[:-1])


def test_every_endpoint_answers_on_both_kinds_of_path(client: AzureOpenAI, sim: Simulator) -> None:
    response = client.responses.create(model="gpt-4o", input="x")
    assert client.responses.retrieve(response.id) == response
    assert client.embeddings.create(model="text-embedding-3-small", input="x").data
    assert client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x").choices
    with OpenAI(base_url=f"{sim.azure_endpoint}/openai/v1", api_key="k") as other:
        assert other.responses.create(model="gpt-4o", input="x").output_text == response.output_text
        assert other.chat.completions.create(model="gpt-4o", messages=HELLO).choices
    assert {record.provider for record in sim.requests} == {"azure"}
    assert [record.path for record in sim.requests if "/v1/" in record.path] == [
        "/openai/v1/responses",
        "/openai/v1/chat/completions",
    ]


def test_errors_are_azures(client: AzureOpenAI, sim: Simulator) -> None:
    sim.fault(Fault.status(429, retry_after_s=1).on(provider="azure"))
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert (raised.value.code, raised.value.type) == ("429", None)
    assert raised.value.response.headers["apim-request-id"] == sim.requests[-1].request_id
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=[])
    assert refused.value.type == "invalid_request_error"


def test_a_version_and_a_key_are_required(sim: Simulator) -> None:
    with OpenAI(base_url=f"{sim.azure_endpoint}/openai/deployments/gpt-4o", api_key="k") as client:
        with pytest.raises(openai.NotFoundError, match="Resource not found"):
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
        with pytest.raises(openai.AuthenticationError, match="subscription key"):
            client.with_options(default_query={"api-version": VERSION}).chat.completions.create(
                model="gpt-4o", messages=HELLO, extra_headers={"authorization": openai.Omit()}
            )


def test_async_clients_are_answered_alike(sim: Simulator, client: AzureOpenAI) -> None:
    async def main() -> Any:
        async with AsyncAzureOpenAI(azure_endpoint=sim.azure_endpoint, api_key="k", api_version=VERSION) as other:
            return await other.chat.completions.create(model="gpt-4o", messages=HELLO)

    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert asyncio.run(main()).choices == whole.choices
