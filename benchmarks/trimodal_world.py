"""Do priors help, does trust matter, and is nothing lost without them? In a world whose best answer is known exactly.

    python benchmarks/trimodal_world.py [--seeds 0-2] [--arms core contrasts trust] [--quick] [--json FILE] [--out DIR]

Each seed draws a world, 5,030 training clips in five stratified folds, and 20,000 test clips with other class shares.
Every arm is trained on four folds at a time; "single" is the mean WAF of the five networks, "five" the WAF of their
averaged logits. The best possible answers are the exact posterior's. Differences are of "five" against the arm
`none`, on all test clips of all seeds, with a 95 % bootstrap interval over clips. --quick: few clips, one epoch,
two folds, to see that all of it runs; its numbers mean nothing. Exit code 1 where an expectation is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from seeds import parse_seeds
from trimodal_arms import CONTRASTS, CORE, TRUST, Arm, learned
from trimodal_draw import LABELS, TEST_COUNTS, TRAIN_COUNTS, Drawn, World, shares_of
from trimodal_report import expectations, markdown, score, summary

from emotrace.files import make_folder, write_atomically
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES
from emotrace.priors.inputs import PriorTable
from emotrace.priors.model import predict_logits

GROUPS = {"core": CORE, "contrasts": CONTRASTS, "trust": TRUST}


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is drawn and trained."""

    train: int = sum(TRAIN_COUNTS)
    test: int = 20_000
    folds: int = 5
    epochs: int | None = None
    """None leaves each arm its recipe's own number."""


QUICK = Size(train=300, test=500, folds=2, epochs=1)


@dataclass
class Answers:
    """What one row of the table answered in one seed."""

    truth: Int64[np.ndarray, " clip"]
    right_verdicts: Int64[np.ndarray, " clip"]
    """How many of a clip's four sections name its class."""
    folds: list[Float32[np.ndarray, "clip label"]] = field(default_factory=list)
    """Logits of each fold's network."""
    attention: list[dict[str, float]] = field(default_factory=list)
    """What a gated network looked at, per fold."""


