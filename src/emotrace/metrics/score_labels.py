"""Scores of the open-vocabulary protocols: sets, hit rate, sentiment, preference, stored groups."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.labels.label_table import LabelTable
from emotrace.metrics.answer_files import TRUTH_COLUMNS, VALUE_COLUMNS, AnswerFile, Joined
from emotrace.metrics.confusion_matrix import class_indices, waf, war
from emotrace.metrics.guessing import BASIC_EMOTIONS, constant_answers
from emotrace.metrics.hits import hit_rate
from emotrace.metrics.label_masks import parse_labels
from emotrace.metrics.open_vocabulary import SetScorer
from emotrace.metrics.protocols import Protocol
from emotrace.metrics.resampling import from_cells
from emotrace.metrics.score_classes import class_details
from emotrace.metrics.scored import Scored, Settings, answers_of, cell_of, number_of, one_label, true_labels_of
from emotrace.metrics.stored_groups import bracketed_labels, grouped_sets
from emotrace.metrics.two_classes import SIGN, polarity, preference, sentiment


def _table(protocol: Protocol, settings: Settings) -> LabelTable:
    if settings.table is None:
        raise InvalidScores(f"protocol {protocol.name} needs label tables")
    return settings.table


def score_sets(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """The set scores of one open-vocabulary protocol, with what constant answers would get."""
    scorer = SetScorer(_table(protocol, settings), protocol, zero_division=settings.zero_division)
    true_cells = true_labels_of(joined, truth, settings)
    cells, extraction = answers_of(joined, answers, settings)
    score = scorer.score(true_cells, cells)
    per_clip = [_clip_means(p, r) for p, r in zip(score.precisions, score.recalls, strict=True)]
    constants = constant_answers(scorer, true_cells)
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
    return Scored(
        scores=scores,
        summed={protocol.main: score.summed()},
        items=[
            (parse_labels(target), parse_labels(cell), clip)
            for target, cell, clip in zip(true_cells, cells, per_clip, strict=True)
        ],
        abstained=score.answers.empty,
        scored={target.target: target.scored for target in score.targets},
        undefined=dict.fromkeys(scores, score.undefined),
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


def score_hit_rate(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """Hit rate, with precision and the answer that names every basic emotion beside it."""
    table = _table(protocol, settings)
    true_words = true_labels_of(joined, truth, settings)
    cells, extraction = answers_of(joined, answers, settings)
    result = hit_rate(true_words, cells, table=table)
    every = hit_rate(true_words, [list(BASIC_EMOTIONS)] * len(true_words), table=table)
    per_clip = [_clip_means(hits, hits)["recall"] for hits in result.hits]
    return Scored(
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


def score_sentiment(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """Two-class sentiment; where no answer is one of the three words, by the polarity of its labels."""
    true_column = truth.column(settings.column_truth, (*VALUE_COLUMNS, "target"), what="sentiment")
    y = np.array([number_of(row[true_column], f"clip {n}") for n, row in zip(joined.names, joined.truth, strict=True)])
    cells, extraction = answers_of(joined, answers, settings)
    words = [" ".join(parse_labels(cell)) for cell in cells]
    by_polarity = not any(word in SIGN for word in words)
    if by_polarity:
        words = [polarity(cell) for cell in cells]
    result = sentiment(y, words, engine=settings.engine)
    said = np.array([SIGN.get(word, 0) > 0 for word in words], dtype=bool)
    cell_of_clip = (y > 0) * 3 + said
    two_scores = {"waf": waf, "accuracy": war}
    summed = {name: from_cells(cell_of_clip, shape=(2, 3), score=score) for name, score in two_scores.items()}
    for each in summed.values():
        each.rows[y == 0] = 0.0
    return Scored(
        scores={"waf": result.waf, "accuracy": result.accuracy},
        summed=summed,
        items=[(float(value), word, {}) for value, word in zip(y, words, strict=True)],
        abstained=sum(not parse_labels(cell) for cell in cells),
        scored={"clips": result.clips},
        undefined={"waf": "no clip is scored", "accuracy": "no clip is scored"},
        notes=(result.note,),
        details={"answers": extraction, "other_answers": result.other_answers, **class_details(result.classes)},
        name="sentiment (emotrace polarity)" if by_polarity else protocol.name,
        engine=result.classes.engine,
    )


def score_preference(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """Which of two descriptions is preferred."""
    column = truth.column(settings.column_truth, TRUTH_COLUMNS, what="preference")
    true_labels = [one_label(cell_of(row, column)) or "" for row in joined.truth]
    cells, extraction = answers_of(joined, answers, settings)
    given = [one_label(cell) for cell in cells]
    result = preference(true_labels, given, engine=settings.engine)
    rows, columns = (class_indices(side, result.labels, what="labels") for side in (true_labels, given))
    shape = (len(result.labels), len(result.labels) + 1)
    return Scored(
        scores={"waf": result.waf, "accuracy": result.accuracy},
        summed={
            name: from_cells(rows * shape[1] + columns, shape=shape, score=score)
            for name, score in (("waf", waf), ("accuracy", war))
        },
        items=[(t, g, {"correct": float(t == g)}) for t, g in zip(true_labels, given, strict=True)],
        abstained=result.abstained,
        scored={"clips": result.clips},
        details={"answers": extraction, **class_details(result)},
        engine=result.engine,
        correct=rows == columns,
    )


def score_stored_groups(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """MER2024's open-vocabulary score from stored synonym groups."""
    if not settings.synonym_groups:
        raise InvalidScores(
            f"protocol {protocol.name} needs stored synonym groups", hint="Name them with --groups PATH"
        )
    texts = {
        name: str(cell or "") for name, cell in zip(joined.names, true_labels_of(joined, truth, settings), strict=True)
    }
    cells, extraction = answers_of(joined, answers, settings)
    own = {
        name: str(cell) if isinstance(cell, list) else cell or ""
        for name, cell in zip(joined.names, cells, strict=True)
    }
    result = grouped_sets(texts, own, settings.synonym_groups)
    by_name = dict(zip(result.names, result.per_clip.tolist(), strict=True))
    return Scored(
        scores={"score": result.score, "precision": result.precision, "recall": result.recall},
        summed={"score": result.summed(joined.names)},
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
