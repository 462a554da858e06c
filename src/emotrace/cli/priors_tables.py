"""What a run of priors prints: what went in, the table over views, and what must be said beside it."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emotrace.priors.corpora.study import Study
from emotrace.priors.corpora.study_page import facts, said, tables


def print_study(study: Study, console: Console) -> None:
    """Prints the tables; scores per class are in each view's own `results.md`."""
    values = study.model_dump()
    console.print(Text(f"emotrace's priors on {study.corpus}", style="bold"))
    console.print(Text(study.disclaimer, style="dim"))
    for line in facts(values):
        console.print(line)
    for table in tables(values):
        shown = Table(*table.head, title=table.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    if sentence := said(values):
        console.print(sentence)