def main() -> int:
    """Trains, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-2", help="such as 0-2 or 0,3")
    parser.add_argument("--arms", nargs="+", choices=GROUPS, default=["core"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="file for the record")
    parser.add_argument("--out", type=Path, help="folder for NAME.json and NAME.md")
    parser.add_argument("--name", default="trimodal_world")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, seeds = QUICK if options.quick else Size(), parse_seeds(options.seeds)
    arms = [arm for group in options.arms for arm in GROUPS[group]]
    if "core" not in options.arms:
        arms = [next(arm for arm in CORE if arm.name == "none"), *arms]
    best, rows, seconds = run(arms, seeds, size)
    record = {
        "command": f"python benchmarks/trimodal_world.py --seeds {options.seeds} --arms {' '.join(options.arms)} "
        f"--threads {options.threads}",
        "torch": torch.__version__,
        "threads": options.threads,
        "seeds": list(seeds),
        "quick": options.quick,
        "clips": {"train": size.train, "test": size.test, "folds": size.folds},
        "best": best,
        "rows": {name: summary(of_seeds, rows["none"]) | {"seconds": seconds[name]} for name, of_seeds in rows.items()},
    }
    record["expectations"] = expectations(record)
    text = markdown(record)
    print(text)
    files = [] if options.json is None else [(options.json, json.dumps(record, indent=1) + "\n")]
    if options.out is not None:
        files.append((options.out / f"{options.name}.json", json.dumps(record, indent=1) + "\n"))
        files.append((options.out / f"{options.name}.md", text))
    for path, content in files:
        make_folder(path.parent)
        write_atomically(path, content)
    return int(not options.quick and any(check["met"] is False for check in record["expectations"]))


def run(
    arms: Sequence[Arm], seeds: Sequence[int], size: Size
) -> tuple[dict[str, list[float]], dict[str, list[Answers]], dict[str, float]]:
    """The exact posterior's WAF per seed, every row's answers per seed, and the seconds of training each arm."""
    best: dict[str, list[float]] = {}
    rows: dict[str, list[Answers]] = {}
    seconds = {row: 0.0 for arm in arms for row in arm.rows()}
    started, done, total = time.perf_counter(), 0, len(arms) * len(seeds) * size.folds
    for seed in seeds:
        for name, value in best_possible(World(seed), seed, size).items():
            best.setdefault(name, []).append(value)
        for arm in arms:
            world = World(seed, **arm.world)
            train, test = draw(world, size)
            answers = {row: new_answers(test) for row in arm.rows()}
            for number, rows_of_fold in enumerate(stratified(train.clips.labels, size.folds, seed), start=1):
                clock = time.process_time()
                model = learned(arm, train.clips, rows_of_fold, seed=seed, fold=str(number), epochs=size.epochs)
                seconds[arm.name] += time.process_time() - clock
                for row, view in arm.rows().items():
                    seen = view(test.clips)
                    answers[row].folds.append(predict_logits(model, seen))
                    trust_varies = seen.rho.std() > 0
                    if trust_varies and arm.config.get("injection", "gated") == "gated" and arm.baseline is None:
                        answers[row].attention.append(looked_at(model, seen, test))
                done += 1
            for row, found in answers.items():
                rows.setdefault(row, []).append(found)
            spent = (time.perf_counter() - started) / 60.0
            print(
                f"seed {seed}, {arm.name}: {spent:.1f} min; expected in all {spent / done * total:.0f}",
                file=sys.stderr,
            )
    return best, rows, seconds


def draw(world: World, size: Size) -> tuple[Drawn, Drawn]:
    """Training and test clips of a world."""
    train = world.draw(size.train, TRAIN_COUNTS, part="train", number=1)
    return train, world.draw(size.test, TEST_COUNTS, part="test", number=2)


def new_answers(test: Drawn) -> Answers:
    """Nothing answered yet."""
    right = (test.verdicts == test.clips.labels[:, None]).sum(axis=1)
    return Answers(truth=test.clips.labels, right_verdicts=right)


def best_possible(world: World, seed: int, size: Size) -> dict[str, float]:
    """WAF of the exact posterior: with the training shares, and where said with the test set's own."""
    test = draw(world, size)[1].clips
    known, own = shares_of(TRAIN_COUNTS), shares_of(TEST_COUNTS)
    posteriors = {name: world.posterior(test, known, traces=False, only=name) for name in FEATURES}
    posteriors["together"] = world.posterior(test, known, traces=False)
    posteriors["with traces"] = world.posterior(test, known, traces=True)
    posteriors["with traces, test shares known"] = world.posterior(test, own, traces=True)
    return {name: waf_of(test.labels, probabilities) for name, probabilities in posteriors.items()}


def waf_of(truth: Int64[np.ndarray, " clip"], scores: Float64[np.ndarray, "clip label"]) -> float:
    """F1 weighted by support of the best-scored class."""
    return score(truth, scores.argmax(axis=1), "waf")


@torch.no_grad()
def looked_at(model: Any, clips: PriorClips, drawn: Drawn) -> dict[str, float]:
    """Mean attention on good and on bad sections, and how the gates follow the mean reliability of a clip."""
    output = model.eval()(PriorTable(clips).rows(np.arange(len(clips))))
    attention = output.trace_attention.mean(dim=1).numpy()
    gates, trust = output.gates.mean(dim=1).numpy(), clips.rho.mean(axis=1)
    return {
        "attention_on_good": float(attention[drawn.good].mean()),
        "attention_on_bad": float(attention[~drawn.good].mean()) if (~drawn.good).any() else float("nan"),
        "gate_follows_rho": float(np.corrcoef(gates, trust)[0, 1]),
    }


def stratified(labels: Int64[np.ndarray, " clip"], folds: int, seed: int) -> list[Int64[np.ndarray, " chosen"]]:
    """For each fold the clips of the others: each class is dealt out evenly, in a seeded order."""
    generator = np.random.default_rng((seed, 3))
    fold_of = np.empty(len(labels), np.int64)
    for label in range(len(LABELS)):
        members = generator.permutation(np.flatnonzero(labels == label))
        fold_of[members] = np.arange(len(members)) % folds
    return [np.flatnonzero(fold_of != fold) for fold in range(folds)]


if __name__ == "__main__":
    sys.exit(main())
