"""The judge of behaviours is fair to every dialect and blind to no mistake; the script runs, and its page is whole."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import foreign_spans
import pytest
from tools.test_compare_prices import load

from llmtrace.model import Span

TOOLS = Path(__file__).parents[2] / "tools"
PAGE = TOOLS.parent / "docs" / "behaviours.md"
USAGE = {
    "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 600}, "completion_tokens_details": {"reasoning_tokens": 30},
}  # fmt: skip
DICTATED = {
    "input_tokens": 500, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 1500, "output_tokens": 100,
}  # fmt: skip
LANGFUSE = {
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": "gpt-4o-2024-08-06",
    "langfuse.observation.usage_details": (
        '{"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 600},'
        ' "completion_tokens_details": {"reasoning_tokens": 30}}'
    ),
    "langfuse.observation.metadata.finish_reason": '"stop"',
}


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return load("compare_behaviours")


def behaviour(tool: ModuleType, **values: Any) -> Any:
    return type(tool.BEHAVIOURS[0])("a row", "a group", lambda lab: None, **values)


def bare(usage: Mapping[str, Any] | None = USAGE, model: str = "gpt-4o", **values: Any) -> dict[str, Any]:
    """What the application saw by itself, of one request that was answered with USAGE."""
    seen = {"choices": [{"finish_reason": "stop"}], "content": "hello"}
    return {"seen": seen, "requests": [{"model": model, "usage": usage, "body": {}, "headers": {}}], **values}


def judged(tool: ModuleType, spans: list[Span], row: Any = None, own: Any = None, told: Any = None) -> str:
    own = own or bare()
    calls = tool.reading.read(spans)
    verdict: str = tool.judge.judge(row or behaviour(tool), own, own if told is None else told, calls)
    return verdict


def langfuse(**changes: Any) -> Span:
    return foreign_spans.make_span(1, "langfuse-sdk", {**LANGFUSE, **changes.pop("attributes", {})}, **changes)


DIALECTS = {
    "otel": foreign_spans.otel_new(
        attributes={
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.reasoning.output_tokens": 30,
            "gen_ai.response.finish_reasons": ("stop",),
        }
    ),
    "openinference": foreign_spans.openinference(
        attributes={
            "llm.token_count.prompt_details.cache_read": 600,
            "llm.token_count.completion_details.reasoning": 30,
        }
    ),
    "openllmetry": foreign_spans.openllmetry(
        attributes={
            "gen_ai.usage.cache_read_input_tokens": 600,
            "gen_ai.usage.reasoning_tokens": 30,
            "gen_ai.completion.0.finish_reason": "stop",
        }
    ),
    "langfuse": langfuse(),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_fact_is_found_under_the_names_of_every_dialect(tool: ModuleType, name: str) -> None:
    row = behaviour(tool, also=("cached", "reasoning", "finish"))
    assert judged(tool, [DIALECTS[name]], row) == "yes"
    assert "output tokens" in judged(tool, [DIALECTS[name]], row, bare({**USAGE, "completion_tokens": 101}))


@pytest.mark.parametrize("input_tokens", [500, 3000])
def test_the_input_may_hold_what_is_cached_or_stand_beside_it(tool: ModuleType, input_tokens: int) -> None:
    span = foreign_spans.anthropic_sdk(attributes={"gen_ai.usage.input_tokens": input_tokens})
    assert judged(tool, [span], own=bare(DICTATED, "claude-sonnet-4-6")) == "yes"
    other = foreign_spans.anthropic_sdk(attributes={"gen_ai.usage.input_tokens": 1700})
    assert "input tokens" in judged(tool, [other], own=bare(DICTATED, "claude-sonnet-4-6"))


def test_a_call_that_is_missing_or_told_twice_is_wrong(tool: ModuleType) -> None:
    assert judged(tool, []) == "no span"
    assert judged(tool, [langfuse(), langfuse()]) == "two spans"


def test_a_count_that_nobody_told_may_be_absent_but_not_zero(tool: ModuleType) -> None:
    row = behaviour(tool, told="nowhere")
    nothing, zero = '{"prompt_tokens": null}', '{"prompt_tokens": 0, "completion_tokens": 0}'
    usage = "langfuse.observation.usage_details"
    assert judged(tool, [langfuse(attributes={usage: nothing})], row, bare(None)) == "yes"
    assert judged(tool, [langfuse(attributes={usage: zero})], row, bare(None)).startswith("input tokens 0")


def test_an_answered_call_without_tokens_is_wrong(tool: ModuleType) -> None:
    assert judged(tool, [langfuse(attributes={"langfuse.observation.usage_details": "{}"})]) == "no tokens"


def test_a_failure_has_to_be_an_error_with_a_name(tool: ModuleType) -> None:
    row = behaviour(tool, ending="failed")
    own = bare(None, raised="BadRequestError", names=["BadRequestError", "400", "invalid_request_error"])
    del own["seen"]
    span = {name: value for name, value in LANGFUSE.items() if "usage" not in name}
    unmarked = foreign_spans.make_span(1, "langfuse-sdk", span)
    unnamed = foreign_spans.make_span(1, "langfuse-sdk", span, status_code=2)
    named = foreign_spans.make_span(1, "langfuse-sdk", span, status_code=2, status_message="Error code: 400")
    verdicts = [judged(tool, [made], row, own) for made in (unmarked, unnamed, named)]
    assert verdicts == ["no error", "error unnamed", "yes"]


def test_what_the_application_sees_otherwise_is_wrong(tool: ModuleType) -> None:
    assert judged(tool, [langfuse()], told={"raised": "AttributeError"}) == "app saw AttributeError"
    assert judged(tool, [langfuse()], told={"seen": {"content": "else"}}) == "app saw another answer"
    classes = behaviour(tool, checks="classes")
    assert judged(tool, [], classes, told={"seen": []}) == "app saw other classes"
    assert tool.judge.judge(classes, bare(), None, []) == "crash"


def test_a_request_that_differs_is_wrong_but_for_what_always_differs(tool: ModuleType) -> None:
    row = behaviour(tool, checks="requests")
    asked = {"body": {"model": "m"}, "headers": {"host": "a", "accept": "x"}}
    other = {"body": {"model": "m"}, "headers": {"host": "b", "accept": "x"}}
    more = {"body": {"model": "m", "stream_options": {}}, "headers": {"accept": "x", "traceparent": "00"}}
    assert judged(tool, [], row, {"requests": [asked]}, {"requests": [other]}) == "yes"
    changed = judged(tool, [], row, {"requests": [asked]}, {"requests": [more]})
    assert changed == "body: stream_options, header traceparent"


DIES_OF_THE_SECOND = """#!{python}
import json, sys
print(json.dumps({{"versions": {{}}}}))
for number in map(int, sys.argv[6:]):
    print(json.dumps({{"begins": number}}), flush=True)
    if number == 1:
        sys.exit(1)
    print(json.dumps({{"number": number, "began_ns": number, "requests": []}}))
