"""Reads the file of the user's own prices, and puts it before the bundled book.

The file is checked whole: by its JSON Schema, then for what no schema can say (a name that stands for nothing, two
rates for the same tokens). What is wrong is told with its line, and nothing of such a file is used.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from llmtrace import resources
from llmtrace.errors import OwnPricesError
from llmtrace.model import Price
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.fallback import load_fallback
from llmtrace.pricing.own_checks import Place, Wrong, check_names, check_overlaps
from llmtrace.pricing.own_rows import Currency, Deployment, Exchange, Free, OwnEntry, OwnPrices
from llmtrace.pricing.reading import label, moment, moment_or_none, read_rates
from llmtrace.pricing.rows import Multiplier
from llmtrace.providers import find_usage

SCHEMAS_PACKAGE, SCHEMA, BOOK_SCHEMA = "llmtrace.schemas.json", "own_prices.schema.json", "prices.schema.json"
MOST_BYTES = 1024 * 1024
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
CONFIDENCE = "own"
# What a deployment of Azure OpenAI is priced by, and no answer tells.
AZURE, STATED = "azure.ai.openai", ("deployment_type", "region")


class _Loader(yaml.SafeLoader):
    """Leaves decimals and dates as they are written: nothing is rounded, and the schema sees text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (as in the class above)
        first: [(tag, at) for tag, at in found if not tag.endswith((":float", ":timestamp"))]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_own(book: PriceBook, path: Path) -> PriceBook:
    """BOOK with the prices in the file at PATH before its own. The version covers both.

    Raises:
        OwnPricesError: the file cannot be read or used; it names the line.
    """
    return add_own(book, read_text(path), str(path))


