"""Several arms of one experiment on one corpus, several seeds of each, compared clip by clip with the first arm.

    OUT/<arm>/seed0/dfew/f1/...      one run each: see `folds.py`
    OUT/study_dfew.json, .md         the table: arm, mean over folds and seeds, gap to the first arm

The first arm is the plain model. It is finished, and printed, before any other is trained: a comparison with a baseline
that does not reach what peers reach says nothing [ours].
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from emotrace.errors import TrainingError
from emotrace.files import write_atomically
from emotrace.grace.config import DISCLAIMER, Alignment
from emotrace.grace.corpora.experiment import Choices, prepare
from emotrace.grace.corpora.fold_results import LAST, Results, TextRows, answers_file
from emotrace.grace.corpora.fold_scores import Estimate, Frozen, mean_gap
from emotrace.grace.corpora.folds import run_folds
from emotrace.grace.corpora.results_page import percent
from emotrace.progress import Watch
from emotrace.training.predictions import Predictions

_SHOWN = ("uar", "war")


class ArmResult(Frozen):
    """One arm, as the mean over folds, and in a fold over its seeds."""

    arm: str
    uar: Estimate
    war: Estimate
    by_seed: dict[str, dict[str, float]]
    """Seed -> score -> mean over folds."""
    gap: dict[str, Estimate]
    """Score -> how much higher than the first arm, paired; empty for the first arm."""


class StudyResult(Frozen):
    """All arms."""

    title: str
    disclaimer: str = DISCLAIMER
    corpus: str
    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    protocol_sha256: str
    arms: tuple[ArmResult, ...]
    text_alone: TextRows | None = None
    """What the words alone tell, where the models read them at test time."""

    def to_markdown(self) -> str:
        """The table."""
        first = self.arms[0].arm
        head = ("arm", "UAR %", "WAR %", "UAR % by seed", f"UAR against {first}", f"WAR against {first}")
        rows = [head, ("---",) * len(head)]
        for each in self.arms:
            by_seed = ", ".join(f"{100 * scores['uar']:.2f}" for scores in each.by_seed.values())
            gaps = (percent(each.gap[name], sign=True) if name in each.gap else "" for name in ("uar", "war"))
            rows.append((each.arm, percent(each.uar), percent(each.war), by_seed, *gaps))
        if (words := self.text_alone) is not None:
            rows += [
                (f"words alone: {kind}", f"{100 * words.uar[kind]:.2f}", f"{100 * words.war[kind]:.2f}", "", "", "")
                for kind in words.uar
            ]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        seeds, folds = ", ".join(map(str, self.seeds)), ", ".join(self.folds)
        about = f"Folds {folds}; seeds {seeds}; protocol {self.protocol_sha256[:16]}; last epoch."
        note = "In brackets 95 % intervals over clips; gaps are paired by clip, fold and seed."
        return f"# {self.title}\n\n{self.disclaimer}\n\n{about}\n\n{table}\n\n{note}\n"


def run_study(
    choices: Choices,
    *,
    arms: Sequence[Alignment],
    seeds: Sequence[int],
    out: Path,
    watch: Watch | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> StudyResult:
    """Trains every arm with every seed, and compares them with the first arm.

    Args:
        choices: What all arms share.
        arms: Ways of matching words and patches, the plain one first.
        seeds: Of the runs.
        out: Where they are kept; what is finished there is not trained again.
        watch: Told how far it is.
        tell: Gets a line for each fold, and the table whenever an arm is finished.

    Raises:
        TrainingError: A fold failed: no table is made of some of the folds.
        EmotraceError: As for `prepare` and `run_folds`.
    """
    runs: dict[str, dict[int, tuple[Results, Path]]] = {}
    result: StudyResult | None = None
    for arm in arms:
        for seed in seeds:
            own = replace(choices, alignment=arm, seed=seed)
            plan = prepare(own, out=out / arm / f"seed{seed}", watch=watch, tell=tell)
            found = run_folds(plan.experiment, plan.folder, text_alone=plan.text_alone, watch=watch, tell=tell)
            if found.failed:
                raise TrainingError(f"folds failed: {', '.join(found.failed)}", where=plan.folder)
            runs.setdefault(arm, {})[seed] = (found, plan.folder)
        result = _compared(choices.data, runs, seeds)
        write_atomically(
            out / f"study_{choices.data}.json", json.dumps(result.model_dump(mode="json"), indent=1) + "\n"
        )
        write_atomically(out / f"study_{choices.data}.md", result.to_markdown())
        tell(result.to_markdown())
    if result is None:
        raise TrainingError("no arm was named", where="arms")
    return result


def _compared(corpus: str, runs: dict[str, dict[int, tuple[Results, Path]]], seeds: Sequence[int]) -> StudyResult:
    first, *_ = runs
    some, _ = runs[first][seeds[0]]
    folds = some.mean[LAST].folds
    answers = {
        arm: {
            fold: [Predictions.read(answers_file(by_seed[seed][1] / f"f{fold}", LAST)) for seed in seeds]
            for fold in folds
        }
        for arm, by_seed in runs.items()
    }
    return StudyResult(
        title=f"emotrace's GRACE on {corpus}, arm by arm",
        corpus=corpus,
        folds=folds,
        seeds=tuple(seeds),
        protocol_sha256=some.experiment["protocol_sha256"],
        arms=tuple(
            ArmResult(
                arm=arm,
                **{score: mean_gap(answers[arm], {}, score) for score in _SHOWN},
                by_seed={
                    str(seed): {score: getattr(found.mean[LAST], score).value for score in _SHOWN}
                    for seed, (found, _) in by_seed.items()
                },
                gap={score: mean_gap(answers[arm], answers[first], score) for score in _SHOWN if arm != first},
            )
            for arm, by_seed in runs.items()
        ),
        text_alone=some.text_alone,
    )
