"""Folds that are fair, a fold that never reads its validation clips, and results that say what was done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.errors import CheckpointMismatch, NamesDoNotMatch, UnreadableResult, UsageError
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import DISCLAIMER, PriorsConfig
from emotrace.priors.corpora.folds import PriorResults, run_folds
from emotrace.priors.corpora.protocol import kept_folds, make_folds
from emotrace.priors.corpora.submission import write_submission
from emotrace.priors.stages import StageSettings
from emotrace.testing.tiny_priors import LABELS, tiny_clips

QUICK = StageSettings(epochs=2, tuning_epochs=1, batch_size=64)
CONFIG = PriorsConfig(labels=LABELS, dim=16, embedding_dim=16)


def run(clips: PriorClips, out: Path, **values: Any) -> PriorResults:
    config = values.pop("config", CONFIG)
    unlabelled = tiny_clips(60, first=1000, labelled=False)
    return run_folds(clips, unlabelled, config, QUICK, out, **{"folds": (1,), "fold_count": 3, **values})


def test_every_class_is_dealt_evenly_and_the_order_of_clips_does_not_matter() -> None:
    clips = tiny_clips(203)
    dealt = make_folds(clips, count=5)
    counts = np.array([np.bincount(clips.labels[dealt.test(fold)], minlength=3) for fold in range(1, 6)])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(1)) <= 3
    order = np.random.default_rng(0).permutation(203)
    again = make_folds(clips.subset(order), count=5)
    np.testing.assert_array_equal(again.fold_of, dealt.fold_of[order])
    assert again.sha256 == dealt.sha256


def test_groups_stay_whole_and_unlabelled_clips_are_in_no_fold() -> None:
    clips = tiny_clips(120)
    groups = tuple(f"film{number % 17}" for number in range(120))
    clips = replace(clips, groups=groups, labels=np.where(np.arange(120) % 10 == 0, -1, clips.labels))
    dealt = make_folds(clips, count=4)
    assert ((dealt.fold_of == 0) == (clips.labels < 0)).all()
    for group in set(groups):
        own = {int(fold) for fold, name in zip(dealt.fold_of, groups, strict=True) if name == group and fold}
        assert len(own) == 1
    with pytest.raises(UsageError, match="cannot make 18 folds"):
        make_folds(clips, count=18)


def test_a_class_with_one_member_is_dealt_like_any_other() -> None:
    clips = replace(tiny_clips(30), labels=np.array([2, *([0, 1] * 14), 0]))
    dealt = make_folds(clips, count=3)
    assert sum(int((clips.labels[dealt.test(fold)] == 2).sum()) for fold in (1, 2, 3)) == 1


def test_folds_are_written_once_and_then_kept(tmp_path: Path) -> None:
    clips, path = tiny_clips(40), tmp_path / "folds.json"
    first = kept_folds(clips, path, count=3, seed=0)
    np.testing.assert_array_equal(kept_folds(clips, path, count=3, seed=5).fold_of, first.fold_of)
    with pytest.raises(CheckpointMismatch):
        kept_folds(tiny_clips(41), path, count=3)
    with pytest.raises(CheckpointMismatch):
        kept_folds(clips, path, count=4)
    path.write_text("[]")
    with pytest.raises(UnreadableResult):
        kept_folds(clips, path, count=3)


def test_nothing_that_a_fold_learns_depends_on_its_validation_clips(tmp_path: Path) -> None:
    """Their features, traces and reliabilities are replaced by others: weights, and so guesses, stay to the byte."""
    clips = tiny_clips(120)
    held_out = make_folds(clips, count=3).test(1)
    assert clips.traces is not None
    other = replace(
        clips,
        features={name: np.where(held_out[:, None], 50 - x, x) for name, x in clips.features.items()},
        traces=np.where(held_out[:, None, None], 9 - clips.traces, clips.traces),
        rho=np.where(held_out[:, None], 1 - clips.rho, clips.rho),
    )
    first, second = run(clips, tmp_path / "a"), run(other, tmp_path / "b")
    for stage in ("round0", "round1", "tuned"):
        found = [tmp_path / name / "f1" / "s0" / stage / "last" / "weights.safetensors" for name in "ab"]
        assert found[0].read_bytes() == found[1].read_bytes()
    assert first.pseudo_labels["1/0"]["admitted"] == second.pseudo_labels["1/0"]["admitted"]
    assert first.validation != second.validation


def test_results_are_complete_and_repeat_to_the_byte(tmp_path: Path) -> None:
    clips = tiny_clips(120, valence=True)
    config = CONFIG.model_copy(update={"has_valence": True})
    test = tiny_clips(30, first=5000, valence=True)
    given: dict[str, Any] = {"config": config, "folds": (1, 3), "seeds": (0, 1), "test": test}
    results = run(clips, tmp_path, **given)
    written = (tmp_path / "results.json").read_bytes()
    assert PriorResults.model_validate_json(written) == results
    page = (tmp_path / "results.md").read_text()
    for said in (
        DISCLAIMER,
        "WAF",
        "macro-F1",
        "95 %",
        "uniform",
        "transductive",
        "Pseudo-labels",
        "Valence MSE",
        "ECE",
    ):
        assert said in page
    assert results.test is not None
    assert results.test.clips == 30
    assert results.validation.clips == int(make_folds(clips, count=3).test(1).sum() * 2)
    waf = results.validation.waf
    assert waf.low <= waf.value <= waf.high
    assert run(clips, tmp_path, **given) == results
    assert (tmp_path / "results.json").read_bytes() == written
    assert set(json.loads(written)["pseudo_labels"]) == {"1/0", "1/1", "3/0", "3/1"}


def test_hidden_labels_give_a_submission_and_no_score(tmp_path: Path) -> None:
    test = tiny_clips(20, first=5000, labelled=False)
    results = run(tiny_clips(90), tmp_path, test=test)
    assert results.test is None
    assert "hidden" in (tmp_path / "results.md").read_text()
    rows = [line.split(",") for line in (tmp_path / "submission.csv").read_text().splitlines()]
    assert rows[0] == ["name", "discrete"]
    assert [row[0] for row in rows[1:]] == list(test.keys)
    assert {row[1] for row in rows[1:]} <= set(LABELS)


def test_a_submission_has_exactly_the_wanted_names(tmp_path: Path) -> None:
    logits, valence = np.eye(3, dtype=np.float32)[:2], np.array([0.5, -1], np.float32)
    path = write_submission(tmp_path / "s.csv", ["a", "b"], LABELS, logits, valence=valence, wanted=["b", "a"])
    assert path.read_text() == "name,discrete,valence\nb,angry,-1.000000\na,neutral,0.500000\n"
    with pytest.raises(NamesDoNotMatch, match="c"):
        write_submission(tmp_path / "s.csv", ["a", "b"], LABELS, logits, wanted=["a", "b", "c"])


def test_a_test_clip_among_the_training_clips_is_refused(tmp_path: Path) -> None:
    clips = tiny_clips(60)
    with pytest.raises(UsageError, match="clip00003"):
        run(clips, tmp_path, test=clips.subset([3]))
    with pytest.raises(UsageError, match="some of 1 to 3"):
        run(clips, tmp_path, folds=(4,))
