"""`emotrace serve`: analyses over HTTP, with a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.console import needing, say
from emotrace.cli.options import QuietOption


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at. One that other machines reach needs API keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of uploads and results.", show_default="serve in emotrace's cache folder"),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="A file with an API key on each line; also read from EMOTRACE_API_KEYS. Each key sees only its own.",
            show_default=False,
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            envvar="EMOTRACE_DATABASE",
            help="postgresql://USER@HOST/NAME where several servers share one.",
            show_default="SQLite in --data",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of this server among several.", show_default="the machine's")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Files that are analysed at once.")] = 1,
    queue: Annotated[int, typer.Option(min=1, help="Most files that wait; more are told to come back.")] = 16,
    uploads: Annotated[int, typer.Option(min=1, help="Most files that come in at once.")] = 4,
    max_mb: Annotated[float, typer.Option(min=0.001, help="Largest file.")] = 200.0,
    max_duration: Annotated[float, typer.Option(min=0.1, help="Longest recording, in seconds.")] = 600.0,
    max_seconds: Annotated[float, typer.Option(min=1.0, help="Longest time for one analysis.")] = 900.0,
    stall: Annotated[float, typer.Option(min=0.1, help="Longest silence of a client, in seconds.")] = 20.0,
    keep_hours: Annotated[
        float, typer.Option(min=0.0001, help="Hours after which a finished analysis and its media are deleted.")
    ] = 24.0,
    purpose: Annotated[
        str, typer.Option(help="What analyses are for where the client does not say. Prohibited ones are refused.")
    ] = "unspecified",
    quiet: QuietOption = False,
) -> None:
    """Serve analyses over HTTP, with a page at /. Listens on this machine only, unless told otherwise.

    Nothing leaves the server. Tell the people in a video that it is analysed: see docs/responsible-use.md.
    """
    from emotrace.files import cache_folder

    with needing("serve", "emotrace serve"):
        from emotrace.server.running import serve_for_ever
        from emotrace.server.settings import Limits, Settings, read_keys
    limits = Limits(
        upload_bytes=round(max_mb * 1e6),
        duration_seconds=max_duration,
        analysis_seconds=max_seconds,
        queue=queue,
        uploads=uploads,
        stall_seconds=stall,
        keep_hours=keep_hours,
    )
    settings = Settings(
        data=data or cache_folder() / "serve",
        host=host,
        port=port,
        keys=read_keys(keys),
        database=database,
        workers=workers,
        purpose=purpose,
        limits=limits,
        **({} if name is None else {"name": name}),
    )
    serve_for_ever(settings, listening=None if quiet else lambda url: say(f"emotrace serves at {url}"), quiet=quiet)
