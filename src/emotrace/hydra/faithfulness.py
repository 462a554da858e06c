"""Does an answer stand on what it cites? Measured on any reasoner, without gold.

Five questions per clip: whether the labels' citations exist and were judged as support; how much the answer changes
when what it cites is taken off the sheet, against as many observations that it does not cite; whether the answer is
the winning hypothesis's; whether the marks put that hypothesis ahead; whether the order of the hypotheses mattered.

**What deletion shows is dependence, not truth.** That an answer falls without its citations says that it stood on them,
not that it was right, nor that a person would have taken them for evidence. Cited observations also tend to be the
weightier ones, so the weight that was removed is reported beside the change; and where frames are shown to a model, it
can still see what is taken off the sheet. Hydra specification, section 11; the definitions are ours [ours].
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotrace.errors import ReasoningError, ServerFailed, UnclosedVerdict
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.propose import overlap
from emotrace.labels.wheel import emotion_wheel
from emotrace.metrics.resampling import SummedScore, bootstrap, paired_difference
from emotrace.results import Verdict

Judge = Callable[[EvidenceSheet], Verdict]
"""A reasoner with its settings; raises `ReasoningError` or `ServerFailed` where there is no verdict."""

CHANGES: Mapping[str, str] = {
    "changed": "answers that change at all, middle ring",
    "level_1": "change of the answer, inner ring (1 - Jaccard)",
    "level_2": "change of the answer, middle ring (1 - Jaccard)",
    "confidence": "drop of the confidence",
    "weight": "weight of evidence removed",
}
"""What is compared between the two deletions."""
MEASURES: Mapping[str, str] = {
    "grounded": "labels whose citations exist and were judged as support",
    "follows_winner": "the answer is the winning hypothesis's, by affect",
    "marks_agree": "no rival is ahead of the winner by the reasoner's own marks",
    "order_consistency": "orders of the hypotheses with the same winner",
    **{f"cited_{name}": f"{says}, without cited observations" for name, says in CHANGES.items()},
    **{f"uncited_{name}": f"{says}, without as many uncited ones" for name, says in CHANGES.items()},
}
"""Every measure of one clip; all are shares, 0..1, but for confidence (-1..1) and weight (from 0)."""
_TIE = 1e-9


@dataclass(frozen=True, kw_only=True)
class ClipFaithfulness:
    """One clip: for each of `MEASURES` a value, or why there is none."""

    values: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Measure -> reason: `abstained`, `no answer`, `unclosed`, `no citation`, `nothing uncited`, `no answer after
    deletion`, `no hypothesis`, `not checked`."""


