"""Rules that name the feature of calls which nobody named one for, by where in the app they were made."""

from llmtrace.rules.current import CurrentRules
from llmtrace.rules.reading import read_rules
from llmtrace.rules.rule import FIELDS, NO_RULES, Found, Rule, Rules, is_ruled
from llmtrace.rules.suggestion import largest_origin, suggest_rules

__all__ = [
    "FIELDS",
    "NO_RULES",
    "CurrentRules",
    "Found",
    "Rule",
    "Rules",
    "is_ruled",
    "largest_origin",
    "read_rules",
    "suggest_rules",
]
