"""What every command shares: where it prints, and how an error leaves it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emotrace.errors import EmotraceError

if TYPE_CHECKING:
    from rich.console import Console

    from emotrace.progress import Watch


def stdout() -> Console:
    """Results go here. Where it is not a terminal, lines are not wrapped, so that they can be searched."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = 160
    return console


def write_stdout(text: str) -> None:
    """Exactly this text, in UTF-8 whatever the terminal's locale: for `--json -` and other pipes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """One line for the person at the keyboard; it never mixes with results."""
    print(text, file=sys.stderr)  # noqa: T201 - stderr is this function's purpose


def report_error(error: EmotraceError) -> int:
    """Prints the error in one line and returns its exit code."""
    say(f"emotrace: {' '.join(str(error).split())}")
    return int(error.exit_code)


@contextmanager
def watching(what: str, *, quiet: bool = False) -> Iterator[Watch]:
    """A watch that draws a progress bar on stderr, if that is a terminal."""
    from emotrace.progress import Watch

    if quiet or not sys.stderr.isatty():
        yield Watch()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(f"{what}: {stage}", total=1.0)
            bar.update(tasks[stage], completed=share)

        yield Watch(show)