print(json.dumps({{"done": True}}))
"""


def test_a_process_that_dies_of_a_behaviour_takes_no_other_with_it(tool: ModuleType, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(DIES_OF_THE_SECOND.format(python=sys.executable))
    python.chmod(0o755)
    done = tool.run(tool.BARE, python, [0, 1, 2])
    assert sorted(done.told) == [0, 2]


def test_a_span_belongs_to_the_behaviour_during_which_it_began(tool: ModuleType) -> None:
    told = {4: {"began_ns": 100}, 7: {"began_ns": 200}}
    early, late = (foreign_spans.make_span(1, start_ns=ns, end_ns=999) for ns in (150, 250))
    assert tool.assign([late, early], told) == {4: [early], 7: [late]}


def test_the_script_runs_for_llmtrace_alone(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOLS / "compare_behaviours.py"), "--only", "llmtrace", "--rows", "limit"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True, cwd=tmp_path)
    assert "| the answer runs into its limit: the same | yes |" in done.stdout


@pytest.mark.rivals
@pytest.mark.timeout(900)
def test_llmtrace_is_right_in_every_row_but_those_that_the_page_names(tool: ModuleType) -> None:
    contestant = next(c for c in tool.CONTESTANTS if c.name == "llmtrace")
    numbers = list(range(len(tool.BEHAVIOURS)))
    _, cells = tool.verdicts(contestant, Path(), numbers)
    assert tool.lacking(cells, numbers) in PAGE.read_text(encoding="utf-8")


def test_the_page_of_the_docs_has_every_row(tool: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = [c.name for c in tool.CONTESTANTS]
    assert f"| | {' | '.join(names)} |" in page
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")]
    assert [row for row in rows if not row.startswith(("**", "|"))] == [b.name for b in tool.BEHAVIOURS]
