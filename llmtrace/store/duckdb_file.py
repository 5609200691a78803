"""Opens DuckDB files: made, migrated and locked down, so that SQL reaches no file, network or extension."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from llmtrace.errors import StoreLocked, StoreUnreadable
from llmtrace.store.migrate import copy_before, list_migrations, migrate, schema_version

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Files stay readable by the DuckDB release before this one.
    "storage_compatibility_version": "v1.5.0",
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "1GB",
    "max_temp_directory_size": "2GiB",
    "preserve_insertion_order": False,
}


def open_file(path: Path) -> duckdb.DuckDBPyConnection:
    """The database at PATH, created or migrated as needed, and locked down.

    Raises:
        StoreUnreadable: the file is damaged, no database, or of a newer llmtrace.
        StoreLocked: a process that takes no part in the hand-over has the file open.
    """
    migrations = list_migrations("duckdb")
    connection = _connect(path)
    try:
        version = schema_version(connection)
        if 0 < version < migrations[-1].number:
            connection.close()
            copy_before(path, version)
            connection = _connect(path)
        migrate(connection, migrations)
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as err:
        connection.close()
        raise StoreUnreadable(f"{path} cannot be read: {err}") from err
    except Exception:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), config=SETTINGS)
    except duckdb.IOException as err:
        if "lock" in str(err).lower():
            raise StoreLocked(str(path), None) from err
        raise StoreUnreadable(f"{path} cannot be opened: {err}; move it away to start anew from the journal") from err
    except duckdb.Error as err:
        raise StoreUnreadable(f"{path} cannot be opened: {err}; move it away to start anew from the journal") from err


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction on CONNECTION: committed whole, or not at all."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
