"""`emotrace evaluate`: numbers that can be repeated and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli.console import say, stdout, write_stdout
from emotrace.cli.evaluate_heads import evaluate_heads
from emotrace.cli.evaluate_predict import predict, write_task_files
from emotrace.cli.evaluation_options import (
    AbstainOption,
    AgainOption,
    CasesOption,
    Choices,
    DataOption,
    FaithfulnessOption,
    KeptOption,
    KOption,
    PredictOption,
    RootOption,
    SetOption,
    StrictOption,
    TaskFilesOption,
)
from emotrace.cli.reasoners import (
    EMBEDDED,
    CompletionPriceOption,
    ConcurrencyOption,
    FormOption,
    ModelOption,
    OnFailureOption,
    PermissionOption,
    PromptPriceOption,
    ReasonerOption,
    SamplesOption,
    StepwiseOption,
    SwapOption,
    TimeoutOption,
    TriesOption,
    YesOption,
)
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.metrics.evaluation import Evaluation
    from emotrace.metrics.scored import Settings

app = typer.Typer(name="evaluate")
app.command("heads")(evaluate_heads)

FORMATS = ("text", "json", "csv", "html")
ALSO_CALLED = {"ovmer": "ovmer-12"}
"""Other names of the same protocol."""


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="Named protocol; --list shows them all.", show_default=False)
    ] = "",
    truth: Annotated[
        Path | None,
        typer.Option(help="csv, tsv, jsonl or npz with the truth; for unibench a folder.", show_default=False),
    ] = None,
    pred: Annotated[
        Path | None,
        typer.Option(help="csv, tsv, jsonl or npz, or a folder of emotrace results.", show_default=False),
    ] = None,
    pred_b: Annotated[
        list[Path] | None,
        typer.Option(help="A rival: adds the paired comparison. May be repeated.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for report.json, report.html, per_clip.csv, predictions.jsonl."),
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(help="Label scheme of `closed` and `dfer`, such as dfew.", show_default=False)
    ] = None,
    tables: Annotated[
        Path | None, typer.Option(help="Folder of your copy of the emotion-wheel tables.", show_default=False)
    ] = None,
    table_version: Annotated[
        str | None, typer.Option(help="v1 or v2, other than the protocol's: named custom(...).", show_default=False)
    ] = None,
    zero_division: Annotated[
        str | None, typer.Option(help="nan or zero, other than the protocol's: named custom(...).", show_default=False)
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Which set of MER-UniBench, for `unibench`.", show_default=False)
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(help="Stored synonym groups, for `mer2024-ov`.", show_default=False)
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="A truth without answer is an `error`, or scored as `empty`.",
            show_default="error; empty with --predict",
        ),
    ] = None,
    names: Annotated[
        Path | None, typer.Option(help="Text file: the names that the answers must have.", show_default=False)
    ] = None,
    train_names: Annotated[
        Path | None, typer.Option(help="Text file: say so when a truth name was trained on.", show_default=False)
    ] = None,
    column_truth: Annotated[str | None, typer.Option(help="Column of the truth.", show_default=False)] = None,
    column_pred: Annotated[str | None, typer.Option(help="Column of the answers.", show_default=False)] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Which <split>_corpus of a label npz; with --data, of the corpus.", show_default=False),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of the truth whose groups are resampled whole.", show_default=False)
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Column of the truth: scores of each group.", show_default=False)
    ] = None,
    folds: Annotated[
        str | None, typer.Option(help="Column of the truth with the test fold: fold means too.", show_default=False)
    ] = None,
    extract: Annotated[
        str | None, typer.Option(help="Labels out of free text: none, rules, or llm.", show_default=False)
    ] = None,
    llm_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible server for --extract llm: texts go there.", show_default=False)
    ] = None,
    llm_model: Annotated[str | None, typer.Option(help="Model on that server.", show_default=False)] = None,
    llm_kept: Annotated[
        Path | None, typer.Option(help="JSON lines of answers that are not asked again.", show_default=False)
    ] = None,
    bootstrap: Annotated[
        int | None, typer.Option(min=0, help="Resamples; 0 draws none.", show_default="10000, or 1000 from 5001 clips")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all resampling.")] = 0,
    clip: Annotated[bool, typer.Option("--clip", help="Clip predicted values to the range of the truth.")] = False,
    engine: Annotated[str, typer.Option(help="auto, base or scikit-learn: who computes closed-set numbers.")] = "auto",
    explain: Annotated[
        Path | None, typer.Option(help="Write how every label reached its clusters, as csv.", show_default=False)
    ] = None,
    explain_word: Annotated[
        str | None, typer.Option(help="Print how one word reaches its clusters, and leave.", show_default=False)
    ] = None,
    form: Annotated[str, typer.Option("--format", help="What to print: text, json, csv or html.")] = "text",
    show_list: Annotated[
        bool, typer.Option("--list", help="Print every protocol with its formula, and leave.")
    ] = False,
    who: PredictOption = None,
    cases: CasesOption = None,
    data: DataOption = None,
    root: RootOption = None,
    choose: SetOption = None,
    k: KOption = 2,
    abstain: AbstainOption = False,
    kept: KeptOption = None,
    again: AgainOption = False,
    strict: StrictOption = False,
    faithfulness: FaithfulnessOption = False,
    task_files: TaskFilesOption = None,
    reasoner: ReasonerOption = EMBEDDED,
    model: ModelOption = None,
    yes: YesOption = False,
    stepwise: StepwiseOption = False,
    swap: SwapOption = True,
    reply_form: FormOption = "auto",
    samples: SamplesOption = 1,
    permission: PermissionOption = None,
    prompt_price: PromptPriceOption = None,
    completion_price: CompletionPriceOption = None,
    on_failure: OnFailureOption = "error",
    tries: TriesOption = 4,
    timeout: TimeoutOption = 120.0,
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Score answers against truth under a named protocol, with intervals, provenance and the clips that were scored.

    `evaluate heads` checks the trained heads on files of your own. With --predict the answers are given by a reasoner
    first. Nothing leaves the machine, unless --reasoner names a server. Exit codes: 0 scored, 2 wrong usage, 3 data
    refused, 4 an extra is missing.
    """
    from emotrace.cli import evaluation_input as given
    from emotrace.cli import evaluation_output as output
    from emotrace.metrics.answer_files import read_answers
    from emotrace.metrics.benchmark import DATA_SETS
    from emotrace.metrics.protocols import PROTOCOLS
    from emotrace.metrics.scored import Settings

    if context.invoked_subcommand is not None:
        return
    if show_list:
        output.print_protocols(stdout())
        return
    protocol = ALSO_CALLED.get(protocol, protocol)
    if protocol or explain_word is None:
        given.one_of("--protocol", protocol, tuple(PROTOCOLS))
    if explain_word is not None:
        output.print_path(given.table_to_explain(protocol, tables, table_version), explain_word, stdout())
        return
    given.one_of("--format", form, FORMATS)
    if dataset is not None:
        given.one_of("--dataset", dataset, tuple(DATA_SETS))
        if protocol != "unibench":
            raise UsageError("is for the protocol unibench", where="--dataset")
        protocol = DATA_SETS[dataset]
    if task_files is not None:
        write_task_files(task_files, PROTOCOLS[protocol], cases, out, k=k)
        return
    table = given.label_table(PROTOCOLS[protocol], tables, table_version)
    if who is None and (truth is None or pred is None):
        hint = "Or let a reasoner answer: --predict hydra --cases FILE"
        raise UsageError("needs --truth FILE and --pred FILE", where="emotrace evaluate", hint=hint)
    if who is not None and (truth is not None or pred is not None):
        raise UsageError("goes without --truth and --pred", where="--predict")
    _refuse_without_predict(
        who,
        data=data,
        root=root,
        kept=kept,
        again=again,
        strict=strict,
        faithfulness=faithfulness,
        abstain=abstain,
        cases=cases,
        reasoner=reasoner != EMBEDDED,
        model=model,
    )
    chosen: dict[str, Any] = {
        "scheme": scheme,
        "table": table,
        "zero_division": given.one_of("--zero-division", zero_division, ("nan", "zero")),
        "rounds": bootstrap,
        "seed": seed,
        "cluster": cluster,
        "group_by": group_by,
        "folds": folds,
        "missing": given.one_of("--missing", missing, ("error", "empty")) or ("error" if who is None else "empty"),
        "exact_names": given.read_names(names),
        "train_names": frozenset(given.read_names(train_names) or ()),
        "extract": given.one_of("--extract", extract, ("none", "rules", "llm")),
        "asker": given.asker(extract, llm_url, llm_model, llm_kept),
        "column_truth": column_truth,
        "column_answer": column_pred,
        "clip_values": clip,
        "synonym_groups": given.read_groups(groups),
        "engine": given.one_of("--engine", engine, ("auto", "base", "scikit-learn")),
    }
    settings = Settings(**chosen)
    if truth is None or pred is None:
        choices = Choices(
            cases=cases,
            data=data,
            root=root,
            split=split,
            choose=tuple(choose or ()),
            k=k,
            abstain=abstain,
            kept=kept or (None if out is None else out / "kept"),
            again=again,
            strict=strict,
            faithfulness=faithfulness,
            reasoner=reasoner,
            model=model,
            yes=yes,
            stepwise=stepwise,
            swap=swap,
            form=reply_form,
            samples=samples,
            permission=permission,
            on_failure=on_failure,
            tries=tries,
            timeout_seconds=timeout,
            concurrency=concurrency,
            prompt_price=prompt_price,
            completion_price=completion_price,
        )
        rivals = [read_answers(path) for path in pred_b or []]
        result = predict(PROTOCOLS[protocol], settings, choices, rivals, context)
    elif protocol == "unibench" and truth.is_dir():
        result = _benchmark(truth, pred, pred_b or [], settings)
    else:
        result = _one(protocol, truth, pred, pred_b or [], settings, split)
    if settings.asker is not None:
        say(f"emotrace: {settings.asker.asked} texts were sent to {settings.asker.host}, the other answers were kept")
    if out is not None:
        for path in output.write_files(out, result):
            say(f"wrote {path}")
    if explain is not None:
        if table is None:
            raise UsageError(f"protocol {protocol} uses no label tables", where="--explain")
        output.write_labels(explain, table, result)
        say(f"wrote {explain}")
    if form == "text":
        output.print_report(result.report, stdout())
    else:
        write_stdout(output.RENDERERS[form](result))


