"""Numbered, forward-only migrations, each in one transaction with the record that it was made."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmtrace import resources
from llmtrace.errors import StoreUnreadable

if TYPE_CHECKING:
    import duckdb

SCHEMAS = "llmtrace.schemas"
_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str


def list_migrations(engine: str) -> list[Migration]:
    """The migrations of ENGINE, in their order."""
    found = []
    for file in resources.list_files(SCHEMAS, engine, ".sql"):
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise ValueError(f"{file.name} is not named NNNN_what.sql")
        found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return found


def schema_version(connection: "duckdb.DuckDBPyConnection") -> int:
    """The number of the last migration made in the database behind CONNECTION; 0 in a new one."""
    tables = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'migrations'").fetchall()
    if not tables:
        return 0
    row = connection.execute("SELECT max(number) FROM migrations").fetchone()
    return int(row[0] or 0) if row else 0


def migrate(connection: "duckdb.DuckDBPyConnection", migrations: list[Migration]) -> list[int]:
    """Make those of MIGRATIONS that the database lacks; their numbers.

    Raises:
        StoreUnreadable: the database was made by a newer llmtrace.
    """
    version, latest = schema_version(connection), migrations[-1].number
    if version > latest:
        raise StoreUnreadable(
            f"the database has schema {version} and this llmtrace knows {latest}: it was made by a newer one; upgrade "
            "this one, or use another --db"
        )
    made = []
    for migration in migrations:
        if migration.number > version:
            _make(connection, migration)
            made.append(migration.number)
    return made


def copy_before(path: Path, version: int) -> Path:
    """A copy of the closed database at PATH, for the way back from a migration of schema VERSION."""
    backup = path.with_name(f"{path.name}.bak-{version}")
    shutil.copy2(path, backup)
    backup.chmod(0o600)
    return backup


def _make(connection: "duckdb.DuckDBPyConnection", migration: Migration) -> None:
    connection.execute("BEGIN TRANSACTION")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number INTEGER NOT NULL, name VARCHAR NOT NULL, "
            "made_at TIMESTAMP NOT NULL)"
        )
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?, CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP))",
            [migration.number, migration.name],
        )
        connection.execute("COMMIT")
    except Exception:
        connection.execute("ROLLBACK")
        raise
