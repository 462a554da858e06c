"""Which reward earns its place? A study in the simulated world.

    python recipes/hydra_world_drop.py --size nano --seeds 0-2

Design: K = 2. From one blind imitation per seed, by reward: `full`; minus each of the six terms (`no-TERM`, its weight
0); `flat` (no gates); `apart` (each reward normalised by itself, TRL's `normalize_then_sum`). Beside them a teacher
that saw the labels (`told`, the paper's EmbedGT [paper]; ours picks among its own readings) against the blind one,
after imitation and after `full`. Greedy decoding, `iid`.

A dropped term still gates where it did: format is always needed, and accuracy always scales the terms of the process.
`no-fmt` and `no-acc` take away the term's own pay, no more.

Measured: F, R of all six rewards whatever a policy was trained by, each raw term, labels per answer, and how often the
first hypothesis wins (1/2 where order tells nothing).

Written before the first run:

- H1 [ours]: dropping one of think, cite, evid, sem moves level-2 F by less than .02: imitation has taught the form
  already;
- H2 [ours]: each dropped process term ends lower by itself than after `full`;
- H3 [ours]: `flat` ends with lower level-2 F than `full`, as it pays for a fine story under a wrong label;
- H4 [field, 2508.01318: many rewards hurt]: some `no-TERM` ends with higher level-2 F than `full`;
- H5 [ours]: `told` is better at level 2 than blind after imitation, and the difference is smaller after `full`.

Eleven comparisons are shown at 95 % each: were there no effects at all, four such tables in ten would still have an
interval that misses 0. One that misses it narrowly is a hint. The table is printed whichever way they fall.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hydra_world_cells import Cell, answers, arguments, draws, in_study, prepare, rewards
from hydra_world_k import scored
from hydra_world_scores import (
    SEEDS_POOLED,
    WARNING,
    Array,
    left_out_lines,
    listed,
    machine,
    mean_there,
    means,
    over_seeds,
    paired_difference,
    told,
    told_by_seed,
    write_result,
)

from emotrace.hydra.rewards import Scorer
from emotrace.hydra.rewards.combine import TERMS

K = 2
SPLIT = "iid"
MEASURES = ("level_1", "level_2", "R")


def design(size: str, seeds: list[int]) -> dict[str, list[Cell]]:
    """Name of a row -> its cells, one per seed."""
    stages = ["sft", "full", *(f"no-{term}" for term in TERMS), "flat", "apart"]
    rows = {stage: [Cell(size=size, k=K, seed=seed, stage=stage) for seed in seeds] for stage in stages}
    for stage in ("sft", "full"):
        rows[f"{stage}, told"] = [Cell(size=size, k=K, seed=seed, stage=stage, teacher="labels") for seed in seeds]
    return rows


def compared(rows: dict[str, list[Cell]]) -> list[tuple[str, str]]:
    """Which rows are subtracted from which."""
    by_reward = [name for name in rows if name not in ("sft", "full") and "told" not in name]
    told_by = [(name, name.removesuffix(", told")) for name in rows if "told" in name]
    return [("full", "sft"), *((name, "full") for name in by_reward), *told_by]


def measured(cell: Cell) -> dict[str, Array]:
    """Every measure of a policy, clip by clip; nan where a clip has none."""
    drawn, clips = draws(SPLIT), scored(cell, SPLIT)
    golds = [list(draw.cause.gold) for draw in drawn]
    scores = Scorer(rewards(K)).score(answers(cell, SPLIT), [draw.sheet for draw in drawn], golds)
    first = [float("nan") if clip.winner_is_first is None else float(clip.winner_is_first) for clip in clips]
    return {
        "level_1": np.array([clip.level_1 for clip in clips]),
        "level_2": np.array([clip.level_2 for clip in clips]),
        "R": scores.total,
        "labels": np.array([float(clip.labels) for clip in clips]),
        "first wins": np.array(first),
        **{term: scores.raw[:, number] for number, term in enumerate(TERMS)},
    }


def study(size: str, seeds: list[int], *, only_trained: bool = False) -> dict[str, Any]:
    """Every number of the table."""
    cells, left_out = in_study(design(size, seeds), only_trained=only_trained)
    values = {name: [measured(cell) for cell in of_seeds] for name, of_seeds in cells.items()}
    rows: dict[str, dict[str, Any]] = {}
    for name, of_seeds in cells.items():
        rows[name] = {
            measure: over_seeds([mean_there(each[measure]) for each in values[name]]) for measure in values[name][0]
        }
        for measure in ("official_2", "precision_2", "closed"):
            rows[name][measure] = over_seeds([means(scored(cell, SPLIT))[measure] for cell in of_seeds])
    differences: dict[str, dict[str, Any]] = {}
    for a, b in compared(cells):
        dropped = [a.removeprefix("no-")] if a.startswith("no-") else []
        differences[f"{a} - {b}"] = {
            measure: paired_difference([v[measure] for v in values[a]], [v[measure] for v in values[b]])
            for measure in [*MEASURES, *dropped]
        }
    return {
        "command": f"python recipes/hydra_world_drop.py --size {size} --seeds {listed(seeds)}"
        + only_trained * " --only-trained",
        "machine": machine(),
        "left_out": left_out,
        "rows": rows,
        "differences": differences,
    }


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    lines = [
        "# Which reward earns its place? A study in the simulated world",
        "",
        f"`{result['command']}`; {result['machine']}. K = {K}, `{SPLIT}`. Mean over seeds ± half a 95 % t interval.",
        "",
        WARNING,
        "",
        *left_out_lines(result),
        "R is the mean of all six rewards (0..2.2), whatever a policy was trained by; a dropped term still gates.",
        "",
        "| policy | level 1 F | level 2 F | official 2 | precision 2 | R | labels | first wins | closed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    shown = ("level_1", "level_2", "official_2", "precision_2", "R", "labels", "first wins", "closed")
    for name, row in result["rows"].items():
        lines.append(f"| {name} | {' | '.join(told(row[measure]) for measure in shown)} |")
    lines += ["", "## Raw terms", "", f"| policy | {' | '.join(TERMS)} |", "|---" * (len(TERMS) + 1) + "|"]
    for name, row in result["rows"].items():
        lines.append(f"| {name} | {' | '.join(told(row[term]) for term in TERMS)} |")
    lines += [
        "",
        "## Differences",
        "",
        SEEDS_POOLED + "; none is corrected for their number.",
        "",
        "| A - B | level 1 F | by seed | level 2 F | by seed | R | by seed | the dropped term |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in result["differences"].items():
        dropped = next((told(value) for measure, value in found.items() if measure not in MEASURES), "")
        lines.append(f"| {name} | {' | '.join(told_by_seed(found[measure]) for measure in MEASURES)} | {dropped} |")
    return lines


def main() -> None:
    """Trains what is not there, and writes the table."""
    chosen = arguments(__doc__).parse_args()
    rows, _ = in_study(design(chosen.size, chosen.seeds), only_trained=chosen.only_trained)
    prepare([cell for of_seeds in rows.values() for cell in of_seeds], chosen.jobs)
    result = study(chosen.size, chosen.seeds, only_trained=chosen.only_trained)
    write_result(f"hydra_world_drop_{chosen.size}", result, table(result))


if __name__ == "__main__":
    main()
