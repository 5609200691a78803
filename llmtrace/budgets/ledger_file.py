"""The layout of a ledger's file, and the definition that stands in it."""

import json
from pathlib import Path
from typing import Any

MAGIC = int.from_bytes(b"LLMTBUD1", "little")
SLOTS = 512
# Words of eight bytes: a header, the budget's definition as JSON, then three columns with a word for each slot.
(AT_MAGIC, AT_WINDOW, AT_WINDOW_END, AT_SPENT, AT_CALLS, AT_UNPRICED, AT_WARNED, AT_REFUSED, AT_MINUTE, AT_MINUTE_CALLS,
 AT_LAST_CALLS, AT_MINUTE_NANO, AT_LAST_NANO, AT_USED_SLOTS, AT_BEFORE, AT_UNCHECKED) = range(16)  # fmt: skip
HEADER_BYTES = 256
DEFINITION_BYTES = 1792
COLUMNS_AT = (HEADER_BYTES + DEFINITION_BYTES) // 8
AT_PID, AT_RESERVED, AT_UPDATED = (COLUMNS_AT + n * SLOTS for n in range(3))
FILE_BYTES = (COLUMNS_AT + 3 * SLOTS) * 8
SUFFIX = ".ledger"


class LedgerError(OSError):
    """A ledger cannot be used, or not in time."""


def read_definition(path: Path) -> dict[str, Any]:
    """The definition of the budget whose ledger is at PATH.

    Raises:
        LedgerError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        if len(data) != FILE_BYTES or int.from_bytes(data[:8], "little") != MAGIC:
            raise LedgerError(f"{path} is damaged; delete it, and the budget starts from zero")
        found: dict[str, Any] = json.loads(data[HEADER_BYTES : HEADER_BYTES + DEFINITION_BYTES])
    except LedgerError:
        raise
    except (OSError, ValueError) as err:
        raise LedgerError(f"{path} cannot be read: {err}") from err
    return found
