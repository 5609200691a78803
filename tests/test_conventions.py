"""The spans of our own capture keep to OpenTelemetry's GenAI conventions, as far as those are there as data.

The data is not part of this repository: `LLMTRACE_TEST_DATA` names the folder whose `semconv/` holds it.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from calling import ANTHROPIC, OPENAI, make_clients

import llmtrace
from llmtrace import wire
from llmtrace.journal import Record, journal_folder, list_segments, read_segment
from llmtrace.model import Span
from llmtrace.simulator import Fault, Simulator

FOLDER = Path(os.environ.get("LLMTRACE_TEST_DATA") or "nowhere") / "semconv"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="external data: LLMTRACE_TEST_DATA is not set")

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
JSON_FORMAT = {"type": "json_schema", "json_schema": {"name": "town", "schema": SCHEMA}}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "description": "Weather", "input_schema": SCHEMA}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
LONG = "The harbour master keeps a book of every ship that came in at night. " * 120

# name -> (SDK, what is asked for). `fails`: the provider refuses it.
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("openai", OPENAI),
    "openai, every parameter": (
        "openai",
        {
            **OPENAI,
            "temperature": 1,
            "top_p": 0.9,
            "frequency_penalty": 0.1,
            "presence_penalty": 0,
            "seed": 7,
            "n": 2,
            "stop": ["###"],
            "service_tier": "default",
        },
    ),
    "openai, automatic tier": ("openai", {**OPENAI, "service_tier": "auto", "n": 1}),
    "openai, JSON": ("openai", {**OPENAI, "response_format": JSON_FORMAT}),
    "openai, text": ("openai", {**OPENAI, "response_format": {"type": "text"}}),
    "openai, tool": ("openai", {**OPENAI, "tools": [OPENAI_TOOL]}),
    "openai, reasoning": (
        "openai",
        {
            "model": "o4-mini",
            "messages": OPENAI["messages"],
            "max_completion_tokens": 3000,
            "reasoning_effort": "low",
        },
    ),
    "openai, stream": ("openai", {**OPENAI, "stream": True, "stream_options": {"include_usage": True}}),
    "openai, cached": ("openai", {**OPENAI, "messages": [{"role": "system", "content": LONG}, *OPENAI["messages"]]}),
    "openai, fails": ("openai", {**OPENAI, "seed": 3}),
    "anthropic": ("anthropic", {**ANTHROPIC, "system": "Be brief."}),
    "anthropic, every parameter": (
        "anthropic",
        {**ANTHROPIC, "stop_sequences": ["###"], "service_tier": "auto", "output_config": {"effort": "low"}},
    ),
    "anthropic, tool": ("anthropic", {**ANTHROPIC, "tools": [ANTHROPIC_TOOL]}),
    "anthropic, picture": ("anthropic", {**ANTHROPIC, "messages": [{"role": "user", "content": [PICTURE]}]}),
    "anthropic, thinking": (
        "anthropic",
        {**ANTHROPIC, "max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
    ),
    "anthropic, cached": (
        "anthropic",
        {**ANTHROPIC, "system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]},
    ),
    "anthropic, stream": ("anthropic", {**ANTHROPIC, "stream": True}),
    "anthropic, fails": ("anthropic", ANTHROPIC),
}
# Attributes of other conventions, or of ours, that may stand on the span too.
BESIDE = frozenset({"http.response.status_code", "user.id", "session.id"})
# When an attribute is required, as a function of what was asked for and of the span; the texts stand in the data.
CONDITIONS: dict[str, Callable[[Mapping[str, Any], Span], bool]] = {
    "gen_ai.request.model": lambda asked, span: True,
    "server.port": lambda asked, span: "server.address" in span.attributes,
    "error.type": lambda asked, span: span.status_code == 2,
    "gen_ai.request.choice.count": lambda asked, span: asked.get("n", 1) != 1,
    "gen_ai.request.top_k": lambda asked, span: "top_k" in asked,
    "gen_ai.request.seed": lambda asked, span: "seed" in asked,
    "gen_ai.output.type": lambda asked, span: "response_format" in asked,
    "gen_ai.request.stream": lambda asked, span: bool(asked.get("stream")),
    "gen_ai.prompt.name": lambda asked, span: False,
    "gen_ai.prompt.version": lambda asked, span: False,
    "gen_ai.conversation.id": lambda asked, span: False,
    "openai.request.service_tier": lambda asked, span: asked.get("service_tier", "auto") != "auto",
    "openai.response.service_tier": lambda asked, span: span.status_code != 2,
}
# Recommended attributes that there is nothing to say for in some of the calls.
WHERE_KNOWN: dict[str, Callable[[Mapping[str, Any], Span], bool]] = {
    "gen_ai.request.max_tokens": lambda asked, span: "max_tokens" in asked or "max_completion_tokens" in asked,
    **{
        f"gen_ai.request.{name}": lambda asked, span, name=name: name in asked
        for name in ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty")
    },
    "gen_ai.request.stop_sequences": lambda asked, span: "stop" in asked or "stop_sequences" in asked,
    "gen_ai.request.reasoning.level": lambda asked, span: "reasoning_effort" in asked or "output_config" in asked,
    "gen_ai.response.time_to_first_chunk": lambda asked, span: bool(asked.get("stream")),
    **{
        name: lambda asked, span: span.status_code != 2
        for name in (
            "gen_ai.response.id",
            "gen_ai.response.model",
            "gen_ai.response.finish_reasons",
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.cache_read.input_tokens",
        )
    },
    "server.address": lambda asked, span: True,
    "openai.api.type": lambda asked, span: span.attributes["gen_ai.provider.name"] == "openai",
}
TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "double": lambda v: isinstance(v, float),
    "boolean": lambda v: isinstance(v, bool),
    "string[]": lambda v: isinstance(v, tuple) and all(isinstance(i, str) for i in v),
    # Structured values travel as JSON on spans; their schemas are checked apart.
    "any": lambda v: isinstance(v, str),
}


@dataclass(frozen=True)
class Conventions:
    """What a span of one provider may and must say: levels by attribute, and types."""

    levels: Mapping[str, Any]
    types: Mapping[str, Any]


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def conventions(provider: str) -> Conventions:
    """The conventions of inference spans: the model of August, what changed since, and PROVIDER's refinement."""
    base, head = load("resolved.json"), load("head/resolved-overlay.json")
    levels = {k: v["level"] for k, v in head["spans"]["gen_ai.client.inference"]["attributes"].items()}
    for name, refined in base["refinements"][f"{provider}.inference.client"]["attributes"].items():
        if refined["level"] is not None or name not in levels:
            levels[name] = refined["level"]
    for name in head["removed"]:
        levels.pop(name, None)
    types = dict(base["registry"])
    types |= {name: "int" for name in levels if name.startswith("gen_ai.usage.")}
    return Conventions(levels, types)


