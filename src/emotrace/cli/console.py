"""What every command shares: where it prints, and how an error leaves it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emotrace.errors import EmotraceError, MissingExtra, UnwritableOutput, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from emotrace.progress import Watch

INTERRUPTED = 130
"""Exit code of what Ctrl-C ended, as shells have it."""


def stdout() -> Console:
    """Where results go."""
    from rich.console import Console

    console = Console(file=sys.stdout or io.StringIO(), highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = 160  # tables need some width
    return console


def write_stdout(text: str) -> None:
    """Exactly this text, in UTF-8 whatever the terminal's locale: for `--json -` and other pipes.

    Raises:
        UnwritableOutput: The program was started without a standard output.
    """
    if sys.stdout is None:
        raise UnwritableOutput("it is closed", where="standard output", hint="Name a file instead of -")
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """One line for the person at the keyboard; it never mixes with results."""
    if sys.stderr is not None:  # print would take standard output instead
        print(printable(text), file=sys.stderr)  # noqa: T201 - stderr is this function's purpose


def printable(text: str) -> str:
    r"""Text on one line that cannot steer the terminal: a file's name may hold anything.

    >>> printable("a\nb \x1b[31m é")
    'a\\nb \\x1b[31m é'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def ask_before_sending(host: str, *, yes: bool) -> None:
    """Gets a yes from whoever is at the keyboard, unless it was given with the command.

    Raises:
        UsageError: Nobody said yes.
    """
    if yes:
        return
    import typer

    if not (sys.stdin and sys.stdin.isatty()) or not typer.confirm("Send them?", err=True):
        raise UsageError("nobody said yes to sending clips away", where=host, hint="Add --yes")


def refuse_to_replace(source: Path, target: Path) -> None:
    """Makes sure that what is written does not take the place of what is read.

    Raises:
        UsageError: Both are one file, whatever they are called.
    """
    if target.is_file() and source.is_file() and target.samefile(source):
        raise UsageError("the output would replace the input", where=target, hint="Write to another file")


def is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is what an error comes from.

    Native code that calls back into Python, as OpenCV and ONNX Runtime do, may wrap the interrupt in a SystemError.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def report_error(error: EmotraceError) -> int:
    """Prints the error in one line and returns its exit code."""
    say(f"emotrace: {' '.join(str(error).split())}")
    return int(error.exit_code)


def prepare_streams() -> None:
    """Lets no character fail: what the terminal's encoding lacks is printed as its escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def report_failed_output(error: OSError) -> int:
    """The same for standard output that takes no more, as on a full disk. What is still buffered is dropped."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter fails once more at its end
    reason = f"cannot be written ({error.strerror or error})"
    return report_error(
        UnwritableOutput(reason, where=error.filename or "standard output", hint="Make room, or write elsewhere")
    )


@contextmanager
def watching(what: str, *, quiet: bool = False) -> Iterator[Watch]:
    """A watch that draws a progress bar on stderr, if that is a terminal."""
    from emotrace.progress import Watch

    if quiet or sys.stderr is None or not sys.stderr.isatty():
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


@contextmanager
def needing(extra: str, what_for: str) -> Iterator[None]:
    """Inside, an import that fails for want of another package says which extra brings it.

    Raises:
        MissingExtra: A package that is not emotrace's own is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "emotrace":
            raise
        raise MissingExtra(what_for, extra=extra) from error
