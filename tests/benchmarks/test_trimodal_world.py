"""The world that the fusion network is judged in: its posterior has to be right, or every arm is measured wrongly."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [train]")


@pytest.fixture(scope="module")
def drawing(benchmarks_on_the_path: None) -> ModuleType:
    import trimodal_draw

    return trimodal_draw


@pytest.fixture(scope="module")
def world(drawing: ModuleType) -> Any:
    return drawing.World(0)


@pytest.fixture(scope="module")
def drawn(drawing: ModuleType, world: Any) -> Any:
    return world.draw(12_000, drawing.TEST_COUNTS, part="test", number=2)


def by_hand(drawing: ModuleType, world: Any, clips: Any, row: int) -> np.ndarray:
    """The posterior of one clip from densities in all columns, class by class and verdict by verdict."""
    counts = np.array(drawing.TRAIN_COUNTS, np.float64)
    logs = np.log(counts / counts.sum())
    for name in drawing.FEATURES:
        mixing = world.mixing[name]
        covariance = mixing @ mixing.T + 0.25 * np.eye(len(mixing))
        inverse, q = np.linalg.inv(covariance), drawing.FLIPS[name]
        shown = []
        for vertex in world.vertices:
            off = clips.features[name][row].astype(np.float64) - mixing @ (drawing.AMPLITUDES[name] * vertex)
            shown.append(-0.5 * off @ inverse @ off)
        for y in range(6):
            odds = [np.log(1 - q if s == y else q / 5) + shown[s] for s in range(6)]
            logs[y] += np.logaddexp.reduce(odds)
    for s, name in enumerate(drawing.SECTIONS):
        vector, rho = clips.traces[row, s].astype(np.float64), float(clips.rho[row, s])
        right = drawing.VERDICT_RIGHT[name]
        beta_good, beta_bad = 72 * rho**7 * (1 - rho), 72 * rho * (1 - rho) ** 7
        said = [-0.5 * ((vector - code) ** 2).sum() / 0.64 for code in world.codes]
        top = max(said)
        for y in range(6):
            total = 0.0
            for v in range(6):
                good = 0.75 * beta_good * (right if v == y else (1 - right) / 5)
                total += np.exp(said[v] - top) * (good + 0.25 * beta_bad / 6)
            logs[y] += np.log(total)
    odds = np.exp(logs - logs.max())
    return np.asarray(odds / odds.sum())


def test_the_posterior_is_bayes_rule_written_out(drawing: ModuleType, world: Any, drawn: Any) -> None:
    clips = drawn.clips.subset(np.arange(20))
    found = world.posterior(clips, drawing.shares_of(drawing.TRAIN_COUNTS), traces=True)
    for row in range(20):
        assert found[row] == pytest.approx(by_hand(drawing, world, clips, row), abs=1e-6)


def test_the_posterior_with_the_true_shares_is_calibrated(drawing: ModuleType, world: Any, drawn: Any) -> None:
    found = world.posterior(drawn.clips, drawing.shares_of(drawing.TEST_COUNTS), traces=True)
    right = found.argmax(axis=1) == drawn.clips.labels
    assert found.max(axis=1).mean() == pytest.approx(right.mean(), abs=3 * right.std() / np.sqrt(len(right)))
    shares = np.bincount(drawn.clips.labels, minlength=6) / len(drawn.clips)
    assert found.mean(axis=0) == pytest.approx(shares, abs=0.015)


def test_the_best_possible_scores(drawing: ModuleType, world: Any, drawn: Any) -> None:
    from trimodal_report import score

    shares = drawing.shares_of(drawing.TRAIN_COUNTS)

    def best(**seen: Any) -> float:
        posterior = world.posterior(drawn.clips, shares, **seen)
        return float(score(drawn.clips.labels, posterior.argmax(axis=1), "waf"))

    assert best(traces=False, only="visual") == pytest.approx(0.60, abs=0.015)
    assert best(traces=False, only="vocal") == pytest.approx(0.71, abs=0.015)
    assert best(traces=False, only="verbal") == pytest.approx(0.51, abs=0.015)
    assert best(traces=False) == pytest.approx(0.859, abs=0.012)
    assert best(traces=True) == pytest.approx(0.905, abs=0.012)


def test_what_is_masked_tells_nothing(drawing: ModuleType, world: Any, drawn: Any) -> None:
    shares = drawing.shares_of(drawing.TRAIN_COUNTS)
    clips = drawn.clips.subset(np.arange(50))
    nothing = replace(clips, present=np.zeros_like(clips.present), rho=np.zeros_like(clips.rho))
    assert world.posterior(nothing, shares, traces=True) == pytest.approx(np.tile(shares, (50, 1)), abs=1e-12)


def test_the_same_seed_draws_the_same_clips_and_another_others(drawing: ModuleType) -> None:
    first, again, other = (
        drawing.World(seed).draw(50, drawing.TRAIN_COUNTS, part="train", number=1).clips for seed in (0, 0, 1)
    )
    assert np.array_equal(first.features["vocal"], again.features["vocal"])
    assert np.array_equal(first.traces, again.traces)
    assert not np.array_equal(first.features["vocal"], other.features["vocal"])


def test_worse_verdicts_leave_the_features_as_they_are(drawing: ModuleType) -> None:
    usual, worse = (
        drawing.World(0, **more).draw(200, drawing.TRAIN_COUNTS, part="train", number=1)
        for more in ({}, {"verdict_right": 0.2, "good_share": 0.5})
    )
    assert np.array_equal(usual.clips.features["visual"], worse.clips.features["visual"])
    right = [(each.verdicts == each.clips.labels[:, None]).mean() for each in (usual, worse)]
    assert right[0] > right[1]


def test_folds_part_the_clips_and_keep_the_classes_shares(drawing: ModuleType, drawn: Any) -> None:
    from trimodal_world import stratified

    labels = drawn.clips.labels[:1000]
    held = [np.setdiff1d(np.arange(1000), rows) for rows in stratified(labels, 5, 0)]
    assert sorted(np.concatenate(held).tolist()) == list(range(1000))
    for fold in held:
        assert np.abs(np.bincount(labels[fold], minlength=6) - np.bincount(labels, minlength=6) / 5).max() <= 1


def test_views_hide_what_they_say(drawn: Any) -> None:
    from trimodal_arms import lacking, lying, silent, trusted

    clips = drawn.clips.subset(np.arange(300))
    assert not silent(clips).rho.any()
    assert trusted(clips).rho.all()
    assert np.array_equal(trusted(clips).traces, clips.traces)
    without = lacking("vocal")(clips)
    assert without.present.all(axis=0).tolist() == [True, False, True]
    assert not without.rho[:, 1].any()
    shuffled = lying(clips).traces
    assert sorted(shuffled.sum(axis=(1, 2))) == sorted(clips.traces.sum(axis=(1, 2)))
    assert (shuffled == clips.traces).all(axis=(1, 2)).mean() < 0.05


def test_an_arm_runs_from_clips_to_its_row(one_thread: None) -> None:
    from trimodal_arms import CORE
    from trimodal_report import markdown, summary
    from trimodal_world import Size, run

    arms = [arm for arm in CORE if arm.name in ("none", "gated")]
    best, rows, seconds = run(arms, [0], Size(train=120, test=60, folds=2, epochs=1))
    table = {name: summary(found, rows["none"]) | {"seconds": seconds[name]} for name, found in rows.items()}
    assert set(table) == {name for arm in arms for name in arm.rows()}
    assert table["none"]["against_none"]["difference"] == 0.0
    assert table["gated"]["attention"]["attention_on_good"] > table["gated"]["attention"]["attention_on_bad"]
    record = {
        "command": "test",
        "seeds": [0],
        "quick": True,
        "clips": {"train": 120, "test": 60, "folds": 2},
        "best": best,
        "rows": table,
        "expectations": [],
    }
    assert "| gated, traces removed at test |" in markdown(record)
