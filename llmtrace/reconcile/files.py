"""Reads downloaded bills: pages of the admin APIs as JSON, or the CSV exports of the providers' own sites.

What a file is, its own columns say; a column that none of the known exports has is passed over.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from llmtrace.errors import ConfigError
from llmtrace.reconcile.fetch import SOURCES, Part, read_bucket
from llmtrace.reconcile.figures import Bill, Billed, utc_day

DAYS = ("start_time", "start_time_iso", "usage_date_utc", "starting_at", "date")
# Names that columns of the exports have, and the names of the same in the APIs.
RENAMED = {
    "amount_value": "amount",
    "model_version": "model",
    "workspace": "workspace_id",
    "api_key": "api_key_id",
    "usage_type": "service_tier",
    "usage_input_tokens_no_cache": "uncached_input_tokens",
    "usage_input_tokens_cache_read": "cache_read_input_tokens",
    "usage_input_tokens_cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "usage_input_tokens_cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "usage_output_tokens": "output_tokens",
}
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)$")
TOKEN_TYPES = {
    "input_no_cache": "uncached_input_tokens",
    "input_cache_read": "cache_read_input_tokens",
    "input_cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "input_cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "output": "output_tokens",
}


def read_files(provider: str, paths: Sequence[Path], part: Part) -> Bill:
    """The figures of PART of PROVIDER's bill in the files PATHS.

    Raises:
        ConfigError: a file is none of the exports, or says something that is no number or no day.
        OSError: it cannot be read.
    """
    found: list[Billed] = []
    for path in paths:
        try:
            found += _read_file(provider, path)
        except ConfigError as err:
            raise ConfigError(f"{path}: {err}") from None
    return Bill.of(f for f in found if part.has(f))


def _read_file(provider: str, path: Path) -> list[Billed]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("it is no text: give a CSV or JSON export of usage or costs") from None
    if text.lstrip().startswith(("{", "[")):
        return list(_read_json(provider, text))
    return list(_read_csv(provider, text.splitlines()))


def _read_json(provider: str, text: str) -> Iterator[Billed]:
    source = SOURCES[provider]
    try:
        body = json.loads(text, parse_float=Decimal)
    except ValueError as err:
        raise ConfigError(f"it is no JSON ({err}); download it again") from None
    for page in body if isinstance(body, list) else [body]:
        buckets = page.get("data", [page]) if isinstance(page, Mapping) else None
        if not isinstance(buckets, list) or not all(isinstance(b, Mapping) and "results" in b for b in buckets):
            raise ConfigError(f"it is no report of {provider}: expected buckets with 'results'")
        for bucket in buckets:
            yield from read_bucket(source, bucket)


def _read_csv(provider: str, lines: Sequence[str]) -> Iterator[Billed]:
    reader = csv.DictReader(lines, delimiter="\t" if lines and "\t" in lines[0] else ",")
    columns = {RENAMED.get(name, name) for name in reader.fieldnames or ()}
    day_column = next((name for name in DAYS if name in columns), None)
    if day_column is None or not columns & {"amount", "cost_usd", "output_tokens", "input_tokens"}:
        raise ConfigError(
            f"it is no export of usage or costs of {provider}: it needs a day ({', '.join(DAYS)}) and amounts or tokens"
        )
    for number, row in enumerate(reader, 2):
        try:
            day = utc_day(row[day_column], day_column)
            yield from SOURCES[provider].read(day, [_as_result(row)])
        except ConfigError as err:
            raise ConfigError(f"line {number}: {err}") from None


def _as_result(row: Mapping[str, Any]) -> dict[str, Any]:
    """ROW as the API would have it."""
    result = {RENAMED.get(name, name): value for name, value in row.items() if value != "" and name is not None}
    created = {
        n: result.pop(f"cache_creation.{n}", None) for n in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    }
    result["cache_creation"] = created
    if "web_search_count" in result:
        result["server_tool_use"] = {"web_search_requests": result["web_search_count"]}
    if "amount_currency" in result:
        result["amount"] = {"value": result.get("amount"), "currency": result["amount_currency"]}
    if "cost_usd" in result:
        cents = str(result["cost_usd"])
        result["amount"] = f"{Decimal(cents) * 100}" if _is_number(cents) else cents
    if "model" in result:
        result["model"] = _model_name(str(result["model"]))
    if "token_type" in result:
        result["token_type"] = TOKEN_TYPES.get(str(result["token_type"]), result["token_type"])
    return result


def _model_name(shown: str) -> str:
    """SHOWN as the API names it: `Claude Haiku 4.5` is `claude-haiku-4-5`."""
    if " " not in shown:
        return shown
    return DATE.sub(r"\1\2\3", shown.lower().replace(" ", "-").replace(".", "-"))


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except ArithmeticError:
        return False
