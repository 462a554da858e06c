"""`emotrace pull NAME`: fetch optional weights, checked against a pinned SHA-256."""

from __future__ import annotations

from typing import Annotated

import typer

from emotrace.cli.console import say


def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="yunet: a face detector of 230 kB, MIT licence.")],
) -> None:
    """Fetch optional weights over the network, checked against a pinned SHA-256."""
    from emotrace.models import pull as fetch

    say(f"{name} lies at {fetch(name)}")
