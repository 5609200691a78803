"""`llmtrace serve`: the sidecar."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmtrace import config
from llmtrace.cli import options

if TYPE_CHECKING:
    from llmtrace.sidecar.serve import Addresses


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; beyond loopback with a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=4318, show_default=True, help="0 takes any free port.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=4317, show_default=True, help="For OTLP over gRPC.")
@click.option("--token", help="What clients must show (default: LLMTRACE_TOKEN).")
@click.option("--forward", multiple=True, metavar="URL", help="Send every span on to this OTLP/HTTP backend.")
@options.place
def command(
    host: str,
    port: int,
    grpc_port: int,
    token: str | None,
    forward: tuple[str, ...],
    home: Path | None,
    db: Path | None,
) -> None:
    """Own the database, receive OTLP over HTTP and gRPC, and answer questions until it is stopped."""
    from llmtrace.sidecar.serve import ServeSettings, run

    where = home or config.default_home()
    shown = token or config.token()
    settings = ServeSettings(where, db, host, port, grpc_port, shown, forward, config.otlp_headers())
    run(settings, _announce)


def _announce(addresses: "Addresses") -> None:
    click.echo(f"Sidecar: {addresses.url}  (Ctrl-C stops it)")
    if addresses.grpc is not None:
        click.echo(f"OTLP/gRPC: {addresses.grpc}")
    elif addresses.grpc_missing is not None:
        click.echo(f"OTLP/gRPC: off; install grpcio for it ({addresses.grpc_missing})", err=True)
