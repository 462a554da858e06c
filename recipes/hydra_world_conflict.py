"""Do rival hypotheses help most where face, voice and words disagree? A study in the simulated world.

    python recipes/hydra_world_conflict.py --size nano --seeds 0-2

Design: the gain of K = 2 over K = 0 on two halves of `iid`, and the difference of the two gains. A clip's conflict is 1
− the mean pairwise Jaccard of what the *oracle* reads from each sense alone, so it is the same for all systems. HCS:
clips at or above the 66.7th percentile of conflict; LCS: the other clips with at least two readings; ties go to HCS, so
that it may hold far more than a third. The paper's rule is unknown [ours].

Clips are redrawn within each half; the difference of gains is one of means of different clips, and its interval is
wide.

Written before the first run:

- H1 [paper, its claim]: after `full`, the gain is larger on HCS than on LCS (the main comparison here);
- H2 [ours]: every policy, and the oracle, is worse on HCS than on LCS;
- H3 [ours]: after `sft` the difference of gains cannot be told from 0.

The table is printed whichever way they fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hydra_world_cells import Cell, arguments, draws, prepare
from hydra_world_k import scored
from hydra_world_scores import (
    WARNING,
    Array,
    difference_of_groups,
    f_both,
    listed,
    machine,
    oracle,
    over_clips,
    over_seeds,
    paired_difference,
    told,
    write_result,
)

SPLIT = "iid"
STAGES = ("sft", "full")
MEASURES = ("level_1", "level_2")
PERCENTILE = 66.7


def halves(conflicts: Sequence[float | None]) -> tuple[Array, Array, float]:
    """Which clips are of high and of low conflict, and the limit between them; neither where conflict is None.

    Raises:
        ValueError: No clip has a conflict.
    """
    known = [value for value in conflicts if value is not None]
    if not known:
        raise ValueError("no clip has two readings that could disagree")
    # Conflicts are sums of a few fractions: equal ones may differ in their last digit, and are a tie.
    limit = round(float(np.percentile(known, PERCENTILE)), 9)
    high = np.array([value is not None and round(value, 9) >= limit for value in conflicts])
    low = np.array([value is not None and round(value, 9) < limit for value in conflicts])
    return high, low, limit


def values_of(cell: Cell, measure: str) -> Array:
    """A measure of every clip."""
    return np.array([getattr(clip, measure) for clip in scored(cell, SPLIT)])


def oracle_row(groups: dict[str, Array]) -> dict[str, dict[str, float]]:
    """The ceiling on each half."""
    levels = np.array([f_both(oracle().answer(draw.sheet), draw.cause.gold) for draw in draws(SPLIT)])
    return {
        group: {measure: round(float(levels[inside, n].mean()), 4) for n, measure in enumerate(MEASURES)}
        for group, inside in groups.items()
    }


def study(size: str, seeds: list[int]) -> dict[str, Any]:
    """Every number of the table."""
    high, low, limit = halves([oracle().conflict(draw.sheet) for draw in draws(SPLIT)])
    groups = {"HCS": high, "LCS": low}
    cells = {
        f"K = {k}, {stage}": [Cell(size=size, k=k, seed=seed, stage=stage) for seed in seeds]
        for stage in STAGES
        for k in (0, 2)
    }
    gains: dict[str, dict[str, Any]] = {}
    for stage in STAGES:
        for measure in MEASURES:
            two, none = ([values_of(c, measure) for c in cells[f"K = {k}, {stage}"]] for k in (2, 0))
            gain = over_clips(two, none)
            gains[f"{stage}, {measure}"] = {
                **{
                    group: paired_difference([v[inside] for v in two], [v[inside] for v in none])
                    for group, inside in groups.items()
                },
                "HCS - LCS": difference_of_groups(gain[high], gain[low]),
            }
    return {
        "command": f"python recipes/hydra_world_conflict.py --size {size} --seeds {listed(seeds)}",
        "machine": machine(),
        "limit": limit,
        "sizes": {"HCS": int(high.sum()), "LCS": int(low.sum()), "fewer than two readings": int((~high & ~low).sum())},
        "rows": {
            name: {
                group: {m: over_seeds([float(values_of(c, m)[inside].mean()) for c in of_seeds]) for m in MEASURES}
                for group, inside in groups.items()
            }
            for name, of_seeds in cells.items()
        },
        "oracle": oracle_row(groups),
        "gains": gains,
    }


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    sizes = ", ".join(f"{group}: {count}" for group, count in result["sizes"].items())
    lines = [
        "# Do rivals help most under conflict? A study in the simulated world",
        "",
        f"`{result['command']}`; {result['machine']}. Mean over seeds ± half a 95 % t interval.",
        "",
        WARNING,
        "",
        f"Clips of `{SPLIT}` by conflict: {sizes}. HCS begins at a conflict of {result['limit']:.3f}.",
        "",
        "| policy | HCS level 1 F | HCS level 2 F | LCS level 1 F | LCS level 2 F |",
        "|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        shown = (told(row[group][measure]) for group in ("HCS", "LCS") for measure in MEASURES)
        lines.append(f"| {name} | {' | '.join(shown)} |")
    shown = (f"{result['oracle'][group][measure]:.3f}" for group in ("HCS", "LCS") for measure in MEASURES)
    lines += [
        f"| oracle | {' | '.join(shown)} |",
        "",
        "## Gain of K = 2 over K = 0",
        "",
        "10,000 bootstrap draws of clips within each half, seeds pooled [95 %].",
        "",
        "| training, measure | on HCS | on LCS | HCS - LCS |",
        "|---|---|---|---|",
    ]
    for name, gain in result["gains"].items():
        lines.append(f"| {name} | {' | '.join(told(gain[of]) for of in ('HCS', 'LCS', 'HCS - LCS'))} |")
    return lines


def main() -> None:
    """Trains what is not there, and writes the table."""
    chosen = arguments(__doc__).parse_args()
    cells = [
        Cell(size=chosen.size, k=k, seed=seed, stage=stage) for seed in chosen.seeds for k in (0, 2) for stage in STAGES
    ]
    prepare(cells, chosen.jobs)
    result = study(chosen.size, chosen.seeds)
    write_result(f"hydra_world_conflict_{chosen.size}", result, table(result))


if __name__ == "__main__":
    main()
