"""Does Verify verify? The marks of policies against the world's own truth. A study in the simulated world.

    python recipes/hydra_world_verify.py --size nano --seeds 0-2

Design: K = 2, `iid`, by stage of training. For every mark of a legal trajectory: the hypothesis has affects S, the
observation a cue o, and the world an emission table that no reasoner sees (a disturbed copy of the teacher's).

    ratio = mean over S of p(o | affect) / mean over the 19 affects of p(o | affect)

The true direction is + from 1.35, - to 1/1.35, and ~ between [ours]. Pairs without a cue, with a word that is no
affect, or without a mark are left out. Three-class accuracy and macro-F1, beside the constant marks and what marks in
the same shares would reach by chance.

Two limits. The teacher marks - only where *every* affect of S speaks against a cue, hence rarely: it cannot reach 1.
And a masked hypothesis may call a smile supporting by its own account, which the ratio of its felt affects denies: so
hypotheses of the other perspectives, `open`, are also shown alone.

An accuracy of marks is an external check: no reward compares them with the world. What the rewards ask is that marks
agree with the verdict.

Written before the first run:

- H1 [ours]: after imitation the marks beat the best constant mark in accuracy and in macro-F1;
- H2 [ours]: neither `outcome` nor `full` moves the accuracy of `sft` by more than .02: reward teaches no verifying;
- H3 [ours]: the marks of the winner are more often right than those of its rivals, in every stage.

The table is printed whichever way they fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from hydra_world_cells import Cell, answers, arguments, draws, prepare
from hydra_world_scores import (
    WARNING,
    Array,
    listed,
    machine,
    oracle,
    over_seeds,
    paired_difference,
    told,
    trace_in,
    write_result,
)

from emotrace.evidence.observation import Observation
from emotrace.hydra.grammar import trace_of
from emotrace.hydra.likelihood import SUPPORT_RATIO
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.trace import Trace
from emotrace.hydra.verify import MARKS, Mark
from emotrace.hydra.world import Draw, World
from emotrace.labels.affects import AFFECT_BY_WORD, AFFECT_NAMES

K = 2
SPLIT = "iid"
STAGES = ("sft", "outcome", "full")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One mark beside the truth."""

    mark: Mark
    truth: Mark
    is_open: bool
    """Whether the hypothesis is of another perspective than masking."""
    of_winner: bool


def true_direction(world: World, labels: Sequence[str], observation: Observation) -> Mark | None:
    """What an observation says about a hypothesis's labels, by the world's emission; None where it has no say."""
    place = _places(world).get(observation.cue or "")
    if place is None or not labels or not all(word in AFFECT_BY_WORD for word in labels):
        return None
    modality, cue = place
    emission = world.emission[modality][:, cue]
    felt = sorted({AFFECT_NAMES.index(AFFECT_BY_WORD[word].name) for word in labels})
    ratio = float(emission[felt].mean() / emission[:-1].mean())
    if ratio >= SUPPORT_RATIO:
        return "supports"
    return "contradicts" if ratio <= 1.0 / SUPPORT_RATIO else "silent"


@cache
def _places(world: World) -> dict[str, tuple[Any, int]]:
    """Cue -> its sense and column in the emission of that sense."""
    return {cue.key: (modality, n) for modality, cues in world.cues.items() for n, cue in enumerate(cues)}


def judgements(trace: Trace | None, draw: Draw) -> list[Judgement]:
    """Every mark of a trajectory that has a truth; of an observation checked twice the first check counts."""
    found = []
    checks = {} if trace is None else {c.id: c for c in reversed(trace.checks) if c.id in draw.sheet}
    for hypothesis in () if trace is None else trace.hypotheses:
        for id, check in checks.items():
            truth = true_direction(oracle().world, hypothesis.labels, draw.sheet[id])
            mark = check.marks.get(hypothesis.number)
            if truth is not None and mark is not None:
                is_open, wins = hypothesis.perspective != "masking", hypothesis.number == trace.verdict[0]
                found.append(Judgement(mark=mark, truth=truth, is_open=is_open, of_winner=wins))
    return found


def accuracy(found: Sequence[Judgement]) -> float:
    """Share of marks that are true; nan without any."""
    return float(np.mean([each.mark == each.truth for each in found])) if found else float("nan")


def macro_f(pairs: Sequence[tuple[Mark, Mark]]) -> float:
    """Mean F of the marks that occur, as mark or as truth, in pairs of both; nan without any."""
    f = []
    for mark in MARKS:
        said, true = (sum(pair[place] == mark for pair in pairs) for place in (0, 1))
        if said + true:
            f.append(2.0 * sum(pair == (mark, mark) for pair in pairs) / (said + true))
    return float(np.mean(f)) if f else float("nan")


