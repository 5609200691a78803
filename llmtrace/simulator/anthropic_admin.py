"""Anthropic's usage and cost reports of an organization, for those who show an admin key.

Source: https://platform.claude.com/docs/en/build-with-claude/usage-cost-api
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from llmtrace.simulator.anthropic_api import AnthropicProtocol
from llmtrace.simulator.anthropic_errors import find_problem
from llmtrace.simulator.ledger import ANTHROPIC, Use
from llmtrace.simulator.protocol import JSON, Asked, Problem, Reply, Request
from llmtrace.simulator.reports import PAGES, Field, Question, Refused, Report, Shape, read_question

ADMIN_KEY = "sk-ant-admin"
TOKEN_TYPES = {
    "input_uncached": "uncached_input_tokens",
    "input_cached": "cache_read_input_tokens",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "output": "output_tokens",
}
WORDS = {
    "input_uncached": "Input Tokens",
    "input_cached": "Input Tokens, Cache Read",
    "cache_write_5m": "Input Tokens, Cache Write",
    "cache_write_1h": "Input Tokens, Cache Write 1h",
    "output": "Output Tokens",
}
CENTS = Decimal(100)


def _parse(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tier(use: Use) -> str:
    return "batch" if use.is_batch else use.tier


class _Report(Report, AnthropicProtocol):
    """What the reports have in common: the key and the page."""

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if not asked.headers.get("x-api-key"):
            return find_problem(401, None, "x-api-key header is required")
        if not asked.headers["x-api-key"].startswith(ADMIN_KEY):
            return find_problem(401, None, "invalid x-api-key")
        try:
            read_question(self.shape, asked)
        except Refused as error:
            return find_problem(400, None, f"{error.name}: {error}")
        return None

    def reply(self, request: Request) -> Reply:
        """One page of buckets."""
        question = read_question(self.shape, request.asked)
        buckets, page = question.buckets(self._ledger.uses(ANTHROPIC))
        data = [
            {"starting_at": _rfc3339(start), "ending_at": _rfc3339(end), "results": self.results(question, uses)}
            for start, end, uses in buckets
        ]
        return Reply({"data": data, "has_more": page is not None, "next_page": page})


class UsageReport(_Report):
    """The tokens of messages."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v1/organizations/usage_report/messages",)
    groups: ClassVar[Mapping[str, Field]] = {
        "api_key_id": lambda use: use.key,
        "workspace_id": lambda use: use.scope,
        "model": lambda use: use.model,
        "service_tier": _tier,
    }
    shape: ClassVar[Shape] = Shape(
        "starting_at",
        "ending_at",
        _parse,
        groups,
        {
            "api_key_ids": lambda use: use.key,
            "workspace_ids": lambda use: use.scope,
            "models": lambda use: use.model,
            "service_tiers": _tier,
        },
        PAGES,
    )

    def results(self, question: Question, uses: list[Use]) -> list[JSON]:
        """The tokens of USES, by group."""
        return [self._usage(names, group) for names, group in question.grouped(uses)]

    def _usage(self, names: Mapping[str, Any], uses: list[Use]) -> JSON:
        total = {kind: sum(use.counts.get(kind, 0) for use in uses) for kind in (*TOKEN_TYPES, "web_search")}
        return {
            "uncached_input_tokens": total["input_uncached"],
            "cache_creation": {
                "ephemeral_5m_input_tokens": total["cache_write_5m"],
                "ephemeral_1h_input_tokens": total["cache_write_1h"],
            },
            "cache_read_input_tokens": total["input_cached"],
            "output_tokens": total["output"],
            "server_tool_use": {"web_search_requests": total["web_search"]},
            **{name: names.get(name) for name in self.groups},
            "context_window": None,
            "inference_geo": None,
        }


class CostReport(_Report):
    """US dollars by day, and by description where that is asked for; the Priority Tier is not in it."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v1/organizations/cost_report",)
    shape: ClassVar[Shape] = Shape(
        "starting_at",
        "ending_at",
        _parse,
        {"workspace_id": lambda use: use.scope, "description": lambda use: None},
        {},
        {"1d": PAGES["1d"]},
    )

    def results(self, question: Question, uses: list[Use]) -> list[JSON]:
        """What USES cost, by group."""
        found: list[JSON] = []
        for names, group in question.grouped(uses):
            lines: dict[tuple[str, str, str] | None, Decimal] = defaultdict(Decimal)
            for use in group:
                for token_class, _, cost_usd in self._ledger.costs(use):
                    key = (use.model, token_class, _tier(use)) if "description" in names else None
                    lines[key] += cost_usd
            found += [_cost(names.get("workspace_id"), key, cost_usd) for key, cost_usd in lines.items()]
        return found


def _cost(workspace_id: str | None, key: tuple[str, str, str] | None, cost_usd: Decimal) -> JSON:
    model, token_class, tier = key or (None, None, None)
    is_search = token_class == "web_search"
    has_tokens = key is not None and not is_search
    words = f"{model} Usage - {WORDS[token_class]}" if token_class and has_tokens else "Web Search Usage"
    return {
        "currency": "USD",
        "amount": f"{cost_usd * CENTS:f}",
        "workspace_id": workspace_id,
        "description": words if key else None,
        "cost_type": ("web_search" if is_search else "tokens") if key else None,
        "context_window": "0-200k" if has_tokens else None,
        "model": model if has_tokens else None,
        "service_tier": tier if has_tokens else None,
        "token_type": TOKEN_TYPES[token_class] if token_class and has_tokens else None,
        "inference_geo": None,
    }


def _rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
