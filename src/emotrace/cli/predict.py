"""`emotrace predict SYSTEM`: what trained weights answer, as a table."""

from __future__ import annotations

import typer

from emotrace.cli.predict_grace import grace

app = typer.Typer(
    name="predict",
    help="Ask trained weights about clips: a table that `emotrace evaluate` reads.",
    no_args_is_help=True,
)
app.command()(grace)


@app.callback()
def predict() -> None:
    """Ask trained weights about clips: a table that `emotrace evaluate` reads."""
