"""OpenAI's usage and costs of an organization, for those who show an admin key.

Source: https://developers.openai.com/api/docs/api-reference/usage
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from llmtrace.simulator.ledger import OPENAI, Use
from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_errors import INVALID, refuse_unauthorized
from llmtrace.simulator.protocol import JSON, Asked, Problem, Reply, Request
from llmtrace.simulator.reports import PAGES, Field, Question, Refused, Report, Shape, read_question

ADMIN_KEY = "sk-admin-"
SCOPE_PROBLEM = "You have insufficient permissions for this operation. Missing scopes: api.usage.read."
KINDS = {"input_uncached": "input", "input_cached": "cached input", "cache_write": "cache write", "output": "output"}
PAYERS: Mapping[str, Field] = {"project_id": lambda use: use.scope, "api_key_id": lambda use: use.key}
FILTERS: Mapping[str, Field] = {"project_ids": lambda use: use.scope, "api_key_ids": lambda use: use.key}
GROUPS: Mapping[str, Field] = {**PAYERS, "model": lambda use: use.model}


def _parse(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)


class _Report(Report, OpenAIProtocol):
    """What the reports have in common: the key and the page."""

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_unauthorized(asked.headers):
            return problem
        if ADMIN_KEY not in asked.headers.get("authorization", ""):
            return Problem(403, INVALID, SCOPE_PROBLEM)
        try:
            read_question(self.shape, asked)
        except Refused as error:
            return Problem(400, INVALID, str(error), "invalid_value", error.name)
        return None

    def reply(self, request: Request) -> Reply:
        """One page of buckets."""
        question = read_question(self.shape, request.asked)
        buckets, page = question.buckets(self._ledger.uses(OPENAI))
        data = [
            {
                "object": "bucket",
                "start_time": int(start.timestamp()),
                "end_time": int(end.timestamp()),
                "results": self.results(question, uses),
            }
            for start, end, uses in buckets
        ]
        return Reply({"object": "page", "data": data, "has_more": page is not None, "next_page": page})


class CompletionsUsage(_Report):
    """The tokens of chat completions, responses and text completions."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v1/organization/usage/completions",)
    shape: ClassVar[Shape] = Shape(
        "start_time",
        "end_time",
        _parse,
        {**GROUPS, "batch": lambda use: use.is_batch, "service_tier": lambda use: use.tier},
        {**FILTERS, "models": lambda use: use.model},
        PAGES,
    )

    def results(self, question: Question, uses: list[Use]) -> list[JSON]:
        """The tokens of USES, by group."""
        return [_usage(names, group) for names, group in question.grouped(u for u in uses if not u.is_embedding)]


class EmbeddingsUsage(_Report):
    """The tokens of embeddings."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v1/organization/usage/embeddings",)
    shape: ClassVar[Shape] = Shape(
        "start_time", "end_time", _parse, GROUPS, {**FILTERS, "models": lambda use: use.model}, PAGES
    )

    def results(self, question: Question, uses: list[Use]) -> list[JSON]:
        """The tokens of USES, by group."""
        return [
            {
                "object": "organization.usage.embeddings.result",
                "input_tokens": sum(use.counts["input_uncached"] for use in group),
                "num_model_requests": sum(use.requests for use in group),
                **_named(names, GROUPS),
            }
            for names, group in question.grouped(use for use in uses if use.is_embedding)
        ]


class Costs(_Report):
    """US dollars by day, and by line item where that is asked for."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v1/organization/costs",)
    shape: ClassVar[Shape] = Shape(
        "start_time", "end_time", _parse, {**PAYERS, "line_item": lambda use: None}, FILTERS, {"1d": (7, 180)}
    )

    def results(self, question: Question, uses: list[Use]) -> list[JSON]:
        """What USES cost, by group."""
        found: list[JSON] = []
        for names, group in question.grouped(uses):
            lines: dict[str | None, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
            for use in group:
                for token_class, count, cost_usd in self._ledger.costs(use):
                    line = lines[_line_item(use, token_class) if "line_item" in names else None]
                    line[0], line[1] = line[0] + count, line[1] + cost_usd
            found += [_cost(names, name, *sums) for name, sums in lines.items()]
        return found


def _usage(names: Mapping[str, Any], uses: list[Use]) -> JSON:
    total = {kind: sum(use.counts.get(kind, 0) for use in uses) for kind in KINDS}
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": sum(total.values()) - total["output"],
        "input_cached_tokens": total["input_cached"],
        "input_cache_write_tokens": total["cache_write"],
        "input_uncached_tokens": total["input_uncached"],
        "output_tokens": total["output"],
        "num_model_requests": sum(use.requests for use in uses),
        **_named(names, CompletionsUsage.shape.groups),
    }


def _cost(names: Mapping[str, Any], line_item: str | None, count: Decimal, cost_usd: Decimal) -> JSON:
    # The API answers with floating-point numbers.
    return {
        "object": "organization.costs.result",
        "amount": {"value": float(cost_usd), "currency": "usd"},
        "quantity": float(count) if line_item else None,
        "quantity_unit": "tokens" if line_item else None,
        **_named(names, PAYERS),
        "line_item": line_item,
    }


def _line_item(use: Use, token_class: str) -> str:
    tier = "batch" if use.is_batch else use.tier
    return f"{'' if tier == 'default' else f'{tier} | '}{use.model}, {KINDS[token_class]}"


def _named(names: Mapping[str, Any], known: Mapping[str, Field]) -> JSON:
    """The values of the groups; null for what was not grouped by."""
    return {name: names.get(name) for name in known}
