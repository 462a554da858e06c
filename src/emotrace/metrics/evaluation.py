"""From joined truth and answers to an `EvaluationReport`: score, resample, compare, say where it came from."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotrace._version import __version__
from emotrace.errors import InvalidScores, UnreadableTable
from emotrace.metrics.answer_files import AnswerFile, Joined, join
from emotrace.metrics.protocols import Protocol
from emotrace.metrics.report import (
    Clips,
    EvaluationReport,
    InputFile,
    PairedDifference,
    Score,
    ScoreInterval,
    Tables,
)
from emotrace.metrics.resampling import bootstrap, default_rounds, mcnemar, paired_difference
from emotrace.metrics.score_classes import score_classes, score_classes_and_value, score_value
from emotrace.metrics.score_labels import (
    score_groups,
    score_hit_rate,
    score_preference,
    score_sentiment,
    score_sets,
)
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
    "groups": score_groups,
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One clip as it was scored; predictions are kept in this form and can be scored again."""

    doc_id: str
    target: Any
    prediction: Any
    scores: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A report, and the clips that it is made of."""

    report: EvaluationReport
    items: tuple[Item, ...]


def evaluate(
    protocol: Protocol,
    truth: AnswerFile,
    answers: AnswerFile,
    *,
    settings: Settings | None = None,
    rival: AnswerFile | None = None,
) -> Evaluation:
    """Scores answers, and compares them with a rival's on the same clips where one is given.

    Raises:
        ScoringError: What the files hold cannot be scored; each of its kinds says what, where and what to do.
    """
    settings = settings or Settings()
    score = _KINDS[protocol.kind]
    joined = join(truth, answers, missing=settings.missing, exact_names=settings.exact_names)
    if not joined.names:
        raise InvalidScores("holds no clip", where=truth.path)
    result = score(protocol, joined, truth, answers, settings)
    difference = None
    if rival is not None:
        joined_b = join(truth, rival, missing=settings.missing, exact_names=settings.exact_names)
        difference = (result, score(protocol, joined_b, truth, rival, settings))
    report = _report(protocol, settings, joined, result, difference, {"truth": truth, "pred": answers, "pred_b": rival})
    items = tuple(
        Item(doc_id=name, target=target, prediction=prediction, scores=scores)
        for name, (target, prediction, scores) in zip(joined.names, result.items, strict=True)
    )
    return Evaluation(report=report, items=items)


def _report(
    protocol: Protocol,
    settings: Settings,
    joined: Joined,
    result: Scored,
    pair: tuple[Scored, Scored] | None,
    files: Mapping[str, AnswerFile | None],
) -> EvaluationReport:

    truth = files["truth"]
    clusters = None
    if settings.cluster and truth is not None:
        clusters = column_of_truth(joined, truth, settings.cluster)
        if any(len(each.rows) != len(clusters) for each in result.summed.values()):
            raise UnreadableTable(f"protocol {protocol.name} cannot draw clusters: it leaves clips out")
    notes: tuple[str, ...] = (
        (protocol.note,) if protocol.note and not any(protocol.note in note for note in result.notes) else ()
    )
    if joined.missing:
        notes += (f"{len(joined.missing)} clips without an answer are scored as empty answers.",)
    if settings.cluster is None and _look_like_dialogues(joined.names):
        notes += ("The names look like parts of dialogues: intervals without --cluster are too narrow.",)
    if settings.clip_values:
        notes += ("Predicted values were clipped to the range of the truth.",)
    return EvaluationReport(
        protocol=result.name or protocol.name,
        formula=protocol.formula,
        source=protocol.source,
        notes=(*notes, *result.notes),
        main=protocol.main,
        scores=_scores(result, settings, clusters),
        baselines={name: plain(value) for name, value in result.baselines.items()},
        difference=None if pair is None else _difference(protocol, settings, clusters, *pair),
        clips=Clips(
            truth=len(joined.names),
            missing=len(joined.missing),
            missing_names=joined.missing[:5],
            ignored=joined.ignored,
            abstained=result.abstained,
            scored=result.scored,
            split_sha256=joined.split_sha256,
        ),
        details=_without_nan(result.details),
        tables=None if settings.table is None else Tables(name=settings.table.name, sha256=settings.table.sha256),
        inputs={
            role: InputFile(name=file.path.name, sha256=file.sha256, rows=len(file.rows))
            for role, file in files.items()
            if file is not None
        },
        engine=result.engine,
        seed=settings.seed,
        settings={
            "rounds": default_rounds(len(joined.names)) if settings.rounds is None else settings.rounds,
            "cluster": settings.cluster,
            "group_by": settings.group_by,
            "missing": settings.missing,
            "column_truth": settings.column_truth,
            "column_pred": settings.column_answer,
        },
        packages={"emotrace": __version__, "numpy": np.__version__},
    )


def _scores(result: Scored, settings: Settings, clusters: Sequence[str] | None) -> dict[str, Score]:

    scores = {}
    for name, value in result.scores.items():
        interval = None
        if name in result.summed and settings.rounds != 0:
            drawn = bootstrap(result.summed[name], rounds=settings.rounds, seed=settings.seed, clusters=clusters)
            interval = ScoreInterval(
                low=plain(drawn.low),
                high=plain(drawn.high),
                rounds=drawn.rounds,
                undefined_rounds=drawn.undefined_rounds,
                clusters=drawn.clusters,
            )
        scores[name] = Score(
            value=plain(value),
            interval=interval,
            undefined=result.undefined.get(name, "no clip is scored") if math.isnan(value) else "",
            note=result.score_notes.get(name, ""),
        )
    return scores


def _difference(protocol: Protocol, settings: Settings, clusters: Sequence[str] | None, a: Scored, b: Scored) -> Any:

    main = protocol.main
    if main not in a.summed or main not in b.summed:
        raise InvalidScores(f"no clip is scored by {protocol.name}: nothing can be compared")
    rounds = settings.rounds or None
    drawn = paired_difference(a.summed[main], b.summed[main], rounds=rounds, seed=settings.seed, clusters=clusters)
    return PairedDifference(
        score=main,
        value=plain(drawn.estimate),
        low=plain(drawn.interval.low),
        high=plain(drawn.interval.high),
        p_permutation=plain(drawn.p_permutation),
        p_bootstrap=plain(drawn.p_bootstrap),
        p_mcnemar=None if a.correct is None else mcnemar(a.correct, b.correct),
    )


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
