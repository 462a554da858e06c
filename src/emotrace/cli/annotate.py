"""`emotrace annotate INPUT... --out DIR`: many files, by many workers, resumable."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer
from typer.core import TyperCommand

from emotrace.cli.analyze import analyze
from emotrace.cli.console import INTERRUPTED, ask_before_sending, is_interrupt, needing, printable, say, stdout
from emotrace.cli.providers import MER_NAME
from emotrace.cli.reasoners import EMBEDDED, refuse_without_server
from emotrace.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from emotrace.batch.asking import Asking
    from emotrace.batch.inputs import Input
    from emotrace.batch.job import Job
    from emotrace.batch.run import Batch
    from emotrace.batch.summary import Progress

_OF_ONE_FILE: Final = ("context", "file", "out", "json", "text", "transcript", "replies", "brief")
"""Parameters of `analyze` that a batch has no use for, or has in another form."""
_RAY_ADDRESS: Final = re.compile(r"auto|local|(ray://)?[\w.-]+:\d+")


class AnnotateCommand(TyperCommand):
    """Lets `--ray` stand alone: without an address it starts workers here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Gives a bare `--ray` its value."""
        spelt = list[str]()
        for position, word in enumerate(args):
            following = args[position + 1] if position + 1 < len(args) else ""
            bare = word == "--ray" and "--" not in args[:position] and not _RAY_ADDRESS.fullmatch(following)
            spelt.append("--ray=local" if bare else word)
        return super().parse_args(ctx, spelt)


def _with_options_of_analyze(command: Callable[..., None]) -> Callable[..., None]:
    """Puts the options of `analyze` in the place of `**options`, so that they are declared once."""
    hints = get_type_hints(analyze, include_extras=True)
    shared = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(analyze).parameters.values()
        if parameter.name not in _OF_ONE_FILE
    ]
    own_hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=own_hints[parameter.name])
        for parameter in inspect.signature(command).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in (*own, *shared)} | {"return": None}
    return command


@_with_options_of_analyze
def annotate(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, folders (with all below them), globs in quotation marks, or a .csv with a column path and, "
            "if wanted, transcript, text and id.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the batch.", show_default=False)],
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes; on Ray most tasks at a time.", show_default="one per core"),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Work on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT; alone it starts one here.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Tables of all results: formats of `emotrace export`, with commas.", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first file that fails.")] = False,
    calls_per_minute: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Most questions to a language model, by all workers together.", show_default="no limit"
        ),
    ] = None,
    **options: Any,
) -> None:
    """Analyse many files; what was done is kept, so that a run that was stopped or killed goes on where it was.

    Exit codes: 0 done, though single files may have failed (they are listed); 1 stopped at a failure by --strict; 2
    wrong usage; 3 bad input or output, or every file failed; 4 an extra is missing; 130 stopped by Ctrl-C.
    """
    from emotrace.batch.inputs import expand
    from emotrace.batch.run import annotate as run

    quiet = options["quiet"]
    if options["redact"] and not options["report"]:
        raise UsageError("there is no report to blur", where="--redact", hint="Add --report")
    if calls_per_minute is not None and options["reasoner"] == EMBEDDED:
        raise UsageError("no language model is asked", where="--calls-per-minute", hint="Name one with --reasoner")
    if options["reasoner"] == EMBEDDED:
        refuse_without_server(context)
    job = _job(options)
    if job.asking is not None:
        _agree_to_send(job.asking, expand(inputs, leave_out=out), yes=options["yes"])
    try:
        with _showing(quiet=quiet) as show:
            batch = run(
                inputs,
                out,
                job,
                workers=workers,
                ray=ray,
                formats=list(dict.fromkeys(to.split(","))) if to else (),
                calls_per_minute=calls_per_minute,
                strict=strict,
                on_progress=show,
            )
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        say("emotrace: stopped; what was done is kept, and the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    if not quiet:
        _print_summary(batch, out)
    if batch.stopped_by is not None:
        failure = batch.stopped_by.failure
        say(f"emotrace: stopped at a failure: {failure.error if failure else ''}: {failure.message if failure else ''}")
        raise typer.Exit(1)
    if batch.progress.failed == batch.progress.total:
        raise typer.Exit(int(ExitCode.BAD_INPUT))


def _job(options: dict[str, Any]) -> Job:
    """How each file is analysed."""
    import codecs

    from emotrace.batch.job import Job
    from emotrace.cli.systems import load_systems
    from emotrace.purpose import check_purpose

    encoding, detector_model = options["encoding"], options["detector_model"]
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise UsageError(f"no encoding is called {encoding!r}", where="--encoding") from None
    names, weights, traces = options["with_systems"] or (), options["weights"] or (), options["traces"]
    asked_for = {"class_words": options["class_words"], "provider": options["provider"], "traces": traces}
    systems = partial(load_systems, tuple(names), tuple(weights), **asked_for)
    if not names:
        systems()  # refuses options without a system
    return Job(
        options={
            "purpose": check_purpose(options["purpose"]),
            "encoding": encoding,
            "k": options["k"],
            "rate_hz": options["rate"],
            "detector": options["detector"],
            "detector_model": None if detector_model is None else str(detector_model),
            "max_duration_seconds": options["max_duration"],
            "use_video": options["video"],
            "use_audio": options["audio"],
            "heads": options["heads"],
            "abstain": options["abstain"],
        },
        systems=systems if names else None,
        systems_settings={"names": [str(name) for name in names], **asked_for, "traces": None},
        weights=(*weights, *([] if traces is None else [traces])),
        asking=None if options["reasoner"] == EMBEDDED else _asking(options),
        report=options["report"],
        redact=options["redact"],
    )


def _asking(options: dict[str, Any]) -> Asking:
    with needing("mllm", "annotate --reasoner"):
        from emotrace.batch.asking import Asking

    return Asking(
        url=options["reasoner"],
        model=options["model"] or "",
        mode="steps" if options["stepwise"] else "one",
        swap_check=None if options["swap"] else False,
        form=options["form"],
        frames=options["frames"],
        sound=options["send_sound"],
        words=options["send_words"],
        samples=options["samples"],
        prompt_price=options["prompt_price"],
        completion_price=options["completion_price"],
        permission=options["permission"],
        reserve=options["on_failure"] == "embedded",
        concurrency=options["concurrency"],
        tries=options["tries"],
        timeout_seconds=options["timeout"],
    )


def _agree_to_send(asking: Asking, inputs: list[Input], *, yes: bool) -> None:
    """Tells what goes where, and gets a yes for all files at once.

    Raises:
        UsageError: Nobody said yes; or no http address, no model.
        UploadForbidden: A clip's corpus forbids sending it to another machine.
    """
    from emotrace.evidence.providers.interface import check_upload, is_on_this_machine

    host = asking.server().host
    is_here = is_on_this_machine(host)
    bound = any(MER_NAME.fullmatch(each.path.stem) for each in inputs)
    check_upload(str(host), corpus="the MER corpora", may_leave_machine=not bound, permission=asking.permission)
    parts = ["evidence sheets", f"up to {asking.frames} frames per question" if asking.frames else "no frames"]
    parts += ["the sound" if asking.sound else "no sound", "what is said" if asking.words else "no words"]
    machine = "this" if is_here else "another"
    told = f"{', '.join(parts)} of {len(inputs)} files go to {host} ({machine} machine, model {asking.model})"
    say(f"{told}; no name does")
    if not is_here:
        ask_before_sending(str(host), yes=yes)


@contextmanager
def _showing(*, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A line on stderr that says how far the batch is and how long it will take, if that is a terminal."""
    import sys

    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed}/{task.total}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("reading", total=None)

        def show(progress: Any) -> None:
            bar.update(line, completed=progress.through, total=progress.total, description=pace(progress))

        yield show