def read_text(path: Path) -> str:
    """What the file at PATH says.

    Raises:
        OwnPricesError: it cannot be read, is too large, or is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise OwnPricesError(str(path), None, f"the file is larger than {MOST_BYTES:,} bytes")
        return raw.decode("utf-8-sig")
    except OSError as err:
        raise OwnPricesError(str(path), None, f"the file cannot be read ({err.strerror or err})") from err
    except UnicodeDecodeError as err:
        raise OwnPricesError(str(path), raw.count(b"\n", 0, err.start) + 1, "the file is not UTF-8") from err


def add_own(book: PriceBook, text: str, name: str) -> PriceBook:
    """BOOK with the prices in TEXT, of the file NAME, before its own. Raises like `read_own`."""
    lines: dict[Place, int] = {}
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            lines = dict(_lines(node, ()))
        data = yaml.load(text, Loader=_Loader) if node is not None else {}
        data = _with_whole_rates(data)
        _check_shape(data)
        return _merge(book, data, text)
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark is not None else None
        raise OwnPricesError(name, line, f"this is no YAML: {err.problem or err}") from err
    except (yaml.YAMLError, RecursionError) as err:
        raise OwnPricesError(name, None, f"this is no YAML: {err}") from err
    except Wrong as err:
        raise OwnPricesError(name, _line_of(lines, err.place), err.reason) from err
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as err:
        raise OwnPricesError(name, None, f"this is no file of prices: {err!r}") from err


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    """The line of every value below NODE; a key that is there twice is wrong, as the first would be lost."""
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"'{key.value}' is here twice", problem_mark=key.start_mark)
            seen.add(key.value)
            yield from _lines(value, (*place, key.value))
            yield (*place, key.value), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _lines(value, (*place, i))


def _line_of(lines: Mapping[Place, int], place: Place) -> int | None:
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place)


def _with_whole_rates(data: Any, key: str = "") -> Any:
    """DATA where a rate that is a whole number, such as `3`, is text as the others are."""
    if isinstance(data, dict):
        inside = key == "usd_per_mtok"
        return {k: _with_whole_rates(v, "rate" if inside else k) for k, v in data.items()}
    if isinstance(data, list):
        return [_with_whole_rates(v) for v in data]
    return str(data) if key in ("rate", "factor", "per_usd") and type(data) is int else data


def _check_shape(data: Any) -> None:
    """Raise Wrong where DATA does not fit the schema."""
    try:
        from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
        from referencing import Registry, Resource
    except ImportError:  # the app's side alone is installed: the owner of the database checks the same file
        return
    schemas = [json.loads(resources.read_text(SCHEMAS_PACKAGE, n)) for n in (SCHEMA, BOOK_SCHEMA)]
    registry: Any = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in schemas])
    errors = sorted(
        Draft202012Validator(schemas[0], registry=registry).iter_errors(data), key=lambda e: list(map(str, e.path))
    )
    for error in errors:
        place = list(error.absolute_path)
        if error.validator == "additionalProperties":
            unknown = sorted(set(map(str, error.instance)) - set(error.schema.get("properties", ())))
            known = ", ".join(sorted(error.schema.get("properties", ())))
            raise Wrong([*place, *unknown[:1]], f"there is no '{', '.join(unknown)}' here; there is {known}")
        if error.validator == "anyOf":
            needed = " or ".join(r["required"][0] for r in error.validator_value)
            raise Wrong(place, f"{needed} is needed here")
        where = f"{place[-1]}: " if place and isinstance(place[-1], str) else ""
        raise Wrong(place, where + error.message)


def _merge(book: PriceBook, data: Mapping[str, Any], text: str) -> PriceBook:
    """BOOK with what DATA says; it is looked at together with BOOK for what cannot hold."""
    own = OwnPrices(
        entries=tuple(_read_entries(data)),
        discounts=tuple(_read_discounts(data)),
        deployments=tuple(_read_deployments(data)),
        free=tuple(_read_free(data)),
        currency=_read_currency(data),
        fallback=load_fallback() if data.get("fallback") else None,
    )
    listed = f"\n{own.fallback.version}" if own.fallback is not None else ""
    digest = hashlib.sha256(f"{book.version}\n{text}{listed}".encode()).hexdigest()
    rows = tuple(p for e in own.entries for p in e.prices)
    merged = replace(book, version=digest[:12], prices=(*book.prices, *rows), own=own)
    check_names(merged)
    check_overlaps(merged)
    return merged


def _read_entries(data: Mapping[str, Any]) -> Iterator[OwnEntry]:
    for i, entry in enumerate(data.get("rates") or ()):
        place = ("rates", i)
        _require_interval(entry, place)
        provider, model, when = entry["provider"], entry["model"], entry.get("when", {})
        if find_usage(provider) is None:
            raise Wrong(
                (*place, "provider"), f"llmtrace does not read the usage of '{provider}': its calls can only be free"
            )
        valid_from = moment(entry["valid_from"])
        prices = tuple(
            Price(
                id=f"own/{provider}/{model}/{component}{label(when)}@{valid_from.date()}",
                provider=provider,
                model=model,
                component=component,
                unit=unit,
                rate_usd=rate,
                per=per,
                when=when,
                valid_from=valid_from,
                valid_to=moment_or_none(entry.get("valid_to")),
                guaranteed_until=None,
                source_url="your own prices",
                source_note=entry.get("note"),
                verified_at="",
                confidence=CONFIDENCE,
                layer="override",
            )
            for component, (rate, per, unit) in read_rates(entry).items()
        )
        yield OwnEntry(prices, keeps_others=entry["others"] == "book")


def _read_discounts(data: Mapping[str, Any]) -> Iterator[Multiplier]:
    for i, row in enumerate(data.get("discounts") or ()):
        _require_interval(row, ("discounts", i))
        yield Multiplier(
            name=row["name"],
            factor=Decimal(row["factor"]),
            when={},
            models=frozenset(f"{row['provider']}/{m}" for m in row.get("models", ("*",))),
            valid_from=moment(row["valid_from"]),
            valid_to=moment_or_none(row.get("valid_to")),
            source_url="your own prices",
            components=frozenset(row.get("components", ())),
        )


def _read_deployments(data: Mapping[str, Any]) -> Iterator[Deployment]:
    for i, row in enumerate(data.get("deployments") or ()):
        _require_interval(row, ("deployments", i))
        provider, stated = row["provider"], {k: row[k] for k in STATED if k in row}
        if find_usage(provider) is None:
            raise Wrong(("deployments", i, "provider"), f"llmtrace does not read the usage of '{provider}'")
        prices_of = row.get("prices_of", provider)
        if stated and prices_of != AZURE:
            raise Wrong(("deployments", i, min(stated)), f"{min(stated)} is of deployments with the prices of {AZURE}")
        yield Deployment(provider, row["name"], row.get("model"), prices_of, *_interval(row), stated)


def _read_free(data: Mapping[str, Any]) -> Iterator[Free]:
    for i, row in enumerate(data.get("free") or ()):
        _require_interval(row, ("free", i))
        hosts, models = frozenset(row.get("hosts", ())), frozenset(row.get("models", ()))
        yield Free(row.get("provider"), hosts, models, *_interval(row), row.get("note"))


def _read_currency(data: Mapping[str, Any]) -> Currency | None:
    told = data.get("currency")
    if told is None:
        return None
    rates: list[Exchange] = []
    for i, row in enumerate(told["rates"]):
        place = ("currency", "rates", i)
        _require_interval(row, place)
        rate = Exchange(Decimal(row["per_usd"]), moment(row["valid_from"]))
        if not rate.per_usd:
            raise Wrong((*place, "per_usd"), "per_usd is what one US dollar is worth, so it is not 0")
        if rates and rate.valid_from <= rates[-1].valid_from:
            raise Wrong((*place, "valid_from"), "each rate holds until the next: write them in the order of time")
        rates.append(rate)
    return Currency(told["code"], tuple(rates))


def _interval(row: Mapping[str, Any]) -> tuple[datetime, datetime | None]:
    return moment_or_none(row.get("valid_from")) or ALWAYS, moment_or_none(row.get("valid_to"))


def _require_interval(row: Mapping[str, Any], place: Place) -> None:
    for key in ("valid_from", "valid_to"):
        try:
            moment_or_none(row.get(key))
        except ValueError as err:
            raise Wrong((*place, key), f"{key}: '{row[key]}' is no day ({err})") from err
    start, end = _interval(row)
    if end is not None and end <= start:
        raise Wrong((*place, "valid_to"), "valid_to is not after valid_from")
