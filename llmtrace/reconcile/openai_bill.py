"""OpenAI's usage and costs: buckets of results, read into figures.

A line item of the costs reads `[TIER | ]MODEL[ MODALITY], [cached ]input|output[, long context]`, with underscores for
blanks and `tokens` after the kind in newer ones; what reads otherwise
(web searches, storage) is a cost beside tokens and keeps its own name. `input_tokens` holds cached, written and audio
tokens.

Source: https://developers.openai.com/api/docs/api-reference/usage
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from llmtrace.errors import ConfigError
from llmtrace.reconcile.figures import BATCH, Billed, decimal, read_tier

USAGE_PATH, COSTS_PATH = "/organization/usage/completions", "/organization/costs"
EMBEDDINGS_PATH = "/organization/usage/embeddings"
USAGE_GROUPS = ("project_id", "api_key_id", "model", "batch", "service_tier")
EMBEDDINGS_GROUPS = ("project_id", "api_key_id", "model")
COSTS_GROUPS = ("project_id", "api_key_id", "line_item")
LINE_ITEM = re.compile(
    r"(?:(?P<tier>[\w ]+?) \| )?(?P<model>[\w.:/-]+)(?: (?P<modality>text|audio|image))?, "
    r"(?P<kind>cached input|cache write|input|output)(?: tokens)?\b.*",
    re.IGNORECASE,
)
FEES = {"web search tool calls": "web_search", "file search tool calls": "file_search"}
UNITS = {None: 1, "tokens": 1, "1000_tokens": 1000}
KINDS = {"input": "input_uncached", "cached input": "input_cached", "cache write": "cache_write", "output": "output"}


def read_usage(day: date, result: Mapping[str, Any]) -> Iterator[Billed]:
    """The figures in one RESULT of a usage report for DAY: one for each token class.

    Raises:
        ConfigError: a count is no number.
    """
    count = {name: decimal(value, name) for name, value in result.items() if name.endswith("_tokens")}
    cached = count.get("input_cached_tokens") or Decimal(0)
    long = count.get("input_cache_write_12h_tokens") or Decimal(0)
    written = (count.get("input_cache_write_tokens") or Decimal(0)) - long
    fresh = count.get("input_uncached_tokens")
    if fresh is None and (total := count.get("input_tokens")) is not None:
        fresh = total - cached - written - long
    audio_in, audio_out = count.get("input_audio_tokens") or Decimal(0), count.get("output_audio_tokens") or Decimal(0)
    requests = decimal(result.get("num_model_requests"), "num_model_requests")
    is_batch = str(result.get("batch")).lower() == "true"
    for token_class, quantity in (
        ("input_uncached", (fresh or Decimal(0)) - audio_in),
        ("input_cached", cached),
        ("cache_write", written),
        ("cache_write_12h", long),
        ("input_audio", audio_in),
        ("output", (count.get("output_tokens") or Decimal(0)) - audio_out),
        ("output_audio", audio_out),
    ):
        if quantity:
            yield Billed(
                day,
                result.get("model") or None,
                token_class,
                BATCH if is_batch else read_tier(result.get("service_tier")),
                result.get("project_id") or None,
                quantity,
                requests=int(requests) if requests is not None else None,
                key=result.get("api_key_id") or None,
            )
            requests = None


def read_costs(day: date, result: Mapping[str, Any]) -> Iterator[Billed]:
    """The figure in one RESULT of the costs for DAY.

    Raises:
        ConfigError: an amount is no number, or not in US dollars.
    """
    amount = result.get("amount")
    given = amount if isinstance(amount, Mapping) else {"value": amount}
    if str(given.get("currency") or "usd").lower() != "usd":
        raise ConfigError(f"an amount is in {given['currency']}; only US dollars can be compared")
    cost = decimal(given.get("value"), "amount")
    if cost is None:
        return
    item = str(result.get("line_item") or "")
    found = LINE_ITEM.fullmatch(_with_blanks(item))
    scope, key = result.get("project_id") or None, result.get("api_key_id") or None
    quantity = _quantity(result)
    if found is None:
        name = FEES.get(item, item or "all line items")
        yield Billed(day, None, name, scope=scope, quantity=quantity, cost_usd=cost, key=key)
        return
    token_class = KINDS[found["kind"].lower()]
    if found["modality"] == "audio":
        token_class = "output_audio" if token_class == "output" else "input_audio"
    tier = read_tier(found["tier"])
    yield Billed(day, found["model"], token_class, tier, scope, quantity, cost, key=key)


def _with_blanks(item: str) -> str:
    """ITEM with blanks for the underscores in what follows the model."""
    model, comma, kind = item.partition(", ")
    return model + comma + kind.replace("_", " ")


def _quantity(result: Mapping[str, Any]) -> Decimal | None:
    """The quantity of a line item, in tokens or calls; None where it is told in another unit."""
    count, factor = decimal(result.get("quantity"), "quantity"), UNITS.get(result.get("quantity_unit") or None)
    return None if count is None or factor is None else count * factor


def read_results(day: date, results: Iterable[Mapping[str, Any]]) -> Iterator[Billed]:
    """The figures in RESULTS of either report for DAY. Raises like `read_usage`."""
    for result in results:
        yield from (read_costs if "amount" in result else read_usage)(day, result)
