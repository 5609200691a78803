"""What a call is taken to cost before it is sent."""

import base64
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import make_call

from llmtrace.budgets.budget import to_usd
from llmtrace.budgets.estimate import DEFAULT_OUTPUT_TOKENS, MEDIA_TOKENS, Estimator, count_prompt
from llmtrace.model import Request, Usage

CLAUDE = {"provider": "anthropic", "endpoint": "messages", "model": "claude-sonnet-4-6"}


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    return Estimator(tmp_path_factory.mktemp("home"))


def usd(estimator: Estimator, tokens: int, feature: str | None = None, **request: Any) -> Decimal | None:
    asked = {"provider": "openai", "operation": "chat", "endpoint": "chat.completions", "model": "gpt-4o", **request}
    nano = estimator.estimate(Request(**asked), {"messages": "abc" * tokens}, feature)
    return None if nano is None else to_usd(nano).quantize(Decimal("0.000001"))


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        # gpt-4o: $2.50 and $10 a million tokens, by OpenAI's price page.
        ({"max_tokens": 100}, "0.003500"),
        ({"max_tokens": 100, "choice_count": 3}, "0.005500"),
        ({}, "0.012740"),
        ({"max_tokens": 0}, "0.002500"),
        ({**CLAUDE, "max_tokens": 100}, "0.004500"),
        ({"operation": "embeddings", "endpoint": "embeddings", "model": "text-embedding-3-small"}, "0.000020"),
    ],
)
def test_the_prompt_and_the_longest_answer_are_priced(
    request_fields: dict[str, Any], expected: str, estimator: Estimator
) -> None:
    assert usd(estimator, 1000, **request_fields) == Decimal(expected)
    assert DEFAULT_OUTPUT_TOKENS == 1024


@pytest.mark.parametrize("fields", [{"model": "house-model"}, {"provider": "nobody"}, {"model": None}])
def test_what_has_no_price_has_no_estimate(fields: dict[str, Any], estimator: Estimator) -> None:
    assert usd(estimator, 10, **fields) is None


def test_an_answer_without_a_limit_is_as_long_as_the_longest_lately(tmp_path: Path) -> None:
    estimator = Estimator(tmp_path)
    for tokens in (200, 2000, 300):
        estimator.learn(make_call(1, feature="a", usage=Usage(input_tokens=1, output_tokens=tokens)))
    long, unknown = usd(estimator, 1000, "a"), usd(estimator, 1000, "b")
    assert long == Decimal("0.0025") + Decimal("0.01") * 2000 * Decimal("0.98") / 1000
    assert unknown == Decimal("0.012740")


def test_every_text_of_a_request_counts_and_media_count_as_one() -> None:
    picture = base64.b64encode(bytes(range(256)) * 100).decode()
    body = {
        "messages": [
            {"content": "a" * 300},
            {"content": [{"text": "é" * 30}, {"image_url": {"url": "data:image/png;base64," + picture}}]},
            {"content": [{"source": {"data": picture}}]},
        ],
        "tools": [{"description": "b" * 30}],
    }
    assert count_prompt(body) == 100 + 30 + MEDIA_TOKENS * 2 + 10


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    body: dict[str, Any] = {}
    body["self"] = body
    assert count_prompt(body) == 0
