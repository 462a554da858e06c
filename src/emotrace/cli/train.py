"""`emotrace train SYSTEM`: one command per system, since no two are trained with the same options."""

from __future__ import annotations

import typer

from emotrace.cli.train_grace import grace
from emotrace.cli.train_hydra import hydra_grpo, hydra_sft
from emotrace.cli.train_priors import priors

app = typer.Typer(
    name="train",
    help="Train a system on a corpus, fold by fold, with the numbers that its field reports.",
    no_args_is_help=True,
)
app.command()(grace)
app.command()(priors)
app.command()(hydra_sft)
app.command()(hydra_grpo)


@app.callback()
def train() -> None:
    """Train a system on a corpus, fold by fold, with the numbers that its field reports."""
