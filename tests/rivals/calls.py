"""The calls that each SDK or framework makes. A name with a plus stands for several calls to a provider."""

from collections.abc import Callable
from typing import Any

QUESTION: list[Any] = [{"role": "user", "content": "Tell me about the harbour at night, please."}]
LONG = "The harbour master keeps a book of every ship that came in at night. " * 120
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI: dict[str, Any] = {"model": "gpt-4o", "messages": QUESTION, "max_tokens": 60, "temperature": 0.5}
ANTHROPIC: dict[str, Any] = {"model": "claude-sonnet-4-6", "messages": QUESTION, "max_tokens": 60}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "description": "Weather", "input_schema": SCHEMA}
CACHED = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]


def read(stream: Any) -> None:
    for _ in stream:
        pass


def openai_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    import openai

    create = openai.OpenAI(base_url=f"{simulator}/v1", api_key="k", max_retries=0).chat.completions.create
    long = {**OPENAI, "messages": [{"role": "system", "content": LONG}, *QUESTION]}
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    return {
        "openai plain": lambda: create(**OPENAI),
        "openai stream": lambda: read(create(**OPENAI, **streamed)),
        "openai tool": lambda: create(**OPENAI, tools=[OPENAI_TOOL]),
        "openai error": lambda: create(**OPENAI),
        "openai cache cold": lambda: create(**long),
        "openai cache warm": lambda: create(**long),
        "openai reasoning": lambda: create(model="o4-mini", messages=QUESTION, max_completion_tokens=3000),
        "openai tier": lambda: create(model="o4-mini", messages=QUESTION, service_tier="flex"),
    }


def anthropic_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    import anthropic

    create = anthropic.Anthropic(base_url=simulator, api_key="k", max_retries=0).messages.create
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return {
        "anthropic plain": lambda: create(**ANTHROPIC),
        "anthropic stream": lambda: read(create(**ANTHROPIC, stream=True)),
        "anthropic tool": lambda: create(**ANTHROPIC, tools=[ANTHROPIC_TOOL]),
        "anthropic error": lambda: create(**ANTHROPIC),
        "anthropic cache cold": lambda: create(**ANTHROPIC, system=CACHED),
        "anthropic cache warm": lambda: create(**ANTHROPIC, system=CACHED),
        "anthropic thinking": lambda: create(**{**ANTHROPIC, "max_tokens": 3000}, thinking=thinking),
    }


def langchain_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    """A framework above the SDKs: each call inside a chain, which makes a span of its own."""
    from langchain_anthropic import ChatAnthropic
    from langchain_core.runnables import RunnableLambda
    from langchain_openai import ChatOpenAI

    asked: Any = RunnableLambda(lambda text: [("user", text)])
    gpt = ChatOpenAI(model="gpt-4o", base_url=f"{simulator}/v1", api_key="k", max_retries=0, stream_usage=True)
    claude = ChatAnthropic(model="claude-sonnet-4-6", base_url=simulator, api_key="k", max_retries=0, max_tokens=60)
    return {
        "openai plain": lambda: (asked | gpt).invoke("Tell me about the harbour."),
        "openai stream": lambda: read((asked | gpt).stream("Tell me about the harbour.")),
        "openai error": lambda: (asked | gpt).invoke("Tell me about the harbour."),
        "anthropic plain": lambda: (asked | claude).invoke("Tell me about the harbour."),
        "anthropic stream": lambda: read((asked | claude).stream("Tell me about the harbour.")),
        "anthropic error": lambda: (asked | claude).invoke("Tell me about the harbour."),
    }


