"""The configuration file, `llmtrace.toml` in LLMTRACE_HOME: what is too long for environment variables.

Each part of llmtrace reads the table that is its own, and says in which line a mistake is.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from llmtrace import config
from llmtrace.errors import ConfigFileError

FILE_BYTES = 1024 * 1024
_LINE = re.compile(r"at line (\d+)")


def load_config_file(home: Path) -> dict[str, Any]:
    """The tables of the configuration file of HOME; empty where there is no such file.

    Raises:
        ConfigFileError: the file cannot be read, or is no TOML.
    """
    path = config.config_file(home)
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as err:
        raise ConfigFileError(str(path), None, f"it cannot be read: {err.strerror or err}") from err
    if len(text) > FILE_BYTES:
        raise ConfigFileError(str(path), None, "it is larger than a megabyte, and so no configuration file")
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as err:
        found = _LINE.search(str(err))
        line = int(found[1]) if found else text.count(b"\n") + 1 if "end of document" in str(err) else None
        raise ConfigFileError(str(path), line, f"this is no TOML: {err}") from err


def line_of(home: Path, table: str, number: int = 1, key: str | None = None) -> int | None:
    """The line of the NUMBERth header of TABLE (`[table]` or `[[table]]`), or of KEY below it; None where unknown."""
    header = re.compile(rf"\s*\[\[?\s*{re.escape(table)}\s*\]\]?")
    wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=") if key is not None else None
    try:
        lines = config.config_file(home).read_text(errors="replace").splitlines()
    except OSError:
        return None
    heads = [at for at, line in enumerate(lines, 1) if header.match(line)]
    if len(heads) < number:
        return None
    start = heads[number - 1]
    if wanted is not None:
        for at, line in enumerate(lines[start:], start + 1):
            if line.lstrip().startswith("["):
                break
            if wanted.match(line):
                return at
    return start


def mistake(home: Path, reason: str, table: str, number: int = 1, key: str | None = None) -> ConfigFileError:
    """The error to raise for REASON in KEY of the NUMBERth TABLE of HOME's file."""
    return ConfigFileError(str(config.config_file(home)), line_of(home, table, number, key), reason)