def pace(progress: Progress) -> str:
    """Rate and time left, in a few words."""
    words = [f"{progress.failed} failed"] if progress.failed else []
    if progress.seconds and progress.analysed:
        words.append(f"{60 * progress.analysed / progress.seconds:.0f} files/min")
    if (times := progress.times_real_time) is not None:
        words.append(f"{times:.1f} x real time")
    if (left := progress.seconds_left) is not None:
        hours, minutes = divmod(round(left / 60), 60)
        words.append(f"{hours} h {minutes} min left" if hours else f"{minutes} min left" if minutes else "< 1 min left")
    return ", ".join(words)


def _print_summary(batch: Batch, out: Path) -> None:
    """What came of it, as a table."""
    from rich.table import Table

    progress = batch.progress
    table = Table(show_header=False, box=None, pad_edge=False)
    rows: list[tuple[str, str]] = [
        ("analysed", f"{progress.analysed} of {progress.total}, {progress.media_seconds / 60:.1f} minutes of media"),
        ("kept from before, or the same", f"{progress.kept}, {progress.kept_media_seconds / 60:.1f} minutes"),
        ("failed", _counted(progress.errors) if progress.failed else "0"),
    ]
    if progress.done:
        rows.append(("abstained everywhere", f"{progress.abstained} ({progress.abstained / progress.done:.0%})"))
        rows.append(("labels of the whole", _counted(progress.labels) or "none"))
    if (times := progress.times_real_time) is not None:
        rows.append(("speed", f"{times:.1f} x real time, {progress.seconds:.1f} s"))
    for name, value in rows:
        table.add_row(name, printable(value))
    stdout().print(table)
    if batch.other_settings:
        say(f"{batch.other_settings} other results here were made with other settings: they are in no table")
    if progress.failed:
        shown = [entry for entry in batch.entries if entry.failure is not None][:5]
        for entry in shown:
            say(f"failed: {entry.id}: {entry.failure.error if entry.failure else ''}")
    if batch.stopped_by is None:
        say(f"wrote {out}: results/, summary.csv, manifest.jsonl" + (", errors.csv" if progress.failed else ""))


def _counted(counts: Any, most: int = 8) -> str:
    """`sum: word count, word count ...`, the most frequent first."""
    in_order = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{name} {count}" for name, count in in_order[:most]) + (" ..." if len(in_order) > most else "")
