"""The spans of every captured answer of Google's, Mistral's, Cohere's, Ollama's and Bedrock's keep to the conventions.

The conventions are not part of this repository: `LLMTRACE_TEST_DATA` names the folder whose `semconv/` holds them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import native
import pytest
from native import Natives
from natives.reading import read_bodies
from replaying import outcome, serve
from test_conventions import BESIDE, FOLDER, TYPES, load

import llmtrace
from llmtrace import wire
from llmtrace.journal import Record, journal_folder, list_segments, read_segment
from llmtrace.model import Span
from llmtrace.simulator import Simulator

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="external data: LLMTRACE_TEST_DATA is not set"),
    pytest.mark.filterwarnings("ignore"),  # what SDKs warn about experiments
]
BODIES = read_bodies()
CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ASKED: Any = {"modelId": CLAUDE, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
SCHEMAS = {
    "gen_ai.input.messages": "gen-ai-input-messages.json",
    "gen_ai.output.messages": "gen-ai-output-messages.json",
    "gen_ai.system_instructions": "gen-ai-system-instructions.json",
    "gen_ai.tool.definitions": "gen-ai-tool-definitions.json",
}
# Of whom the conventions have no name, so that one of the same form is made up.
UNNAMED = frozenset({"ollama"})
# What answers to embeddings tell too, though the conventions speak of it with other operations alone.
OF_OTHERS = frozenset({"gen_ai.response.id", "gen_ai.usage.output_tokens"})
# Named as required of Bedrock's every call; there is nothing to say where no guardrail is used.
GUARDRAIL = "aws.bedrock.guardrail.id"
GUARDED: Any = {"guardrailIdentifier": "gr-harbour", "guardrailVersion": "1"}
TOOL: Any = {"name": "weather", "description": "Weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}
# Operations that the conventions have no span for (reranking, OCR): they are named, and no more is asked of them.
OPERATIONS = {"embeddings": "gen_ai.client.embeddings"}


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Span]]:
    """The span of each body, and of calls to Bedrock."""
    home = tmp_path_factory.mktemp("home")
    llmtrace.instrument(home=home, capture_content=True)
    try:
        with serve({row.id: row for row, _ in BODIES}) as address, Natives(address) as natives:
            for row, _ in BODIES:
                outcome(lambda row=row: native.plain(natives, row))
        with Simulator(seed=7) as simulator:
            ask_bedrock(simulator)
    finally:
        llmtrace.shutdown(10.0)
    yield recorded_spans(home)


def ask_bedrock(simulator: Simulator) -> None:
    client: Any = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=simulator.bedrock_endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client.converse(
        **ASKED,
        inferenceConfig={"maxTokens": 30, "temperature": 1.0, "stopSequences": ["###"]},
        toolConfig={"tools": [{"toolSpec": TOOL}]},
    )
    list(client.converse_stream(**ASKED, system=[{"text": "Be brief."}])["stream"])
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 30, "messages": [{"role": "user", "content": "x"}]}
    client.invoke_model(modelId=CLAUDE, body=json.dumps(body))["body"].read()
    client.converse(**ASKED, guardrailConfig=GUARDED)
    list(client.converse_stream(**ASKED, guardrailConfig=GUARDED)["stream"])
    client.invoke_model(modelId=CLAUDE, body=json.dumps(body), **GUARDED)["body"].read()
    answer = client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body), **GUARDED)
    list(answer["body"])
    client.close()


def recorded_spans(home: Path) -> list[Span]:
    found: list[Span] = []
    for segment in list_segments(journal_folder(home)):
        for record in read_segment(segment, 0):
            assert isinstance(record, Record)
            found += wire.decode(record.payload)
    return found


def levels(span: Span) -> Mapping[str, Any]:
    """What the conventions ask of SPAN, by attribute."""
    base, head = load("resolved.json"), load("head/resolved-overlay.json")["spans"]
    kind = OPERATIONS.get(str(span.attributes["gen_ai.operation.name"]), "gen_ai.client.inference")
    found = {k: v["level"] for k, v in head[kind]["attributes"].items()}
    if span.attributes["gen_ai.provider.name"] == "aws.bedrock":
        refined = base["refinements"]["aws.bedrock.inference.client"]["attributes"]
        found |= {k: v["level"] for k, v in refined.items() if v["level"] is not None}
    return found


def problems(span: Span) -> list[str]:
    """What is wrong with SPAN."""
    asked, types = levels(span), load("resolved.json")["registry"]
    found = [
        f"{name} is missing"
        for name, level in asked.items()
        if level == "required" and name not in span.attributes and name != GUARDRAIL
    ]
    for name, value in span.attributes.items():
        if name.startswith("llmtrace.") or name in BESIDE:
            continue
        kind = types.get(name, "int" if name.startswith("gen_ai.usage.") or name == "server.port" else "string")
        if name not in asked and not (name in OF_OTHERS and name in types):
            found.append(f"{name} is no attribute of this span")
        elif isinstance(kind, dict):
            found += [f"{name} is {value!r}"] if value not in {*kind["enum"], *UNNAMED} else []
        elif not TYPES[kind](value):
            found.append(f"{name} is {value!r}, not {kind}")
    for name, is_met in (
        ("error.type", span.status_code == 2),
        ("server.port", "server.address" in span.attributes),
    ):
        if (name in span.attributes) != is_met:
            found.append(f"{name} is {'missing' if is_met else 'there'}")
    return found


def test_every_attribute_is_known_of_its_type_and_there_where_it_must_be(spans: list[Span]) -> None:
    assert len(spans) >= len(BODIES)
    wrong = {f"{s.attributes['gen_ai.provider.name']} {s.name}: {p}" for s in spans for p in problems(s)}
    assert wrong == set()


def test_a_guardrail_is_told_of_where_one_is_used(spans: list[Span]) -> None:
    told = [s.attributes.get(GUARDRAIL) for s in spans if s.attributes["gen_ai.provider.name"] == "aws.bedrock"]
    assert told[-7:] == [None] * 3 + ["gr-harbour"] * 4


def test_spans_are_named_after_their_operation_and_model_and_are_of_clients(spans: list[Span]) -> None:
    for span in spans:
        model = span.attributes.get("gen_ai.request.model")
        operation = span.attributes["gen_ai.operation.name"]
        assert span.name == (f"{operation} {model}" if model else operation)
        assert span.kind == 3


@pytest.mark.parametrize("attribute", SCHEMAS)
def test_content_fits_its_schema(spans: list[Span], attribute: str) -> None:
    schema, checked = load(f"schemas/{SCHEMAS[attribute]}"), 0
    for span in spans:
        text = span.attributes.get(attribute)
        if text is not None:
            jsonschema.validate(json.loads(str(text)), schema)
            checked += 1
    assert checked > 0


def test_parts_of_the_usage_are_inside_the_whole(spans: list[Span]) -> None:
    for span in spans:
        said: Mapping[str, Any] = span.attributes
        for whole, parts in (("input_tokens", ("cache_read.", "cache_write.")), ("output_tokens", ("reasoning.",))):
            total = sum(said.get(f"gen_ai.usage.{part}{whole}", 0) for part in parts)
            assert total <= said.get(f"gen_ai.usage.{whole}", 0), span.name
