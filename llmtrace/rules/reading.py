"""Reads the rules from the configuration file, and says what is wrong with it and in which line."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llmtrace import resources
from llmtrace.errors import ConfigFileError
from llmtrace.rules.rule import FIELDS, Condition, Rule, Rules, count_parts

SCHEMAS_PACKAGE, SCHEMA = "llmtrace.schemas.json", "config.schema.json"
NO_PATTERN = f"a rule needs a pattern for one of {', '.join(FIELDS)} or tag"
MOST_BYTES = 1024 * 1024
_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_KEY = re.compile(r"\s*(?:\[\[?\s*)?([\w.\"'-]+)")


class _Wrong(Exception):
    """What is wrong at PLACE, the keys and indices that lead there."""

    def __init__(self, place: tuple[str | int, ...], reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(reason)


def read_rules(path: Path) -> Rules:
    """The rules in the file at PATH.

    Raises:
        ConfigFileError: the file cannot be read or used; it names the line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError as err:
        raise ConfigFileError(str(path), None, "there is no such file; write the rules into it") from err
    except OSError as err:
        raise ConfigFileError(str(path), None, f"the file cannot be read ({err.strerror or err})") from err
    if len(raw) > MOST_BYTES:
        raise ConfigFileError(str(path), None, f"the file is larger than {MOST_BYTES:,} bytes")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as err:
        raise ConfigFileError(str(path), raw.count(b"\n", 0, err.start) + 1, "the file is not UTF-8") from err
    return parse_rules(text, str(path))


def parse_rules(text: str, name: str) -> Rules:
    """The rules in TEXT, of the file NAME. Raises like `read_rules`."""
    try:
        data = tomllib.loads(text)
        _check_shape(data)
        return Rules(tuple(_read_rules(data)))
    except tomllib.TOMLDecodeError as err:
        found = _LINE.search(str(err))
        # Where the file ends too early, it is said in words.
        line = int(found[1]) if found is not None else text.count("\n") + 1
        reason = _LINE.sub("", str(err)).removesuffix(" (at end of document)").strip()
        raise ConfigFileError(name, line, f"this is no TOML: {reason}") from err
    except _Wrong as err:
        raise ConfigFileError(name, _line_of(text, err.place), err.reason) from err
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as err:
        raise ConfigFileError(name, None, f"this is no configuration: {err!r}") from err


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


def _line_of(text: str, place: tuple[str | int, ...]) -> int | None:
    """About the line of TEXT where PLACE is: TOML's parser keeps no lines, so headings and keys are looked for."""
    lines = text.split("\n")
    start = 0
    for part, below in zip(place, (*place[1:], None), strict=True):
        if isinstance(part, int):
            continue
        wanted = below + 1 if isinstance(below, int) and part == "rules" else 1
        for at in range(start, len(lines)):
            key = _KEY.match(lines[at])
            if key is not None and part in re.split(r"[.]", key[1].replace('"', "").replace("'", "")):
                wanted -= 1
                if not wanted:
                    start = at
                    break
        else:
            break
    return start + 1 if place else None
