"""MER-UniBench as a whole: nine data sets, each with its own primary number, and the mean of the nine [field].

Intervals of the mean redraw each data set by itself: they are independent samples. A sweep over checkpoints shows the
fixed one first; the best checkpoint of each data set is shown as what it is, a choice made on the test sets.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.errors import UnreadableTable
from emotrace.metrics.answer_files import AnswerFile, read_answers
from emotrace.metrics.comparison import PICKED
from emotrace.metrics.evaluation import Evaluation, evaluate
from emotrace.metrics.parts import as_written
from emotrace.metrics.protocols import PROTOCOLS, Protocol
from emotrace.metrics.report import Clips, EvaluationReport, Score
from emotrace.metrics.resampling import draw_scores, interval_of
from emotrace.metrics.scored import Settings, plain

DATA_SETS: dict[str, str] = {
    "mer2023": "hitrate",
    "mer2024": "hitrate",
    "meld": "hitrate",
    "iemocap": "hitrate",
    "mosi": "sentiment",
    "mosei": "sentiment",
    "sims": "sentiment",
    "simsv2": "sentiment",
    "ov-merd-plus": "unibench",
}
"""The nine data sets -> the protocol of each [field]."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Truth and answers of one data set."""

    truth: AnswerFile
    answers: AnswerFile


def read_pairs(truth: Path, answers: Path) -> dict[str, Pair]:
    """The data sets that both folders hold, each as a file or folder called after it: `meld.csv`, `meld/`.

    Raises:
        UnreadableTable: The folders share no data set, one holds a data set twice, or a truth has no answers.
    """
    sides = [{name: _find(folder, name) for name in DATA_SETS} for folder in (truth, answers)]
    named = [name for name in DATA_SETS if sides[0][name] is not None]
    if not named:
        raise UnreadableTable("holds no data set", where=truth, hint=f"Files are called {', '.join(DATA_SETS)}")
    lacking = [name for name in named if sides[1][name] is None]
    if lacking:
        raise UnreadableTable(f"has no answers for {', '.join(lacking)}", where=answers)
    return {
        name: Pair(truth=read_answers(sides[0][name] or truth), answers=read_answers(sides[1][name] or answers))
        for name in named
    }


def _find(folder: Path, name: str) -> Path | None:
    try:
        found = [path for path in sorted(folder.iterdir()) if path.name == name or path.stem == name]
    except OSError as error:
        raise UnreadableTable(f"is no folder of data sets ({error.strerror})", where=folder) from None
    if len(found) > 1:
        raise UnreadableTable(f"holds {name} twice: {found[0].name} and {found[1].name}", where=folder)
    return found[0] if found else None


def evaluate_benchmark(
    pairs: Mapping[str, Pair], *, settings: Settings, sweep: Mapping[str, Mapping[str, Pair]] | None = None
) -> Evaluation:
    """Scores every data set by its own protocol, and their mean where all nine are there.

    Args:
        pairs: Data set -> its files.
        settings: As for one evaluation; the same for all.
        sweep: Name of another checkpoint -> its files.

    Raises:
        ScoringError: See `evaluation.evaluate`.
    """
    results = {name: _evaluate(name, pair, settings) for name, pair in pairs.items()}
    protocol = PROTOCOLS["unibench"]
    first = next(iter(results.values()))[1].report
    notes = [f"{name}: {note}" for name, (_, result) in results.items() for note in result.report.notes]
    details: dict[str, Any] = {
        "data_sets": {name: result.report.model_dump(mode="json") for name, (_, result) in results.items()}
    }
    if sweep:
        systems = {"fixed": _main_values(results)}
        for checkpoint, files in sweep.items():
            quick = replace(settings, rounds=0)
            systems[checkpoint] = _main_values({name: _evaluate(name, pair, quick) for name, pair in files.items()})
        details["sweep"] = _sweep(systems)
        notes.append(f"Best per data set: {PICKED}.")
    used = [result.report.tables for _, result in results.values() if result.report.tables is not None]
    return Evaluation(
        report=EvaluationReport(
            protocol=_name(results),
            formula="mean over nine data sets of hit rate (4), WAF (4) and mean of 5 F at level 1 (1)",
            source=protocol.source,
            notes=tuple(dict.fromkeys(notes)),
            main="mean",
            scores=_scores(results, settings),
            baselines={},
            clips=_clips([result.report.clips for _, result in results.values()], list(results)),
            details=details,
            tables=used[0] if used else None,
            inputs={
                f"{name} {role}": file
                for name, (_, result) in results.items()
                for role, file in result.report.inputs.items()
            },
            engine=first.engine,
            seed=settings.seed,
            settings=settings.as_written(),
            packages=first.packages,
        ),
        items=tuple(
            replace(item, doc_id=f"{name}/{item.doc_id}")
            for name, (_, result) in results.items()
            for item in result.items
        ),
        summed={},
    )


