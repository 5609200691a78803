"""Bills by units other than text tokens, worked by hand from the providers' price pages.

Prices: https://developers.openai.com/api/docs/pricing and https://platform.claude.com/docs/en/about-claude/pricing.
Every sum is written out beside the test; rates of tokens are dollars per million.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from llmtrace.model import Cost
from llmtrace.pricing import price


def openai(usage: Any, model: str, endpoint: str, at: str = "2026-02-10", **context: Any) -> Cost:
    return price(usage, "openai", model, datetime.fromisoformat(at).replace(tzinfo=UTC), endpoint, context)


def usd(cost: Cost) -> str:
    assert cost.total_usd is not None, cost.reason
    return format(cost.total_usd.normalize(), "f")


def lines(cost: Cost) -> dict[str, tuple[str, str, str]]:
    """Component to quantity, unit and cost."""
    return {
        i.component: (format(i.quantity, "f"), i.unit, format(i.cost_usd.normalize(), "f"))
        for i in cost.items
        if i.cost_usd is not None
    }


# --- speech ----------------------------------------------------------------------------------------------------------


def test_realtime_reads_each_modality_from_the_cache_apart() -> None:
    # Text: 100 - 40 = 60 × 4.00 + 40 × 0.40 = 0.000256. Audio: 200 - 150 = 50 × 32.00 + 150 × 0.40 = 0.00166.
    # Images: 300 - 10 = 290 × 5.00 + 10 × 0.50 = 0.001455. Output: 20 × 16.00 + 80 × 64.00 = 0.00544.
    usage = {
        "input_tokens": 600,
        "output_tokens": 100,
        "input_token_details": {
            "text_tokens": 100,
            "audio_tokens": 200,
            "image_tokens": 300,
            "cached_tokens": 200,
            "cached_tokens_details": {"text_tokens": 40, "audio_tokens": 150, "image_tokens": 10},
        },
        "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
    }
    cost = openai(usage, "gpt-realtime-2025-08-28", "realtime:response.done")
    assert lines(cost) == {
        "input_uncached": ("60", "token", "0.00024"),
        "input_cached": ("40", "token", "0.000016"),
        "input_audio": ("50", "token", "0.0016"),
        "input_audio_cached": ("150", "token", "0.00006"),
        "input_image": ("290", "token", "0.00145"),
        "input_image_cached": ("10", "token", "0.000005"),
        "output": ("20", "token", "0.00032"),
        "output_audio": ("80", "token", "0.00512"),
    }
    assert (cost.status, usd(cost)) == ("exact", "0.008811")


@pytest.mark.parametrize(
    "details",
    [
        {"audio_tokens": 5, "cached_tokens": 8, "cached_tokens_details": {"audio_tokens": 6}},
        {"audio_tokens": 9, "cached_tokens": 2, "cached_tokens_details": {"audio_tokens": 4}},
        {"audio_tokens": 9, "cached_tokens": 2},
    ],
    ids=["more cached audio than audio", "more cached audio than cached", "more than the input"],
)
def test_parts_larger_than_their_whole_are_no_bill(details: dict[str, Any]) -> None:
    usage = {"input_tokens": 10, "output_tokens": 1, "input_token_details": details}
    cost = openai(usage, "gpt-realtime", "realtime:response.done")
    assert (cost.status, cost.total_usd) == ("invalid_usage", None)


def test_transcription_by_tokens() -> None:
    # 10 × 2.50 + 500 × 6.00 + 100 × 10.00.
    usage = {
        "type": "tokens",
        "input_tokens": 510,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 500},
        "output_tokens": 100,
    }
    assert usd(openai(usage, "gpt-4o-transcribe", "audio.transcriptions")) == "0.004025"


@pytest.mark.parametrize(("seconds", "expected"), [(90, "0.009"), (7.5, "0.00075"), (0, "0")])
def test_transcription_by_the_second_of_a_price_per_minute(seconds: float, expected: str) -> None:
    # 90 × 0.006 / 60; 7.5 × 0.006 / 60.
    cost = openai({"type": "duration", "seconds": seconds}, "whisper-1", "audio.transcriptions")
    assert (cost.status, usd(cost)) == ("exact", expected)


@pytest.mark.parametrize("seconds", [-1, float("nan"), "12", True])
def test_duration_that_is_none_is_no_bill(seconds: Any) -> None:
    cost = openai({"type": "duration", "seconds": seconds}, "whisper-1", "audio.transcriptions")
    assert (cost.status, cost.total_usd) == ("invalid_usage", None)


def test_speech_by_characters() -> None:
    # 1,000 × 15.00 / 1,000,000.
    cost = openai({"input_characters": 1000}, "tts-1", "audio.speech")
    assert lines(cost) == {"characters": ("1000", "character", "0.015")}


def test_speech_by_tokens_has_audio_for_output() -> None:
    # 50 × 0.60 + 1,000 × 12.00.
    cost = openai({"input_tokens": 50, "output_tokens": 1000}, "gpt-4o-mini-tts", "audio.speech")
    assert lines(cost) == {
        "input_uncached": ("50", "token", "0.00003"),
        "output_audio": ("1000", "token", "0.012"),
    }


# --- images ----------------------------------------------------------------------------------------------------------


def test_image_by_tokens_is_output_of_another_rate_than_text() -> None:
    # 30 × 5.00 + 1,000 × 10.00 + 2,000 × 40.00.
    usage = {
        "input_tokens": 1030,
        "input_tokens_details": {"text_tokens": 30, "image_tokens": 1000},
        "output_tokens": 2000,
    }
    cost = openai(usage, "gpt-image-1", "images.edits")
    assert lines(cost) == {
        "input_uncached": ("30", "token", "0.00015"),
        "input_image": ("1000", "token", "0.01"),
        "output_image": ("2000", "token", "0.08"),
    }


def test_text_beside_an_image_has_no_price_where_none_is_printed() -> None:
    usage = {
        "input_tokens": 30,
        "output_tokens": 2100,
        "output_tokens_details": {"text_tokens": 100, "image_tokens": 2000},
    }
    cost = openai(usage, "gpt-image-1", "images.generations")
    assert (cost.status, usd(cost)) == ("partial", "0.08015")  # 30 × 5.00 + 2,000 × 40.00


def test_images_in_a_chat_are_part_of_its_text() -> None:
    # 1,000 × 2.50 + 10 × 10.00: what the image took is in the 1,000.
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"image_tokens": 765}}
    assert usd(openai(usage, "gpt-4o-2024-08-06", "chat.completions")) == "0.0026"


@pytest.mark.parametrize(
    ("model", "usage", "expected"),
    [
        ("dall-e-3", {"n": 1, "size": "1024x1024", "quality": "standard"}, "0.04"),
        ("dall-e-3", {"n": 1, "size": "1024x1024"}, "0.04"),
        ("dall-e-3", {"n": 2, "size": "1024x1792", "quality": "hd"}, "0.24"),
        ("dall-e-2", {"n": 3, "size": "256x256"}, "0.048"),
    ],
)
def test_image_by_its_size_and_quality(model: str, usage: dict[str, Any], expected: str) -> None:
    assert usd(openai(usage, model, "images.generations", "2024-06-01")) == expected


@pytest.mark.parametrize("usage", [{"n": 1}, {"n": 1, "size": "9x9"}, {"n": 1, "size": "1024x1024", "quality": "x"}])
def test_image_of_unknown_size_or_quality_has_no_price(usage: dict[str, Any]) -> None:
    cost = openai(usage, "dall-e-3", "images.generations", "2024-06-01")
    assert (cost.status, cost.total_usd) == ("unpriced", None)


# --- requests, containers, sessions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [None, {}])
def test_model_free_of_charge_costs_zero_and_says_so(usage: Any) -> None:
    cost = openai(usage, "omni-moderation-latest", "moderations")
    assert (cost.status, cost.total_usd) == ("exact", Decimal(0))
    assert lines(cost) == {"request": ("1", "request", "0")}


def test_model_by_tokens_is_not_free_without_usage() -> None:
    assert openai({}, "gpt-4o-2024-08-06", "moderations").status == "unpriced"


@pytest.mark.parametrize(
    ("at", "containers", "expected"),
    [
        ("2026-03-01", [{"memory_gb": 1, "sessions": 1}], "0.0325"),  # 0.0025 + 0.03
        ("2026-03-01", [{"sessions": 2}], "0.0625"),  # 0.0025 + 2 × 0.03
        ("2026-05-01", [{"memory_gb": 16, "sessions": 3}], "1.4425"),  # 0.0025 + 3 × 0.48
        ("2026-05-01", [{"memory_gb": 1, "sessions": 1}, {"memory_gb": 4, "sessions": 1}], "0.1525"),  # + 0.03 + 0.12
    ],
)
def test_containers_are_billed_by_session_and_memory(at: str, containers: list[Any], expected: str) -> None:
    # 1,000 × 2.50 = 0.0025 for the tokens.
    cost = openai(
        {"prompt_tokens": 1000, "completion_tokens": 0}, "gpt-4o-2024-08-06", "responses", at, containers=containers
    )
    assert (cost.status, usd(cost)) == ("exact", expected)


@pytest.mark.parametrize(
    ("container", "status"), [({"memory_gb": 3, "sessions": 1}, "partial"), ({"memory_gb": 1}, "invalid_usage")]
)
def test_container_without_a_known_size_or_its_sessions_is_not_free(container: Any, status: str) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 0}
    assert openai(usage, "gpt-4o-2024-08-06", "responses", containers=[container]).status == status


def test_managed_agents_session_is_billed_by_tokens_and_running_time() -> None:
    # 1,000 × 5 + 200 × 25 per million = 0.01, and 1.5 × 0.08 = 0.12.
    usage = {"session": {"input_tokens": 1000, "output_tokens": 200, "running_hours": 1.5}}
    at = datetime(2026, 9, 1, tzinfo=UTC)
    cost = price(usage, "anthropic", "claude-opus-5", at, "managed_agents.session")
    assert lines(cost)["session_hour"] == ("1.5", "hour", "0.12")
    assert usd(cost) == "0.13"
