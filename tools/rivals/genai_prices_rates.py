"""The rates of genai-prices at the moment in the first argument, as JSON on stdout: runs where it is installed.

One row: provider, model, the package's name of the rate, what it holds under, and US dollars per million (or thousand).
"""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices


def rates(price: ModelPrice, when: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The rates of PRICE, the one for the smallest request and those above a size."""
    for name, rate in vars(price).items():
        if isinstance(rate, TieredPrices):
            yield {"rate": name, "when": when, "usd": str(rate.base), "above": 0}
            for tier in rate.tiers:
                yield {"rate": name, "when": when, "usd": str(tier.price), "above": tier.start}
        elif rate is not None:
            yield {"rate": name, "when": when, "usd": str(rate), "above": 0}


def main() -> None:
    """Print the rates of every model."""
    at = datetime.fromisoformat(sys.argv[1])
    rows = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            active = [v for v in model.price_variants or () if v.constraint is None or v.constraint.active(at)]
            sold = [(model.get_prices(at), {}), *((v.prices, dict(v.when)) for v in active)]
            for price, when in sold:
                rows += [{"provider": provider.id, "model": model.id, **row} for row in rates(price, when)]
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
