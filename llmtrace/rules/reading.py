"""Reads the rules from the configuration file, and says what is wrong with it and in which line."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llmtrace import resources
from llmtrace.config_file import ConfigFile, Place, parse_config, read_config_file
from llmtrace.errors import ConfigFileError
from llmtrace.rules.rule import FIELDS, Condition, Rule, Rules, count_parts

SCHEMAS_PACKAGE, SCHEMA = "llmtrace.schemas.json", "config.schema.json"
NO_PATTERN = f"a rule needs a pattern for one of {', '.join(FIELDS)} or tag"


class _Wrong(Exception):
    """What is wrong at PLACE, the keys and indices that lead there."""

    def __init__(self, place: Place, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(reason)


def read_rules(path: Path) -> Rules:
    """The rules in the file at PATH.

    Raises:
        ConfigFileError: the file cannot be read or used; it names the line.
    """
    return _rules_of(read_config_file(path))


def parse_rules(text: str, name: str) -> Rules:
    """The rules in TEXT, of the file NAME. Raises like `read_rules`."""
    return _rules_of(parse_config(text, name))


def _rules_of(file: ConfigFile) -> Rules:
    try:
        _check_shape(file.tables)
        return Rules(tuple(_read_rules(file.tables)))
    except _Wrong as err:
        raise file.mistake(err.place, err.reason) from err
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as err:
        raise ConfigFileError(file.name, None, f"this is no configuration: {err!r}") from err


def _check_shape(data: Mapping[str, Any]) -> None:
    """Raise _Wrong where DATA does not fit the schema."""
    try:
        from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
    except ImportError:  # the app's side alone is installed: the owner of the database checks the same file
        return
    schema = json.loads(resources.read_text(SCHEMAS_PACKAGE, SCHEMA))
    found = Draft202012Validator(schema).iter_errors(data)
    # Of two in one place, a name that is not known says more than what is missing without it.
    errors = sorted(found, key=lambda e: (list(map(str, e.absolute_path)), e.validator != "additionalProperties"))
    for error in errors:
        place = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known = sorted(error.schema.get("properties", ()))
            unknown = sorted(set(error.instance) - set(known))
            raise _Wrong((*place, unknown[0]), f"there is no '{unknown[0]}' here; there is {', '.join(known)}")
        if error.validator == "anyOf":
            about_rule = isinstance(place[-1], int)
            raise _Wrong(place, NO_PATTERN if about_rule else "a pattern is a text, or a list of texts, and not empty")
        where = f"{place[-1]}: " if place and isinstance(place[-1], str) else ""
        raise _Wrong(place, where + error.message)


def _read_rules(data: Mapping[str, Any]) -> Iterator[Rule]:
    names: set[str] = set()
    for i, row in enumerate(data.get("rules", ())):
        name = row.get("name")
        if name in names:
            raise _Wrong(("rules", i, "name"), f"another rule is called '{name}'")
        if name is not None:
            names.add(name)
        patterns = {field: row[field] for field in FIELDS if field in row}
        patterns |= {f"tag.{key}": found for key, found in row.get("tag", {}).items()}
        conditions = tuple(Condition(field, (p,) if isinstance(p, str) else tuple(p)) for field, p in patterns.items())
        if not conditions:
            raise _Wrong(("rules", i), NO_PATTERN)
        _require_parts(row["feature"], conditions, i)
        yield Rule(row["feature"], conditions, name)


def _require_parts(feature: str, conditions: tuple[Condition, ...], i: int) -> None:
    """Raise _Wrong where FEATURE names a part that no `*` stands for."""
    wanted = count_parts(feature)
    for condition in conditions if wanted else ():
        stars = {pattern.count("*") for pattern in condition.patterns}
        if len(stars) > 1:
            raise _Wrong(
                ("rules", i, condition.field.partition(".")[0]),
                "feature has a {n} in it: all patterns of one field need as many '*' as the others",
            )
    there = sum(condition.patterns[0].count("*") for condition in conditions)
    if wanted > there:
        raise _Wrong(("rules", i, "feature"), f"feature has {{{wanted}}} in it, and the patterns have {there} '*'")
