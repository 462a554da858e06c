"""All folds and seeds of one arm: both stages each, scores over all labelled clips, and what they say of a test set.

    OUT/folds.json             which clip is tested where; written once
    OUT/f1/s0/round0/ ...      runs of stage 1, each a folder of `training/run_folder.py`
    OUT/f1/s0/tuned/           the run of stage 2; its `last/` are the weights to use
    OUT/results.json, .md      scores with intervals, pseudo-labels, label shift, what is missing
    OUT/submission.csv         answers for the test set, logits averaged over folds and seeds

A finished run is not trained again, an interrupted one goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from emotrace.errors import UsageError, first_five
from emotrace.files import make_folder, write_atomically
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import DISCLAIMER, PriorsConfig
from emotrace.priors.corpora.protocol import Folds, kept_folds
from emotrace.priors.corpora.results_page import page_of
from emotrace.priors.corpora.scores import Frozen, PriorScores, score, softmax
from emotrace.priors.corpora.submission import write_submission
from emotrace.priors.model import PriorAnswers, answers
from emotrace.priors.pseudo_labels import PseudoReport, report_on
from emotrace.priors.stages import Pretrained, StageSettings, pretrain, tune
from emotrace.progress import Watch


class PriorResults(Frozen):
    """What an arm says."""

    disclaimer: str = DISCLAIMER
    config: dict[str, Any]
    settings: dict[str, Any]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    folds_sha256: str
    train_clips: int
    unlabelled_clips: int
    missing: dict[str, int]
    """How many of the labelled clips lack each modality and section."""
    validation: PriorScores
    """Each clip answered by the models of the fold that never saw it."""
    pseudo_labels: dict[str, dict[str, Any]]
    """By `fold/seed`: see `PseudoReport`."""
    test: PriorScores | None = None
    """None where there is no test set, or its labels are hidden."""
    test_clips: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class _FoldAnswers:
    """What the model of one fold and seed answered."""

    validation: PriorAnswers
    test: PriorAnswers | None
    report: PseudoReport | None


def run_folds(
    clips: PriorClips,
    unlabelled: PriorClips | None,
    config: PriorsConfig,
    settings: StageSettings,
    out: Path,
    *,
    folds: Sequence[int] = (1, 2, 3, 4, 5),
    fold_count: int = 5,
    seeds: Sequence[int] = (0,),
    test: PriorClips | None = None,
    watch: Watch | None = None,
) -> PriorResults:
    """Trains and tests one arm.

    Args:
        clips: Labelled clips; those without a label are left out.
        unlabelled: Clips for pseudo-labels.
        config: The arm.
        settings: How to train it.
        out: Folder of its runs; it is made.
        folds: Those to run, from 1.
        fold_count: How many the clips are dealt to.
        seeds: Of weights and order.
        test: Clips to answer with all models together. Labels of -1 are hidden: then no score is made.
        watch: Told how far it is.

    Raises:
        UsageError: A fold or seed list that cannot be, or a test clip among the clips that are learned from.
        CheckpointMismatch: The folder holds runs of another arm or other folds.
        EmotraceError: As for `fit`.
    """
    if not folds or not seeds or not set(folds) <= set(range(1, fold_count + 1)):
        raise UsageError(f"must be some of 1 to {fold_count}, with a seed, got {tuple(folds)}", where="folds")
    _demand_apart(clips, unlabelled, test)
    dealt = kept_folds(clips, make_folder(out) / "folds.json", count=fold_count)
    runs = {
        (fold, seed): _run(clips, unlabelled, config, settings, out, dealt, fold, seed, test, watch)
        for fold in folds
        for seed in seeds
    }
    results = PriorResults(
        config=config.to_dict(),
        settings=settings.to_dict(),
        folds=tuple(folds),
        seeds=tuple(seeds),
        folds_sha256=dealt.sha256,
        train_clips=int((clips.labels >= 0).sum()),
        unlabelled_clips=0 if unlabelled is None else len(unlabelled),
        missing=clips.missing(),
        validation=_validation(clips, dealt, folds, seeds, runs),
        pseudo_labels={f"{f}/{s}": asdict(run.report) for (f, s), run in runs.items() if run.report is not None},
        test=_test(clips, test, folds, seeds, runs),
        test_clips=0 if test is None else len(test),
    )
    write_atomically(out / "results.json", results.model_dump_json(indent=1) + "\n")
    write_atomically(out / "results.md", page_of(results.model_dump()))
    if test is not None:
        _submit(test, list(runs.values()), out)
    return results


def _run(
    clips: PriorClips,
    unlabelled: PriorClips | None,
    config: PriorsConfig,
    settings: StageSettings,
    out: Path,
    dealt: Folds,
    fold: int,
    seed: int,
    test: PriorClips | None,
    watch: Watch | None,
) -> _FoldAnswers:
    """One fold with one seed. The training functions are given no validation clip."""
    own = out / f"f{fold}" / f"s{seed}"
    name, train, held_out = str(fold), clips.subset(dealt.train(fold)), clips.subset(dealt.test(fold))
    pretrained = pretrain(train, unlabelled, config, settings, own, seed=seed, fold=name, watch=watch)
    model = tune(pretrained, config, settings, own / "tuned", seed=seed, fold=name, watch=watch)
    return _FoldAnswers(
        validation=answers(model, held_out),
        test=None if test is None else answers(model, test),
        report=_report(pretrained, train, unlabelled, held_out),
    )


def _report(
    pretrained: Pretrained, train: PriorClips, unlabelled: PriorClips | None, held_out: PriorClips
) -> PseudoReport | None:
    if pretrained.guessed is None or pretrained.guesser is None or unlabelled is None:
        return None
    return report_on(
        pretrained.guessed,
        candidates=len(unlabelled),
        label_counts=np.bincount(train.labels, minlength=len(train.label_names)),
        labels=train.label_names,
        held_out=softmax(answers(pretrained.guesser, held_out).logits),
        truth=held_out.labels,
        held_out_verdicts=held_out.verdicts,
    )


def _validation(
    clips: PriorClips,
    dealt: Folds,
    folds: Sequence[int],
    seeds: Sequence[int],
    runs: dict[tuple[int, int], _FoldAnswers],
) -> PriorScores:
    rows = np.concatenate([np.flatnonzero(dealt.test(fold)) for fold in folds])
    found = {seed: [runs[fold, seed].validation for fold in folds] for seed in seeds}
    has_valence = all(each.valence is not None for each in found[seeds[0]])
    return score(
        {seed: np.concatenate([each.logits for each in parts]) for seed, parts in found.items()},
        clips.labels[rows],
        labels=clips.label_names,
        train_shares=_shares(clips),
        valence={seed: np.concatenate([_values(each) for each in parts]) for seed, parts in found.items()}
        if has_valence
        else None,
        rated=None if clips.valence is None else clips.valence[rows],
    )


def _test(
    clips: PriorClips,
    test: PriorClips | None,
    folds: Sequence[int],
    seeds: Sequence[int],
    runs: dict[tuple[int, int], _FoldAnswers],
) -> PriorScores | None:
    """Scores of the logits averaged over folds; None where a label is hidden."""
    if test is None or not len(test) or (test.labels < 0).any():
        return None
    found = {seed: [each for fold in folds if (each := runs[fold, seed].test) is not None] for seed in seeds}
    has_valence = all(each.valence is not None for each in found[seeds[0]])
    return score(
        {seed: _mean([each.logits for each in parts]) for seed, parts in found.items()},
        test.labels,
        labels=test.label_names,
        train_shares=_shares(clips),
        valence={seed: _mean([_values(each) for each in parts]) for seed, parts in found.items()}
        if has_valence
        else None,
        rated=test.valence,
    )


def _submit(test: PriorClips, runs: Sequence[_FoldAnswers], out: Path) -> None:
    given = [run.test for run in runs if run.test is not None]
    valence = None if any(each.valence is None for each in given) else _mean([_values(each) for each in given])
    logits = _mean([each.logits for each in given])
    write_submission(out / "submission.csv", test.keys, test.label_names, logits, valence=valence)


def _mean(parts: Sequence[Float32[np.ndarray, "*shape"]]) -> Float32[np.ndarray, "*shape"]:
    return np.asarray(np.mean(np.stack(parts), axis=0, dtype=np.float64).astype(np.float32))


def _values(answer: PriorAnswers) -> Float32[np.ndarray, " clip"]:
    assert answer.valence is not None
    return answer.valence


def _shares(clips: PriorClips) -> np.ndarray:
    counts = np.bincount(clips.labels[clips.labels >= 0], minlength=len(clips.label_names)).astype(np.float64)
    return np.asarray(counts / counts.sum())


def _demand_apart(clips: PriorClips, unlabelled: PriorClips | None, test: PriorClips | None) -> None:
    """No test clip may be learned from, and no labelled clip guessed."""
    learned = set(clips.keys)
    for name, others in (("unlabelled", unlabelled), ("test", test)):
        if others is not None and (shared := sorted(learned & set(others.keys))):
            raise UsageError(f"has clips that are labelled for training: {first_five(shared)}", where=name)
