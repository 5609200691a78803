"""That the bodies leave nothing out: every count that is read, every reason, status and kind of cost."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import anthropic.types
import openai.types.chat.chat_completion
import openai.types.responses
from bodies.reading import read_bodies
from replaying import Row

from llmtrace.providers import InvalidUsage, find_provider

BODIES = read_bodies()
ROWS = [row for row, _ in BODIES]
HTTP_ERRORS = {400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 529}
COST_STATUSES = {
    "exact", "estimated", "lower_bound", "partial", "unpriced", "invalid_usage", "not_billed", "committed",
}  # fmt: skip
# Speech, images, realtime and agents are priced and not captured: their bills are in tests/pricing/test_units.py.
PRICED_ONLY = {
    "cached_tokens_details", "input_token_details", "output_token_details", "input_characters", "type", "session",
    "seconds",
}  # fmt: skip


class Recording(dict[str, Any]):
    """A usage object that notes in ASKED which keys it and what is in it are asked for."""

    def __init__(self, usage: Mapping[str, Any], asked: set[str]) -> None:
        super().__init__({k: _recording(v, asked) for k, v in usage.items()})
        self.asked = asked

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def _recording(value: Any, asked: set[str]) -> Any:
    if isinstance(value, list):
        return [_recording(v, asked) for v in value]
    return Recording(value, asked) if isinstance(value, dict) else value


def usages(value: Any) -> Iterator[dict[str, Any]]:
    """Every usage object anywhere in VALUE."""
    if isinstance(value, list):
        for item in value:
            yield from usages(item)
    elif isinstance(value, dict):
        if isinstance(value.get("usage"), dict):
            yield value["usage"]
        for item in value.values():
            yield from usages(item)


def keys_of(value: Any) -> Iterator[str]:
    """Every key in VALUE that has a value."""
    if isinstance(value, list):
        for item in value:
            yield from keys_of(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if item is not None:
                yield key
                yield from keys_of(item)


def provider_of(row: Row) -> str:
    return "anthropic" if row.provider == "anthropic" else "openai"


def test_there_are_many_bodies_and_each_has_a_name_of_its_own() -> None:
    assert len(ROWS) >= 80
    assert len({row.id for row in ROWS}) == len(ROWS)


def test_many_costs_are_worked_by_hand() -> None:
    assert len([row for row in ROWS if row.expect.get("cost_usd") not in (None, "0")]) >= 30


def test_every_key_of_usage_that_is_read_occurs_in_a_body() -> None:
    asked: dict[str, set[str]] = {"openai": set(), "anthropic": set()}
    present: dict[str, set[str]] = {"openai": set(), "anthropic": set()}
    for row, entry in BODIES:
        provider = provider_of(row)
        family = find_provider(provider)
        assert family is not None
        for usage in usages([entry.get("json"), entry.get("events")]):
            present[provider] |= set(keys_of(usage))
            recording = Recording(usage, asked[provider])
            family.normalise(recording)
            try:
                family.bill(recording, {}, ())
            except InvalidUsage:
                pass
    for provider, keys in asked.items():
        assert len(keys) >= 12
        assert keys - present[provider] - PRICED_ONLY == set()


def test_both_providers_answer_with_every_error() -> None:
    for provider in ("openai", "anthropic"):
        assert {row.status for row in ROWS if provider_of(row) == provider} >= HTTP_ERRORS


def test_every_kind_of_cost_is_expected_of_some_body() -> None:
    assert {row.expect["cost_status"] for row in ROWS} == COST_STATUSES


def test_every_finish_reason_that_the_sdks_know_occurs() -> None:
    found = {row.expect.get("finish_reason") for row in ROWS}
    choice = openai.types.chat.chat_completion.Choice.model_fields["finish_reason"].annotation
    assert found >= {*get_args(anthropic.types.StopReason), *get_args(choice)}


def test_every_state_of_a_response_that_the_sdk_knows_occurs() -> None:
    states = {entry["json"].get("status") for row, entry in BODIES if row.operation == "responses" and "json" in entry}
    assert states >= set(get_args(openai.types.responses.ResponseStatus))
