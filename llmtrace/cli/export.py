"""`llmtrace export`: calls as a file, for a notebook, a spreadsheet, a warehouse or an OTLP backend."""

import sys
from pathlib import Path
from typing import Any

import click

from llmtrace import exports
from llmtrace.cli import options, tables
from llmtrace.rendering import to_json

STDOUT = "-"


@click.command("export")
@click.option("--format", "name", type=click.Choice([f.name for f in exports.FORMATS]), help="Default: as --out ends.")
@click.option("--out", required=True, help="The file to write; - is standard output (csv and jsonl).")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@options.filtering
@options.reading
def command(
    name: str | None,
    out: str,
    force: bool,
    home: Path | None,
    db: Path | None,
    url: str | None,
    token: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Write all calls that match to a file, oldest first; the file stands there once it is whole."""
    form = _format(name, out)
    chosen = {key: value for key, value in filters.items() if value}
    client = options.client(home, db, url, token, "export")
    if out == STDOUT:
        sink = sys.stdout.buffer
        client.export(form.relation, chosen, lambda reader: form.write(reader, sink, out))
        sink.flush()
        return
    path = Path(out)
    with exports.new_file(path, force=force) as file:
        rows = client.export(form.relation, chosen, lambda reader: form.write(reader, file, path.name))
    size = path.stat().st_size
    if as_json:
        click.echo(to_json({"format": form.name, "path": str(path), "rows": rows, "bytes": size}))
    else:
        click.echo(f"{rows:,} calls → {path} ({tables.size(size)})", err=True)


def _format(name: str | None, out: str) -> exports.Format:
    """The format called NAME, or else the one that OUT ends like.

    Raises:
        click.UsageError: neither tells, or the format is none for standard output.
    """
    for form in exports.FORMATS:
        if form.name == name or (name is None and out.endswith(form.suffixes)):
            if out == STDOUT and not form.is_text:
                raise click.UsageError(f"{form.name} goes into a file: name one with --out")
            return form
    raise click.UsageError(f"name the format: --format {'|'.join(f.name for f in exports.FORMATS)}")
