"""`emotrace evaluate heads`: how far face, voice and words heads can be trusted on people of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli.console import say, stdout, watching
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.evaluation.answers import Head
    from emotrace.evaluation.scores import HeadScores
    from emotrace.metrics.resampling import Interval


def evaluate_heads(
    face: Annotated[
        Path | None,
        typer.Option(help="Table (path, label[, person]) of pictures or clips, or the folder with it."),
    ] = None,
    voice: Annotated[
        Path | None, typer.Option(help="Table (path, label[, speaker]) of recordings, or the folder with it.")
    ] = None,
    text: Annotated[Path | None, typer.Option(help="Table (text, label) of English sentences.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Rows to keep, as split=dev. May be repeated.")
    ] = None,
    bootstrap: Annotated[
        int | None, typer.Option(min=0, help="Resamples.", show_default="10000, or 1000 from 5001 items")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for heads.json.", show_default=False)] = None,
) -> None:
    """Check the trained heads on labelled files: UAR, macro-F1, calibration, what abstaining gains; with intervals."""
    import json

    from emotrace.evaluation.answers import HEADS
    from emotrace.files import write_atomically

    tables = {"face": face, "voice": voice, "text": text}
    if not any(tables.values()):
        raise UsageError("nothing to evaluate", hint="Give --face, --voice or --text with a table of labelled files")
    kept = dict(_pair(choice) for choice in only or ())
    found = [_scored(head, table, kept, bootstrap, seed) for head in HEADS if (table := tables[head]) is not None]
    _print(found)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        record = {"seed": seed, "only": kept, "heads": [scores.to_dict() for scores in found]}
        write_atomically(out / "heads.json", json.dumps(record, indent=1) + "\n")
        say(f"wrote {out / 'heads.json'}")


def _pair(choice: str) -> tuple[str, str]:
    name, given, value = choice.partition("=")
    if not (name and given):
        raise UsageError(f"expected COLUMN=VALUE, got {choice!r}", where="--only")
    return name.strip().lower(), value.strip()


def _scored(head: Head, table: Path, only: dict[str, str], rounds: int | None, seed: int) -> HeadScores:
    from emotrace.evaluation.answers import SCHEMES, answer
    from emotrace.evaluation.labelled import read_labelled
    from emotrace.evaluation.scores import score_head

    content = "text" if head == "text" else "path"
    items = read_labelled(table, content=content, head_scheme=SCHEMES[head], only=only)
    answers = []
    with watching(f"{head} head") as watch:
        for number, item in enumerate(items, start=1):
            answers.append(answer(head, item.content))
            watch.progress("reading", number, len(items))
    return score_head(head, items, answers, rounds=rounds, seed=seed)


def _print(found: list[HeadScores]) -> None:
    from rich.table import Table

    columns = ("head", "items", "people", "labels", "UAR", "macro-F1", "accuracy", "ECE")
    table = Table(*columns, "accuracy at 100/90/80/70/60/50 %")
    for scores in found:
        unread = scores.items - scores.answered
        table.add_row(
            scores.head,
            f"{scores.items}" + (f" ({unread} with nothing to read)" if unread else ""),
            "-" if scores.groups is None else str(scores.groups),
            f"{len(scores.labels)} (chance {scores.chance_uar:.2f})",
            *(_with_range(each) for each in (scores.uar, scores.macro_f1, scores.accuracy, scores.ece)),
            " ".join(f"{share:.2f}" for share in scores.accuracy_at.values()),
        )
    stdout().print(table)


def _with_range(interval: Interval) -> str:
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
