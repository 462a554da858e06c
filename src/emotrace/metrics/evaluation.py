"""From joined truth and answers to an `EvaluationReport`: score, resample, compare, say where it came from."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotrace._version import __version__
from emotrace.errors import InvalidScores
from emotrace.metrics.answer_files import AnswerFile, Joined, abstention, join
from emotrace.metrics.comparison import compare, picked
from emotrace.metrics.parts import as_written, score_folds, score_groups
from emotrace.metrics.protocols import Protocol
from emotrace.metrics.report import Clips, EvaluationReport, InputFile, Score, Tables
from emotrace.metrics.resampling import SummedScore, bootstrap, default_rounds
from emotrace.metrics.score_classes import score_classes
from emotrace.metrics.score_labels import (
    score_hit_rate,
    score_preference,
    score_sentiment,
    score_sets,
    score_stored_groups,
)
from emotrace.metrics.score_values import score_classes_and_value, score_value
from emotrace.metrics.scored import Scored, Settings, column_of_truth, plain

_Score = Callable[[Protocol, Joined, AnswerFile, AnswerFile, Settings], Scored]
_KINDS: dict[str, _Score] = {
    "classes": score_classes,
    "value": score_value,
    "classes+value": score_classes_and_value,
    "sets": score_sets,
    "hitrate": score_hit_rate,
    "sentiment": score_sentiment,
    "preference": score_preference,
    "groups": score_stored_groups,
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One clip as it was scored; predictions are kept in this form and can be scored again."""

    doc_id: str
    target: Any
    prediction: Any
    scores: dict[str, Any]
    kept: dict[str, Any] = field(default_factory=dict)
    """Values and distributions, where the protocol scores them too."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A report, and the clips that it is made of."""

    report: EvaluationReport
    items: tuple[Item, ...]
    summed: Mapping[str, SummedScore]
    """Scores as functions of totals over the clips, for further resampling."""


def evaluate(
    protocol: Protocol,
    truth: AnswerFile,
    answers: AnswerFile,
    *,
    settings: Settings | None = None,
    rivals: Sequence[AnswerFile] = (),
) -> Evaluation:
    """Scores answers, and compares them with rivals on the same clips where some are given.

    Raises:
        ScoringError: What the files hold cannot be scored; each of its kinds says what, where and what to do.
    """
    settings = settings or Settings()
    joined, result = _score(protocol, truth, answers, settings)
    others = {name: _score(protocol, truth, file, settings)[1] for name, file in _named(rivals).items()}
    report = _report(protocol, settings, joined, result, others, truth, answers, rivals)
    kept = result.kept or [{} for _ in joined.names]
    items = tuple(
        Item(doc_id=name, target=target, prediction=prediction, scores=scores, kept=more)
        for name, (target, prediction, scores), more in zip(joined.names, result.items, kept, strict=True)
    )
    return Evaluation(report=report, items=items, summed=result.summed)


def _score(protocol: Protocol, truth: AnswerFile, answers: AnswerFile, settings: Settings) -> tuple[Joined, Scored]:
    joined = join(truth, answers, missing=settings.missing, exact_names=settings.exact_names)
    if not joined.names:
        raise InvalidScores("holds no clip", where=truth.path)
    return joined, _KINDS[protocol.kind](protocol, joined, truth, answers, settings)


def _named(files: Sequence[AnswerFile]) -> dict[str, AnswerFile]:
    """The files by name; by path where two have the same name."""
    names = Counter(file.path.name for file in files)
    return {file.path.name if names[file.path.name] == 1 else str(file.path): file for file in files}


def _report(
    protocol: Protocol,
    settings: Settings,
    joined: Joined,
    result: Scored,
    rivals: Mapping[str, Scored],
    truth: AnswerFile,
    answers: AnswerFile,
    rival_files: Sequence[AnswerFile],
) -> EvaluationReport:
    columns = (settings.cluster, settings.folds, settings.group_by)
    clusters, folds, groups = (column_of_truth(joined, truth, name) if name else None for name in columns)
    differences = compare(protocol, settings, result, rivals, clusters=clusters, folds=folds)
    notes = (*_notes(protocol, settings, joined, result), *result.notes)
    if len(differences) > 1:
        notes = (*notes, picked(answers.path.name, result.summed[protocol.main].value, differences))
    files = {"truth": truth, "pred": answers}
    files |= {f"pred_b{number or ''}": file for number, file in enumerate(rival_files)}
    return EvaluationReport(
        protocol=result.name or protocol.name,
        formula=protocol.formula,
        source=protocol.source,
        notes=notes,
        main=protocol.main,
        scores=_scores(result, settings, clusters),
        baselines={name: plain(value) for name, value in result.baselines.items()},
        differences=differences,
        groups={}
        if groups is None
        else score_groups(result.summed, groups, rounds=settings.rounds, seed=settings.seed, clusters=clusters),
        folds=None if folds is None else score_folds(result.summed, folds, column=settings.folds or ""),
        clips=Clips(
            truth=len(joined.names),
            missing=len(joined.missing),
            missing_names=joined.missing[:5],
            ignored=joined.ignored,
            abstained=result.abstained,
            reasons=dict(sorted(Counter(filter(None, map(abstention, joined.answers))).items())),
            scored=result.scored,
            split_sha256=joined.split_sha256,
        ),
        details=_without_nan(result.details),
        tables=None if settings.table is None else Tables(name=settings.table.name, sha256=settings.table.sha256),
        inputs={
            role: InputFile(name=file.path.name, sha256=file.sha256, rows=len(file.rows))
            for role, file in files.items()
        },
        engine=result.engine,
        seed=settings.seed,
        settings={
            "rounds": default_rounds(len(joined.names)) if settings.rounds is None else settings.rounds,
            **settings.as_written(),
        },
        packages={"emotrace": __version__, "numpy": np.__version__},
    )


def _notes(protocol: Protocol, settings: Settings, joined: Joined, result: Scored) -> list[str]:
    notes = []
    if protocol.note and not any(protocol.note in note for note in result.notes):
        notes.append(protocol.note)
    if joined.missing:
        notes.append(f"{len(joined.missing)} clips without an answer are scored as empty answers.")
    if trained := [name for name in joined.names if name in settings.train_names]:
        notes.append(f"{len(trained)} of {len(joined.names)} clips were trained on, such as {trained[0]}.")
    if settings.cluster is None and _look_like_dialogues(joined.names):
        notes.append("The names look like parts of dialogues: intervals without --cluster are too narrow.")
    if settings.clip_values:
        notes.append("Predicted values were clipped to the range of the truth.")
    return notes


def _scores(result: Scored, settings: Settings, clusters: Sequence[str] | None) -> dict[str, Score]:
    scores = {}
    for name, value in result.scores.items():
        interval = None
        if name in result.summed and settings.rounds != 0:
            drawn = bootstrap(result.summed[name], rounds=settings.rounds, seed=settings.seed, clusters=clusters)
            interval = as_written(drawn)
        scores[name] = Score(
            value=plain(value),
            interval=interval,
            undefined=result.undefined.get(name, "no clip is scored") if math.isnan(value) else "",
            note=result.score_notes.get(name, ""),
        )
    return scores


def _look_like_dialogues(names: Sequence[str]) -> bool:
    """Whether many names share what stands before their last underscore or hyphen followed by a number."""
    stems = [match[1] for name in names if (match := re.fullmatch(r"(.*?[A-Za-z].*\d.*)[_-][A-Za-z]*\d+", name))]
    return len(stems) >= len(names) / 2 and 1 < len(set(stems)) < len(stems) / 2


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return value
