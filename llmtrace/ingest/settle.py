"""Brings a response that was made in the background together with the request that fetched it when it was done.

The request that makes a response in the background gets no usage; the one that fetches the finished response gets all
of it, each time anew. The bill belongs to the first, at the time and to the feature that it was made for: it gets a
new revision, and the fetches are its duplicates. Source: https://developers.openai.com/api/docs/guides/background
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmtrace import semconv
from llmtrace.ingest.pricing import price_again, price_span
from llmtrace.model import Call
from llmtrace.pricing import PriceBook
from llmtrace.providers.later import GROWING, MADE_LATER
from llmtrace.providers.uncharged import FETCH_OPERATION
from llmtrace.store.base import PricedCall, Store
from llmtrace.store.rows import read_span


@dataclass(frozen=True, slots=True)
class _Known:
    """A call as it stands: in the database at REVISION, or at PLACE in the batch that is about to be stored."""

    priced: PricedCall
    place: int | None = None
    revision: int = 0
    has_usage: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What names the row."""
        return self.priced.call.trace_id, self.priced.call.span_id

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """What decides which row of a response is billed, the least first."""
        is_foreign = self.priced.scope != semconv.SCOPE_NAME
        return self.priced.duplicate_of is not None, is_foreign, self.priced.call.started_at_ns


class Settler:
    """Settles the calls of one store. Costs nothing while no response was ever fetched."""

    def __init__(self, store: Store, book: PriceBook) -> None:
        """Look earlier calls up in STORE, and price by BOOK."""
        self._store, self._book = store, book
        self._has_fetches: bool | None = None

    def settle(self, calls: Sequence[PricedCall]) -> tuple[list[PricedCall], list[PricedCall]]:
        """CALLS, about to be stored, as they are to be stored; and new revisions of calls that are stored already."""
        settled, revisions = list(calls), list[PricedCall]()
        mine = [_Known(p, place=i, has_usage=_has_usage(p.call)) for i, p in enumerate(calls) if _is_of_interest(p)]
        if not mine or not self._may_meet(mine):
            return settled, revisions
        groups: dict[tuple[str, str | None], list[_Known]] = defaultdict(list)
        stored = self._stored([k.priced.call.response.id or "" for k in mine])
        for known in (*stored.values(), *(k for k in mine if k.key not in stored)):
            groups[known.priced.call.request.provider, known.priced.call.response.id].append(known)
        for group in groups.values():
            for known, after in self._settle_one(group):
                if known.place is not None:
                    settled[known.place] = after
                else:
                    revisions.append(after)
        return settled, revisions

    def _may_meet(self, mine: Iterable[_Known]) -> bool:
        if any(_is_fetch(k.priced.call) for k in mine):
            self._has_fetches = True
        elif self._has_fetches is None:
            self._has_fetches = bool(self._store.query(_any_fetch(self._store.dialect)).rows)
        return self._has_fetches

    def _settle_one(self, group: Collection[_Known]) -> Iterable[tuple[_Known, PricedCall]]:
        """What changes about the calls of one response."""
        fetches = [k for k in group if _is_fetch(k.priced.call)]
        makers = [k for k in group if not _is_fetch(k.priced.call)]
        if not makers or not fetches:
            return
        maker = min(makers, key=lambda k: k.rank)
        told = [k for k in fetches if k.has_usage]
        last = max(told, key=lambda k: _rank_of_telling(k.priced.call)) if told else None
        if last is not None and (not maker.has_usage or _tells_more(last, maker, told)):
            call = _complete(maker.priced.call, last.priced.call)
            yield maker, price_again(self._book, replace(maker.priced, call=call))
        for fetch in fetches:
            if fetch.priced.duplicate_of is None:
                yield fetch, replace(fetch.priced, duplicate_of=maker.priced.call.span_id)

    def _stored(self, response_ids: Sequence[str]) -> dict[tuple[str, str], _Known]:
        """The stored calls of these responses, as their spans tell them and their latest revision stands."""
        found: dict[tuple[str, str], _Known] = {}
        for row in self._store.query(_of_responses(self._store.dialect, response_ids), limit=None).dicts():
            priced = price_span(self._book, read_span(row))
            if priced is None:
                continue
            has_usage = row["usage_source"] == "provider"
            priced = keep_feature(priced, row)
            known = _Known(replace(priced, duplicate_of=row["duplicate_of"]), None, row["revision"], has_usage)
            if known.key not in found or found[known.key].revision < known.revision:
                found[known.key] = known
        return found


