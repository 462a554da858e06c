"""The views of one corpus, each an arm of its own on the same folds and seeds, and what of the traces it is that gains.

    OUT/mer2024/full/           one arm: see `folds.py`; a card lies beside each fold's weights
    OUT/mer2024/views.json, .md the table over views, what went in, and the label-leak sentence

All arms share clips, folds, seeds and initial weights. Gaps are paired, clip by clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from emotrace.files import write_atomically
from emotrace.metrics.classification import classify
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES
from emotrace.metrics.resampling import SummedScore, paired_difference
from emotrace.priors.card import FeatureSource, HeldOutScores, PriorsCard, TraceSource, write_card
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import DISCLAIMER
from emotrace.priors.corpora.experiment import FOLDS, Parts, Plan
from emotrace.priors.corpora.feature_files import hash_of
from emotrace.priors.corpora.folds import PriorResults, run_folds
from emotrace.priors.corpora.protocol import Folds, kept_folds
from emotrace.priors.corpora.scores import ROUNDS, Frozen, PriorScores
from emotrace.priors.corpora.study_page import page_of
from emotrace.priors.corpora.trace_files import TraceReport
from emotrace.priors.corpora.trust import TrustCheck
from emotrace.priors.model import answers, load_prior_fusion
from emotrace.priors.trace_views import View, leak_sentence
from emotrace.progress import Watch
from emotrace.training.checkpoint import load_checkpoint


class Gap(Frozen):
    """WAF of a view minus that of `none`, on the same held-out clips; mean over seeds."""

    value: float
    low: float
    high: float
    p: float
    """Of a permutation test, clip by clip."""


class ViewRow(Frozen):
    """One arm."""

    parameters: int
    """Trainable numbers of the network."""
    validation: PriorScores
    tests: dict[str, PriorScores | None]
    """None where the labels are hidden: the answers are in the arm's submission file."""
    gap: Gap | None
    """None for `none` itself, or where that was not run."""


class Study(Frozen):
    """What the views of a corpus say."""

    disclaimer: str = DISCLAIMER
    corpus: str
    labels: tuple[str, ...]
    clips: dict[str, int]
    """Part -> clips."""
    features: dict[str, FeatureSource]
    missing: dict[str, int]
    """Labelled clips that lack a modality."""
    traces: TraceReport | None
    text_encoder: str | None
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    folds_sha256: str
    config: dict[str, object]
    """Of the network, but for what the view decides."""
    settings: dict[str, object]
    views: dict[View, ViewRow]
    trust: dict[str, TrustCheck]
    """Section -> whether its reliability tells right verdicts from wrong ones, on labelled clips."""
    leak: str | None
    """What must be said where the verdict alone gains almost as much as the whole trace."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Arm:
    """A view that was run."""

    results: PriorResults
    tests: dict[str, PriorScores | None]
    cells: Int64[np.ndarray, "clip seed"]
    """truth * classes + answer of every held-out clip."""
    parameters: int


def run_study(
    plan: Plan, *, resume: bool = True, watch: Watch | None = None, tell: Callable[[str], None] = lambda line: None
) -> Study:
    """Trains and tests every view of a plan, writes the cards and the table.

    Args:
        plan: See `experiment.prepare`.
        resume: Goes on with what is there; else the runs of these folds and seeds are begun anew.
        watch: Told how far the training is.
        tell: Gets a line when a view is finished.

    Raises:
        CheckpointMismatch: The folder holds runs of other settings.
        EmotraceError: As for `run_folds`.
    """
    arms: dict[View, _Arm] = {}
    for view in plan.views:
        arms[view] = _run(plan, view, resume=resume, watch=watch)
        waf = arms[view].results.validation.waf
        tell(f"view {view}: WAF {100 * waf.value:.1f} [{100 * waf.low:.1f}, {100 * waf.high:.1f}] on held-out clips")
    study = _study(plan, arms)
    write_atomically(plan.folder / "views.json", study.model_dump_json(indent=1) + "\n")
    write_atomically(plan.folder / "views.md", page_of(study.model_dump()))
    return study


def _run(plan: Plan, view: View, *, resume: bool, watch: Watch | None) -> _Arm:
    parts, config, out = plan.parts(view), plan.config(view), plan.folder / view
    folds, seeds = plan.choices.folds, plan.choices.seeds
    if not resume:
        _forget(plan, out)
    several = len(parts.tests) > 1
    results: dict[str, PriorResults] = {}
    for name, test in parts.tests.items() or ((("", None),)):
        results[name] = run_folds(
            parts.labelled,
            parts.unlabelled,
            config,
            plan.settings,
            out,
            folds=folds,
            fold_count=FOLDS,
            seeds=seeds,
            test=test,
            watch=watch,
        )
        for file in ("results.json", "results.md", "submission.csv") if several else ():
            target = out / file
            target.replace(target.with_stem(f"{target.stem}_{name}"))
    dealt = kept_folds(parts.labelled, out / "folds.json", count=FOLDS)
    last = results[next(reversed(results))]
    cells = [_lay_cards(plan, view, parts, dealt, last, fold) for fold in folds]
    model = load_prior_fusion(_weights(out, folds[0], seeds[0]))
    return _Arm(
        results=last,
        tests={name: found.test for name, found in results.items() if name},
        cells=np.concatenate(cells),
        parameters=sum(weight.numel() for weight in model.parameters()),
    )


def _weights(out: Path, fold: int, seed: int) -> Path:
    return out / f"f{fold}" / f"s{seed}" / "tuned" / "last"


def _forget(plan: Plan, out: Path) -> None:
    """Takes the weights of earlier runs away: a run without them begins anew, and clears what is left."""
    import shutil

    for fold in plan.choices.folds:
        for seed in plan.choices.seeds:
            shutil.rmtree(out / f"f{fold}" / f"s{seed}", ignore_errors=True)
    (out / "folds.json").unlink(missing_ok=True)


def _lay_cards(
    plan: Plan, view: View, parts: Parts, dealt: Folds, results: PriorResults, fold: int
) -> Int64[np.ndarray, "clip seed"]:
    """Lays a card beside the weights of each seed of a fold; gives what they answer for the fold's held-out clips."""
    held_out = parts.labelled.subset(dealt.test(fold))
    first = next(iter(parts.tests.values()), None)
    test = None if first is None or not len(first) or (first.labels < 0).any() else first
    cells = []
    for seed in plan.choices.seeds:
        folder = _weights(plan.folder / view, fold, seed)
        model = load_prior_fusion(folder)
        said = answers(model, held_out).logits.argmax(axis=1)
        cells.append(held_out.labels * len(held_out.label_names) + said)
        guessed = results.pseudo_labels.get(f"{fold}/{seed}", {}).get("admitted", {})
        card = PriorsCard(
            weights_sha256=load_checkpoint(folder).config.weights_sha256,
            corpus=plan.corpus.name,
            corpus_terms=plan.corpus.terms,
            scheme=plan.corpus.scheme.name,
            labels=plan.corpus.scheme.labels,
            fold=fold,
            seed=seed,
            folds_sha256=dealt.sha256,
            features=_features(plan),
            traces=_traces(plan, view, parts.labelled),
            train_clips=int(dealt.train(fold).sum()),
            guessed_clips=sum(guessed.values()),
            validation=_scores(held_out, said),
            test=None if test is None else _scores(test, answers(model, test).logits.argmax(axis=1)),
        )
        write_card(folder, card)
    return np.stack(cells, axis=1)


