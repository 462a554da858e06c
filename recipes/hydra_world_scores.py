"""Scores of trajectories in the simulated world, clip by clip, and what a study prints of them.

Level 1 is the sector, level 2 the affect. F is the mean of each clip's F; *official* is the field's way: means of
precision and recall first, then F. A malformed trajectory has no answer, hence F 0.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra_world_reference import calibration_error

from emotrace.evidence.observation import EvidenceSheet
from emotrace.files import write_atomically
from emotrace.hydra.grammar import parse
from emotrace.hydra.oracle import Oracle
from emotrace.hydra.trace import Trace
from emotrace.hydra.world import Draw
from emotrace.labels.affects import AFFECT_BY_WORD

RESULTS = Path(__file__).resolve().parents[1] / "docs/results"
WARNING = (
    "**The simulated world knows nothing about real people: these numbers are about the algorithm, never about accuracy"
    " on video.** Cues are independent given what drives a channel."
)
SEEDS_POOLED = (
    "Paired over clips, 10,000 bootstrap draws, seeds pooled: the intervals say what other clips would change, the"
    " columns by seed what another training would"
)
T_OF_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571}
"""Student's t, two-sided 95 %, by the number of seeds."""
DRAWS = 10_000
"""Of the paired bootstrap over clips."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One trajectory, scored."""

    legal: bool
    closed: bool
    labels: int
    """Words of the answer."""
    level_1: float
    level_2: float
    precision_2: float
    recall_2: float
    confidence: float | None
    """Of the first label."""
    first_is_right: bool
    """Whether the first label's sector is felt."""
    abstained: bool
    winner_is_first: bool | None
    """None without hypotheses."""


def affects(words: Sequence[str]) -> frozenset[str]:
    """Level 2 of some words; one that the world does not know stands for itself."""
    return frozenset(AFFECT_BY_WORD[word].name if word in AFFECT_BY_WORD else word for word in words)


def sectors(words: Sequence[str]) -> frozenset[str]:
    """Level 1 of some words."""
    return frozenset(AFFECT_BY_WORD[word].sector if word in AFFECT_BY_WORD else word for word in words)


def f_of(answer: frozenset[str], gold: frozenset[str]) -> float:
    """F of two sets; 0 for an empty answer."""
    return 2.0 * len(answer & gold) / (len(answer) + len(gold)) if answer else 0.0


def f_both(words: Sequence[str], gold: Sequence[str]) -> tuple[float, float]:
    """F of some words at level 1 and level 2."""
    return f_of(sectors(words), sectors(gold)), f_of(affects(words), affects(gold))


def trace_in(text: str, draw: Draw, k: int) -> Trace | None:
    """The trajectory that a text spells out, if it is legal."""
    return parse(text, k=k, sheet=draw.sheet).trace


def score_clip(trace: Trace | None, draw: Draw) -> Clip:
    """One trajectory against what is felt."""
    words = [] if trace is None else [answer.word for answer in trace.answers]
    gold = draw.cause.gold
    answer_2, gold_2 = affects(words), affects(gold)
    both = len(answer_2 & gold_2)
    first = trace.answers[0] if trace is not None and trace.answers else None
    return Clip(
        legal=trace is not None,
        closed=trace is not None and is_closed(trace, draw.sheet),
        labels=len(set(words)),
        level_1=f_of(sectors(words), sectors(gold)),
        level_2=f_of(answer_2, gold_2),
        precision_2=both / len(answer_2) if answer_2 else 0.0,
        recall_2=both / len(gold_2),
        confidence=None if first is None else first.confidence,
        first_is_right=first is not None and sectors([first.word]) <= sectors(gold),
        abstained=trace is not None and trace.abstain is not None,
        winner_is_first=None if trace is None or not trace.verdict else trace.verdict[0] == 1,
    )


def is_closed(trace: Trace, sheet: EvidenceSheet) -> bool:
    """Whether every label cites an observation that a hypothesis of the verdict was judged to be supported by."""
    supporting = {
        check.id
        for check in trace.checks
        if check.id in sheet and (not trace.verdict or any(check.marks.get(n) == "supports" for n in trace.verdict))
    }
    return bool(trace.answers) and all(supporting & set(answer.cites) for answer in trace.answers)


def score_all(texts: Sequence[str], drawn: Sequence[Draw], k: int) -> list[Clip]:
    """Every clip of a test split."""
    return [score_clip(trace_in(text, draw, k), draw) for text, draw in zip(texts, drawn, strict=True)]


def means(clips: Sequence[Clip]) -> dict[str, float]:
    """What a row of a table says of one policy on one split."""

    def mean(value: Callable[[Clip], float]) -> float:
        return float(np.mean([value(clip) for clip in clips]))

    precision, recall = mean(lambda c: c.precision_2), mean(lambda c: c.recall_2)
    sure = [(c.confidence, c.first_is_right) for c in clips if c.confidence is not None]
    told, right = np.array([s for s, _ in sure], dtype=float), np.array([r for _, r in sure], dtype=bool)
    return {
        "level_1": mean(lambda c: c.level_1),
        "level_2": mean(lambda c: c.level_2),
        "official_2": 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "precision_2": precision,
        "labels": mean(lambda c: c.labels),
        "legal": mean(lambda c: c.legal),
        "closed": mean(lambda c: c.closed),
        "ece": calibration_error(told, right) if len(told) else float("nan"),
        "abstained": mean(lambda c: c.abstained),
    }


