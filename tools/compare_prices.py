"""Prints where the price book and the price lists of others disagree, for a person to judge: it never writes.

    python tools/compare_prices.py --genai-prices VENV --litellm VENV --tokencost VENV [--at 2026-11-21]

Each list is read from an installed wheel: VENV is an environment, or any folder below which the wheel's data lies. What
one of them says is no price; a source that the provider itself printed decides.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from llmtrace.pricing import PriceBook, load_book
from llmtrace.pricing.reading import moment
from llmtrace.providers import find_usage

HERE = Path(__file__).parent
MTOK = 1_000_000
SMALL, LARGE = 1, 1_000_000
# The same list of prices, at other dates: LiteLLM's, and tokencost's copy of it.
FILES = {"LiteLLM": "model_prices_and_context_window_backup.json", "tokencost": "model_prices.json"}
LITELLM_PROVIDERS = {
    "openai": "openai", "text-completion-openai": "openai", "anthropic": "anthropic", "azure": "azure.ai.openai",
    "gemini": "gcp.gemini", "vertex_ai-language-models": "gcp.vertex_ai", "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock", "mistral": "mistral_ai", "deepseek": "deepseek", "xai": "x_ai", "groq": "groq",
    "cohere": "cohere", "cohere_chat": "cohere",
}  # fmt: skip
LITELLM_RATES = {
    "input_cost_per_token": "input_uncached",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "input_cached",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
}
LITELLM_TIERS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "_batches": {"batch": True},
    "_flex": {"service_tier": "flex"},
    "_priority": {"service_tier": "priority"},
}
THRESHOLDS = (100, 128, 200, 272)
GENAI_PROVIDERS = {
    "openai": "openai", "anthropic": "anthropic", "azure": "azure.ai.openai", "google": "gcp.gemini",
    "aws": "aws.bedrock", "mistral": "mistral_ai", "deepseek": "deepseek", "x-ai": "x_ai", "groq": "groq",
    "cohere": "cohere",
}  # fmt: skip
GENAI_RATES = {
    "input_mtok": "input_uncached",
    "output_mtok": "output",
    "cache_read_mtok": "input_cached",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
}
GENAI_CONDITIONS: Mapping[tuple[tuple[str, str], ...], Mapping[str, Any]] = {
    (): {},
    (("processing", "batch"),): {"batch": True},
    (("service_tier", "flex"),): {"service_tier": "flex"},
    (("service_tier", "priority"),): {"service_tier": "priority"},
    (("speed", "fast"),): {"speed": "fast"},
}
# Providers whose writes to a cache have no default other than five minutes.
FIVE_MINUTES = frozenset({"anthropic", "aws.bedrock"})


@dataclass(frozen=True)
class Rate:
    """What a list says that a million tokens cost; `size` is a request that the rate holds for."""

    list_name: str
    provider: str
    model: str
    component: str
    conditions: tuple[tuple[str, Any], ...]
    size: int
    usd_per_mtok: Decimal

    def __str__(self) -> str:
        """For a person: what it is a rate of."""
        stated = ", ".join([f"{k}={v}" for k, v in self.conditions] + ["long"] * (self.size == LARGE))
        return f"{self.component} ({stated})" if stated else self.component


def litellm_rates(name: str, models: Mapping[str, Any]) -> Iterator[Rate]:
    """The rates of a file in LiteLLM's shape."""
    for key, entry in models.items():
        provider = LITELLM_PROVIDERS.get(str(entry.get("litellm_provider")))
        if provider is None or key.startswith("bedrock/"):
            continue  # rates of single regions, or of throughput that is paid by the hour
        model = key.split("/", 1)[1] if "/" in key and provider not in ("aws.bedrock", "openai") else key
        for field, component in LITELLM_RATES.items():
            for tier, conditions in LITELLM_TIERS.items():
                for size, infix in [(SMALL, ""), *((LARGE, f"_above_{n}k_tokens") for n in THRESHOLDS)]:
                    usd = entry.get(f"{field}{infix}{tier}")
                    if isinstance(usd, int | float) and usd:
                        rate = round(Decimal(str(usd)) * MTOK, 9)
                        yield _rate(name, provider, model, component, conditions, size, rate)