def _scores(clips: PriorClips, said: Int64[np.ndarray, " clip"]) -> HeldOutScores | None:
    if not len(clips):
        return None
    names = clips.label_names
    found = classify([names[row] for row in clips.labels], [names[row] for row in said], labels=names, engine="base")
    return HeldOutScores(clips=len(clips), uar=found.uar, waf=found.waf, accuracy=found.accuracy)


def _features(plan: Plan) -> dict[str, FeatureSource]:
    return {name: files.source(plan.rows[name]) for name, files in plan.files.items()}


def _traces(plan: Plan, view: View, labelled: PriorClips) -> TraceSource | None:
    if plan.traces is None or plan.encoder is None or labelled.traces is None:
        return None
    return TraceSource(
        providers=plan.traces.report.providers,
        text_encoder=plan.encoder.name,
        text_fingerprint=plan.encoder.fingerprint,
        text_width=plan.encoder.width,
        view=view,
        clips=int((labelled.rho > 0).any(axis=1).sum()),
        sha256=hash_of(labelled.keys, labelled.traces, labelled.rho),
    )


def _study(plan: Plan, arms: Mapping[View, _Arm]) -> Study:
    one = next(iter(arms.values())).results
    classes = len(plan.corpus.scheme.labels)
    plain = arms.get("none") if len(arms) > 1 else None
    waf = {view: arm.results.validation.waf.value for view, arm in arms.items()}
    decided = ("injection",)
    labelled, scheme = plan.corpus.labelled, plan.corpus.scheme
    return Study(
        corpus=plan.corpus.name,
        labels=plan.corpus.scheme.labels,
        clips={
            "labelled": len(plan.corpus.labelled),
            "unlabelled": len(plan.corpus.unlabelled),
            **{name: len(part) for name, part in plan.corpus.tests.items()},
        },
        features=_features(plan),
        missing={name: count for name, count in one.missing.items() if not name.endswith("trace")},
        traces=None if plan.traces is None else plan.traces.report,
        text_encoder=None if plan.encoder is None else plan.encoder.name,
        folds=one.folds,
        seeds=one.seeds,
        folds_sha256=one.folds_sha256,
        config={name: value for name, value in one.config.items() if name not in decided},
        settings=one.settings,
        views={
            view: ViewRow(
                parameters=arm.parameters,
                validation=arm.results.validation,
                tests=arm.tests,
                gap=None if plain is None or arm is plain else _gap(arm.cells, plain.cells, classes),
            )
            for view, arm in arms.items()
        },
        trust={} if plan.traces is None else plan.traces.trust(labelled, plan.corpus.labels_of(labelled), scheme),
        leak=leak_sentence(waf) if {"full", "verdict", "none"} <= waf.keys() else None,
    )


def _gap(own: Int64[np.ndarray, "clip seed"], plain: Int64[np.ndarray, "clip seed"], classes: int) -> Gap:
    found = paired_difference(_summed(own, classes), _summed(plain, classes), rounds=ROUNDS)
    return Gap(value=found.estimate, low=found.interval.low, high=found.interval.high, p=found.p_permutation)


def _summed(cells: Int64[np.ndarray, "clip seed"], classes: int) -> SummedScore:
    """WAF, mean over seeds, as a function of summed rows."""
    clips, seeds = cells.shape
    rows = np.zeros((clips, seeds, classes * classes))
    rows[np.arange(clips)[:, None], np.arange(seeds), cells] = 1.0

    def mean_waf(totals: np.ndarray) -> np.ndarray:
        matrices = np.reshape(totals, (*np.shape(totals)[:-1], seeds, classes, classes))
        return np.asarray(np.asarray(CLOSED_SET_SCORES["waf"](matrices)).mean(axis=-1))

    return SummedScore(rows=rows.reshape(clips, -1), finish=mean_waf)