def agent_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    """Agents of Pydantic AI, each of which makes a span of its own with the totals of its calls."""
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.settings import ModelSettings

    def boats(harbour: str) -> str:
        """The boats in a harbour."""
        return f"two boats in {harbour}"

    def stream(agent: Any, question: str) -> None:
        read(agent.run_stream_sync(question).stream_text())

    openai = OpenAIProvider(base_url=f"{simulator}/v1", api_key="k")
    anthropic = AnthropicProvider(base_url=simulator, api_key="k")
    models: dict[str, Any] = {
        "openai": OpenAIChatModel("gpt-4o", provider=openai, settings=ModelSettings(max_tokens=60, temperature=0.5)),
        "anthropic": AnthropicModel("claude-sonnet-4-6", provider=anthropic, settings=ModelSettings(max_tokens=60)),
    }
    for provider in (openai, anthropic):
        provider.client.max_retries = 0
    question: str = QUESTION[0]["content"]
    # Whatever the id of the tool's call, which is part of the next request, its answer is cut.
    brief = ModelSettings(max_tokens=20)
    calls: dict[str, Callable[[], Any]] = {}
    for name, model in models.items():
        plain = Agent(model, name="harbour")
        long = Agent(model, instructions=LONG)
        calls[f"{name} plain"] = lambda plain=plain: plain.run_sync(question)
        calls[f"{name} stream"] = lambda plain=plain: stream(plain, question)
        calls[f"{name} tool + {name} answer"] = lambda model=model: Agent(model, tools=[boats]).run_sync(
            question, model_settings=brief
        )
        calls[f"{name} error"] = lambda plain=plain: plain.run_sync(question)
        calls[f"{name} cache cold"] = lambda long=long: long.run_sync(question)
        calls[f"{name} cache warm"] = lambda long=long: long.run_sync(question)
    return calls


def litellm_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    """LiteLLM: OpenAI's SDK below it, and its own client of Anthropic's API."""
    import litellm

    def ask(model: str, **changes: Any) -> Any:
        base = simulator if model.startswith("anthropic") else f"{simulator}/v1"
        return litellm.completion(
            **{"model": model, "messages": QUESTION, "max_tokens": 60, **changes},
            api_base=base,
            api_key="k",
            max_retries=0,
        )

    long = [{"role": "system", "content": LONG}, *QUESTION]
    cached = [{"role": "system", "content": CACHED}, *QUESTION]
    claude = "anthropic/claude-sonnet-4-6"
    return {
        "openai plain": lambda: ask("gpt-4o", temperature=0.5),
        "openai stream": lambda: read(ask("gpt-4o", stream=True, stream_options={"include_usage": True})),
        "openai tool": lambda: ask("gpt-4o", tools=[OPENAI_TOOL]),
        "openai error": lambda: ask("gpt-4o"),
        "openai cache cold": lambda: ask("gpt-4o", messages=long),
        "openai cache warm": lambda: ask("gpt-4o", messages=long),
        "openai tier": lambda: ask("o4-mini", service_tier="flex", max_tokens=None),
        "anthropic plain": lambda: ask(claude),
        "anthropic stream": lambda: read(ask(claude, stream=True)),
        "anthropic tool": lambda: ask(claude, tools=[OPENAI_TOOL]),
        "anthropic error": lambda: ask(claude),
        "anthropic cache cold": lambda: ask(claude, messages=cached),
        "anthropic cache warm": lambda: ask(claude, messages=cached),
    }


def langfuse_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    """Langfuse's own module for OpenAI's SDK."""
    import langfuse.openai  # noqa: F401  (it wraps what `openai` has)

    return openai_calls(simulator)


def mistral_calls(simulator: str) -> dict[str, Callable[[], Any]]:
    from mistralai.client import Mistral

    client: Any = Mistral(api_key="k", server_url=f"{simulator}/mistral")
    asked = {"model": "mistral-small-latest", "messages": QUESTION, "max_tokens": 60}
    tool = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": SCHEMA}}
    return {
        "mistral plain": lambda: client.chat.complete(**asked),
        "mistral stream": lambda: read(client.chat.stream(**asked)),
        "mistral tool": lambda: client.chat.complete(**asked, tools=[tool]),
        "mistral error": lambda: client.chat.complete(**asked),
        "mistral embedding": lambda: client.embeddings.create(model="mistral-embed", inputs=["A harbour at night"]),
    }


MAKERS: dict[str, Callable[[str], dict[str, Callable[[], Any]]]] = {
    "openai": openai_calls,
    "anthropic": anthropic_calls,
    "langchain": langchain_calls,
    "agents": agent_calls,
    "litellm": litellm_calls,
    "langfuse": langfuse_calls,
    "mistral": mistral_calls,
}
