"""MERBench's attention fusion by its own recipe [field: MERTools], on the folds and files of our arms.

Adam, coupled decay 1e-5, batches of 32, the epoch that does best on the held-out fold, test logits averaged over folds,
and the best of a number of random settings by mean score on the held-out folds. Choosing by the clips that are then
scored flatters the validation column; the test column is clean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.files import make_folder, write_atomically
from emotrace.priors.baselines.merbench import MERBenchAttention, plain_config
from emotrace.priors.baselines.search import random_settings
from emotrace.priors.clips import PriorClips
from emotrace.priors.corpora.experiment import FOLDS, Plan
from emotrace.priors.corpora.protocol import Folds, kept_folds
from emotrace.priors.corpora.scores import PriorScores, score
from emotrace.priors.corpora.submission import write_submission
from emotrace.priors.learner import PriorLearner, items_of
from emotrace.priors.model import predict_logits
from emotrace.training.checkpoint import load_checkpoint
from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings


def run_baseline(plan: Plan, *, budget: int, epochs: int = 100) -> tuple[PriorScores, dict[str, PriorScores | None]]:
    """Scores on held-out clips and on each test (None where hidden), of the best of `budget` settings.

    Weights go below `merbench/` in the plan's folder; a finished run is not trained again.
    """
    parts = plan.parts("none")
    clips, out = parts.labelled, make_folder(plan.folder / "merbench")
    dealt = kept_folds(clips, out / "folds.json", count=FOLDS)
    tried = [
        _setting(plan, clips, parts.tests, dealt, out / f"setting{number}", dict(setting), epochs)
        for number, setting in enumerate(random_settings("merbench", count=budget))
    ]
    validation, logits = max(tried, key=lambda each: each[0].waf.value)
    tests: dict[str, PriorScores | None] = {}
    for name, test in parts.tests.items():
        write_submission(out / f"submission_{name}.csv", test.keys, test.label_names, logits[name])
        hidden = not len(test) or (test.labels < 0).any()
        tests[name] = None if hidden else _score(logits[name], test, clips)
    write_atomically(out / "validation.json", validation.model_dump_json(indent=1) + "\n")
    return validation, tests


def _setting(
    plan: Plan,
    clips: PriorClips,
    tests: Mapping[str, PriorClips],
    dealt: Folds,
    out: Path,
    setting: dict[str, Any],
    epochs: int,
) -> tuple[PriorScores, dict[str, np.ndarray]]:
    """One setting on all folds: scores of the held-out clips, and each test's logits, averaged over folds."""
    rate, held_out, rows = float(setting.pop("learning_rate")), [], []
    said: dict[str, list[np.ndarray]] = {name: [] for name in tests}
    for fold in plan.choices.folds:
        model = MERBenchAttention(plain_config(plan.config("none")), clips.widths, **setting)
        learner = PriorLearner(
            model, clips, learning_rate=rate, weight_decay=0.0, l2=1e-5, description=model.description()
        )
        settings = TrainingSettings(
            epochs=epochs, batch_size=32, warmup_share=0.0, final_learning_rate=rate, clip_norm=None, workers=0
        )
        train, own = clips.subset(dealt.train(fold)), clips.subset(dealt.test(fold))
        folder = out / f"f{fold}"
        fit(
            learner,
            train=items_of(train),
            validation=items_of(own),
            test=(),
            settings=settings,
            out=folder,
            fold=str(fold),
        )
        load_checkpoint(folder / "best").load_into(model)
        held_out.append(predict_logits(model, own))
        rows.append(np.flatnonzero(dealt.test(fold)))
        for name, test in tests.items():
            said[name].append(predict_logits(model, test))
    validation = _score(np.concatenate(held_out), clips.subset(np.concatenate(rows)), clips)
    return validation, {name: np.mean(each, axis=0) for name, each in said.items()}


def _score(logits: np.ndarray, clips: PriorClips, learned: PriorClips) -> PriorScores:
    counts = np.bincount(learned.labels, minlength=len(learned.label_names)).astype(np.float64)
    return score({0: logits}, clips.labels, labels=clips.label_names, train_shares=counts / counts.sum())