@dataclass(frozen=True, kw_only=True)
class MeasureSummary:
    """One measure over all clips."""

    name: str
    says: str
    clips: int
    mean: float | None
    """None where no clip could be measured."""
    low: float | None
    high: float | None
    """95 % bootstrap interval over clips."""
    left_out: Mapping[str, int]
    """Reason -> clips."""
    p_permutation: float | None = None
    """Of a paired difference: swaps of cited and uncited, clip by clip."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        shown = {name: getattr(self, name) for name in ("name", "says", "clips", "mean", "low", "high")}
        p_value = {} if self.p_permutation is None else {"p_permutation": self.p_permutation}
        return {**shown, **p_value, "left_out": dict(self.left_out)}


def measure(sheet: EvidenceSheet, judge: Judge, *, seed: int = 0) -> ClipFaithfulness:
    """All measures of one clip; the judge is asked once, and twice more for the deletions.

    An answer that stands on no citation at all (`UnclosedVerdict`) counts as grounded 0.

    Args:
        sheet: The evidence.
        judge: Who gives verdicts.
        seed: Of the choice among the observations; the same clip and seed choose the same, whatever came before.
    """
    try:
        verdict = judge(sheet)
    except UnclosedVerdict:
        others = dict.fromkeys((name for name in MEASURES if name != "grounded"), "unclosed")
        return ClipFaithfulness(values={"grounded": 0.0}, left_out=others)
    except (ReasoningError, ServerFailed):
        return ClipFaithfulness(left_out=dict.fromkeys(MEASURES, "no answer"))
    if not verdict.labels:
        return ClipFaithfulness(left_out=dict.fromkeys(MEASURES, "abstained"))
    values: dict[str, float] = {"grounded": grounded_share(sheet, verdict)}
    left_out: dict[str, str] = {}
    if verdict.winner is None:
        left_out |= dict.fromkeys(("follows_winner", "marks_agree"), "no hypothesis")
    else:
        values |= {"follows_winner": follows_winner(verdict), "marks_agree": marks_agree(sheet, verdict)}
    if verdict.order_consistency is None:
        left_out["order_consistency"] = "not checked"
    else:
        values["order_consistency"] = verdict.order_consistency
    found = deletion(sheet, verdict, judge, seed=seed)
    if isinstance(found, str):
        left_out |= dict.fromkeys((name for name in MEASURES if name.startswith(("cited_", "uncited_"))), found)
    else:
        values |= found
    return ClipFaithfulness(values=values, left_out=left_out)


def grounded_share(sheet: EvidenceSheet, verdict: Verdict) -> float:
    """Share of the labels of which a citation is on the sheet and was judged as support.

    By the winner, or by a hypothesis that proposed the label's affect and so lent it; with K = 0 existence is enough.
    `protocol.run` drops citations that fail and refuses labels without any, so that its verdicts have 1 here; what it
    refused (`UnclosedVerdict`) is counted as 0 by `measure`.
    """
    supported = {v.number: set(v.supporting) for v in verdict.verifications}
    held = 0
    for label in verdict.labels:
        standing = {id for id in label.observation_ids if id in sheet}
        if verdict.winner is not None:
            lenders = {h.number for h in verdict.hypotheses if overlap(h.labels, [label.word]) > 0.0}
            standing &= set().union(*(supported.get(number, set()) for number in {verdict.winner} | lenders))
        held += bool(standing)
    return held / len(verdict.labels)


def follows_winner(verdict: Verdict) -> float:
    """1 where answer and winning hypothesis name the same affects, else the Jaccard index of the two."""
    winner = next(h for h in verdict.hypotheses if h.number == verdict.winner)
    return overlap([label.word for label in verdict.labels], winner.labels)


def marks_agree(sheet: EvidenceSheet, verdict: Verdict) -> float:
    """1 where no rival has more weight of support less contradiction than the winner, else 0."""
    net = {
        v.number: sum(sheet.weight(sheet[id]) for id in v.supporting)
        - sum(sheet.weight(sheet[id]) for id in v.contradicting)
        for v in verdict.verifications
    }
    return float(net[verdict.winner or 0] >= max(net.values()) - _TIE)


def deletion(sheet: EvidenceSheet, verdict: Verdict, judge: Judge, *, seed: int = 0) -> dict[str, float] | str:
    """The changes without cited and without as many uncited observations, or why there are none.

    The rest is numbered anew, as a sheet demands. An abstention is an empty answer: a change from any other.
    """
    chosen = _to_delete(sheet, verdict, seed)
    if isinstance(chosen, str):
        return chosen
    values: dict[str, float] = {}
    for name, gone in chosen.items():
        try:
            after = judge(sheet.without(gone))
        except (ReasoningError, ServerFailed):
            return "no answer after deletion"
        changes = {**_change(verdict, after), "weight": sum(sheet.weight(sheet[id]) for id in sorted(gone))}
        values |= {f"{name}_{change}": value for change, value in changes.items()}
    return values


def sheets_after_deletion(sheet: EvidenceSheet, judge: Judge, *, seed: int = 0) -> tuple[EvidenceSheet, ...]:
    """What `measure` asks about after the sheet itself, so that many clips' can be asked about at once."""
    try:
        chosen = _to_delete(sheet, judge(sheet), seed)
    except (ReasoningError, ServerFailed):
        return ()
    return () if isinstance(chosen, str) else tuple(sheet.without(gone) for gone in chosen.values())