_Results = Mapping[str, tuple[Protocol, Evaluation]]


def _evaluate(name: str, pair: Pair, settings: Settings) -> tuple[Protocol, Evaluation]:
    protocol = PROTOCOLS[DATA_SETS[name]]
    table = settings.table if protocol.tables is not None else None
    return protocol, evaluate(protocol, pair.truth, pair.answers, settings=replace(settings, table=table))


def _name(results: _Results) -> str:
    """`unibench`, unless some data set was scored by something else than its official protocol."""
    names = {result.report.protocol for _, result in results.values()}
    others = sorted(names - {protocol.name for protocol, _ in results.values()})
    return f"custom(unibench, {'; '.join(others)})" if others else "unibench"


def _main_values(results: _Results) -> dict[str, float]:
    values = {name: result.report.scores[protocol.main].value for name, (protocol, result) in results.items()}
    return {name: math.nan if value is None else value for name, value in values.items()}


def _mean(values: Mapping[str, float]) -> float:
    """The mean of the nine; nan where one of them is not there or undefined."""
    return float(np.mean([values.get(name, math.nan) for name in DATA_SETS]))


def _scores(results: _Results, settings: Settings) -> dict[str, Score]:
    values = _main_values(results)
    mean = _mean(values)
    lacking = [name for name in DATA_SETS if name not in values]
    undefined = [name for name, value in values.items() if math.isnan(value)]
    why = f"needs all nine data sets; lacks {', '.join(lacking)}" if lacking else ""
    why = why or (f"undefined on {', '.join(undefined)}" if undefined else "")
    interval = None
    if not why and settings.rounds != 0:
        rounds = settings.rounds or 1_000
        draws = [
            draw_scores(result.summed[protocol.main], rounds=rounds, seed=settings.seed + place)
            for place, (protocol, result) in enumerate(results.values())
        ]
        interval = as_written(interval_of(np.mean(draws, axis=0), estimate=mean, seed=settings.seed))
    scores = {"mean": Score(value=plain(mean), interval=interval, undefined=why)}
    return scores | {
        f"{name} {protocol.main}": result.report.scores[protocol.main] for name, (protocol, result) in results.items()
    }


def _sweep(systems: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """Checkpoint -> data set -> score and `mean`; the fixed one first, the best per data set last."""
    best = {
        name: max((values[name] for values in systems.values() if name in values), default=math.nan)
        for name in systems["fixed"]
    }
    rows = {**systems, "best per data set (picked on the test sets)": best}
    return {
        name: {"mean": plain(_mean(values)), **{key: plain(value) for key, value in values.items()}}
        for name, values in rows.items()
    }


def _clips(parts: Sequence[Clips], names: Sequence[str]) -> Clips:
    split = "".join(
        f"{name}\t{part.split_sha256}\n"
        for name, part in sorted(zip(names, parts, strict=True), key=lambda pair: pair[0])
    )
    return Clips(
        truth=sum(part.truth for part in parts),
        missing=sum(part.missing for part in parts),
        missing_names=tuple(name for part in parts for name in part.missing_names)[:5],
        ignored=sum(part.ignored for part in parts),
        abstained=sum(part.abstained for part in parts),
        scored={name: part.truth for name, part in zip(names, parts, strict=True)},
        split_sha256=hashlib.sha256(split.encode()).hexdigest(),
    )
