from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotrace.errors import InvalidScores, UnreadableTable
from emotrace.metrics.answer_files import read_answers
from emotrace.metrics.evaluation import evaluate
from emotrace.metrics.protocols import PROTOCOLS
from emotrace.metrics.scored import Settings
from emotrace.training.predictions import Predictions

LABELS = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")


def predictions(count: int = 30) -> Predictions:
    generator = np.random.default_rng(0)
    values = generator.dirichlet(np.ones(len(LABELS)), size=count).astype(np.float32)
    return Predictions(
        labels=LABELS,
        keys=tuple(f"clip {i}, \"quoted\"" for i in range(count)),
        truth=tuple(LABELS[i % 7] for i in range(count)),
        probabilities=values,
    )  # fmt: skip


@given(arrays(np.float32, (4, 7), elements=st.floats(0, 1, width=32)))
def test_a_table_gives_every_number_back(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> None:
    before = Predictions(labels=LABELS, keys=tuple("abcd"), truth=LABELS[:4], probabilities=values)
    after = Predictions.read(before.write(tmp_path_factory.mktemp("table") / "p.csv"))
    assert (after.labels, after.keys, after.truth) == (before.labels, before.keys, before.truth)
    assert np.array_equal(after.probabilities, before.probabilities)


def test_evaluate_reads_the_table_and_finds_the_same_scores(tmp_path: Path) -> None:
    own = predictions()
    table = read_answers(own.write(tmp_path / "p.csv"))
    found = evaluate(PROTOCOLS["dfer"], table, table, settings=Settings(scheme="dfew", rounds=0))
    scores = {name: score.value for name, score in found.report.scores.items()}
    result = own.score(engine="scikit-learn")
    assert (scores["uar"], scores["war"]) == (pytest.approx(result.uar), pytest.approx(result.war))


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidScores, match=r"29 clips, 30 truths and 7 labels do not fit"):
        dataclasses.replace(predictions(), keys=predictions(29).keys)
    values = predictions().probabilities.copy()
    values[3, 2] = np.nan
    with pytest.raises(InvalidScores, match="not a finite number"):
        dataclasses.replace(predictions(), probabilities=values)


def test_another_table_is_a_typed_error(tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    with pytest.raises(UnreadableTable, match="cannot be read"):
        Predictions.read(table)
    table.write_text("name,label,prob_sad\na,sad,much\n")
    with pytest.raises(UnreadableTable, match="is no table of predictions"):
        Predictions.read(table)
    table.write_text("name,prob_sad\na,1\n")
    with pytest.raises(UnreadableTable, match="is no table of predictions"):
        Predictions.read(table)