def summary(by_clip: Sequence[Sequence[Judgement]]) -> dict[str, float]:
    """What a row of the table says of one policy."""
    every = [each for clip in by_clip for each in clip]
    said, true = ({m: sum(getattr(e, of) == m for e in every) for m in MARKS} for of in ("mark", "truth"))
    count = max(len(every), 1)
    return {
        "accuracy": accuracy(every),
        "macro_f": macro_f([(each.mark, each.truth) for each in every]),
        "chance": sum(said[m] * true[m] for m in MARKS) / count**2,
        "open": accuracy([each for each in every if each.is_open]),
        "winner": accuracy([each for each in every if each.of_winner]),
        "rivals": accuracy([each for each in every if not each.of_winner]),
        "marks": float(len(every)),
        **{f"says {mark}": said[mark] / count for mark in MARKS},
        **{f"constant {mark}, accuracy": true[mark] / count for mark in MARKS},
        **{f"constant {mark}, macro_f": macro_f([(mark, each.truth) for each in every]) for mark in MARKS},
    }


def of_policy(cell: Cell) -> list[list[Judgement]]:
    """Clip by clip."""
    pairs = zip(answers(cell, SPLIT), draws(SPLIT), strict=True)
    return [judgements(trace_in(text, draw, cell.k), draw) for text, draw in pairs]


def of_embedded() -> list[list[Judgement]]:
    """The teacher's marks."""
    verdicts = [(run(draw.sheet, EmbeddedReasoner(), k=K, abstain=False), draw) for draw in draws(SPLIT)]
    return [judgements(trace_of(verdict, draw.sheet), draw) for verdict, draw in verdicts]


def by_clip(found: Sequence[Sequence[Judgement]]) -> Array:
    """Accuracy of every clip, nan where nothing was judged."""
    return np.array([accuracy(clip) for clip in found])


def study(size: str, seeds: list[int], stages: Sequence[str] = STAGES) -> dict[str, Any]:
    """Every number of the table."""
    found = {stage: [of_policy(Cell(size=size, k=K, seed=s, stage=stage)) for s in seeds] for stage in stages}
    found["embedded"] = [of_embedded()]
    summaries = {name: [summary(each) for each in of_seeds] for name, of_seeds in found.items()}
    return {
        "command": f"python recipes/hydra_world_verify.py --size {size} --seeds {listed(seeds)}",
        "machine": machine(),
        "rows": {
            name: {measure: over_seeds([each[measure] for each in of_seeds]) for measure in of_seeds[0]}
            for name, of_seeds in summaries.items()
        },
        "differences": {
            f"{stage} - sft": paired_difference([by_clip(f) for f in found[stage]], [by_clip(f) for f in found["sft"]])
            for stage in stages
            if stage != "sft"
        },
    }


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    lines = [
        "# Does Verify verify? A study in the simulated world",
        "",
        f"`{result['command']}`; {result['machine']}. K = {K}, `{SPLIT}`. Mean over seeds ± half a 95 % t interval.",
        "",
        WARNING,
        "",
        "Marks against the direction that the world's emission gives each pair of hypothesis and observation. Chance:"
        " what marks in the same shares would reach. Open: hypotheses that suppose no masking. Constant rows: on the"
        " pairs that this policy judged.",
        "",
        "| marks of | accuracy | macro-F1 | chance | open | winner | rivals | +, -, ~ said | pairs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        shown = " | ".join(told(row[m]) for m in ("accuracy", "macro_f", "chance", "open", "winner", "rivals"))
        said = ", ".join(f"{row[f'says {mark}']['mean']:.2f}" for mark in MARKS)
        lines.append(f"| {name} | {shown} | {said} | {row['marks']['mean']:.0f} |")
        for mark in MARKS:
            constant = " | ".join(told(row[f"constant {mark}, {of}"]) for of in ("accuracy", "macro_f"))
            lines.append(f"| {name}: always {mark} | {constant} | | | | | | |")
    lines += ["", "## By training", ""]
    lines += ["Mean accuracy per clip, paired over clips, 10,000 bootstrap draws, seeds pooled.", ""]
    lines += ["| A - B | difference [95 %] |", "|---|---|"]
    lines += [f"| {name} | {told(value)} |" for name, value in result["differences"].items()]
    return lines


def main() -> None:
    """Trains what is not there, and writes the table."""
    chosen = arguments(__doc__).parse_args()
    cells = [Cell(size=chosen.size, k=K, seed=seed, stage=stage) for seed in chosen.seeds for stage in STAGES]
    prepare(cells, chosen.jobs)
    result = study(chosen.size, chosen.seeds)
    write_result(f"hydra_world_verify_{chosen.size}", result, table(result))


if __name__ == "__main__":
    main()
