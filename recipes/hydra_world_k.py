"""Does the number of rival hypotheses matter, and through which training? A study in the simulated world.

    python recipes/hydra_world_k.py --size nano --k 0-4 --seeds 0-2

Design: K in 0..4 by training: imitation alone (`sft`), then reward for format and accuracy (`outcome`), or by all six
rewards (`full`). Imitation is shared by the cells of one K and seed. Greedy decoding, test splits of the world.

Written before the first run:

- main comparison: K = 2 against K = 0, both `full`, level-2 F on `iid`, paired over clips;
- H1 [paper, through reviews]: K = 2 is best, and K = 1 is worse than K = 0;
- H2 [ours]: reward raises level 1 and the reward itself above imitation on every seed;
- H3 [ours]: the gain of K = 2 is larger after `full` than after `outcome`.

The table is printed whichever way they fall. `--embedded` adds the embedded reasoner on the same sheets.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from hydra_world_cells import SPLITS, Cell, answers, arguments, cost, draws, in_study, numbers, prepare, rewards
from hydra_world_scores import (
    SEEDS_POOLED,
    WARNING,
    Array,
    Clip,
    fixed_answers,
    left_out_lines,
    listed,
    machine,
    means,
    oracle_answers,
    over_seeds,
    paired_difference,
    score_all,
    score_clip,
    told,
    told_by_seed,
    write_result,
)

from emotrace.hydra.grammar import trace_of
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.rewards import Scorer

CONSTANT = ("happy", "worried", "sad")
SHOWN = ("level_1", "level_2", "official_2", "precision_2", "labels", "legal", "closed", "ece", "abstained")


def scored(cell: Cell, split: str, sampled: bool = False) -> list[Clip]:
    """A cell's answers to a split."""
    return score_all(answers(cell, split, sampled=sampled), draws(split), cell.k)


def row(cells: list[Cell], split: str) -> dict[str, Any]:
    """Means over seeds of one design cell on one split."""
    by_seed = [means(scored(cell, split)) for cell in cells]
    found: dict[str, Any] = {name: over_seeds([each[name] for each in by_seed]) for name in SHOWN}
    found["reward"] = over_seeds([float(np.nanmean(total_rewards(cell, split))) for cell in cells])
    found["tokens"], found["seconds"] = (round(float(v), 3) for v in np.mean([cost(c, split) for c in cells], axis=0))
    return found


def total_rewards(cell: Cell, split: str, sampled: bool = False) -> Array:
    """R of all six rewards for every clip, whatever the cell was trained by."""
    drawn = draws(split)
    texts = answers(cell, split, sampled=sampled)
    scores = Scorer(rewards(cell.k)).score(texts, [d.sheet for d in drawn], [list(d.cause.gold) for d in drawn])
    return np.asarray(scores.total)


def difference(a: list[Cell], b: list[Cell], split: str, measure: str = "level_2") -> dict[str, float]:
    """A minus B, paired over clips."""
    values = [[np.array([getattr(c, measure) for c in scored(cell, split)]) for cell in cells] for cells in (a, b)]
    return paired_difference(values[0], values[1])


def rise(after: Cell, before: Cell) -> dict[str, Any]:
    """What reward changed in one policy on `iid`: R and level-1 F, decoded greedily and sampled as in training."""
    found: dict[str, Any] = {"seed": after.seed}
    for way, sampled in (("greedy", False), ("sampled", True)):
        reward = [total_rewards(cell, "iid", sampled) for cell in (after, before)]
        level_1 = [np.array([c.level_1 for c in scored(cell, "iid", sampled)]) for cell in (after, before)]
        found[f"reward, {way}"] = paired_difference([reward[0]], [reward[1]])
        found[f"level 1, {way}"] = paired_difference([level_1[0]], [level_1[1]])
    return found


def embedded(k: int, split: str) -> dict[str, float]:
    """The embedded reasoner on the same sheets, its guess where it would rather abstain."""
    clips = []
    for draw in draws(split):
        verdict = run(draw.sheet, EmbeddedReasoner(), k=k, abstain=False)
        clips.append(score_clip(trace_of(verdict, draw.sheet), draw))
    return means(clips)