def _refuse_without_predict(who: str | None, **options: object) -> None:
    """Makes sure that no option of `--predict` stands alone."""
    if who is None and (named := [f"--{name}" for name, value in options.items() if value]):
        raise UsageError("goes with --predict hydra", where=", ".join(named))


def _one(
    protocol: str, truth: Path, pred: Path, rivals: list[Path], settings: Settings, split: str | None
) -> Evaluation:
    from emotrace.metrics.answer_files import read_answers
    from emotrace.metrics.evaluation import evaluate as run
    from emotrace.metrics.protocols import PROTOCOLS

    true_file, answers, *others = (read_answers(path, split=split) for path in (truth, pred, *rivals))
    return run(PROTOCOLS[protocol], true_file, answers, settings=settings, rivals=others)


def _benchmark(truth: Path, pred: Path, sweep: list[Path], settings: Settings) -> Evaluation:
    from emotrace.metrics.benchmark import evaluate_benchmark, read_pairs

    columns = {"--cluster": settings.cluster, "--group-by": settings.group_by, "--folds": settings.folds}
    if named := [option for option, column in columns.items() if column]:
        raise UsageError("is for one data set at a time", where=", ".join(named), hint="Name it with --dataset")
    others = {str(folder): read_pairs(truth, folder) for folder in sweep}
    return evaluate_benchmark(read_pairs(truth, pred), settings=settings, sweep=others)
