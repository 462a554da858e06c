"""Are rival hypotheses better, or only longer? A study in the simulated world.

    python recipes/hydra_world_tokens.py --size nano --seeds 0-2

Design: the policy without hypotheses (K = 0) is sampled n times at temperature 1, and its answers vote by affects
(level 2). n is the smallest number whose tokens reach those of one greedy trajectory with K = 2, or with K = 4: the
control never has fewer tokens. Besides, one curve of accuracy against tokens. `iid`; after imitation (`sft`) and after
`full`.

The vote [ours]: every legal sample gives each affect it names a vote. The affects that at least half of them name win,
the most voted first, at most as many as the median sample names, and at least one; ties go by the order of affects.

Sampling at temperature 1 costs accuracy that a vote wins back only in part, while K = 2 and K = 4 are decoded greedily:
so the same policies sampled once are shown too, and compared with the vote as well.

Written before the first run:

- H1 [ours]: at equal tokens, K = 2 beats the vote of K = 0 at level 2, after `full` (the main comparison here);
- H2 [ours]: the vote grows with n and has flattened by n = 8: the last step, 4 to 8, adds less than .02;
- H3 [ours]: K = 2 sampled once is no better than the vote of K = 0 at equal tokens.

The table is printed whichever way they fall.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil
from statistics import median
from typing import Any

import numpy as np
from hydra_world_asked import ask_ahead, asked
from hydra_world_cells import Cell, answers, arguments, cost, draws, numbers, prepare
from hydra_world_k import scored
from hydra_world_scores import (
    SEEDS_POOLED,
    WARNING,
    Array,
    affects,
    f_both,
    listed,
    machine,
    over_seeds,
    paired_difference,
    told,
    told_by_seed,
    trace_in,
    write_result,
)

from emotrace.hydra.grammar import parse
from emotrace.labels.affects import AFFECT_NAMES

SPLIT = "iid"
STAGES = ("sft", "full")
RIVALS = (2, 4)
SAMPLES = 8
COUNTS = (1, 2, 3, 4, 6, 8)
"""Votes on the curve."""

Values = dict[str, Array]
"""Measure -> a value per clip."""


def majority(samples: Sequence[Sequence[str]]) -> list[str]:
    """The words that several answers elect, one for each winning affect; none where there is no answer.

    >>> majority([["happy", "sad"], ["delighted"], ["happy"]])
    ['happy']
    """
    named = [affects(words) for words in samples if words]
    if not named:
        return []
    votes = Counter(affect for each in named for affect in each)
    ranked = sorted(votes, key=lambda affect: (-votes[affect], _place(affect)))
    most = max(1, int(median(len(each) for each in named)))
    elected = [affect for affect in ranked[:most] if 2 * votes[affect] >= len(named)] or ranked[:1]
    return [_word_of(affect, samples) for affect in elected]


def _place(affect: str) -> tuple[int, str]:
    """Order of affects; words that the world does not know stand last, by the alphabet."""
    return (AFFECT_NAMES.index(affect) if affect in AFFECT_NAMES else len(AFFECT_NAMES), affect)


def _word_of(affect: str, samples: Sequence[Sequence[str]]) -> str:
    """The most frequent word of an affect; the first in the alphabet of equals."""
    words = Counter(word for words in samples for word in words if affects([word]) == {affect})
    return min(words, key=lambda word: (-words[word], word))


def votes_needed(once: float, wanted: float, most: int = SAMPLES) -> int:
    """The smallest number of trajectories of `once` tokens that have as many as are wanted, 1 to `most`."""
    return min(most, max(1, ceil(wanted / once)))


def sampled(cell: Cell) -> tuple[list[list[list[str]]], Array]:
    """Words of the answers and tokens of `SAMPLES` trajectories per clip: by sample, then by clip."""
    sheets = [draw.sheet for draw in draws(SPLIT)]
    count = SAMPLES if cell.k == 0 else 1
    texts, tokens = asked(cell, f"sampled-{SPLIT}", sheets * count, temperature=1.0)
    traces = [parse(text, k=cell.k, sheet=sheet).trace for text, sheet in zip(texts, sheets * count, strict=True)]
    words = [[] if trace is None else [answer.word for answer in trace.answers] for trace in traces]
    by_sample = [words[first : first + len(sheets)] for first in range(0, len(words), len(sheets))]
    return by_sample, np.array(tokens, dtype=float).reshape(count, len(sheets))


def voted(cell: Cell, count: int) -> Values:
    """The first `count` samples of a policy, put to the vote."""
    by_sample, tokens = sampled(cell)
    elected = [majority(of_clip) for of_clip in zip(*by_sample[:count], strict=True)]
    return valued(elected, tokens[:count].sum(axis=0))


def valued(elected: Sequence[Sequence[str]], tokens: Array) -> Values:
    """Scores of one answer per clip."""
    golds = [draw.cause.gold for draw in draws(SPLIT)]
    levels = np.array([f_both(words, gold) for words, gold in zip(elected, golds, strict=True)])
    labels = np.array([float(len(affects(words))) for words in elected])
    return {"level_1": levels[:, 0], "level_2": levels[:, 1], "labels": labels, "tokens": tokens}


def greedy(cell: Cell) -> Values:
    """The likeliest trajectory of a policy."""
    clips = scored(cell, SPLIT)
    traces = [trace_in(text, draw, cell.k) for text, draw in zip(answers(cell, SPLIT), draws(SPLIT), strict=True)]
    words = [[] if trace is None else [answer.word for answer in trace.answers] for trace in traces]
    return valued(words, np.full(len(clips), cost(cell, SPLIT)[0]))


def study(size: str, seeds: list[int], rivals: Sequence[int] = RIVALS) -> dict[str, Any]:
    """Every number of the table; `rivals` are the K whose tokens are matched."""
    rows: dict[str, list[Values]] = {}
    pairs: list[tuple[str, str]] = []
    for stage in STAGES:
        cells = {k: [Cell(size=size, k=k, seed=seed, stage=stage) for seed in seeds] for k in (0, *rivals)}
        once = float(np.mean([sampled(cell)[1].mean() for cell in cells[0]]))
        needed = {k: votes_needed(once, float(np.mean([cost(c, SPLIT)[0] for c in cells[k]]))) for k in rivals}
        for k, of_seeds in cells.items():
            rows[f"{stage}, K = {k}, greedy"] = [greedy(cell) for cell in of_seeds]
            if k:
                rows[f"{stage}, K = {k}, sampled once"] = [voted(cell, 1) for cell in of_seeds]
        for count in sorted({*COUNTS, *needed.values()}):
            rows[f"{stage}, K = 0, vote of {count}"] = [voted(cell, count) for cell in cells[0]]
        for k, decoded in ((k, decoded) for k in rivals for decoded in ("greedy", "sampled once")):
            pairs.append((f"{stage}, K = {k}, {decoded}", f"{stage}, K = 0, vote of {needed[k]}"))
        pairs.append((f"{stage}, K = 0, vote of 8", f"{stage}, K = 0, vote of 4"))
    return {
        "command": f"python recipes/hydra_world_tokens.py --size {size} --seeds {listed(seeds)}"
        f" --rivals {listed(rivals)}",
        "machine": machine(),
        "rows": {
            name: {measure: over_seeds([float(v[measure].mean()) for v in values]) for measure in values[0]}
            for name, values in rows.items()
        },
        "differences": {
            f"{a} - {b}": paired_difference([v["level_2"] for v in rows[a]], [v["level_2"] for v in rows[b]])
            for a, b in pairs
        },
    }


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    lines = [
        "# Better, or only longer? A study in the simulated world",
        "",
        f"`{result['command']}`; {result['machine']}. `{SPLIT}`. Mean over seeds ± half a 95 % t interval.",
        "",
        SEEDS_POOLED,
        WARNING,
        "",
        "Tokens are those written for one clip, the question not counted. In the order of tokens: the curve.",
        "",
        "| policy | tokens | level 1 F | level 2 F | labels |",
        "|---|---|---|---|---|",
    ]
    for stage in STAGES:
        rows = [(name, row) for name, row in result["rows"].items() if name.startswith(f"{stage},")]
        for name, row in sorted(rows, key=lambda pair: pair[1]["tokens"]["mean"]):
            shown = " | ".join(told(row[measure]) for measure in ("level_1", "level_2", "labels"))
            lines.append(f"| {name} | {told(row['tokens'], 0)} | {shown} |")
    lines += ["", "## Differences at equal tokens, level-2 F", ""]
    lines += [
        SEEDS_POOLED + ".",
        "",
        "| A - B | difference [95 %] | by seed |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {told_by_seed(value)} |" for name, value in result["differences"].items()]
    return lines


def main() -> None:
    """Trains and samples what is not there, and writes the table."""
    parser = arguments(__doc__)
    parser.add_argument("--rivals", type=numbers, default=list(RIVALS), help="the K whose tokens are matched")
    chosen = parser.parse_args()
    cells = [
        Cell(size=chosen.size, k=k, seed=seed, stage=stage)
        for seed in chosen.seeds
        for k in (0, *chosen.rivals)
        for stage in STAGES
    ]
    prepare(cells, chosen.jobs)
    ask_ahead(sampled, cells, chosen.jobs)
    result = study(chosen.size, chosen.seeds, chosen.rivals)
    write_result(f"hydra_world_tokens_{chosen.size}", result, table(result))


if __name__ == "__main__":
    main()
