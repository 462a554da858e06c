"""`emotrace train grace`: GRACE on a corpus, fold by fold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotrace.cli.console import needing, say, stdout, watching
from emotrace.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from emotrace.grace.corpora.fold_results import Results

_DATA = "Corpus and how it is trained"
_MODEL = "Model"
_WORDS = "Words"
_RUN = "Run"


def grace(
    data: Annotated[
        str, typer.Option(help="dfew, ferv39k, mafw, or table: a table of your own.", rich_help_panel=_DATA)
    ],
    root: Annotated[Path, typer.Option(help="Folder that the owner's archive unpacks to.", rich_help_panel=_DATA)],
    fold: Annotated[str, typer.Option(help="1 to 5, several as 1,2, or all.", rich_help_panel=_DATA)] = "all",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of runs; made if it is not there.", rich_help_panel=_DATA)
    ] = Path("runs"),
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", help="An adapter's argument, as frames=jpg_256. May be repeated.", rich_help_panel=_DATA),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_DATA, show_default="25, ferv39k 15, mafw 30")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips of one step.", rich_help_panel=_DATA)] = 32,
    sampler: Annotated[
        Literal["shuffled", "sqrt_inverse", "balanced", "logit_adjustment"],
        typer.Option(help="How rare classes are treated; it trades WAR for UAR.", rich_help_panel=_DATA),
    ] = "shuffled",
    validation: Annotated[
        bool,
        typer.Option("--validation", help="Hold out a tenth of the training list to choose by.", rich_help_panel=_DATA),
    ] = False,
    encoder: Annotated[
        str,
        typer.Option(
            help="tiny (small, from scratch), embedded (the shipped face network), or a CLIP checkpoint: a name of "
            "the hub or a folder.",
            rich_help_panel=_MODEL,
        ),
    ] = "openai/clip-vit-base-patch16",
    adaptation: Annotated[
        Literal["lora", "frozen", "last_k", "full"] | None,
        typer.Option(
            help="What of the encoder is trained.",
            rich_help_panel=_MODEL,
            show_default="lora; full for tiny, frozen for embedded",
        ),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Pictures of a clip that are seen.", rich_help_panel=_MODEL)] = 16,
    alignment: Annotated[
        Literal["none", "softmax", "balanced", "unbalanced"],
        typer.Option("--alignment", "--arm", help="How words and patches are matched.", rich_help_panel=_MODEL),
    ] = "balanced",
    motion: Annotated[
        Literal["off", "pixel", "feature"], typer.Option(help="What motion is read from.", rich_help_panel=_MODEL)
    ] = "pixel",
    rigid: Annotated[
        Literal["off", "median", "affine"],
        typer.Option(help="How the head's own motion is taken out.", rich_help_panel=_MODEL),
    ] = "affine",
    texts: Annotated[
        str | None,
        typer.Option(
            help="A .jsonl or .csv file with id and text, or `embedded`: the built-in observers look at the clips.",
            rich_help_panel=_WORDS,
            show_default="class descriptions alone",
        ),
    ] = None,
    text: Annotated[
        Literal["none", "coarse", "fine"] | None,
        typer.Option(
            help="Of a clip's text: nothing, as it stands, or refined.",
            rich_help_panel=_WORDS,
            show_default="fine with --texts, else none",
        ),
    ] = None,
    text_mode: Annotated[
        Literal["train_only", "train_and_test"],
        typer.Option(help="Whether the classifier reads the text too.", rich_help_panel=_WORDS),
    ] = "train_only",
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=_RUN)] = 0,
    precision: Annotated[
        Literal["auto", "no", "bf16", "fp16"],
        typer.Option(help="Of matrix products; auto: bf16 on a GPU that has it.", rich_help_panel=_RUN),
    ] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Threads that read pictures.", rich_help_panel=_RUN)] = 2,
    resume: Annotated[
        bool, typer.Option(help="Go on with what is in --out; else begin anew.", rich_help_panel=_RUN)
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=_RUN)
    ] = False,
) -> None:
    """Train GRACE on a corpus and test it: all folds, last epoch, intervals, confusion, and whether time is used.

    Writes OUT/DATA/results.json and results.md, and each fold's weights into OUT/DATA/f1/last. A finished fold is not
    trained again, an interrupted one goes on. Reimplementation from the abstract and one figure caption of arXiv
    2507.11892; formulas, prompts and settings are emotrace's own.
    """
    from emotrace.cli.corpus_arguments import adapter_arguments

    with needing("train", "train grace"):
        from accelerate import PartialState

        from emotrace.cli.grace_tables import print_results
        from emotrace.grace.corpora.experiment import Choices, prepare
        from emotrace.grace.corpora.folds import run_folds

    if texts is None and (text not in (None, "none") or text_mode == "train_and_test"):
        raise UsageError(
            "needs the clips' texts",
            where="--text, --text-mode",
            hint="Name them with --texts FILE or --texts embedded",
        )
    quiet = quiet or not PartialState().is_main_process
    tell = (lambda line: None) if quiet else say
    with watching(data, quiet=quiet) as watch:
        plan = prepare(
            Choices(
                data=data,
                root=root,
                fold=fold,
                options=adapter_arguments(data, choose or []),
                epochs=epochs,
                batch_size=batch_size,
                sampler=sampler,
                validation=validation,
                encoder=encoder,
                adaptation=adaptation,
                frames=frames,
                alignment=alignment,
                motion=motion,
                rigid=rigid,
                texts=texts,
                text=text,
                text_mode=text_mode,
                seed=seed,
                precision=precision,
                workers=workers,
            ),
            out=out,
            watch=watch,
            tell=tell,
        )
        results = run_folds(
            plan.experiment, plan.folder, resume=resume, text_alone=plan.text_alone, watch=watch, tell=tell
        )
    if not quiet:
        print_results(results, stdout())
        say(f"wrote {plan.folder / 'results.json'} and results.md")
    _leave(results)


def _leave(results: Results) -> None:
    """Exit code 3 where a fold failed."""
    if results.failed:
        say(f"emotrace: folds that failed: {', '.join(results.failed)}; the same command goes on with them")
        raise typer.Exit(int(ExitCode.BAD_INPUT))
