"""From joined truth and answers to an `EvaluationReport`: one small function per kind of protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emotrace.errors import InvalidScores, UnreadableTable, first_five
from emotrace.labels.label_table import LabelTable
from emotrace.metrics.answer_files import (
    ANSWER_COLUMNS,
    PROBABILITY,
    TRUTH_COLUMNS,
    VALUE_COLUMNS,
    AnswerFile,
    Joined,
    Missing,
    Row,
    join,
)
from emotrace.metrics.calibration import calibrate, risk_coverage
from emotrace.metrics.classification import (
    CLOSED_SET_SCORES,
    ClosedSetResult,
    Engine,
    ccc,
    class_indices,
    classify,
    mer2023_combined,
    mse,
    waf,
)
from emotrace.metrics.grouped_sets import bracketed_labels, grouped_sets
from emotrace.metrics.hit_rate import hit_rate
from emotrace.metrics.label_masks import parse_labels
from emotrace.metrics.open_vocabulary import SetScorer, constant_answers
from emotrace.metrics.protocols import Protocol, ZeroDivision
from emotrace.metrics.resampling import (
    SummedScore,
    bootstrap,
    default_rounds,
    from_cells,
    mcnemar,
    paired_difference,
)
from emotrace.metrics.sentiment import SIGN, polarity, preference, sentiment

if TYPE_CHECKING:
    from emotrace.metrics.report import EvaluationReport

NO_VALUE = -10.0
"""How MER2023 writes "no value" [field]."""
SMALLEST_GROUP = 30
Extract = Literal["none", "rules"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the caller may choose; the defaults are the protocols' own."""

    scheme: str | None = None
    table: LabelTable | None = None
    zero_division: ZeroDivision | None = None
    rounds: int | None = None
    seed: int = 0
    cluster: str | None = None
    """Column of the truth whose values are drawn whole."""
    group_by: str | None = None
    missing: Missing = "error"
    exact_names: tuple[str, ...] | None = None
    extract: Extract | None = None
    """None: rules for a `text` column, none for label columns."""
    column_truth: str | None = None
    column_answer: str | None = None
    clip_values: bool = False
    synonym_groups: Mapping[str, str] = field(default_factory=dict)
    engine: Engine = "auto"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One clip as it was scored; predictions are kept in this form and can be scored again."""

    doc_id: str
    target: Any
    prediction: Any
    scores: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """What every kind of protocol hands back."""

    scores: dict[str, float]
    summed: dict[str, SummedScore]
    items: list[tuple[Any, Any, dict[str, float | None]]]
    abstained: int
    scored: dict[str, int] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    score_notes: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    baselines: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    engine: str = "emotrace"
    correct: Any = None
    """Per clip, for McNemar's test; None where a clip is not simply right or wrong."""


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


# ---------------------------------------------------------------------------------------- what a row says


def _cell(row: Row, column: str) -> Any:
    """A cell; None where the answer is missing or blank."""
    value = row.get(column)
    return None if value is None or (isinstance(value, str) and not value.strip()) else value


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidScores(f"{where} has {value!r} where a number is expected") from None


def _answers(joined: Joined, file: AnswerFile, settings: Settings) -> tuple[list[Any], dict[str, Any]]:
    """The answers as label strings or lists, and how they were taken from free text."""
    usual = (*ANSWER_COLUMNS, "text")
    column = file.column(settings.column_answer, usual, what="answers")
    cells = [_cell(row, column) for row in joined.answers]
    rules = settings.extract == "rules" or (settings.extract is None and column == "text")
    if not rules:
        return cells, {"column": column, "extract": "none"}
    from emotrace.labels.extract import extract

    found = [extract(str(cell)) if cell is not None else None for cell in cells]
    methods = [each.method for each in found if each is not None]
    shares = {method: methods.count(method) / len(methods) for method in dict.fromkeys(methods)}
    labels = [list(each.labels) if each is not None else None for each in found]
    return labels, {"column": column, "extract": "rules", "methods": shares}


def _as_one_label(value: Any) -> str | None:
    labels = parse_labels(value) if not isinstance(value, int | float) else [f"{value:g}"]
    return ", ".join(labels) or None


# ---------------------------------------------------------------------------------------- closed sets


