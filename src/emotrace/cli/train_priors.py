"""`emotrace train priors`: features and reasoning traces of a corpus, joined by a small fusion network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from emotrace.cli.console import needing, say, stdout, watching

_DATA = "Corpus"
_TRACES = "Traces"
_MODEL = "Model and training"
_RUN = "Run"


def priors(
    data: Annotated[
        str, typer.Option(help="mer2023, mer2024, mer2025, or table: a table of your own.", rich_help_panel=_DATA)
    ],
    root: Annotated[Path, typer.Option(help="Folder that the owner's archive unpacks to.", rich_help_panel=_DATA)],
    features: Annotated[
        list[str],
        typer.Option(
            help="MODALITY=NAME for visual, vocal and verbal: a set below ROOT/features, a folder, or a packed "
            ".safetensors file. NAME alone where the card of `emotrace features` lies beside it.",
            rich_help_panel=_DATA,
        ),
    ],
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", help="An adapter's argument, as labels=mer6. May be repeated.", rich_help_panel=_DATA),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            help="Splits to answer, none, or a csv file with a column `name`.",
            show_default="all that there are; the unlabelled clips where tests are hidden among them",
            rich_help_panel=_DATA,
        ),
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option(help="Guess clips without a label, and learn from what is sure.", rich_help_panel=_DATA)
    ] = True,
    limit: Annotated[
        int | None, typer.Option(min=10, help="Most clips of each part, for a trial.", rich_help_panel=_DATA)
    ] = None,
    traces: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines of `emotrace trace`, matched to clips by the bytes of their media.",
            show_default="none: a network without priors",
            rich_help_panel=_TRACES,
        ),
    ] = None,
    text_encoder: Annotated[
        str,
        typer.Option(
            help="Who reads traces: hashed (nothing to download), or a text model of transformers.",
            rich_help_panel=_TRACES,
        ),
    ] = "intfloat/multilingual-e5-base",
    view: Annotated[
        Literal["full", "masked", "verdict", "shuffled", "none", "all"] | None,
        typer.Option(
            help="What of the traces is shown; all compares the five.",
            show_default="full with --traces, else none",
            rich_help_panel=_TRACES,
        ),
    ] = None,
    injection: Annotated[
        Literal["gated", "concat", "expert", "none"],
        typer.Option(help="How traces enter the network.", rich_help_panel=_MODEL),
    ] = "gated",
    contrast: Annotated[
        Literal["both", "features", "bcl", "supcon", "dualcl", "none"],
        typer.Option(help="The contrastive loss of stage 2; both is BDCL.", rich_help_panel=_MODEL),
    ] = "both",
    kappa: Annotated[
        float, typer.Option(min=0.0, help="Logit adjustment: it trades WAF for UAR.", rich_help_panel=_MODEL)
    ] = 0.0,
    valence: Annotated[
        bool, typer.Option("--valence", help="Learn valence too, and submit it.", rich_help_panel=_MODEL)
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Of stage 1.", rich_help_panel=_MODEL)] = 12,
    tuning_epochs: Annotated[int, typer.Option(min=1, help="Of stage 2.", rich_help_panel=_MODEL)] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips of one step.", rich_help_panel=_MODEL)] = 128,
    folds: Annotated[str, typer.Option(help="1-5, or 1,2, or all.", rich_help_panel=_RUN)] = "all",
    seeds: Annotated[str, typer.Option(help="How many, as 5, or which, as 0,1.", rich_help_panel=_RUN)] = "1",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of runs; made if it is not there.", rich_help_panel=_RUN)
    ] = Path("runs"),
    resume: Annotated[
        bool, typer.Option(help="Go on with what is in --out; else begin anew.", rich_help_panel=_RUN)
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=_RUN)
    ] = False,
) -> None:
    """Train a fusion network on features and traces, in two stages and five folds: WAF with intervals, label shift.

    Writes OUT/DATA/views.json and views.md, and for each view its results, a submission file, and the weights of every
    fold and seed in OUT/DATA/VIEW/f1/s0/tuned/last with a card. A finished run is not trained again. Our
    reconstruction from the abstract and keywords of arXiv 2508.03722; formulas and settings are emotrace's own.
    """
    from emotrace.cli.corpus_arguments import adapter_arguments

    with needing("train", "train priors"):
        from emotrace.cli.priors_tables import print_study
        from emotrace.priors.corpora.experiment import Choices, folds_of, prepare, seeds_of
        from emotrace.priors.corpora.study import run_study

    choices = Choices(
        data=data,
        root=root,
        features=tuple(features),
        options=adapter_arguments(data, choose or []),
        traces=traces,
        text_encoder=text_encoder,
        view=view or ("none" if traces is None else "full"),
        injection=injection,
        contrast=contrast,
        kappa=kappa,
        valence=valence,
        folds=folds_of(folds),
        seeds=seeds_of(seeds),
        unlabelled=unlabelled,
        tests=test,
        limit=limit,
        epochs=epochs,
        tuning_epochs=tuning_epochs,
        batch_size=batch_size,
    )
    tell = (lambda line: None) if quiet else say
    with watching(data, quiet=quiet) as watch:
        plan = prepare(choices, out=out, watch=watch, tell=tell)
        study = run_study(plan, resume=resume, watch=watch, tell=tell)
    if not quiet:
        print_study(study, stdout())
        say(f"wrote {plan.folder / 'views.json'}, views.md, and a folder per view")
