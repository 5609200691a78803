"""What a price depends on beside the usage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class PricingFacts:
    """What a price depends on beside the usage: who answered, when, and under which conditions.

    `models` are the names to try in order: the answered model, then the asked one. `conditions` hold the keys of
    `CONDITION_DEFAULTS`, in the words of the provider's response where it has them.
    """

    provider: str
    models: tuple[str, ...]
    at: datetime
    endpoint: str | None = None
    host: str | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    http_status: int | None = None
    request_sent: bool = True
    finish_reasons: tuple[str, ...] = ()
    refusal_category: str | None = None
    usage_estimated: bool = False
    usage_complete: bool = True
