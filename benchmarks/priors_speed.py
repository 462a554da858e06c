"""How long a MER2024-sized run takes, against the attention baseline written plainly, and what BDCL adds to a step.

    python benchmarks/priors_speed.py --json out.json

The data are random numbers with class centres, in the sizes of the real thing: 5,030 clips in five folds, features of
768 + 1,024 + 5,120 columns (CLIP-large, HuBERT-large, Baichuan-13B), four 768-wide trace vectors, six classes. All of
it lies in memory; making it is not timed. The arms alternate in one process after a warm-up epoch, and the median of
the rounds is compared, in CPU seconds. The WAF stands beside the seconds: a faster arm that answers worse by more than
half a point is printed as not comparable.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from emotrace.metrics.classification import classify
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import PriorsConfig
from emotrace.priors.corpora.protocol import make_folds
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.learner import PriorLearner, items_of, one_cycle
from emotrace.priors.model import answers
from emotrace.training.loop import fit

LABELS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
COUNTS = (1248, 1208, 1038, 730, 616, 190)
WIDTHS = {"visual": 768, "vocal": 1024, "verbal": 5120}
TRACE_WIDTH = 768
EPOCHS, FOLDS, ROUNDS = 12, 5, 5
BASELINE_EPOCHS, BASELINE_BATCH = 100, 32
LARGEST_LOSS_OF_WAF = 0.005


def made_up_clips(*, share: float = 1.0, seed: int = 0) -> PriorClips:
    """Clips of MER2024's size and class shares."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(6), [max(10, round(share * count)) for count in COUNTS]))
    clips = len(truth)
    features = {
        name: (0.08 * rng.normal(size=(6, width)).astype(np.float32))[truth]
        + rng.standard_normal((clips, width), dtype=np.float32)
        for name, width in WIDTHS.items()
    }
    good = rng.random((clips, 4)) < 0.75
    said = np.where(good & (rng.random((clips, 4)) < 0.5), truth[:, None], rng.integers(0, 6, (clips, 4)))
    traces = rng.standard_normal((6, TRACE_WIDTH), dtype=np.float32)[said]
    return PriorClips(
        keys=tuple(f"clip{number:05d}" for number in range(clips)),
        label_names=LABELS,
        features=features,
        present=np.ones((clips, 3), bool),
        traces=traces + 0.8 * rng.standard_normal(traces.shape, dtype=np.float32),
        rho=np.where(good, rng.beta(8, 2, good.shape), rng.beta(2, 8, good.shape)).astype(np.float32),
        labels=truth.astype(np.int64),
    )


class PlainBaseline(nn.Module):
    """The attention baseline as one would write it down [field: MERTools]: nothing shared with the package."""

    def __init__(self, dim: int = 128, dropout: float = 0.3) -> None:
        super().__init__()

        def block(width: int) -> nn.Sequential:
            first = [nn.Dropout(dropout), nn.Linear(width, dim), nn.ReLU()]
            return nn.Sequential(*first, nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())

        self.visual, self.vocal, self.verbal = (block(width) for width in WIDTHS.values())
        self.over_all, self.weigh, self.classifier = block(3 * dim), nn.Linear(dim, 3), nn.Linear(dim, len(LABELS))

    def forward(self, visual: torch.Tensor, vocal: torch.Tensor, verbal: torch.Tensor) -> torch.Tensor:
        """Logits."""
        tokens = [self.visual(visual), self.vocal(vocal), self.verbal(verbal)]
        weights = self.weigh(self.over_all(torch.cat(tokens, dim=1)))
        fused = (torch.stack(tokens, dim=2) @ weights[:, :, None]).squeeze(2)
        return self.classifier(fused)


def train_plainly(clips: PriorClips, *, epochs: int, batch_size: int = BASELINE_BATCH) -> PlainBaseline:
    """The organisers' loop: Adam, batches of 32, cross-entropy."""
    torch.manual_seed(0)
    model = PlainBaseline()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    inputs = [torch.from_numpy(clips.features[name]) for name in WIDTHS]
    labels = torch.from_numpy(clips.labels)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(labels)).split(batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(*(x[rows] for x in inputs)), labels[rows]).backward()
            optimizer.step()
    return model.eval()


def train_ours(clips: PriorClips, *, epochs: int, **config: Any) -> PriorFusion:
    """The package's own way, with everything that it does: checkpoints, checks and logs."""
    model = PriorFusion(PriorsConfig(labels=LABELS, **config), clips.widths, clips.trace_width)
    model.standardise(clips)
    items = items_of(clips)
    learner = PriorLearner(model, clips, train=items)
    with tempfile.TemporaryDirectory() as folder:
        fit(learner, train=items, test=(), settings=one_cycle(epochs=epochs), out=Path(folder))
    return model


def waf_of(logits: np.ndarray, clips: PriorClips) -> float:
    """Of the held-out clips."""
    said = [LABELS[number] for number in logits.argmax(axis=1)]
    return classify([LABELS[number] for number in clips.labels], said, labels=LABELS, engine="base").waf