def _to_delete(sheet: EvidenceSheet, verdict: Verdict, seed: int) -> dict[str, set[str]] | str:
    """The ids of cited and of as many uncited observations, or why there are none.

    As many as there are of the scarcer kind; which ones of the other kind is drawn with the seed.
    """
    cites = {id for label in verdict.labels for id in label.observation_ids}
    ids = [o.id for o in sheet.observations]
    cited, uncited = [id for id in ids if id in cites], [id for id in ids if id not in cites]
    if not cited or not uncited:
        return "nothing uncited" if cited else "no citation"
    count = min(len(cited), len(uncited))
    digest = hashlib.sha256(f"{seed}/{sheet.sheet_id}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return {
        name: {there[place] for place in generator.permutation(len(there))[:count]}
        for name, there in (("cited", cited), ("uncited", uncited))
    }


def _change(before: Verdict, after: Verdict) -> dict[str, float]:
    was, now = ([label.word for label in verdict.labels] for verdict in (before, after))
    inner, middle = (1.0 - emotion_wheel().jaccard(was, now, level=level) for level in (1, 2))
    return {
        "changed": float(middle > 0.0),
        "level_1": inner,
        "level_2": middle,
        "confidence": round(before.confidence - after.confidence, 4),
    }


def summarise(
    clips: Iterable[ClipFaithfulness], *, rounds: int | None = None, seed: int = 0
) -> tuple[MeasureSummary, ...]:
    """Mean and 95 % interval of every measure, and the paired differences of cited and uncited deletion.

    Args:
        clips: What `measure` gave, one per clip.
        rounds: Resamples; None for 10,000, 0 for no interval.
        seed: Of the resampling.
    """
    every = tuple(clips)
    single = [_summary(name, says, every, rounds, seed) for name, says in MEASURES.items()]
    return (*single, *(_difference(name, says, every, rounds, seed) for name, says in CHANGES.items()))


def _summary(
    name: str, says: str, clips: tuple[ClipFaithfulness, ...], rounds: int | None, seed: int
) -> MeasureSummary:
    values = [clip.values[name] for clip in clips if name in clip.values]
    interval = bootstrap(_mean_of(values), rounds=rounds, seed=seed) if values and rounds != 0 else None
    return MeasureSummary(
        name=name,
        says=says,
        clips=len(values),
        mean=_mean_of(values).value if values else None,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        left_out=_reasons(clips, name),
    )


def _difference(
    name: str, says: str, clips: tuple[ClipFaithfulness, ...], rounds: int | None, seed: int
) -> MeasureSummary:
    both = [clip for clip in clips if f"cited_{name}" in clip.values]
    cited, uncited = (_mean_of([clip.values[f"{kind}_{name}"] for clip in both]) for kind in ("cited", "uncited"))
    drawn = paired_difference(cited, uncited, rounds=rounds, seed=seed) if both and rounds != 0 else None
    return MeasureSummary(
        name=f"difference_{name}",
        says=says,
        clips=len(both),
        mean=cited.value - uncited.value if both else None,
        low=None if drawn is None else drawn.interval.low,
        high=None if drawn is None else drawn.interval.high,
        p_permutation=None if drawn is None else drawn.p_permutation,
        left_out=_reasons(clips, f"cited_{name}"),
    )


def _mean_of(values: list[float]) -> SummedScore:
    rows = np.array([(value, 1.0) for value in values], dtype=np.float64).reshape(len(values), 2)
    return SummedScore(rows=rows, finish=lambda totals: totals[..., 0] / totals[..., 1])


def _reasons(clips: tuple[ClipFaithfulness, ...], name: str) -> dict[str, int]:
    return dict(sorted(Counter(clip.left_out[name] for clip in clips if name in clip.left_out).items()))
