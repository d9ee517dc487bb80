"""`muster serve`: the provisioning service; `muster worker`: one more engine of it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from muster.cli.console import Failed, announce
from muster.cli.options import settings_for, start_log_of_server


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8080")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data folder.", show_default="~/.local/share/muster/service")
    ] = None,
    database: Annotated[str | None, typer.Option(help="postgresql://… instead of SQLite.", show_default=False)] = None,
    public_url: Annotated[str | None, typer.Option(help="How others reach it.", show_default=False)] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM).", show_default=False)] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM).", show_default=False)] = None,
    behind_proxy: Annotated[bool, typer.Option(help="A TLS-terminating proxy stands before it.")] = False,
    allow_target: Annotated[
        list[str] | None,
        typer.Option(help="Network (CIDR) of loopback or private targets that may be called.", show_default=False),
    ] = None,
    web_only: Annotated[bool, typer.Option("--web-only", help="No engine: workers on the database provision.")] = False,
) -> None:
    """Run the provisioning service: API, engine, portal."""
    from muster.bootstrap.assembly import service_folder
    from muster.bootstrap.folder import StartRefused
    from muster.bootstrap.service import serve as serve_service
    from muster.database.connection import DatabaseError
    from muster.sealing import SealingError

    start_log_of_server()
    settings = settings_for(
        host=host,
        port=port,
        data=data,
        database=database,
        public_url=public_url,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy or None,
        allow_targets=",".join(allow_target) if allow_target else None,
        web_only=web_only or None,
    )

    def ready(address: str) -> None:
        announce(f"Muster serves {address} from {service_folder(settings)}. Stop it with Ctrl-C.", sys.stderr)

    try:
        status = serve_service(settings, ready=ready)
    except (StartRefused, DatabaseError, SealingError) as error:
        raise Failed(str(error)) from None
    sys.exit(status)


def worker(
    database: Annotated[
        str | None, typer.Option(help="postgresql://… of the installation.", show_default="MUSTER_DATABASE")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the sealing key, unless MUSTER_KEY_FILE names it.",
            show_default="~/.local/share/muster/service",
        ),
    ] = None,
    allow_target: Annotated[
        list[str] | None,
        typer.Option(help="Network (CIDR) of loopback or private targets that may be called.", show_default=False),
    ] = None,
) -> None:
    """Run one more engine of an installation on PostgreSQL, on this or any other machine."""
    from muster.bootstrap.folder import StartRefused
    from muster.bootstrap.service import work
    from muster.database.connection import DatabaseError
    from muster.sealing import SealingError

    start_log_of_server()
    settings = settings_for(
        database=database, data=data, allow_targets=",".join(allow_target) if allow_target else None
    )

    def ready() -> None:
        announce("This worker carries out cycles. Stop it with Ctrl-C.", sys.stderr)

    try:
        status = work(settings, ready=ready)
    except (StartRefused, DatabaseError, SealingError) as error:
        raise Failed(str(error)) from None
    sys.exit(status)
