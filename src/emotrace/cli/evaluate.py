"""`emotrace evaluate`: numbers that can be repeated and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli.console import say, stdout, write_stdout
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.labels.label_table import LabelTable
    from emotrace.metrics.protocols import Protocol

FORMATS = ("text", "json", "csv", "html")
OFFICIAL_SET_OF_DATASET = {
    "ov-merd-plus": "unibench",
    **dict.fromkeys(("mer2023", "mer2024", "meld", "iemocap"), "hitrate"),
    **dict.fromkeys(("mosi", "mosei", "sims", "simsv2"), "sentiment"),
}
"""MER-UniBench's data sets -> the protocol of each [field]."""


def evaluate(
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="Named protocol; --list shows them all.", show_default=False)
    ] = "",
    truth: Annotated[
        Path | None, typer.Option("--truth", help="csv, tsv, jsonl or npz with the truth.", show_default=False)
    ] = None,
    pred: Annotated[
        Path | None,
        typer.Option("--pred", help="csv, tsv, jsonl or npz, or a folder of emotrace results.", show_default=False),
    ] = None,
    pred_b: Annotated[
        Path | None, typer.Option(help="A second system: adds the paired comparison.", show_default=False)
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
    missing: Annotated[str, typer.Option(help="A truth without answer is an `error`, or scored as `empty`.")] = "error",
    names: Annotated[
        Path | None, typer.Option(help="Text file: the names that the answers must have.", show_default=False)
    ] = None,
    train_names: Annotated[
        Path | None, typer.Option(help="Text file: warn when a truth name was trained on.", show_default=False)
    ] = None,
    column_truth: Annotated[str | None, typer.Option(help="Column of the truth.", show_default=False)] = None,
    column_pred: Annotated[str | None, typer.Option(help="Column of the answers.", show_default=False)] = None,
    split: Annotated[str | None, typer.Option(help="Which <split>_corpus of a label npz.", show_default=False)] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of the truth whose groups are resampled whole.", show_default=False)
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Column of the truth: scores of each group.", show_default=False)
    ] = None,
    extract: Annotated[
        str | None, typer.Option(help="none, or rules: labels out of free text.", show_default=False)
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
) -> None:
    """Score answers against truth under a named protocol, with intervals, provenance and the clips that were scored.

    Exit codes: 0 scored, 1 data refused, 2 wrong usage.
    """
    from emotrace.cli import evaluation_output as output
    from emotrace.metrics.answer_files import read_answers
    from emotrace.metrics.evaluation import evaluate as run
    from emotrace.metrics.protocols import PROTOCOLS

    if show_list:
        output.print_protocols(stdout())
        return
    _one_of("--format", form, FORMATS)
    _one_of("--protocol", protocol, tuple(PROTOCOLS))
    chosen = PROTOCOLS[_of_dataset(protocol, dataset)]
    table = _label_table(chosen, tables, table_version)
    if explain_word is not None:
        if table is None:
            raise UsageError(f"protocol {protocol} uses no label tables", where="--explain-word")
        output.print_path(table.explain(explain_word), stdout())
        return
    if truth is None or pred is None:
        raise UsageError("needs --truth FILE and --pred FILE", where="emotrace evaluate")
    settings = _settings(
        scheme=scheme,
        table=table,
        zero_division=_one_of("--zero-division", zero_division, ("nan", "zero")),
        rounds=bootstrap,
        seed=seed,
        cluster=cluster,
        group_by=group_by,
        missing=_one_of("--missing", missing, ("error", "empty")),
        exact_names=None if names is None else _read_names(names),
        extract=_one_of("--extract", extract, ("none", "rules")),
        column_truth=column_truth,
        column_answer=column_pred,
        clip_values=clip,
        synonym_groups={} if groups is None else _read_groups(groups),
        engine=_one_of("--engine", engine, ("auto", "base", "scikit-learn")),
    )
    true_file = read_answers(truth, split=split)
    rival = None if pred_b is None else read_answers(pred_b, split=split)
    result = run(chosen, true_file, read_answers(pred, split=split), settings=settings, rival=rival)
    if train_names is not None:
        trained = [name for name in _read_names(train_names) if name in true_file.rows]
        if trained:
            say(f"emotrace: {len(trained)} of {len(true_file.rows)} clips were trained on, such as {trained[0]}")
    if out is not None:
        for path in output.write_files(out, result):
            say(f"wrote {path}")
    if explain is not None and table is not None:
        output.write_labels(explain, table, result)
        say(f"wrote {explain}")
    if form == "text":
        output.print_report(result.report, stdout())
    else:
        write_stdout(output.RENDERERS[form](result))


def _one_of(option: str, value: Any, known: tuple[str, ...]) -> Any:
    if value is not None and value not in known:
        raise UsageError(f"got {value!r}", where=option, todo=f"Known: {', '.join(known)}")
    return value


def _settings(**chosen: Any) -> Any:
    from emotrace.metrics.scored import Settings

    return Settings(**chosen)


def _of_dataset(protocol: str, dataset: str | None) -> str:
    if dataset is None:
        return protocol
    if protocol != "unibench":
        raise UsageError("is for the protocol unibench", where="--dataset")
    return OFFICIAL_SET_OF_DATASET[_one_of("--dataset", dataset, tuple(OFFICIAL_SET_OF_DATASET))]


def _label_table(protocol: Protocol, folder: Path | None, version: str | None) -> LabelTable | None:
    from emotrace.labels.label_table import OwnTable
    from emotrace.labels.official_tables import WheelTables, tables_folder

    if protocol.tables is None:
        return None
    if protocol.tables == "own":
        return OwnTable.shipped()
    wanted = _one_of("--table-version", version, ("v1", "v2")) or protocol.tables
    return WheelTables.load(tables_folder(folder), version=wanted)


def _read_names(path: Path) -> tuple[str, ...]:
    from emotrace.errors import UnreadableTable

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableTable(f"cannot be read as UTF-8 text ({error})", where=path) from None
    return tuple(line.strip() for line in lines if line.strip())


def _read_groups(path: Path) -> dict[str, str]:
    """Clip -> synonym groups, from a column `groups` or `text`, or from a folder of `<clip>.npy` strings."""
    from emotrace.labels.pickled import read_npy
    from emotrace.metrics.answer_files import read_answers

    if path.is_dir():
        return {file.stem: str(read_npy(file)) for file in sorted(path.glob("*.npy"))}
    table = read_answers(path)
    column = table.column(None, ("groups", "text", "openset", "labels"), what="synonym groups")
    return {name: str(row.get(column, "")) for name, row in table.rows.items()}