def keep_feature(priced: PricedCall, row: Mapping[str, Any]) -> PricedCall:
    """PRICED with the feature that its ROW has: a rule may have named it, of which the span knows nothing."""
    return replace(priced, call=replace(priced.call, feature=row["feature"], feature_source=row["feature_source"]))


def find_settled(store: Store, book: PriceBook, priced: PricedCall) -> PricedCall | None:
    """PRICED, made in the background, with the usage that a fetch in STORE told, by BOOK; None where none tells it."""
    response_id = priced.call.response.id
    if response_id is None:
        return None
    told = [
        known.priced.call
        for known in Settler(store, book)._stored([response_id]).values()
        if known.has_usage and _is_fetch(known.priced.call)
        if known.priced.call.request.provider == priced.call.request.provider
    ]
    if not told:
        return None
    call = _complete(priced.call, max(told, key=_rank_of_telling))
    return price_again(book, replace(priced, call=call))


def _is_of_interest(priced: PricedCall) -> bool:
    call = priced.call
    return call.response.id is not None and (call.request.endpoint in MADE_LATER or _is_fetch(call))


def _is_fetch(call: Call) -> bool:
    return call.request.operation == FETCH_OPERATION


def _has_usage(call: Call) -> bool:
    return call.usage_source == "provider"


def _rank_of_telling(fetched: Call) -> tuple[int, int]:
    """What decides which of several fetches is believed: the last; where usage grows, the one that knows most of it."""
    grows = fetched.request.endpoint.removesuffix(".retrieve") in GROWING
    tokens = (fetched.usage.input_tokens or 0) + (fetched.usage.output_tokens or 0)
    return (tokens if grows else 0), fetched.started_at_ns


def _tells_more(fetch: _Known, maker: _Known, told: Iterable[_Known]) -> bool:
    """Whether FETCH, of those that TOLD usage, tells more of it than MAKER's row says: only some usage grows."""
    applied = [k for k in told if k.place is None and maker.place is None]
    before = max(_rank_of_telling(k.priced.call)[0] for k in (maker, *applied))
    return maker.priced.call.request.endpoint in GROWING and _rank_of_telling(fetch.priced.call)[0] > before


def _complete(made: Call, fetched: Call) -> Call:
    """MADE with what FETCHED tells of how it went on."""
    before, after = made.response, fetched.response
    grows = made.request.endpoint in GROWING  # whoever follows it may leave at any time
    return replace(
        made,
        response=replace(
            before,
            model=after.model or before.model,
            finish_reasons=after.finish_reasons or before.finish_reasons,
            service_tier=after.service_tier or before.service_tier,
            tool_requests=after.tool_requests or before.tool_requests,
            usage=after.usage,
        ),
        status=made.status if grows else fetched.status,
        error_type=fetched.error_type,
        usage=fetched.usage,
        usage_source=fetched.usage_source,
        usage_complete=fetched.usage_complete,
    )


def _any_fetch(dialect: str) -> str:
    from llmtrace.analytics import compile_expression
    from llmtrace.analytics.relations import CALLS_ALL

    return compile_expression(CALLS_ALL.filter(CALLS_ALL.operation == FETCH_OPERATION).limit(1), dialect)


def _of_responses(dialect: str, response_ids: Sequence[str]) -> str:
    """The query for the spans of the calls that these responses answered, beside their revisions."""
    from llmtrace.analytics import compile_expression
    from llmtrace.analytics.relations import CALLS_ALL, SPANS

    calls = CALLS_ALL.filter(CALLS_ALL.response_id.isin(list(response_ids)))
    state = calls["trace_id", "span_id", "usage_source", "duplicate_of", "revision", "feature", "feature_source"]
    return compile_expression(state.join(SPANS, ["trace_id", "span_id"]), dialect)
