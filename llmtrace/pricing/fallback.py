"""A second list of prices for models that the book does not carry: the data inside the package genai-prices.

Only where the user's own prices ask for it. It is read from the installed package as it came, never updated over a
network; nobody here checked it, so that what it prices is an estimate. https://github.com/pydantic/genai-prices
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from llmtrace.model import Price
from llmtrace.pricing.rows import CONDITION_DEFAULTS, OPEN_CONDITIONS, TOKENS, TOKENS_PER_MTOK

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

PACKAGE: Final = "genai-prices"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Its names of providers whose names in calls it does not know, or takes for another's.
PROVIDERS = {
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "x_ai": "x-ai",
}
# Its prices for our components, by preference. It takes a missing one for a broader one's; we do not.
PRICE_KEYS: Mapping[str, tuple[str, ...]] = {
    "input_uncached": ("input_mtok",),
    "input_cached": ("cache_read_mtok",),
    "cache_write": ("cache_write_mtok",),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "output": ("output_mtok",),
    "input_audio": ("input_audio_mtok",),
    "input_audio_cached": ("cache_audio_read_mtok",),
    "output_audio": ("output_audio_mtok",),
    "input_image": ("input_image_mtok",),
    "output_image": ("output_image_mtok",),
}
log = logging.getLogger("llmtrace.pricing")


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of the list, with its prices at one time."""

    provider: "Provider"
    model: "ModelInfo"
    at: datetime
    version: str

    @property
    def note(self) -> str:
        """What to know about its prices."""
        return f"priced by {PACKAGE} {self.version}, which nobody checked here"

    def find_price(self, component: str, conditions: Mapping[str, Any]) -> Price | None:
        """The price of COMPONENT; None where the list has none, or CONDITIONS are not the standard ones."""
        stated = {k for k, v in conditions.items() if k not in OPEN_CONDITIONS and v != CONDITION_DEFAULTS.get(k)}
        rates = vars(self.model.get_prices(self.at))
        found = next((rates[key] for key in PRICE_KEYS.get(component, ()) if rates.get(key) is not None), None)
        if found is None or stated:
            return None
        rate = found if isinstance(found, Decimal) else _of_size(found, conditions.get(TOKENS))
        if rate is None:
            return None
        return Price(
            id=f"{PACKAGE}/{self.provider.id}/{self.model.id}/{component}@{self.version}",
            provider=self.provider.id,
            model=self.model.id,
            component=component,
            unit="token",
            rate_usd=rate,
            per=TOKENS_PER_MTOK,
            when={},
            valid_from=EPOCH,
            valid_to=None,
            guaranteed_until=None,
            source_url=next(iter(self.provider.pricing_urls or ()), "https://github.com/pydantic/genai-prices"),
            source_note=f"{PACKAGE} {self.version}",
            verified_at="",
            confidence="third_party",
            layer=PACKAGE,
        )


@dataclass(frozen=True, slots=True)
class Fallback:
    """The list as the installed package has it."""

    version: str
    snapshot: "DataSnapshot"

    def find_model(self, provider: str, names: Iterable[str], at: datetime) -> Listed | None:
        """What the first of NAMES that PROVIDER has in the list costs at AT, or None."""
        try:
            found = self.snapshot.find_provider(None, PROVIDERS.get(provider, provider), None)
        except LookupError:
            return None
        # Without the other providers: where it has no price of this one, it would take another's.
        model = next((m for name in names if (m := found.find_model(name.lower())) is not None), None)
        return None if model is None else Listed(found, model, at, self.version)


@cache
def load_fallback() -> Fallback | None:
    """The list; None, with one warning, where the package is not installed or its data cannot be read."""
    try:
        # A snapshot of our own: the package's global one may be another's, or be updated.
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot
    except Exception as err:  # whatever keeps it from being loaded, calls are priced without it
        log.warning(
            "your own prices ask for %s, which cannot be loaded (%r): pip install 'llmtrace-sidecar[genai-prices]'",
            PACKAGE,
            err,
        )
        return None
    return Fallback(metadata.version(PACKAGE), DataSnapshot(providers=providers, from_auto_update=False))


def _of_size(tiers: Any, total_in: int | None) -> Decimal | None:
    """The rate that holds for a request of TOTAL_IN tokens of input: that of the last of TIERS that it exceeds."""
    if total_in is None:
        return None
    rate: Decimal = tiers.base
    for tier in tiers.tiers:
        if total_in > tier.start:
            rate = tier.price
    return rate
