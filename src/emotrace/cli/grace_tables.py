"""What a run of GRACE prints: the headline tables, compactly."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emotrace.grace.corpora.fold_results import Results
from emotrace.grace.corpora.results_page import facts, headline


def print_results(results: Results, console: Console) -> None:
    """Prints what was run and the headline tables; the rest is in `results.md`."""
    console.print(Text(results.title, style="bold"))
    console.print(Text(results.disclaimer, style="dim"))
    for name, value in facts(results):
        console.print(f"{name}: {value}")
    for table in headline(results):
        shown = Table(*table.head, title=table.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for row in table.rows:
            shown.add_row(*(cell.replace("**", "") for cell in row))
        console.print(shown)
        if table.note:
            console.print(table.note.replace("**", ""))
