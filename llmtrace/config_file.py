"""The configuration file, `llmtrace.toml` in LLMTRACE_HOME: what is too long for environment variables.

Each part of llmtrace takes the table that is its own, and says in which line a mistake is.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmtrace import config
from llmtrace.errors import ConfigFileError

FILE_BYTES = 1024 * 1024
# The keys and indices that lead to a value: `("budgets", 0, "usd")`.
Place = tuple[str | int, ...]

_PART = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_NAME = rf"({_PART}(?:\s*\.\s*{_PART})*)"
_HEADING = re.compile(rf"\s*\[(\[?)\s*{_NAME}\s*\]")
_KEY = re.compile(rf"\s*{_NAME}\s*=")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a configuration file says, and its text, in which the lines of mistakes are found."""

    name: str
    text: str
    tables: dict[str, Any]

    def line_of(self, place: Place) -> int | None:
        """The line of PLACE, or of the nearest that it stands in; None where the text has neither."""
        line, most = None, 0
        for at, found in _places(self.text):
            shared = _shared_parts(found, place)
            if shared > most:
                line, most = at, shared
        return line

    def mistake(self, place: Place, reason: str) -> ConfigFileError:
        """The error to raise for REASON at PLACE."""
        return ConfigFileError(self.name, self.line_of(place), reason)


def load_config_file(home: Path) -> ConfigFile:
    """The configuration file of HOME, with no tables where there is none. Raises like `read_config_file`."""
    path = config.config_file(home)
    raw = _read(path)
    return ConfigFile(str(path), "", {}) if raw is None else _parse(raw, str(path))


def read_config_file(path: Path) -> ConfigFile:
    """What the file at PATH says; a byte order mark and the line ends of Windows are read over.

    Raises:
        ConfigFileError: it is not there, cannot be read, or is no TOML; it names the line.
    """
    raw = _read(path)
    if raw is None:
        raise ConfigFileError(str(path), None, "there is no such file; write the configuration into it")
    return _parse(raw, str(path))


def _read(path: Path) -> bytes | None:
    """What is in the file at PATH; None where there is no such file."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise ConfigFileError(str(path), None, f"the file cannot be read ({err.strerror or err})") from err
    if len(raw) > FILE_BYTES:
        raise ConfigFileError(str(path), None, f"the file is larger than {FILE_BYTES:,} bytes")
    return raw


def _parse(raw: bytes, name: str) -> ConfigFile:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        # Its place is counted without the byte order mark, as `object` is.
        line = err.object.count(b"\n", 0, err.start) + 1
        raise ConfigFileError(name, line, "the file is not UTF-8") from err
    return parse_config(text, name)


def parse_config(text: str, name: str) -> ConfigFile:
    """What TEXT says, of the file NAME. Raises like `read_config_file`."""
    text = text.replace("\r\n", "\n")
    try:
        return ConfigFile(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as err:
        found = _AT_LINE.search(str(err))
        # Where the file ends too early, it is said in words.
        line = int(found[1]) if found is not None else text.count("\n") + 1
        reason = _AT_LINE.sub("", str(err)).removesuffix(" (at end of document)").strip()
        raise ConfigFileError(name, line, f"this is no TOML: {reason}") from err
    except (RecursionError, ValueError) as err:
        raise ConfigFileError(name, None, f"this is no TOML: {err}") from err


def _places(text: str) -> Iterator[tuple[int, Place]]:
    """The line and the place of each heading and key of TEXT: TOML's parser keeps no lines."""
    table: Place = ()
    counts: dict[Place, int] = {}
    for at, line in enumerate(text.split("\n"), 1):
        if heading := _HEADING.match(line):
            table = _open_table(_parts(heading[2]), counts, is_one_of_many=bool(heading[1]))
            yield at, table
        elif key := _KEY.match(line):
            yield at, table + _parts(key[1])


def _open_table(names: Place, counts: dict[Place, int], *, is_one_of_many: bool) -> Place:
    """The place of the table with NAMES in its heading, after as many of each list of tables as COUNTS says."""
    place: Place = ()
    for i, name in enumerate(names, 1):
        place += (name,)
        if is_one_of_many and i == len(names):
            counts[place] = counts.get(place, 0) + 1
        if place in counts:
            place += (counts[place] - 1,)
    return place


def _parts(name: str) -> Place:
    return tuple(part.strip("\"'") for part in re.findall(_PART, name))


def _shared_parts(one: Place, other: Place) -> int:
    """How many parts ONE and OTHER begin with alike."""
    shared = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared += 1
    return shared