def _classes(protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings) -> _Scored:
    from emotrace.labels.schemes import scheme as named_scheme

    name = settings.scheme or protocol.scheme
    if name is None:
        raise InvalidScores(f"protocol {protocol.name} needs a label scheme", todo="Name it with --scheme NAME")
    labels = named_scheme(name).labels

    def known(value: Any) -> str | None:
        text = _as_one_label(value)
        return None if text is None else named_scheme(name).read_one(text) or text

    column = truth.column(settings.column_truth, TRUTH_COLUMNS, what="truth")
    true_labels = [known(_cell(row, column)) or "" for row in joined.truth]
    probabilities = _probabilities(joined, answers, labels)
    has_labels = settings.column_answer or any(usual in answers.columns for usual in ANSWER_COLUMNS)
    extraction: dict[str, Any] = {"column": f"{PROBABILITY}*", "extract": "none"}
    if probabilities is not None and not has_labels:
        given: list[str | None] = [labels[index] for index in probabilities.argmax(axis=1)]
    else:
        cells, extraction = _answers(joined, answers, settings)
        given = [known(cell) for cell in cells]
    result = classify(true_labels, given, labels=labels, engine=settings.engine)
    rows, columns = class_indices(true_labels, labels, what="truth"), class_indices(given, labels, what="predictions")
    cells_index = rows * (len(labels) + 1) + columns
    shape = (len(labels), len(labels) + 1)
    details: dict[str, Any] = {"scheme": name, "answers": extraction, **_class_details(result)}
    scores = {**asdict(result.scores), **{f"answered_{key}": value for key, value in asdict(result.answered).items()}}
    scores["coverage"] = result.coverage
    if probabilities is not None:
        calibration = calibrate(probabilities, rows, engine=settings.engine)
        scores |= {"ece": calibration.ece, "ece_mass": calibration.ece_mass}
        scores |= {"brier": calibration.brier, "nll": calibration.nll}
        curve = risk_coverage(probabilities.max(axis=1), rows == columns)
        scores |= {"aurc": curve.aurc, "excess_aurc": curve.excess_aurc, "risk_at_80": curve.risk_at_80}
        scores |= {"coverage_at_risk_10": curve.coverage_at_risk_10}
        details["reliability"] = [asdict(each) for each in calibration.bins]
    if settings.group_by:
        details["groups"] = _groups(joined, truth, settings, true_labels, given, labels)
    correct = rows == columns
    return _Scored(
        scores=scores,
        summed={
            key: from_cells(cells_index, shape=shape, score=function) for key, function in CLOSED_SET_SCORES.items()
        },
        items=[
            (target, answer, {"correct": float(right)})
            for target, answer, right in zip(true_labels, given, correct.tolist(), strict=True)
        ],
        abstained=result.abstained,
        scored={"classes": result.clips},
        baselines={
            "majority class": getattr(result.majority, protocol.main, math.nan),
            "drawn from the truth's frequencies": getattr(result.random, protocol.main, math.nan),
        },
        details=details,
        engine=result.engine,
        correct=correct,
    )


def _class_details(result: ClosedSetResult) -> dict[str, Any]:
    return {
        "labels": list(result.labels),
        "confusion": result.confusion.tolist(),
        "per_class": [asdict(score) for score in result.per_class],
        "classes_without_truth": list(result.classes_without_truth),
        "classes_unused": list(result.classes_unused),
    }


def _probabilities(joined: Joined, answers: AnswerFile, labels: Sequence[str]) -> Any:
    """One distribution per clip from the `prob_` columns, or None where the file has none or some answer lacks it."""
    columns = [f"{PROBABILITY}{label}" for label in labels]
    if not set(columns) <= set(answers.columns) or joined.missing:
        return None
    return np.array(
        [
            [_number(row.get(column), f"clip {name}, {column}") for column in columns]
            for name, row in zip(joined.names, joined.answers, strict=True)
        ]
    )


def _column_of_truth(joined: Joined, truth: AnswerFile, column: str) -> list[str]:
    truth.column(column, (), what="grouping")
    return [str(row.get(column, "")) for row in joined.truth]


