"""Does the answer follow the evidence? A study in the simulated world.

    python recipes/hydra_world_faithful.py --size nano --seeds 0-2 --clips 250

Design: K = 0 and K = 2, after imitation (`sft`) and after `full`, and the embedded reasoner; the first clips of `iid`.

- *Swap*: the clip is given the sheet of another whose gold shares no affect with its own; the share of answers that
  change (by affects). The control is a swap with a clip of the same gold: an answer that changes there as often follows
  the sheet, but not what the sheet means.
- *Mask*: one sense is declared missing and its observations are taken away, where another sense still has some. The
  share of trajectories that still cite it (must be 0), of answers that change, and the change in level-2 F, beside the
  oracle's.
- *Delete*: the observations that the answer cites, against as many that it does not cite (as in
  `emotrace.hydra.faithfulness`); the paired difference of the shares of answers that change.

What deletion shows is dependence, not truth; and cited observations weigh more, so the weight removed stands beside.
With K = 2 the answer is the winner's, and so are its cites. A malformed trajectory has no answer that could change and
is left out of shares (`answered` says how many are not), but its F counts as 0.

Written before the first run:

- H1 [ours]: no policy cites a masked sense in more than 1 % of its trajectories, and the embedded reasoner never does;
- H2 [ours]: at least 80 % of answers change when sheets are swapped, and fewer under the same gold;
- H3 [ours]: deleting cited observations changes more answers than deleting uncited ones, for every row, interval above
  0;
- H4 [ours]: that difference is larger with K = 2 than with K = 0 after `full`: what a winner stands on is written out.

The table is printed whichever way they fall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from hydra_world_asked import ask_ahead, asked
from hydra_world_cells import Cell, answers, arguments, draws, prepare
from hydra_world_changes import deleted, masked, partners
from hydra_world_scores import (
    WARNING,
    Array,
    affects,
    f_both,
    listed,
    machine,
    mean_there,
    oracle,
    over_seeds,
    paired_difference,
    score_clip,
    told,
    write_result,
)

from emotrace.evidence.observation import LETTERS, EvidenceSheet
from emotrace.hydra.grammar import parse, trace_of
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.trace import Trace
from emotrace.hydra.world import SENSES

SPLIT = "iid"
STAGES = ("sft", "full")
KS = (0, 2)

Ask = Callable[[str, Sequence[EvidenceSheet]], "list[Trace | None]"]
"""(name of the question, sheets) -> a trajectory per sheet."""


def by_policy(cell: Cell) -> Ask:
    """Asks a trained policy; its answers are kept."""

    def ask(name: str, sheets: Sequence[EvidenceSheet]) -> list[Trace | None]:
        texts = answers(cell, SPLIT)[: len(sheets)] if name == "own" else asked(cell, f"faithful-{name}", sheets)[0]
        return [parse(text, k=cell.k, sheet=sheet).trace for text, sheet in zip(texts, sheets, strict=True)]

    return ask


def by_embedded(k: int) -> Ask:
    """Asks the embedded reasoner, which commits itself wherever there is evidence."""

    def ask(name: str, sheets: Sequence[EvidenceSheet]) -> list[Trace | None]:
        return [trace_of(run(sheet, EmbeddedReasoner(), k=k, abstain=False), sheet) for sheet in sheets]

    return ask


# --- what is measured


def answer_of(trace: Trace) -> frozenset[str]:
    """Affects of the answer."""
    return affects([answer.word for answer in trace.answers])


def changed(before: Trace | None, after: Trace | None) -> float:
    """Whether the answer is another; nan where there is none."""
    return float("nan") if before is None or after is None else float(answer_of(before) != answer_of(after))


def cited_in(trace: Trace) -> set[str]:
    """Every id that a trajectory names."""
    lists = [*(h.cites for h in trace.hypotheses), *(a.cites for a in trace.answers), [c.id for c in trace.checks]]
    return {id for cites in lists for id in cites}


def put(ask: Ask, name: str, sheets: Sequence[EvidenceSheet | None]) -> list[Trace | None]:
    """Asks where there is a sheet."""
    there = [number for number, sheet in enumerate(sheets) if sheet is not None]
    found = dict(zip(there, ask(name, [sheet for sheet in sheets if sheet is not None]), strict=True)) if there else {}
    return [found.get(number) for number in range(len(sheets))]


def measured(ask: Ask, clips: int) -> dict[str, Array]:
    """Every measure, clip by clip; nan where a clip has none."""
    drawn = draws(SPLIT)[:clips]
    sheets = [draw.sheet for draw in drawn]
    own = ask("own", sheets)
    found = {"answered": [float(trace is not None and bool(trace.answers)) for trace in own]}
    for name in ("swapped", "same gold"):
        others = partners(drawn, same=name == "same gold")
        given = [
            None if other is None else replace(sheets[other], clip_id=sheet.clip_id)
            for sheet, other in zip(sheets, others, strict=True)
        ]
        found[name] = [changed(*pair) for pair in zip(own, put(ask, name, given), strict=True)]
    for modality in SENSES:
        less = [masked(sheet, modality) for sheet in sheets]
        after = put(ask, modality, less)
        letter, nan = LETTERS[modality], float("nan")
        still = [nan if trace is None else float(any(id[0] == letter for id in cited_in(trace))) for trace in after]
        found[f"{modality}: cited"] = still
        found[f"{modality}: changed"] = [changed(*pair) for pair in zip(own, after, strict=True)]
        for when, traces in (("before", own), ("after", after)):
            found[f"{modality}: {when}"] = [
                nan if sheet is None else score_clip(trace, draw).level_2
                for sheet, trace, draw in zip(less, traces, drawn, strict=True)
            ]
    found |= deletions(ask, sheets, own)
    return {name: np.array(values, dtype=float) for name, values in found.items()}


def deletions(ask: Ask, sheets: Sequence[EvidenceSheet], own: Sequence[Trace | None]) -> dict[str, list[float]]:
    """Changes and weights of both deletions, where both could be asked about and were answered."""
    gone = [
        None if trace is None else deleted(sheet, {id for answer in trace.answers for id in answer.cites})
        for sheet, trace in zip(sheets, own, strict=True)
    ]
    found: dict[str, list[float]] = {}
    for number, kind in enumerate(("cited", "uncited")):
        less = [None if ids is None else sheet.without(ids[number]) for sheet, ids in zip(sheets, gone, strict=True)]
        found[kind] = [changed(*pair) for pair in zip(own, put(ask, kind, less), strict=True)]
        found[f"{kind}: weight"] = [
            float("nan") if ids is None else sum(sheet.weight(sheet[id]) for id in sorted(ids[number]))
            for sheet, ids in zip(sheets, gone, strict=True)
        ]
    lacking = np.isnan([found["cited"], found["uncited"]]).any(axis=0)
    return {name: np.where(lacking, np.nan, values).tolist() for name, values in found.items()}


def of_cell(cell: Cell, clips: int) -> dict[str, Array]:
    """Every measure of a trained policy."""
    return measured(by_policy(cell), clips)


def oracle_masks(clips: int) -> dict[str, dict[str, float]]:
    """Change in the ceiling's level-2 F where a sense is masked."""
    found = {}
    for modality in SENSES:
        rows = [
            [f_both(oracle().answer(sheet), draw.cause.gold)[1] for sheet in (less, draw.sheet)]
            for draw in draws(SPLIT)[:clips]
            if (less := masked(draw.sheet, modality)) is not None
        ]
        after, before = np.array(rows).reshape(-1, 2).T
        found[modality] = paired_difference([after], [before])
    return found