# --- rows that no policy wrote


@cache
def oracle() -> Oracle:
    """Knows the world's tables, and nothing of a draw but its sheet."""
    return Oracle()


def fixed_answers(drawn: Sequence[Draw], words: Sequence[str]) -> dict[str, float]:
    """The same answer to every clip."""
    return _without_trace(drawn, lambda draw: words)


def oracle_answers(drawn: Sequence[Draw]) -> dict[str, float]:
    """The ceiling."""
    return _without_trace(drawn, lambda draw: oracle().answer(draw.sheet))


def _without_trace(drawn: Sequence[Draw], answer: Callable[[Draw], Sequence[str]]) -> dict[str, float]:
    pairs = [(answer(draw), draw.cause.gold) for draw in drawn]
    level_1, level_2 = np.mean([f_both(words, gold) for words, gold in pairs], axis=0)
    return {
        "level_1": float(level_1),
        "level_2": float(level_2),
        "labels": float(np.mean([len(words) for words, _ in pairs])),
    }


# --- several seeds


def over_seeds(values: Sequence[float]) -> dict[str, float | None]:
    """Mean over seeds, and half the width of its 95 % t interval; None with one seed."""
    half = None
    if len(values) > 1:
        half = T_OF_95[len(values)] * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return {"mean": round(float(np.mean(values)), 4), "half": None if half is None else round(half, 4)}


def paired_difference(a: Sequence[Array], b: Sequence[Array], *, seed: int = 0) -> dict[str, Any]:
    """Mean of A − B over clips, seeds pooled; the interval redraws clips, each with the answers of all its seeds.

    So it tells what other clips would change, and not what another training would: `by_seed` shows the latter.

    Args:
        a: One array of values per seed, a value per clip.
        b: The same of the other system, on the same clips. Where either is nan there is no difference; a clip without
            any is left out.
        seed: Of the bootstrap.
    """
    difference = over_clips(a, b)
    by_seed = [round(mean_there(x - y), 4) for x, y in zip(a, b, strict=True)]
    return {**_interval(mean_there(difference), bootstrapped(difference, seed=seed)), "by_seed": by_seed}


def difference_of_groups(a: Array, b: Array, *, seed: int = 0) -> dict[str, float]:
    """Mean over the clips of one group less that over those of another; clips are redrawn within each group."""
    return _interval(mean_there(a) - mean_there(b), bootstrapped(a, seed=seed) - bootstrapped(b, seed=seed + 1))


def mean_there(values: Array) -> float:
    """Mean of the clips that have a value; nan where none has."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def over_clips(a: Sequence[Array], b: Sequence[Array]) -> Array:
    """A − B of every clip that has one, mean over seeds."""
    every = np.array([x - y for x, y in zip(a, b, strict=True)])
    there = (~np.isnan(every)).sum(axis=0)
    difference: Array = np.nansum(every, axis=0)[there > 0] / there[there > 0]
    return difference


def bootstrapped(values: Array, *, seed: int) -> Array:
    """Means of as many values drawn with replacement, `DRAWS` times; nan where there is no value."""
    rng = np.random.default_rng(seed)
    if not len(values):
        return np.full(DRAWS, np.nan)
    return np.array([values[rng.integers(len(values), size=len(values))].mean() for _ in range(DRAWS)])


def _interval(value: float, drawn: Array) -> dict[str, float]:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"difference": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def listed(values: Iterable[object]) -> str:
    """Values as an option of the command line takes them."""
    return ",".join(map(str, values))


def left_out_lines(result: dict[str, Any]) -> list[str]:
    """What a table says of rows that were not trained."""
    names = result["left_out"]
    return [f"Not trained, and left out: {'; '.join(names)}.", ""] if names else []


def machine() -> str:
    """Where the numbers were made."""
    return (
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, CPU"
    )


def write_result(name: str, result: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Writes `docs/results/NAME.{json,md}` and prints the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_atomically(RESULTS / f"{name}.json", json.dumps(_without_nan(result), indent=1, allow_nan=False) + "\n")
    write_atomically(RESULTS / f"{name}.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def _without_nan(value: Any) -> Any:
    """What JSON can hold: null for what could not be measured."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def told_by_seed(value: Mapping[str, Any]) -> str:
    """A difference with its interval, and what it is for each seed alone."""
    return f"{told(value)} | {', '.join(f'{each:+.3f}' for each in value['by_seed'])}"


def told(value: Mapping[str, Any], digits: int = 3) -> str:
    """A mean over seeds with its interval, or a difference with its own."""
    if "difference" in value:
        return f"{value['difference']:+.{digits}f} [{value['low']:+.{digits}f}, {value['high']:+.{digits}f}]"
    half = "" if value["half"] is None else f" ± {value['half']:.{digits}f}"
    return f"{value['mean']:.{digits}f}{half}"
