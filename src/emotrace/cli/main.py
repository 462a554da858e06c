"""`emotrace`: the commands, each in its own file, each calling one public function.

Exit codes: 0 done, 1 abstained everywhere, 2 wrong usage, 3 bad input or output, 4 an extra is missing, 130 Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from emotrace.cli.analyze import analyze
from emotrace.cli.annotate import AnnotateCommand, annotate
from emotrace.cli.coldstart import coldstart
from emotrace.cli.console import INTERRUPTED, is_interrupt, prepare_streams, report_error, report_failed_output
from emotrace.cli.doctor import doctor
from emotrace.cli.evaluate import app as evaluate
from emotrace.cli.export import export
from emotrace.cli.features import features
from emotrace.cli.pack import pack
from emotrace.cli.predict import app as predict
from emotrace.cli.pull import pull
from emotrace.cli.report import report
from emotrace.cli.schema import schema
from emotrace.cli.serve import serve
from emotrace.cli.trace import trace
from emotrace.cli.train import app as train
from emotrace.cli.verify import verify
from emotrace.cli.watch import watch
from emotrace.errors import EmotraceError

app = typer.Typer(
    name="emotrace",
    help="Video emotion recognition that shows its evidence. Perceived emotions, never felt ones.",
    epilog="Exit codes: 0 done, 1 abstained everywhere, 2 wrong usage, 3 bad input or output, 4 an extra is missing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (analyze, trace, report, export, verify, features, pack, coldstart, doctor, pull, schema):
    app.command()(command)
app.command(cls=AnnotateCommand)(annotate)
app.command()(serve)
app.command()(watch)
for group in (evaluate, train, predict):
    app.add_typer(group)


def _print_version(wanted: bool) -> None:
    if wanted:
        from emotrace._version import __version__

        typer.echo(f"emotrace {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of the program itself."""


def run() -> None:
    """Entry point of the `emotrace` script: a typed error becomes one line on stderr and its exit code."""
    prepare_streams()
    try:
        app()
    except EmotraceError as error:
        sys.exit(report_error(error))
    except SystemError as error:
        if not is_interrupt(error):
            raise
        sys.exit(INTERRUPTED)
    except OSError as error:  # files fail with errors of ours: what is left is the output
        sys.exit(report_failed_output(error))
