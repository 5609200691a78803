"""Reads the price files into a book.

provider: NAME
sources:        name -> url, note, verified_at, confidence
aliases:        what a model name pointed at, and when
families:       models whose dated snapshots cost the same, seen or not
multipliers:    factors that the provider defines over its own rates
peak_hours:     the hours of the day in which models cost their peak rate
free_refusals:  when a refusal before any output is not charged
models:         name -> dated entries of rates
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

import yaml

from llmtrace import resources
from llmtrace.errors import PriceBookError
from llmtrace.model import Price
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.rows import TOKENS_PER_MTOK, Alias, FreeRefusals, Multiplier, PeakHours

PRICES_PACKAGE = "llmtrace.pricing.prices"


@cache
def load_book() -> PriceBook:
    """The bundled book. Cached: the data does not change while the process lives."""
    texts = {f.name: f.read_text(encoding="utf-8") for f in resources.list_files(PRICES_PACKAGE, suffix=".yaml")}
    return read_book(texts)


def read_book(texts: Mapping[str, str]) -> PriceBook:
    """A book made from the YAML TEXTS, by file name.

    Raises:
        PriceBookError: a file cannot be read, or names a source that it does not list.
    """
    prices: list[Price] = []
    aliases: list[Alias] = []
    multipliers: list[Multiplier] = []
    refusals: list[FreeRefusals] = []
    families: set[str] = set()
    peaks: list[PeakHours] = []
    for name, text in sorted(texts.items()):
        try:
            data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            prices += _read_prices(data)
            aliases += _read_aliases(data)
            multipliers += _read_multipliers(data)
            refusals += _read_refusals(data)
            peaks += _read_peak_hours(data)
            families |= {f"{data['provider']}/{f}" for f in data.get("families", ())}
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as err:
            raise PriceBookError(f"{name} is not a price file: {err!r}") from err
    digest = hashlib.sha256("".join(f"{n}\n{t}\n" for n, t in sorted(texts.items())).encode()).hexdigest()
    return PriceBook(
        digest[:12],
        tuple(prices),
        tuple(aliases),
        tuple(multipliers),
        tuple(refusals),
        frozenset(families),
        tuple(peaks),
    )


def _read_prices(data: Mapping[str, Any]) -> Iterable[Price]:
    provider, sources = data["provider"], data["sources"]
    for model, entries in data["models"].items():
        for entry in entries:
            source = sources[entry["source"]]
            for component, (rate, per, unit) in read_rates(entry).items():
                when = entry.get("when", {})
                valid_from = moment(entry["valid_from"])
                yield Price(
                    id=f"{provider}/{model}/{component}{label(when)}@{valid_from.date()}",
                    provider=provider,
                    model=str(model),
                    component=component,
                    unit=unit,
                    rate_usd=rate,
                    per=per,
                    when=when,
                    valid_from=valid_from,
                    valid_to=moment_or_none(entry.get("valid_to")),
                    guaranteed_until=moment_or_none(entry.get("guaranteed_until")),
                    source_url=source["url"],
                    source_note=entry.get("note") or source.get("note"),
                    verified_at=str(source["verified_at"]),
                    confidence=entry.get("confidence") or source["confidence"],
                )


def read_rates(entry: Mapping[str, Any]) -> dict[str, tuple[Decimal, int, str]]:
    """Component to (rate, per, unit): `usd_per_mtok` for tokens, `usd` for everything counted otherwise."""
    rates = {c: (Decimal(r), TOKENS_PER_MTOK, "token") for c, r in entry.get("usd_per_mtok", {}).items()}
    for component, spec in entry.get("usd", {}).items():
        rates[component] = (Decimal(spec["rate"]), int(spec.get("per", 1)), spec["unit"])
    return rates


def _read_aliases(data: Mapping[str, Any]) -> Iterable[Alias]:
    for row in data.get("aliases", ()):
        yield Alias(
            name=f"{data['provider']}/{row['alias']}",
            model=row["model"],
            valid_from=moment(row["valid_from"]),
            valid_to=moment_or_none(row.get("valid_to")),
        )


def _read_multipliers(data: Mapping[str, Any]) -> Iterable[Multiplier]:
    for row in data.get("multipliers", ()):
        yield Multiplier(
            name=row["name"],
            factor=Decimal(row["factor"]),
            when=row["when"],
            models=frozenset(f"{data['provider']}/{m}" for m in row["models"]),
            valid_from=moment(row["valid_from"]),
            valid_to=moment_or_none(row.get("valid_to")),
            source_url=data["sources"][row["source"]]["url"],
        )


def _read_refusals(data: Mapping[str, Any]) -> Iterable[FreeRefusals]:
    for row in data.get("free_refusals", ()):
        yield FreeRefusals(
            provider=data["provider"],
            unless=frozenset(row.get("unless", ())),
            valid_from=moment(row["valid_from"]),
            valid_to=moment_or_none(row.get("valid_to")),
        )


def _read_peak_hours(data: Mapping[str, Any]) -> Iterable[PeakHours]:
    for row in data.get("peak_hours", ()):
        yield PeakHours(
            models=frozenset(f"{data['provider']}/{m}" for m in row["models"]),
            spans=tuple(_minutes(span) for span in row["utc"]),
            days=frozenset(row["days"]),
        )


def _minutes(span: str) -> tuple[int, int]:
    """The minutes of the day at which `01:00-04:00` begins and ends."""
    start, end = (time.fromisoformat(t) for t in span.split("-"))
    return start.hour * 60 + start.minute, end.hour * 60 + end.minute


def label(when: Mapping[str, Any]) -> str:
    """`/service_tier=flex/input_tokens>272000`: the conditions, so that a row's id says what it is for."""
    signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    parts = []
    for key, value in sorted(when.items()):
        if isinstance(value, Mapping):
            parts += [f"{key}{signs[op]}{limit}" for op, limit in value.items()]
        else:
            parts.append(key if value is True else f"{key}={str(value).lower() if value is False else value}")
    return "".join(f"/{p}" for p in parts)


def moment(value: date | datetime | str) -> datetime:
    """VALUE as a UTC moment: a bare date is its midnight."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def moment_or_none(value: date | datetime | str | None) -> datetime | None:
    """VALUE like `moment`, where there is one."""
    return None if value is None else moment(value)
