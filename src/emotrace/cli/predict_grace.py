"""`emotrace predict grace`: one row per clip, from weights that `emotrace train grace` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from emotrace.cli.console import needing, say, watching, write_stdout
from emotrace.cli.options import DetectorOption
from emotrace.errors import ExitCode, UsageError, first_five

_CORPUS = "A corpus in place of INPUT"


def grace(
    weights: Annotated[Path, typer.Option("--weights", "-w", help="Folder of weights, such as runs/dfew/f1/last.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT", help="Videos, folders of frames, or folders of either."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The table, a .csv file.", show_default="printed")
    ] = None,
    detector: DetectorOption = "auto",
    texts: Annotated[
        Path | None, typer.Option(help="Texts of the clips, for weights that read them (train_and_test).")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips at once.")] = 16,
    workers: Annotated[int, typer.Option(min=0, help="Threads that read pictures.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the table.")] = False,
    data: Annotated[
        str | None, typer.Option(help="dfew, ferv39k, mafw, table, as in `train`.", rich_help_panel=_CORPUS)
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Its folder.", rich_help_panel=_CORPUS)] = None,
    fold: Annotated[str, typer.Option(help="One of its folds.", rich_help_panel=_CORPUS)] = "1",
    part: Annotated[
        Literal["test", "train"], typer.Option(help="Which list of the fold.", rich_help_panel=_CORPUS)
    ] = "test",
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", help="An adapter's argument. May be repeated.", rich_help_panel=_CORPUS),
    ] = None,
) -> None:
    """Ask GRACE about clips: label, probability of each label, pictures seen, or the reason why there is no answer.

    Pictures in folders are taken as they are, as corpora hold them: face crops. In videos the faces are found and
    cropped, and the answer is that of whoever is longest on screen. Exit code 1 where no clip got an answer.
    """
    with needing("train", "predict grace"):
        from emotrace.grace.corpora.answers import as_csv
        from emotrace.grace.corpora.asking import answers_for, clips_at, clips_of, words_for
        from emotrace.grace.video.system import GraceSystem

    from emotrace.cli.corpus_arguments import adapter_arguments
    from emotrace.files import write_atomically
    from emotrace.media.faces import detector as build_detector

    if (data is None) == (not inputs) or (data is None) != (root is None):
        raise UsageError("needs clips", where="predict grace", hint="Name INPUTs, or --data NAME --root FOLDER")
    system = GraceSystem.load(weights)
    labels = system.model.config.labels
    if data is not None and root is not None:
        options = adapter_arguments(data, choose or [])
        clips = clips_of(data, root, fold=fold, part=part, labels=labels, options=options)
    else:
        clips = clips_at(inputs or [])
    words = words_for(system, texts, corpus=data or "", names=[clip.id for clip in clips]) if texts else None
    with watching("predict", quiet=quiet) as watch:
        answers = answers_for(
            system,
            clips,
            crop=data is None,
            detector=build_detector(detector),
            texts=words,
            batch_size=batch_size,
            workers=workers,
            watch=watch,
        )
    table = as_csv(answers, labels, {clip.id: clip.target.labels[0] for clip in clips} if data is not None else None)
    if out is None:
        write_stdout(table)
    else:
        write_atomically(out, table)
    silent = [f"{answer.name} ({answer.reason})" for answer in answers if answer.distribution is None]
    if not quiet:
        say(f"{len(answers)} clips" + (f", {len(silent)} without an answer: {first_five(silent)}" if silent else ""))
        if out is not None:
            say(f"wrote {out}")
    if len(silent) == len(answers):
        raise typer.Exit(int(ExitCode.ABSTAINED))