@pytest.fixture(params=REQUESTS)
def case(request: pytest.FixtureRequest, simulator: Simulator, home: Path) -> tuple[str, Mapping[str, Any], Span]:
    """The SDK, what was asked for, and the span that came of it."""
    sdk, asked = REQUESTS[request.param]
    llmtrace.instrument(home=home, capture_content=True)
    if "fails" in request.param:
        simulator.fault(Fault.status(400))
    clients = make_clients(simulator, max_retries=0)
    create: Any = clients.openai.chat.completions.create if sdk == "openai" else clients.anthropic.messages.create
    try:
        answer = create(**asked)
        if asked.get("stream"):
            list(answer)
    except Exception:
        assert "fails" in request.param
    return sdk, asked, recorded_span(home)


def recorded_span(home: Path) -> Span:
    assert llmtrace.flush(5.0)
    [segment] = list_segments(journal_folder(home))
    [record] = read_segment(segment, 0)
    assert isinstance(record, Record)
    [span] = wire.decode(record.payload)
    return span


def test_the_span_is_named_and_typed_as_they_say(case: tuple[str, Mapping[str, Any], Span]) -> None:
    _, asked, span = case
    assert span.name == f"chat {asked['model']}"
    assert span.kind == 3
    assert span.status_code in (0, 2)


