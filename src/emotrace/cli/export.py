"""`emotrace export RESULT --to FORMAT`: a result as a table that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.console import refuse_to_replace, say, write_stdout


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A .emotrace.json file.", show_default=False)],
    to: Annotated[
        str, typer.Option("--to", help="csv (a row per person, segment and label) or jsonl (a line per segment).")
    ] = "csv",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH|-",
            help="Where to; default: RESULT with the format's ending.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Convert a result for other programs. A best guess of an abstention is never exported as a label."""
    from emotrace.errors import UsageError
    from emotrace.export import EXPORTS
    from emotrace.files import write_atomically
    from emotrace.results import Analysis

    if to not in EXPORTS:
        raise UsageError(f"unknown format {to!r}", where="--to", hint=f"Choose one of: {', '.join(EXPORTS)}")
    target = Path(out) if out is not None else result.with_suffix(f".{to}")
    refuse_to_replace(result, target)
    text = EXPORTS[to](Analysis.read(result))
    if out == "-":
        write_stdout(text)
        return
    write_atomically(target, text)
    say(f"wrote {target}")
