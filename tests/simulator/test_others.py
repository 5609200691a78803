"""Google, Mistral, Cohere and Ollama as the simulator plays them, through their own SDKs and recorded by llmtrace."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cohere
import ollama
import pytest
from google import genai
from mistralai.client import Mistral
from native import collect
from replaying import stored

import llmtrace
from llmtrace.simulator import Fault, Simulator

pytestmark = pytest.mark.filterwarnings("ignore")
ASKED = [{"role": "user", "content": "Tell me about the harbour at night, please."}]
KEPT: list[Any] = []
LOOK = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=7) as simulator:
        yield simulator
        for client in KEPT:
            client.close()
        KEPT.clear()
        collect()


def google(sim: Simulator) -> Any:
    client = genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=sim.google_base_url))
    KEPT.append(client)  # it closes its connections when it is dropped
    return client


def ask_google(sim: Simulator) -> tuple[str, int]:
    answer = google(sim).models.generate_content(model="gemini-2.5-flash", contents="The harbour at night")
    return answer.text, answer.usage_metadata.total_token_count


def stream_google(sim: Simulator) -> tuple[str, int]:
    chunks = list(google(sim).models.generate_content_stream(model="gemini-2.5-flash", contents="The harbour at night"))
    return "".join(c.text for c in chunks), chunks[-1].usage_metadata.total_token_count


def ask_mistral(sim: Simulator) -> tuple[str, int]:
    client = Mistral(api_key="k", server_url=sim.mistral_server_url)
    answer: Any = client.chat.complete(model="mistral-small-latest", messages=ASKED)
    return answer.choices[0].message.content, answer.usage.total_tokens


def stream_mistral(sim: Simulator) -> tuple[str, int]:
    client = Mistral(api_key="k", server_url=sim.mistral_server_url)
    chunks: list[Any] = [e.data for e in client.chat.stream(model="mistral-small-latest", messages=ASKED)]
    return "".join(c.choices[0].delta.content or "" for c in chunks), chunks[-1].usage.total_tokens


def ask_cohere(sim: Simulator) -> tuple[str, int]:
    client = cohere.ClientV2(api_key="k", base_url=sim.cohere_base_url, max_retries=0)
    answer: Any = client.chat(model="command-r-08-2024", messages=ASKED)
    billed = answer.usage.billed_units
    return answer.message.content[0].text, int(billed.input_tokens + billed.output_tokens)


def stream_cohere(sim: Simulator) -> tuple[str, int]:
    client = cohere.ClientV2(api_key="k", base_url=sim.cohere_base_url, max_retries=0)
    events: list[Any] = list(client.chat_stream(model="command-r-08-2024", messages=ASKED))
    billed = events[-1].delta.usage.billed_units
    text = "".join(e.delta.message.content.text for e in events if e.type == "content-delta")
    return text, int(billed.input_tokens + billed.output_tokens)


def ask_ollama(sim: Simulator) -> tuple[str, int]:
    answer: Any = ollama.Client(host=sim.ollama_host).chat(model="qwen3", messages=ASKED)
    return answer.message.content, answer.prompt_eval_count + answer.eval_count


def stream_ollama(sim: Simulator) -> tuple[str, int]:
    lines: list[Any] = list(ollama.Client(host=sim.ollama_host).chat(model="qwen3", messages=ASKED, stream=True))
    return "".join(line.message.content for line in lines), lines[-1].prompt_eval_count + lines[-1].eval_count


ASKING: tuple[tuple[Callable[[Simulator], tuple[str, int]], Callable[[Simulator], tuple[str, int]]], ...] = (
    (ask_google, stream_google), (ask_mistral, stream_mistral),
    (ask_cohere, stream_cohere), (ask_ollama, stream_ollama),
)  # fmt: skip


@pytest.mark.parametrize(("ask", "stream"), ASKING, ids=lambda f: str(f.__name__))
def test_a_stream_says_what_the_whole_answer_says(
    ask: Callable[[Simulator], tuple[str, int]], stream: Callable[[Simulator], tuple[str, int]], sim: Simulator
) -> None:
    text, tokens = ask(sim)
    assert text
    assert tokens > 10
    assert stream(sim) == (text, tokens)


@pytest.mark.parametrize(("ask", "stream"), ASKING, ids=lambda f: str(f.__name__))
def test_every_call_is_recorded_with_the_tokens_that_the_caller_sees(
    ask: Callable[[Simulator], tuple[str, int]],
    stream: Callable[[Simulator], tuple[str, int]],
    sim: Simulator,
    home: Path,
) -> None:
    llmtrace.instrument(home=home)
    tokens = {}
    for way in (ask, stream):
        with llmtrace.feature(way.__name__):
            tokens[way.__name__] = way(sim)[1]
    calls = stored(home)
    for name, found in tokens.items():
        (call,) = calls[name]
        assert (call["status"], call["usage_source"]) == ("ok", "provider")
        assert call["input_tokens"] + call["output_tokens"] == found


@pytest.mark.parametrize("use", [use for pair in ASKING for use in pair], ids=lambda f: str(f.__name__))
@pytest.mark.parametrize("status", [401, 429, 503])
def test_an_error_is_the_sdks_own_and_recorded_with_its_status(
    status: int, use: Callable[[Simulator], tuple[str, int]], sim: Simulator, home: Path
) -> None:
    sim.fault(Fault.status(status))
    llmtrace.instrument(home=home)
    with pytest.raises(Exception, match=r".") as caught:
        use(sim)
    package = type(caught.value).__module__.partition(".")[0]
    assert package in ("google", "mistralai", "cohere", "ollama")
    (call,) = (c for calls in stored(home).values() for c in calls)
    assert (call["status"], call["http_status"], call["cost_status"]) == ("error", status, "not_billed")


@pytest.mark.parametrize("use", [stream for _, stream in ASKING], ids=lambda f: str(f.__name__))
def test_a_stream_that_is_cut_is_one_row_with_an_estimate(
    use: Callable[[Simulator], tuple[str, int]], sim: Simulator, home: Path
) -> None:
    sim.fault(Fault.drop(3))
    llmtrace.instrument(home=home)
    with pytest.raises(Exception, match=r"."):
        use(sim)
    (call,) = (c for calls in stored(home).values() for c in calls)
    assert (call["status"], call["usage_source"]) == ("error", "estimated")


def test_models_call_tools_and_answers_can_be_dictated(sim: Simulator) -> None:
    declared = genai.types.FunctionDeclaration(name="look", parameters_json_schema=LOOK)
    config = genai.types.GenerateContentConfig(tools=[genai.types.Tool(function_declarations=[declared])])
    asked: Any = google(sim).models.generate_content(model="gemini-2.5-flash", contents="Look", config=config)
    assert asked.function_calls[0].name == "look"
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": LOOK}}]
    client = cohere.ClientV2(api_key="k", base_url=sim.cohere_base_url)
    assert client.chat(model="command-r-08-2024", messages=ASKED, tools=tools).message.tool_calls
    said: Any = ollama.Client(host=sim.ollama_host).chat(model="qwen3", messages=ASKED, tools=tools)
    assert said.message.tool_calls[0].function.name == "look"
    sim.answer("Quiet.", provider="google")
    assert ask_google(sim)[0] == "Quiet."


def test_embeddings_and_rankings_count_what_they_were_given(sim: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = cohere.ClientV2(api_key="k", base_url=sim.cohere_base_url)
    with llmtrace.feature("google"):
        google(sim).models.embed_content(model="gemini-embedding-001", contents=["harbour", "night"])
    with llmtrace.feature("mistral"):
        Mistral(api_key="k", server_url=sim.mistral_server_url).embeddings.create(model="mistral-embed", inputs=["sea"])
    with llmtrace.feature("cohere"):
        client.embed(model="embed-v4.0", texts=["sea"], input_type="search_query", embedding_types=["float"])
    with llmtrace.feature("rerank"):
        ranked = client.rerank(model="rerank-v3.5", query="sea", documents=["a", "b"], top_n=1)
    with llmtrace.feature("ollama"):
        ollama.Client(host=sim.ollama_host).embed(model="nomic-embed-text", input=["sea", "night"])
    assert len(ranked.results) == 1
    calls = {name: found[0] for name, found in stored(home).items()}
    assert {name: call["operation"] for name, call in calls.items()} == {
        "google": "embeddings", "mistral": "embeddings", "cohere": "embeddings", "rerank": "retrieval",
        "ollama": "embeddings",
    }  # fmt: skip
    assert all(call["input_tokens"] for name, call in calls.items() if name != "rerank")


def test_async_clients_work_as_well(sim: Simulator) -> None:
    async def use() -> list[str]:
        client, other, third = (
            cohere.AsyncClientV2(api_key="k", base_url=sim.cohere_base_url),
            ollama.AsyncClient(host=sim.ollama_host),
            google(sim).aio,
        )
        said: Any = await other.generate(model="qwen3", prompt="The sea is")
        chatted: Any = await client.chat(model="command-r-08-2024", messages=ASKED)
        asked = await third.models.generate_content(model="gemini-2.5-flash", contents="Hi")
        await client._client_wrapper.httpx_client.httpx_client.aclose()
        await other.close()
        await third.aclose()
        return [said.response, chatted.message.content[0].text, asked.text]

    assert all(asyncio.run(use()))