def seconds(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU seconds, wall seconds and the result of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def one_epoch(train: PriorClips, rounds: int) -> dict[str, dict[str, float]]:
    """Each arm's epoch, alternating. `gated` minus `gated, no BDCL` is what BDCL costs."""
    arms: dict[str, Callable[[], Any]] = {
        "baseline": lambda: train_plainly(train, epochs=1),
        "gated": lambda: train_ours(train, epochs=1),
        "gated, no BDCL": lambda: train_ours(train, epochs=1, contrastive_weight=0.0),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    for number in range(rounds + 1):
        for name, arm in arms.items():
            cpu, wall, _ = seconds(arm)
            if number:  # the first is the warm-up
                times[name].append((cpu, wall))
    return {
        name: {
            "cpu_seconds": statistics.median(cpu for cpu, _ in found),
            "wall_seconds": statistics.median(wall for _, wall in found),
        }
        for name, found in times.items()
    }


def share_of_bdcl(train: PriorClips, rounds: int) -> float:
    """Its part of a training step, median over rounds of many steps each: the same batch with and without it."""
    learners = {
        weight: PriorLearner(
            PriorFusion(PriorsConfig(labels=LABELS, contrastive_weight=weight), train.widths, train.trace_width), train
        )
        for weight in (0.35, 0.0)
    }
    items = items_of(train)[:128]
    batch = learners[0.0].batch(items, epoch=1, training=True)
    optimizers = {weight: torch.optim.AdamW(each.parameter_groups()) for weight, each in learners.items()}

    def steps(weight: float) -> None:
        for number in range(20):
            optimizers[weight].zero_grad(set_to_none=True)
            learners[weight].loss(batch, step=number, total_steps=20).total.backward()
            optimizers[weight].step()

    shares = []
    for number in range(2 * rounds + 1):
        cost = {weight: seconds(lambda weight=weight: steps(weight))[0] for weight in learners}
        if number:
            shares.append(1 - cost[0.0] / cost[0.35])
    return statistics.median(shares)


def whole_run(clips: PriorClips, *, folds: int, epochs: int, baseline_epochs: int) -> dict[str, Any]:
    """All folds: seconds and WAF of `gated` at its default, and of the baseline at its own length."""
    dealt = make_folds(clips, count=FOLDS)
    found: dict[str, Any] = {}
    for name in ("gated", "baseline"):
        cpu = wall = 0.0
        scores = []
        for fold in range(1, folds + 1):
            train, held_out = clips.subset(dealt.train(fold)), clips.subset(dealt.test(fold))
            if name == "gated":
                own = seconds(lambda train=train: train_ours(train, epochs=epochs))
                logits = answers(own[2], held_out).logits
            else:
                own = seconds(lambda train=train: train_plainly(train, epochs=baseline_epochs))
                with torch.no_grad():
                    logits = own[2](*(torch.from_numpy(held_out.features[each]) for each in WIDTHS)).numpy()
            cpu, wall = cpu + own[0], wall + own[1]
            scores.append(waf_of(logits, held_out))
        found[name] = {"cpu_seconds": cpu, "wall_seconds": wall, "waf": statistics.mean(scores), "folds": folds}
    found["gated"]["epochs"], found["baseline"]["epochs"] = epochs, baseline_epochs
    return found


def prediction(clips: PriorClips) -> float:
    """Wall seconds for 1,000 clips from features."""
    model = PriorFusion(PriorsConfig(labels=LABELS), clips.widths, clips.trace_width)
    some = clips.subset(np.arange(min(1000, len(clips))))
    return min(seconds(lambda: answers(model, some))[1] for _ in range(3)) * 1000 / len(some)


def main() -> None:
    """Measures, prints, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of torch, one table each")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="a tenth of the clips, one fold, few epochs: a smoke test")
    given = parser.parse_args()
    clips = made_up_clips(share=0.1 if given.quick else 1.0)
    train = clips.subset(make_folds(clips, count=FOLDS).train(1))
    folds, epochs, baseline = (1, 2, 2) if given.quick else (FOLDS, EPOCHS, BASELINE_EPOCHS)
    tables = []
    for threads in given.threads:
        torch.set_num_threads(threads)
        epoch = one_epoch(train, given.rounds)
        tables.append(
            {
                "threads": threads,
                "clips": len(clips),
                "epoch": epoch,
                "epoch_ratio": epoch["gated"]["cpu_seconds"] / epoch["baseline"]["cpu_seconds"],
                "bdcl_share_of_step": share_of_bdcl(train, given.rounds),
                "prediction_seconds_per_1000": prediction(clips),
                "run": whole_run(clips, folds=folds, epochs=epochs, baseline_epochs=epochs),
            }
        )
        show(tables[-1])
    longest = whole_run(clips, folds=1, epochs=epochs, baseline_epochs=baseline)["baseline"]
    print(f"baseline's own {baseline} epochs, one fold: {longest['cpu_seconds']:.1f} CPU s, WAF {longest['waf']:.3f}")
    if given.json is not None:
        given.json.write_text(json.dumps({"tables": tables, "baseline_own_length_one_fold": longest}, indent=1) + "\n")


def show(table: dict[str, Any]) -> None:
    """Prints one table."""
    print(f"\n{table['threads']} thread(s), {table['clips']} clips")
    for name, cost in table["epoch"].items():
        print(f"  one epoch, {name:16} {cost['cpu_seconds']:7.2f} CPU s  {cost['wall_seconds']:7.2f} s")
    print(f"  gated / baseline         {table['epoch_ratio']:7.2f}   (at most 1)")
    print(f"  BDCL's share of a step   {100 * table['bdcl_share_of_step']:7.1f} % (below 10)")
    print(f"  prediction, 1,000 clips  {table['prediction_seconds_per_1000']:7.2f} s (at most 1)")
    ours, theirs = table["run"]["gated"], table["run"]["baseline"]
    for name, cost in table["run"].items():
        length = f"{cost['folds']} folds x {cost['epochs']} epochs"
        print(
            f"  {name:9} {length} {cost['cpu_seconds']:7.1f} CPU s {cost['wall_seconds']:7.1f} s  WAF {cost['waf']:.3f}"
        )
    if ours["cpu_seconds"] < theirs["cpu_seconds"] and ours["waf"] < theirs["waf"] - LARGEST_LOSS_OF_WAF:
        print("  not comparable: gated is faster, and its WAF is lower by more than half a point")


if __name__ == "__main__":
    main()
