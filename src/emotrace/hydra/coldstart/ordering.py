"""In which order a demonstration shows its hypotheses: the winner stands at each place equally often.

A teacher that proposes its best reading first would otherwise teach that h1 wins, in place of verifying. Places are
dealt out in turn over the samples in a seeded order, so that the shares are exact and not merely expected [ours].
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from emotrace.hydra.trace import Trace

TOLERANCE = 0.03
"""[ours] How far the share of winners at the first place may be from 1/K."""


def dealt(traces: Mapping[str, Trace], *, seed: int) -> dict[str, Trace]:
    """The trajectories with their hypotheses in another order, under the numbers of that order.

    Args:
        traces: Sheet id -> trajectory; all with equally many hypotheses.
        seed: Another one deals differently.
    """
    turns = sorted(traces, key=lambda id: drawn(seed, id))
    placed = {id: _placed(traces[id], turn, seed, id) for turn, id in enumerate(turns)}
    return {id: placed[id] for id in traces}


def _placed(trace: Trace, turn: int, seed: int, id: str) -> Trace:
    """The winner at the place of its turn, the others around it by lot."""
    if not trace.verdict:
        return trace
    winner = trace.verdict[0]
    order = sorted((h.number for h in trace.hypotheses if h.number != winner), key=lambda n: drawn(seed, id, n))
    order.insert(turn % len(trace.hypotheses), winner)
    return renumbered(trace, order)


def renumbered(trace: Trace, order: Sequence[int]) -> Trace:
    """The same trajectory with its hypotheses in this order, numbered from 1; marks and verdict follow.

    Args:
        trace: The trajectory.
        order: The old numbers, each once.
    """
    new = {old: number for number, old in enumerate(order, start=1)}
    hypotheses = {h.number: h for h in trace.hypotheses}
    return replace(
        trace,
        hypotheses=tuple(replace(hypotheses[old], number=number) for old, number in new.items()),
        checks=tuple(
            replace(check, marks={new[old]: check.marks[old] for old in order if old in check.marks})
            for check in trace.checks
        ),
        verdict=tuple(new[old] for old in trace.verdict),
    )


def share_of_first(traces: Iterable[Trace]) -> float | None:
    """The share of trajectories whose winner is h1; None where there are no hypotheses."""
    first = [trace.verdict[0] == 1 for trace in traces if trace.verdict]
    return sum(first) / len(first) if first else None


def drawn(seed: int, *what: object) -> str:
    """A lot that depends on nothing but the seed and what it is drawn for."""
    return hashlib.sha256(" ".join(map(str, (seed, *what))).encode()).hexdigest()