def _groups(
    joined: Joined,
    truth: AnswerFile,
    settings: Settings,
    true_labels: Sequence[str],
    given: Sequence[str | None],
    labels: Sequence[str],
) -> dict[str, Any]:
    """UAR, WAR and coverage of each group with at least 30 clips; smaller ones show their number alone."""
    groups = _column_of_truth(joined, truth, settings.group_by or "")
    table: dict[str, Any] = {}
    for group in sorted(set(groups)):
        rows = [row for row, each in enumerate(groups) if each == group]
        table[group] = {"clips": len(rows)}
        if len(rows) >= SMALLEST_GROUP:
            result = classify([true_labels[r] for r in rows], [given[r] for r in rows], labels=labels, engine="base")
            table[group] |= {"uar": result.uar, "war": result.war, "coverage": result.coverage}
    return table


# ---------------------------------------------------------------------------------------- values


def _values(joined: Joined, truth: AnswerFile, answers: AnswerFile, protocol: Protocol, settings: Settings) -> Any:
    """True and predicted values, nan for a truth without one; and what was out of range."""
    true_column = truth.column(settings.column_truth if protocol.kind == "value" else None, VALUE_COLUMNS, what="value")
    own_column = answers.column(
        settings.column_answer if protocol.kind == "value" else None, ("prediction", *VALUE_COLUMNS), what="value"
    )
    y = np.array(
        [
            math.nan if _cell(row, true_column) is None else _number(row[true_column], f"clip {name}")
            for name, row in zip(joined.names, joined.truth, strict=True)
        ]
    )
    p = np.array(
        [
            math.nan if _cell(row, own_column) is None else _number(row[own_column], f"clip {name}")
            for name, row in zip(joined.names, joined.answers, strict=True)
        ]
    )
    y[y == NO_VALUE] = np.nan
    low, high = protocol.value_range or (-math.inf, math.inf)
    if not math.isfinite(low) and settings.scheme:
        from emotrace.labels.schemes import scheme

        low, high = next(iter(scheme(settings.scheme).values.values()), (low, high))
    outside = [f"{name} ({value:g})" for name, value in zip(joined.names, y, strict=True) if not (low <= value <= high)]
    outside = [each for each in outside if "(nan)" not in each]
    if outside:
        raise InvalidScores(f"has values outside [{low:g}, {high:g}]: {first_five(outside)}", where=truth.path)
    off = int(((p < low) | (p > high)).sum())
    if settings.clip_values:
        p = np.clip(p, low, high)
    unanswered = [name for name, a, b in zip(joined.names, y, p, strict=True) if not math.isnan(a) and math.isnan(b)]
    if unanswered:
        raise InvalidScores(f"has no value for: {first_five(unanswered)}", where=answers.path)
    details = {"values": int((~np.isnan(y)).sum()), "outside": off, "clipped": settings.clip_values}
    return y, p, details


def _error_rows(y: Any, p: Any) -> Any:
    """Per clip: squared error, and whether it counts."""
    known = ~np.isnan(y)
    return np.stack([np.where(known, (p - y) ** 2, 0.0), known], axis=1)