def test_every_attribute_is_known_and_of_its_type(case: tuple[str, Mapping[str, Any], Span]) -> None:
    sdk, _, span = case
    known = conventions(sdk)
    for name, value in span.attributes.items():
        if name.startswith("llmtrace.") or name in BESIDE:
            continue
        assert name in known.levels, f"{name} is no attribute of this span"
        kind = known.types.get(name, "string" if name != "server.port" else "int")
        if isinstance(kind, dict):
            assert value in kind["enum"], f"{name} is {value!r}"
        else:
            assert TYPES[kind](value), f"{name} is {value!r}, not {kind}"


def test_what_is_required_is_there(case: tuple[str, Mapping[str, Any], Span]) -> None:
    sdk, asked, span = case
    for name, level in conventions(sdk).levels.items():
        if level == "required":
            assert name in span.attributes
        elif isinstance(level, dict) and "conditionally_required" in level:
            assert (name in span.attributes) == CONDITIONS[name](asked, span), name


def test_what_is_recommended_is_there_where_it_is_known(case: tuple[str, Mapping[str, Any], Span]) -> None:
    sdk, asked, span = case
    for name in conventions(sdk).levels.keys() & WHERE_KNOWN.keys():
        if WHERE_KNOWN[name](asked, span):
            assert name in span.attributes


def test_an_answer_has_a_finish_reason_for_each_choice(case: tuple[str, Mapping[str, Any], Span]) -> None:
    _, asked, span = case
    if span.status_code != 2:
        reasons = span.attributes["gen_ai.response.finish_reasons"]
        assert isinstance(reasons, tuple)
        assert len(reasons) == asked.get("n", 1)


def test_parts_of_the_usage_are_inside_the_whole(case: tuple[str, Mapping[str, Any], Span]) -> None:
    _, _, span = case
    said: Mapping[str, Any] = span.attributes
    for whole, parts in (("input_tokens", ("cache_read.", "cache_write.")), ("output_tokens", ("reasoning.",))):
        total = sum(said.get(f"gen_ai.usage.{part}{whole}", 0) for part in parts)
        assert total <= said.get(f"gen_ai.usage.{whole}", 0)


@pytest.mark.parametrize(
    ("attribute", "schema"),
    [
        ("gen_ai.input.messages", "gen-ai-input-messages.json"),
        ("gen_ai.output.messages", "gen-ai-output-messages.json"),
        ("gen_ai.system_instructions", "gen-ai-system-instructions.json"),
        ("gen_ai.tool.definitions", "gen-ai-tool-definitions.json"),
    ],
)
def test_content_fits_its_schema(case: tuple[str, Mapping[str, Any], Span], attribute: str, schema: str) -> None:
    _, asked, span = case
    text = span.attributes.get(attribute)
    expected = {
        "gen_ai.input.messages": True,
        "gen_ai.output.messages": span.status_code != 2,
        "gen_ai.system_instructions": "system" in asked,
        "gen_ai.tool.definitions": "tools" in asked,
    }
    assert (text is not None) == expected[attribute]
    if isinstance(text, str):
        jsonschema.validate(json.loads(text), load(f"schemas/{schema}"))


def test_every_condition_in_the_data_is_checked_here() -> None:
    stated = {
        name
        for sdk in ("openai", "anthropic")
        for name, level in conventions(sdk).levels.items()
        if isinstance(level, dict) and "conditionally_required" in level
    }
    assert stated == CONDITIONS.keys()
