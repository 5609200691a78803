"""Everything that llmtrace's commands and library raise; capture inside an application raises nothing.

LlmtraceError
├── ConfigError           a setting or an argument that cannot be used
│   └── TokenRefused      a sidecar wants a token, or another one
├── MissingExtra          a part of llmtrace that is not installed
├── BillUnavailable       a provider does not hand out its figures
├── QueryError            a question or SQL that cannot be answered
├── PriceBookError        price data that contradicts itself
│   └── OwnPricesError    a file of your own prices that cannot be used
├── SidecarUnreachable    a sidecar that does not answer
├── SidecarMismatch       what answers is no sidecar, or one of another release
├── PortTaken             a port that another process listens on
└── StoreError
    ├── StoreLocked       another process owns the database and does not let go
    └── StoreUnreadable   the database is damaged, or made by a newer llmtrace
"""


class LlmtraceError(Exception):
    """The root of the tree; its message says what went wrong and what to do next."""


class ConfigError(LlmtraceError):
    """A setting or an argument cannot be used."""


class TokenRefused(ConfigError):
    """A sidecar wants a token and was shown none, or not its own."""

    def __init__(self, url: str, *, was_shown: bool) -> None:
        """Name the sidecar at URL."""
        self.url = url
        super().__init__(
            f"the sidecar at {url} does not accept this token: check --token or LLMTRACE_TOKEN"
            if was_shown
            else f"the sidecar at {url} wants a token: pass --token or set LLMTRACE_TOKEN"
        )


class MissingExtra(LlmtraceError):
    """A command needs an extra that is not installed.

    `extra` is its name, as in `llmtrace-sidecar[extra]`.
    """

    def __init__(self, extra: str, needed_for: str) -> None:
        """Name EXTRA and what it is needed for."""
        self.extra = extra
        super().__init__(f"{needed_for} needs the extra '{extra}': pip install 'llmtrace-sidecar[{extra}]'")


class BillUnavailable(LlmtraceError):
    """A provider does not hand out its figures: it refuses the key, fails, or cannot be reached."""


class QueryError(LlmtraceError):
    """A question is not known, a parameter is wrong, or SQL cannot be answered."""


class PriceBookError(LlmtraceError):
    """Price data overlaps, lacks a source or does not fit its schema."""


class OwnPricesError(PriceBookError):
    """A file of your own prices cannot be used; `line` is where, None where no line is to blame."""

    def __init__(self, path: str, line: int | None, reason: str) -> None:
        """Say what is wrong in PATH."""
        self.path, self.line, self.reason = path, line, reason
        super().__init__(f"{path}{f', line {line}' if line else ''}: {reason}")


class SidecarUnreachable(LlmtraceError):
    """A sidecar does not answer."""


class SidecarMismatch(LlmtraceError):
    """What answers is no llmtrace sidecar, or one whose release this one does not get on with."""


class PortTaken(LlmtraceError):
    """Another process listens on a port that is wanted."""

    def __init__(self, host: str, port: int, option: str, reason: str | None) -> None:
        """Name PORT of HOST, why it cannot be had, and the OPTION that names another."""
        super().__init__(f"port {port} of {host} cannot be had ({reason}); name another with {option}")


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
