"""The base path against scikit-learn, called here directly on the clips, not by way of our own check."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from emotrace.errors import MetricMismatch
from emotrace.metrics import library_check
from emotrace.metrics.calibration import calibrate
from emotrace.metrics.classification import classify

sklearn = pytest.importorskip("sklearn", reason="needs emotrace[eval]")
sklearn_metrics = pytest.importorskip("sklearn.metrics")
CASES = 300


def random_case(generator: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """Truth, answers and labels: absent classes, single clips, constant answers, good and bad systems."""
    classes = int(generator.integers(2, 28))
    labels = [f"c{i}" for i in range(classes)]
    clips = int(generator.choice([1, 2, 5, 30, 300]))
    weights = generator.dirichlet(np.full(classes, generator.choice([0.05, 1.0])))
    truth = generator.choice(classes, clips, p=weights)
    answers = np.where(generator.random(clips) < generator.random(), truth, generator.integers(classes, size=clips))
    if generator.random() < 0.1:
        answers[:] = generator.integers(classes)
    return [labels[i] for i in truth], [labels[i] for i in answers], labels


def test_every_shared_number_is_equal_on_random_cases() -> None:
    generator = np.random.default_rng(0)
    largest = 0.0
    for _ in range(CASES):
        truth, answers, labels = random_case(generator)
        ours = classify(truth, answers, labels=labels, engine="base")
        t, p = (np.array([labels.index(name) for name in side]) for side in (truth, answers))
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            theirs = (
                sklearn_metrics.accuracy_score(t, p),
                sklearn_metrics.recall_score(t, p, labels=np.unique(t), average="macro", zero_division=0),
                sklearn_metrics.f1_score(t, p, average="macro", zero_division=0),
                sklearn_metrics.f1_score(t, p, average="weighted", zero_division=0),
            )
        differences = np.abs(np.array(theirs) - (ours.war, ours.uar, ours.macro_f1, ours.waf))
        largest = max(largest, float(differences.max()))
    assert largest < 1e-12


def test_the_library_is_asked_wherever_it_is_installed() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        truth, answers, labels = random_case(generator)
        assert classify(truth, answers, labels=labels).engine.startswith("scikit-learn")


def test_with_the_library_hidden_the_base_path_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    cases = [random_case(generator) for _ in range(200)]
    seen = [classify(truth, answers, labels=labels).scores for truth, answers, labels in cases]
    monkeypatch.setattr(library_check.importlib.util, "find_spec", lambda name: None)
    for (truth, answers, labels), scores in zip(cases, seen, strict=True):
        result = classify(truth, answers, labels=labels)
        assert (result.engine, result.scores) == ("emotrace", scores)


def test_a_difference_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sklearn_metrics, "accuracy_score", lambda *_, **__: 0.123)
    with pytest.raises(MetricMismatch, match=r"war is 1\.0 by emotrace and 0\.123 by scikit-learn"):
        classify(["a"], ["a"], labels="ab")


def test_brier_and_nll_are_equal_on_random_distributions() -> None:
    generator = np.random.default_rng(3)
    for _ in range(200):
        classes, clips = int(generator.integers(2, 9)), int(generator.integers(1, 60))
        p = generator.dirichlet(np.full(classes, 0.3), clips)
        y = generator.integers(classes, size=clips)
        ours = calibrate(p, y, engine="base")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            labels = list(range(classes))
            brier = sklearn_metrics.brier_score_loss(y, p, labels=labels, scale_by_half=False)
            nll = sklearn_metrics.log_loss(y, np.maximum(p, 1e-15), labels=labels)
        assert ours.brier == pytest.approx(brier, abs=1e-12)
        assert ours.nll == pytest.approx(nll, rel=1e-12)
        calibrate(p, y, engine="scikit-learn")
