"""`emotrace report RESULT`: one HTML page from a result that was written before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.console import refuse_to_replace, say


def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A .emotrace.json file.", show_default=False)],
    media: Annotated[
        Path | None,
        typer.Option(help="The file that was analysed; else it is looked for beside RESULT.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; default: RESULT with .html.", show_default=False)
    ] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Blur every face.")] = False,
    embed_under_mb: Annotated[
        float, typer.Option(min=0.0, help="Put media up to this size into the page; link to larger ones.")
    ] = 25.0,
) -> None:
    """Write the report of a result: one page that works offline from disk."""
    from emotrace.report.page import write as write_report
    from emotrace.results import Analysis

    analysis = Analysis.read(result)
    page = out or result.with_suffix(".html")
    beside = result.parent / analysis.source.name
    found = media or (beside if beside.is_file() else None)
    for source in (result, found or result):
        refuse_to_replace(source, page)
    write_report(analysis, page, media=found, redact=redact, embed_under_mb=embed_under_mb)
    if found is None:
        say(f"{analysis.source.name} was not found beside the result: the page has no picture. Name it with --media")
    say(f"wrote {page}")
