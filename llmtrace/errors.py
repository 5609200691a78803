"""Everything that llmtrace's commands and library raise; capture inside an application raises nothing.

LlmtraceError
├── ConfigError           a setting or an argument that cannot be used
├── MissingExtra          a part of llmtrace that is not installed
├── QueryError            a question or SQL that cannot be answered
├── PriceBookError        price data that contradicts itself
├── SidecarUnreachable    a sidecar that does not answer
└── StoreError
    ├── StoreLocked       another process owns the database and does not let go
    └── StoreUnreadable   the database is damaged, or made by a newer llmtrace
"""


class LlmtraceError(Exception):
    """The root of the tree; its message says what went wrong and what to do next."""


class ConfigError(LlmtraceError):
    """A setting or an argument cannot be used."""


class MissingExtra(LlmtraceError):
    """A command needs an extra that is not installed.

    `extra` is its name, as in `llmtrace-sidecar[extra]`.
    """

    def __init__(self, extra: str, needed_for: str) -> None:
        """Name EXTRA and what it is needed for."""
        self.extra = extra
        super().__init__(f"{needed_for} needs the extra '{extra}': pip install 'llmtrace-sidecar[{extra}]'")


class QueryError(LlmtraceError):
    """A question is not known, a parameter is wrong, or SQL cannot be answered."""


class PriceBookError(LlmtraceError):
    """Price data overlaps, lacks a source or does not fit its schema."""


class SidecarUnreachable(LlmtraceError):
    """A sidecar does not answer."""


class StoreError(LlmtraceError):
    """The database cannot be used."""


class StoreLocked(StoreError):
    """Another process owns the database and did not let go in time.

    `pid` is that process, where it is known.
    """

    def __init__(self, path: str, pid: int | None) -> None:
        """Name the database at PATH and the owner's PID."""
        self.path, self.pid = path, pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"{path} is owned by {who}, which did not let go of it; stop that process, or use another --db"
        )


class StoreUnreadable(StoreError):
    """The database is damaged, or was made by a newer llmtrace."""


class CommandError(LlmtraceError):
    """A command that llmtrace was to run cannot be started."""