def study(
    size: str, ks: list[int], seeds: list[int], stages: list[str], *, only_trained: bool = False
) -> dict[str, Any]:
    """Every number of the table."""
    every = {
        f"K = {k}, {stage}": [Cell(size=size, k=k, seed=seed, stage=stage) for seed in seeds]
        for k, stage in product(ks, stages)
    }
    design, left_out = in_study(every, only_trained=only_trained)
    result: dict[str, Any] = {
        "command": f"python recipes/hydra_world_k.py --size {size} --k {listed(ks)} --seeds {listed(seeds)}"
        f" --stages {listed(stages)}" + only_trained * " --only-trained",
        "machine": machine(),
        "left_out": left_out,
        "rows": {split: {name: row(cells, split) for name, cells in design.items()} for split in SPLITS},
        "embedded": {f"embedded, K = {k}": embedded(k, "iid") for k in (0, 2)},
        "oracle": oracle_answers(draws("iid")),
        "constant": fixed_answers(draws("iid"), CONSTANT),
        "differences": {},
        "by_seed": {},
    }
    for split in SPLITS:
        for k in (k for k in ks if k and 0 in ks):
            for stage in stages:
                a, b = f"K = {k}, {stage}", f"K = 0, {stage}"
                if a in design and b in design:
                    result["differences"][f"{split}: {a} - {b}"] = difference(design[a], design[b], split)
    for k, stage in product(ks, (stage for stage in stages if stage != "sft")):
        if f"K = {k}, {stage}" not in design:
            continue
        before, after = design[f"K = {k}, sft"], design[f"K = {k}, {stage}"]
        for measure in ("level_1", "level_2"):
            name = f"iid: K = {k}, {stage} - sft, {measure}"
            result["differences"][name] = difference(after, before, "iid", measure)
        result["by_seed"][f"K = {k}, {stage} - sft"] = [rise(a, b) for a, b in zip(after, before, strict=True)]
    return result


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    lines = [
        "# How many rival hypotheses? A study in the simulated world",
        "",
        f"`{result['command']}`; {result['machine']}. Mean over seeds ± half a 95 % t interval.",
        "",
        WARNING,
        "",
        *left_out_lines(result),
        "R is the mean of all six rewards (0..2.2), whatever a policy was trained by. Official: means of precision and"
        " recall over clips, then F. Tokens and seconds are of one trajectory, sampled in batches on one core.",
    ]
    for split, rows in result["rows"].items():
        lines += ["", f"## {split}", ""]
        lines += [
            "| policy | level 1 F | level 2 F | official 2 | precision 2 | labels | legal | closed | ECE | R | tokens"
            " | seconds |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for name, values in rows.items():
            shown = (told(values[m]) for m in ("level_1", "level_2", "official_2", "precision_2"))
            rest = (told(values[m], 2) for m in ("labels", "legal", "closed", "ece", "reward"))
            lines.append(
                f"| {name} | {' | '.join(shown)} | {' | '.join(rest)} | {values['tokens']:.0f} |"
                f" {values['seconds']:.3f} |"
            )
        if split == "iid":
            for name, one in result["embedded"].items():
                told_ = " | ".join(f"{one[m]:.3f}" for m in ("level_1", "level_2", "official_2", "precision_2"))
                more = " | ".join(f"{one[m]:.2f}" for m in ("labels", "legal", "closed", "ece"))
                lines.append(f"| {name} | {told_} | {more} | | | |")
            for name in ("oracle", "constant"):
                one = result[name]
                lines.append(
                    f"| {name} | {one['level_1']:.3f} | {one['level_2']:.3f} | | | {one['labels']:.2f} | | | | | | |"
                )
    lines += [
        "",
        "## Differences",
        "",
        SEEDS_POOLED + "; level-2 F unless named.",
    ]
    lines += ["", "| A - B | difference [95 %] | by seed |", "|---|---|---|"]
    lines += [f"| {name} | {told_by_seed(value)} |" for name, value in result["differences"].items()]
    lines += ["", "## Does reward raise what imitation began? Seed by seed, `iid`, paired over clips", ""]
    ways = ("reward, sampled", "level 1, sampled", "reward, greedy", "level 1, greedy")
    lines += [f"| after - before | seed | {' | '.join(ways)} |", "|---|---|---|---|---|---|"]
    for name, rows in result["by_seed"].items():
        lines += [f"| {name} | {r['seed']} | {' | '.join(told(r[way]) for way in ways)} |" for r in rows]
    return lines


def main() -> None:
    """Trains what is not there, and writes the table."""
    parser = arguments(__doc__)
    parser.add_argument("--k", type=numbers, default=numbers("0-4"))
    parser.add_argument("--stages", default="sft,outcome,full")
    chosen = parser.parse_args()
    stages = chosen.stages.split(",")
    cells = [Cell(size=chosen.size, k=k, seed=s, stage=g) for s in chosen.seeds for k in chosen.k for g in stages]
    prepare([cell for cell in cells if cell.is_trained or not chosen.only_trained], chosen.jobs)
    result = study(chosen.size, chosen.k, chosen.seeds, stages, only_trained=chosen.only_trained)
    write_result(f"hydra_world_k_{chosen.size}", result, table(result))


if __name__ == "__main__":
    main()