def cells_of(size: str, seeds: list[int]) -> dict[str, list[Cell]]:
    """Name of a row -> its policies, one per seed."""
    return {
        f"K = {k}, {stage}": [Cell(size=size, k=k, seed=s, stage=stage) for s in seeds] for k in KS for stage in STAGES
    }


def study(size: str, seeds: list[int], clips: int) -> dict[str, Any]:
    """Every number of the table."""
    values = {name: [of_cell(c, clips) for c in cells] for name, cells in cells_of(size, seeds).items()}
    values |= {f"embedded, K = {k}": [measured(by_embedded(k), clips)] for k in KS}
    differences: dict[str, dict[str, Any]] = {}
    for name, of_seeds in values.items():
        pairs = {"cited - uncited": ("cited", "uncited"), "swapped - same gold": ("swapped", "same gold")}
        pairs |= {modality: (f"{modality}: after", f"{modality}: before") for modality in SENSES}
        differences[name] = {
            what: paired_difference([v[a] for v in of_seeds], [v[b] for v in of_seeds])
            for what, (a, b) in pairs.items()
        }
    return {
        "command": f"python recipes/hydra_world_faithful.py --size {size} --seeds {listed(seeds)} --clips {clips}",
        "machine": machine(),
        "rows": {
            name: {
                **{measure: over_seeds([mean_there(v[measure]) for v in of_seeds]) for measure in of_seeds[0]},
                "deletions": int(np.sum([np.sum(~np.isnan(v["cited"])) for v in of_seeds])),
            }
            for name, of_seeds in values.items()
        },
        "differences": differences,
        "oracle": oracle_masks(clips),
    }


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    rows, differences = result["rows"], result["differences"]
    lines = [
        "# Does the answer follow the evidence? A study in the simulated world",
        "",
        f"`{result['command']}`; {result['machine']}. `{SPLIT}`. Mean over seeds ± half a 95 % t interval; differences"
        " are paired over clips, 10,000 bootstrap draws, seeds pooled [95 %].",
        "",
        WARNING,
        "",
        "## Sheets swapped: share of answers that change",
        "",
        "| system | answered | disjoint gold | same gold | difference |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        shown = " | ".join(told(row[measure]) for measure in ("answered", "swapped", "same gold"))
        lines.append(f"| {name} | {shown} | {told(differences[name]['swapped - same gold'])} |")
    lines += ["", "## A sense masked", ""]
    lines += ["| system | sense | still cited | answers changed | level-2 F, after - before |", "|---|---|---|---|---|"]
    for modality in SENSES:
        for name, row in rows.items():
            shown = f"{told(row[f'{modality}: cited'])} | {told(row[f'{modality}: changed'])}"
            lines.append(f"| {name} | {modality} | {shown} | {told(differences[name][modality])} |")
        lines.append(f"| oracle | {modality} | | | {told(result['oracle'][modality])} |")
    lines += ["", "## Cited observations deleted, against as many uncited ones: share of answers that change", ""]
    lines += [
        "| system | cited | uncited | difference | weight, cited | weight, uncited | answers |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        weights = f"{told(row['cited: weight'], 2)} | {told(row['uncited: weight'], 2)}"
        shown = f"{told(row['cited'])} | {told(row['uncited'])} | {told(differences[name]['cited - uncited'])}"
        lines.append(f"| {name} | {shown} | {weights} | {row['deletions']} |")
    return lines


def main() -> None:
    """Trains and asks what is not there, and writes the table."""
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=250, help="how many clips are asked about")
    chosen = parser.parse_args()
    cells = [cell for of_seeds in cells_of(chosen.size, chosen.seeds).values() for cell in of_seeds]
    prepare(cells, chosen.jobs)
    ask_ahead(partial(of_cell, clips=chosen.clips), cells, chosen.jobs)
    result = study(chosen.size, chosen.seeds, chosen.clips)
    write_result(f"hydra_world_faithful_{chosen.size}", result, table(result))


if __name__ == "__main__":
    main()