def genai_rates(rows: Iterable[Mapping[str, Any]]) -> Iterator[Rate]:
    """The rates of genai-prices, from the rows that `rivals/genai_prices_rates.py` prints."""
    for row in rows:
        provider, component = GENAI_PROVIDERS.get(row["provider"]), GENAI_RATES.get(row["rate"])
        conditions = GENAI_CONDITIONS.get(tuple(sorted(row["when"].items())))
        if provider is not None and component is not None and conditions is not None:
            size = LARGE if row["above"] else SMALL
            yield _rate("genai-prices", provider, row["model"], component, conditions, size, Decimal(row["usd"]))


def _rate(
    name: str, provider: str, model: str, component: str, conditions: Mapping[str, Any], size: int, usd: Decimal
) -> Rate:
    written = "cache_write_5m" if component == "cache_write" and provider in FIVE_MINUTES else component
    return Rate(name, provider, model, written, tuple(conditions.items()), size, usd)


def book_rate(book: PriceBook, rate: Rate, at: datetime) -> tuple[bool, Decimal | None, str | None]:
    """Whether BOOK has the model of RATE, its own rate with what multiplies it, and where that was read."""
    family = find_usage(rate.provider)
    name, named = family.read_model(rate.model) if family is not None else (rate.model, {})
    match = book.find_model(rate.provider, name, at)
    if match is None:
        return False, None, None
    conditions = {**dict(rate.conditions), **named, "input_tokens": rate.size}
    found = book.find_price(rate.provider, match.model, rate.component, conditions, at)
    if found is None:
        return True, None, None
    usd = found.price.rate_usd * MTOK / found.price.per * found.factor
    return True, usd, f"{found.price.id}, {found.price.confidence}, {found.price.source_url}"


def disagreements(book: PriceBook, rates: Iterable[Rate], at: datetime) -> Iterator[str]:
    """A line for every rate at which BOOK has another one, and one for each list with what was compared."""
    seen: dict[str, Counter[str]] = {}
    for rate in rates:
        counts = seen.setdefault(rate.list_name, Counter())
        is_known, usd, where = book_rate(book, rate, at)
        verdict = "unknown model" if not is_known else "no rate here" if usd is None else "same"
        if usd is not None and usd != rate.usd_per_mtok:
            verdict = "differs"
            where_told = f"{rate.provider}/{rate.model} {rate} at {at:%Y-%m-%d}"
            yield f"{where_told}: {rate.list_name} {_usd(rate.usd_per_mtok)}, book {_usd(usd)} [{where}]"
        counts[verdict] += 1
    for name, counts in seen.items():
        yield f"{name}: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))


def _usd(rate: Decimal) -> str:
    return format(rate.normalize(), "f")


def read_lists(args: argparse.Namespace) -> Iterator[Rate]:
    """The rates of every list that a folder was named for."""
    if args.genai_prices:
        command = [str(args.genai_prices / "bin" / "python"), str(HERE / "rivals" / "genai_prices_rates.py")]
        told = subprocess.run([*command, args.at.isoformat()], capture_output=True, text=True, check=True)
        yield from genai_rates(json.loads(told.stdout))
    for name, folder in (("LiteLLM", args.litellm), ("tokencost", args.tokencost)):
        if folder:
            file = next(folder.rglob(FILES[name]), None)
            if file is None:
                raise SystemExit(f"there is no {FILES[name]} below {folder}; install {name} there")
            yield from litellm_rates(name, json.loads(file.read_text(encoding="utf-8")))


def main(arguments: list[str] | None = None) -> None:
    """Print the disagreements, by list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("genai-prices", "litellm", "tokencost"):
        parser.add_argument(f"--{name}", type=Path, metavar="VENV", help=f"where {name} is installed")
    parser.add_argument("--at", type=moment, default=datetime.now(UTC), help="the day to compare (default: today)")
    args = parser.parse_args(arguments)
    for line in disagreements(load_book(), read_lists(args), args.at):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
