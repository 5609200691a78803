"""The redactor of a home: its configuration file and `LLMTRACE_REDACT` say what patterns of the user's own it seeks."""

import functools
import logging
from pathlib import Path

from llmtrace import config
from llmtrace.config_file import load_config_file
from llmtrace.errors import ConfigError
from llmtrace.redaction.own import OwnPattern, compile_patterns
from llmtrace.redaction.redactor import Redactor

TABLE, KEY = "privacy", "redact"
log = logging.getLogger("llmtrace")


@functools.lru_cache(maxsize=8)
def redactor_of(home: Path) -> Redactor:
    """The redactor for HOME, by its configuration file and `LLMTRACE_REDACT` as they were when first asked for."""
    try:
        return Redactor(own_patterns(home))
    except ConfigError as err:
        log.warning("llmtrace withholds prompts and answers: %s", err)
        return Redactor(problem=str(err))


def own_patterns(home: Path) -> tuple[OwnPattern, ...]:
    """The patterns of the user's own for HOME.

    Raises:
        ConfigError: one of them cannot be used, or the file cannot.
    """
    texts = [(text, f"LLMTRACE_REDACT, line {n}") for n, text in enumerate(config.redacted_patterns(), 1)]
    file = load_config_file(home)
    table = file.tables.get(TABLE, {})
    if not isinstance(table, dict):
        raise file.mistake((TABLE,), f"'{TABLE}' is a table: [{TABLE}]")
    unknown = sorted(set(table) - {KEY})
    if unknown:
        raise file.mistake((TABLE, unknown[0]), f"[{TABLE}] has no key '{unknown[0]}'; it has '{KEY}'")
    listed = table.get(KEY, [])
    if not isinstance(listed, list) or not all(isinstance(p, str) for p in listed):
        raise file.mistake((TABLE, KEY), f"'{KEY}' is a list of regular expressions")
    where = str(file.mistake((TABLE, KEY), "")).removesuffix(": ")
    return compile_patterns([*texts, *((text, f"{where}, pattern {n}") for n, text in enumerate(listed, 1))])


def redaction_problems(home: Path) -> list[str]:
    """Why HOME's patterns cannot be used, so that prompts and answers are withheld; empty where they can."""
    try:
        own_patterns(home)
    except ConfigError as err:
        return [f"prompts and answers are withheld: {err}"]
    return []
