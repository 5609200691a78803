"""A rule: patterns for what is known of a call, and the feature that a call has which fits them all."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from llmtrace import semconv
from llmtrace.model import AttributeValue, Call

# What a pattern may be about, in the order in which the parts that fit `*` are counted.
ORIGINS = ("route", "task", "command", "test", "module", "function")
FIELDS = (*ORIGINS, "service", "environment", "provider", "model")
SOURCE = "rule"
MOST_CHARACTERS = 128
_PART = re.compile(r"\{([1-9])\}")

Known = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Condition:
    """FIELD (one of `FIELDS`, or `tag.KEY`) fits one of PATTERNS, in which `*` is any text and `?` any character."""

    field: str
    patterns: tuple[str, ...]

    def parts(self, known: Known) -> tuple[str, ...] | None:
        """What each `*` of the pattern stands for that fits, or None where none does."""
        for value in known.get(self.field, ()):
            for pattern in self.patterns:
                match = _compile(pattern).fullmatch(value)
                if match is not None:
                    return match.groups()
        return None


@dataclass(frozen=True, slots=True)
class Rule:
    """A call that fits all CONDITIONS is FEATURE's; `{1}` in that is what the first `*` stands for."""

    feature: str
    conditions: tuple[Condition, ...]
    name: str | None = None

    @property
    def source(self) -> str:
        """What the calls of this rule have for a source of their feature."""
        return f"{SOURCE}:{self.name}" if self.name is not None else SOURCE

    def find(self, known: Known) -> str | None:
        """The feature of a call of which this is KNOWN, or None where the rule is not for it."""
        parts: list[str] = []
        for condition in self.conditions:
            found = condition.parts(known)
            if found is None:
                return None
            parts += found
        name = _PART.sub(lambda m: parts[int(m[1]) - 1], self.feature).strip()
        return name[:MOST_CHARACTERS] or None


@dataclass(frozen=True, slots=True)
class Found:
    """The feature that a rule gives to a call, and the `feature_source` that says so."""

    feature: str
    source: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in their order: the first that fits counts."""

    rules: tuple[Rule, ...] = ()

    def find(self, call: Call, service: str | None, environment: str | None) -> Found | None:
        """What the rules say of CALL, made by SERVICE in ENVIRONMENT, whatever feature it has; None where nothing."""
        if not self.rules:
            return None
        known = _known(call, service, environment)
        for rule in self.rules:
            feature = rule.find(known)
            if feature is not None:
                return Found(feature, rule.source)
        return None

    def apply(self, call: Call, service: str | None, environment: str | None) -> Call:
        """CALL with the feature that the rules say, where nobody named one."""
        found = self.find(call, service, environment) if call.feature is None else None
        return call if found is None else replace(call, feature=found.feature, feature_source=found.source)

    def attributes(self, call: Call, service: str | None, environment: str | None) -> dict[str, AttributeValue]:
        """The same as attributes of the call's span; empty where nothing changes."""
        ruled = self.apply(call, service, environment)
        if ruled is call or ruled.feature is None or ruled.feature_source is None:
            return {}
        return {semconv.FEATURE: ruled.feature, semconv.FEATURE_SOURCE: ruled.feature_source}


NO_RULES = Rules()


def is_ruled(source: str | None) -> bool:
    """Whether SOURCE, a `feature_source`, says that a rule named the feature."""
    return source is not None and source.partition(":")[0] == SOURCE


def count_parts(feature: str) -> int:
    """The largest n of the `{n}` in FEATURE."""
    return max(map(int, _PART.findall(feature)), default=0)


def _known(call: Call, service: str | None, environment: str | None) -> Known:
    """What conditions may be about, of CALL."""
    values: dict[str, Sequence[str | None]] = {name: (getattr(call.origin, name),) for name in ORIGINS}
    values["service"], values["environment"] = (service,), (environment,)
    values["provider"] = (call.request.provider,)
    values["model"] = (call.request.model, call.response.model)
    for key, tag in call.tags.items():
        values["tag." + key] = (tag,)
    return {name: tuple(v for v in found if v is not None) for name, found in values.items()}


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str]:
    """PATTERN as a regular expression with a group for each `*`, which takes as little as it can.

    The atomic groups keep it from trying again what cannot help: no pattern takes longer than its text's length.
    """
    first, *pieces = ("".join("." if sign == "?" else re.escape(sign) for sign in p) for p in pattern.split("*"))
    middle = "".join(f"(?>(.*?){piece})" for piece in pieces[:-1])
    last = f"(.*){pieces[-1]}" if pieces else ""
    return re.compile(first + middle + last, re.DOTALL)