def _value(protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings) -> _Scored:
    y, p, details = _values(joined, truth, answers, protocol, settings)
    known = ~np.isnan(y)
    centre = float(np.mean(y[known])) if known.any() else 0.0
    a, b = np.where(known, y - centre, 0.0), np.where(known, p - centre, 0.0)
    moments = np.stack([known, a, b, a * a, b * b, a * b], axis=1).astype(np.float64)

    def concordance(totals: Any) -> Any:
        n, sa, sb, saa, sbb, sab = np.moveaxis(np.asarray(totals, dtype=np.float64), -1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = saa / n - (sa / n) ** 2 + sbb / n - (sb / n) ** 2 + ((sa - sb) / n) ** 2
            return np.where(spread > 1e-15, 2.0 * (sab / n - sa * sb / n**2) / spread, np.nan)

    scores = {"ccc": ccc(y, p), "mse": mse(y, p)}
    return _Scored(
        scores=scores,
        summed={
            "ccc": SummedScore(rows=moments, finish=concordance),
            "mse": SummedScore(rows=_error_rows(y, p), finish=lambda totals: totals[..., 0] / totals[..., 1]),
        },
        items=[(_plain(u), _plain(v), {"squared_error": _plain((u - v) ** 2)}) for u, v in zip(y, p, strict=True)],
        abstained=0,
        scored={"values": int(known.sum())},
        undefined={"ccc": "truth and prediction are both constant, or no clip has a value"},
        details=details,
    )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _classes_and_value(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> _Scored:
    classes = _classes(protocol, joined, truth, answers, settings)
    y, p, details = _values(joined, truth, answers, protocol, settings)
    error = mse(y, p)
    matrix = classes.summed["waf"]
    cells = matrix.rows.shape[1]

    def combined(totals: Any) -> Any:
        errors = np.asarray(totals)[..., cells:]
        with np.errstate(invalid="ignore", divide="ignore"):
            return mer2023_combined(matrix.finish(totals[..., :cells]), errors[..., 0] / errors[..., 1])

    both = SummedScore(rows=np.concatenate([matrix.rows, _error_rows(y, p)], axis=1), finish=combined)
    return _Scored(
        scores={"combined": mer2023_combined(classes.scores["waf"], error), "mse": error, **classes.scores},
        summed={"combined": both, **classes.summed},
        items=classes.items,
        abstained=classes.abstained,
        scored={**classes.scored, "values": details["values"]},
        undefined={"mse": "no clip has a value", "combined": "no clip has a value"},
        details={**classes.details, "value": details},
        engine=classes.engine,
    )


# ---------------------------------------------------------------------------------------- open vocabulary


def _true_labels(joined: Joined, truth: AnswerFile, settings: Settings) -> list[Any]:
    usual = ("openset", "labels", *TRUTH_COLUMNS)
    column = truth.column(settings.column_truth, usual, what="truth")
    return [_cell(row, column) for row in joined.truth]


def _table(protocol: Protocol, settings: Settings) -> LabelTable:
    if settings.table is None:
        raise InvalidScores(f"protocol {protocol.name} needs label tables")
    return settings.table


def _sets(protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings) -> _Scored:
    scorer = SetScorer(_table(protocol, settings), protocol, zero_division=settings.zero_division)
    true_labels = [parse_labels(cell) for cell in _true_labels(joined, truth, settings)]
    cells, extraction = _answers(joined, answers, settings)
    score = scorer.score(true_labels, cells)
    per_clip = [_clip_means(p, r) for p, r in zip(score.precisions, score.recalls, strict=True)]
    constants = constant_answers(scorer, true_labels)
    main = score.average if score.zero_division == "zero" else score.average_with_zero
    beaten = [constant.name for constant in constants if constant.average > main]
    notes = (f"Scores below a constant answer: {', '.join(beaten)}.",) if beaten else ()
    scores = {protocol.main: score.average}
    if score.zero_division == "nan":
        scores[f"{protocol.main} with 0 for 0/0"] = score.average_with_zero
    if len(protocol.groups) > 1:
        scores |= {
            f"mean F of {_group_name(group)}": value
            for group, value in zip(protocol.groups, score.group_averages, strict=True)
        }
    scores |= {"mean precision": score.precision, "mean recall": score.recall}
    return _Scored(
        scores=scores,
        summed={protocol.main: score.summed()},
        items=[
            (target, parse_labels(cell), clip) for target, cell, clip in zip(true_labels, cells, per_clip, strict=True)
        ],
        abstained=score.answers.empty,
        scored={target.target: target.scored for target in score.targets},
        undefined={key: score.undefined for key in scores} if score.undefined else {},
        score_notes={
            protocol.main: "official" if math.isnan(score.average) else "",
            f"{protocol.main} with 0 for 0/0": "ours",
        },
        notes=notes,
        baselines={f"{constant.name} ({', '.join(constant.labels)})": constant.average for constant in constants},
        details={
            "answers": extraction,
            "targets": [asdict(target) for target in score.targets],
            "truth_labels": asdict(score.truth),
            "answer_labels": asdict(score.answers),
            "zero_division": score.zero_division,
            "sample_means": {
                "precision": score.sample_precision,
                "recall": score.sample_recall,
                "f": score.sample_f,
            },
        },
        name=score.protocol,
    )


def _group_name(group: tuple[str, ...]) -> str:
    return group[0] if len(group) == 1 else f"{group[0]} .. {group[-1]}"


def _clip_means(precisions: Any, recalls: Any) -> dict[str, float | None]:
    scored = ~np.isnan(precisions)
    if not scored.any():
        return {"precision": None, "recall": None}
    return {"precision": float(precisions[scored].mean()), "recall": float(recalls[scored].mean())}


def _hitrate(protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings) -> _Scored:
    table = _table(protocol, settings)
    true_words = _true_labels(joined, truth, settings)
    cells, extraction = _answers(joined, answers, settings)
    result = hit_rate(true_words, cells, table=table)
    from emotrace.metrics.open_vocabulary import BASIC_EMOTIONS

    every = hit_rate(true_words, [list(BASIC_EMOTIONS)] * len(true_words), table=table)
    per_clip = [_clip_means(hits, hits)["recall"] for hits in result.hits]
    return _Scored(
        scores={
            "hit_rate": result.hit_rate,
            "mscore": result.mscore,
            "precision": result.precision,
            "labels_per_clip": result.labels_per_clip,
        },
        summed={"hit_rate": result.summed()},
        items=[
            (parse_labels(word), parse_labels(cell), {"hit": hit})
            for word, cell, hit in zip(true_words, cells, per_clip, strict=True)
        ],
        abstained=sum(not parse_labels(cell) for cell in cells),
        scored=result.scored,
        undefined={"hit_rate": "no truth has a cluster on some wheel"},
        notes=(result.note,),
        baselines={"every basic emotion": every.hit_rate},
        details={"answers": extraction},
        name=protocol.name if table.name == protocol.tables else f"custom({protocol.name}, tables {table.name})",
    )


def _sentiment(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> _Scored:
    true_column = truth.column(settings.column_truth, VALUE_COLUMNS, what="sentiment")
    y = np.array([_number(row[true_column], f"clip {n}") for n, row in zip(joined.names, joined.truth, strict=True)])
    cells, extraction = _answers(joined, answers, settings)
    words = [" ".join(parse_labels(cell)) for cell in cells]
    by_polarity = not any(word in SIGN for word in words)
    if by_polarity:
        words = [polarity(cell) for cell in cells]
    result = sentiment(y, words, engine=settings.engine)
    kept = y != 0
    rows = (y[kept] > 0).astype(np.int64)
    said = np.array([SIGN.get(word, 0) > 0 for word in words], dtype=bool)[kept]
    return _Scored(
        scores={"waf": result.waf, "accuracy": result.accuracy},
        summed={"waf": from_cells(rows * 3 + said, shape=(2, 3), score=waf)} if kept.any() else {},
        items=[(float(value), word, {}) for value, word in zip(y, words, strict=True)],
        abstained=sum(not parse_labels(cell) for cell in cells),
        scored={"clips": result.clips},
        undefined={"waf": "no clip is scored", "accuracy": "no clip is scored"},
        notes=(result.note,),
        details={"answers": extraction, "other_answers": result.other_answers, **_class_details(result.classes)},
        name="sentiment (emotrace polarity)" if by_polarity else protocol.name,
        engine=result.classes.engine,
    )


def _preference(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> _Scored:
    column = truth.column(settings.column_truth, TRUTH_COLUMNS, what="preference")
    true_labels = [_as_one_label(_cell(row, column)) or "" for row in joined.truth]
    cells, extraction = _answers(joined, answers, settings)
    given = [_as_one_label(cell) for cell in cells]
    result = preference(true_labels, given, engine=settings.engine)
    rows, columns = (class_indices(side, result.labels, what="labels") for side in (true_labels, given))
    shape = (len(result.labels), len(result.labels) + 1)
    return _Scored(
        scores={"waf": result.waf, "accuracy": result.accuracy},
        summed={"waf": from_cells(rows * shape[1] + columns, shape=shape, score=waf)},
        items=[(t, g, {"correct": float(t == g)}) for t, g in zip(true_labels, given, strict=True)],
        abstained=result.abstained,
        scored={"clips": result.clips},
        details={"answers": extraction, **_class_details(result)},
        engine=result.engine,
        correct=rows == columns,
    )


def _grouped(protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings) -> _Scored:
    if not settings.synonym_groups:
        raise InvalidScores(
            f"protocol {protocol.name} needs stored synonym groups", todo="Name them with --groups PATH"
        )
    texts = {
        name: str(cell or "") for name, cell in zip(joined.names, _true_labels(joined, truth, settings), strict=True)
    }
    cells, extraction = _answers(joined, answers, settings)
    own = {
        name: str(cell) if isinstance(cell, list) else cell or ""
        for name, cell in zip(joined.names, cells, strict=True)
    }
    result = grouped_sets(texts, own, settings.synonym_groups)
    by_name = dict(zip(result.names, result.per_clip.tolist(), strict=True))
    return _Scored(
        scores={"score": result.score, "precision": result.precision, "recall": result.recall},
        summed={"score": result.summed()},
        items=[
            (
                bracketed_labels(texts[name]),
                bracketed_labels(own[name]),
                dict(zip(("precision", "recall"), by_name.get(name, (None, None)), strict=True)),
            )
            for name in joined.names
        ],
        abstained=sum(not bracketed_labels(text) for text in own.values()),
        scored={"clips with groups": result.clips},
        details={"answers": extraction},
    )


_Score = Callable[[Protocol, Joined, AnswerFile, AnswerFile, Settings], _Scored]
_KINDS: dict[str, _Score] = {
    "classes": _classes,
    "value": _value,
    "classes+value": _classes_and_value,
    "sets": _sets,
    "hitrate": _hitrate,
    "sentiment": _sentiment,
    "preference": _preference,
    "groups": _grouped,
}


# ---------------------------------------------------------------------------------------- the report


def _report(
    protocol: Protocol,
    settings: Settings,
    joined: Joined,
    result: _Scored,
    pair: tuple[_Scored, _Scored] | None,
    files: Mapping[str, AnswerFile | None],
) -> EvaluationReport:
    from emotrace._version import __version__
    from emotrace.metrics.report import Clips, EvaluationReport, InputFile, Tables

    truth = files["truth"]
    clusters = None
    if settings.cluster and truth is not None:
        clusters = _column_of_truth(joined, truth, settings.cluster)
        if any(len(each.rows) != len(clusters) for each in result.summed.values()):
            raise UnreadableTable(f"protocol {protocol.name} cannot draw clusters: it leaves clips out")
    notes = (protocol.note,) if protocol.note and not any(protocol.note in note for note in result.notes) else ()
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
        baselines={name: _plain(value) for name, value in result.baselines.items()},
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


def _scores(result: _Scored, settings: Settings, clusters: Sequence[str] | None) -> dict[str, Any]:
    from emotrace.metrics.report import Score, ScoreInterval

    scores = {}
    for name, value in result.scores.items():
        interval = None
        if name in result.summed and settings.rounds != 0:
            drawn = bootstrap(result.summed[name], rounds=settings.rounds, seed=settings.seed, clusters=clusters)
            interval = ScoreInterval(
                low=_plain(drawn.low),
                high=_plain(drawn.high),
                rounds=drawn.rounds,
                undefined_rounds=drawn.undefined_rounds,
                clusters=drawn.clusters,
            )
        scores[name] = Score(
            value=_plain(value),
            interval=interval,
            undefined=result.undefined.get(name, "no clip is scored") if math.isnan(value) else "",
            note=result.score_notes.get(name, ""),
        )
    return scores


def _difference(protocol: Protocol, settings: Settings, clusters: Sequence[str] | None, a: _Scored, b: _Scored) -> Any:
    from emotrace.metrics.report import PairedDifference

    main = protocol.main
    if main not in a.summed or main not in b.summed:
        raise InvalidScores(f"no clip is scored by {protocol.name}: nothing can be compared")
    rounds = settings.rounds or None
    drawn = paired_difference(a.summed[main], b.summed[main], rounds=rounds, seed=settings.seed, clusters=clusters)
    return PairedDifference(
        score=main,
        value=_plain(drawn.estimate),
        low=_plain(drawn.interval.low),
        high=_plain(drawn.interval.high),
        p_permutation=_plain(drawn.p_permutation),
        p_bootstrap=_plain(drawn.p_bootstrap),
        p_mcnemar=None if a.correct is None else mcnemar(a.correct, b.correct),
    )


def _look_like_dialogues(names: Sequence[str]) -> bool:
    """Whether many names share what stands before their last underscore or hyphen followed by a number."""
    import re

    stems = [match[1] for name in names if (match := re.fullmatch(r"(.*?[A-Za-z].*\d.*)[_-][A-Za-z]*\d+", name))]
    return len(stems) >= len(names) / 2 and 1 < len(set(stems)) < len(stems) / 2


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return value
