"""`emotrace doctor`: what is installed, which models are there, and what each extra would add."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from emotrace.cli.console import stdout, write_stdout


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is installed, which models are there, and what each extra would add."""
    from emotrace.installation import examine

    found = examine()
    if json:
        write_stdout(json_module.dumps(found.to_dict(), indent=1) + "\n")
        return
    from rich.table import Table

    console = stdout()
    console.print(f"emotrace {found.emotrace}, Python {found.python}, {found.platform}, {found.cores} cores")
    packages = Table("base package", "version", title_justify="left")
    for name, version in found.packages.items():
        packages.add_row(name, version or "MISSING")
    models = Table("model", "state", "licence", "origin")
    for model in found.models:
        models.add_row(model.name, model.state, model.licence, model.origin)
    extras = Table("extra", "state", "adds")
    for extra in found.extras:
        state = "installed" if not extra.missing else f"missing: {', '.join(extra.missing)}"
        extras.add_row(extra.name, state, extra.what_for)
    for table in (packages, models, extras):
        console.print(table)
    if found.problems:
        for problem in found.problems:
            console.print(f"problem: {problem}")
    else:
        console.print("The base install is complete: `emotrace analyze` works with the network off.")
