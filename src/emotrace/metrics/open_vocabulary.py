"""Open-vocabulary set scores: how well a set of free labels matches another, through a table of clusters.

    P = |T & A| / |A|,  R = |T & A| / |T|  per clip and target; clips with an empty T are skipped, an empty A scores 0
    F = 2 P R / (P + R) of the *mean* P and *mean* R over the scored clips of a target: not a mean of per-clip F [field]

T and A are the sets of clusters that truth and answer reach; dropped labels vanish. `SetScorer` scores a corpus;
`clip_scorer.py` scores one clip at a time, and `guessing.py` says what guessing would get on the same truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.labels.label_table import LabelTable
from emotrace.metrics.label_masks import EncodedLabels, LabelMasks
from emotrace.metrics.protocols import Protocol, ZeroDivision
from emotrace.metrics.quotient import quotient
from emotrace.metrics.resampling import SummedScore

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64

TOP_UNKNOWN = 20


@dataclass(frozen=True, kw_only=True)
class TargetScore:
    """One target: means over its scored clips, and F of the two means."""

    target: str
    f: float
    """nan or 0 for 0/0 and for a target without scored clips, as the protocol says."""
    precision: float
    recall: float
    scored: int
    skipped: int


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """What became of the labels of one side, truth or answers."""

    given: float
    """Labels per clip, as written."""
    known: float
    """Labels per clip that the table lists."""
    clusters: dict[str, float]
    """Target -> distinct clusters per clip."""
    empty: int
    """Clips without a label as written."""
    empty_after_mapping: int
    """Clips whose labels reach no cluster of any target."""
    unknown_uses: int
    unknown_words: int
    unknown_top: tuple[tuple[str, int], ...]
    """The most used labels that the table does not list, with their uses."""
    off_target_uses: dict[str, int]
    """Target -> uses of known labels that have no cluster there."""
    malformed: int
    """Label strings with unbalanced brackets or semicolons; scored as the rules say."""


@dataclass(frozen=True, kw_only=True)
class SetScore:
    """The scores of a corpus under one protocol."""

    protocol: str
    """The published name, or `custom(...)` where tables or zero rule are not the protocol's own."""
    table: str
    table_sha256: str
    zero_division: ZeroDivision
    average: float
    """Mean over the protocol's groups of the mean F of their targets; nan where the protocol says so."""
    average_with_zero: float
    """The same with 0 for 0/0 [ours]; equal to `average` under the zero rule."""
    group_averages: tuple[float, ...]
    precision: float
    """Mean over all targets of their mean precision; likewise `recall`."""
    recall: float
    targets: tuple[TargetScore, ...]
    clips: int
    truth: LabelCounts
    answers: LabelCounts
    sample_precision: float
    """Mean over clips and targets, as `sample_recall` and `sample_f`: never the headline."""
    sample_recall: float
    sample_f: float
    undefined: str
    """Why `average` is nan; empty where it is a number."""
    precisions: Float64[np.ndarray, "clip target"]
    """Per clip; nan where the clip is skipped for the target."""
    recalls: Float64[np.ndarray, "clip target"]
    groups: tuple[tuple[int, ...], ...]
    """Columns of `targets` in each group."""

    def summed(self) -> SummedScore:
        """The average as a function of totals over clips, for intervals and paired tests."""
        scored = ~np.isnan(self.precisions)
        rows = np.concatenate([np.nan_to_num(self.precisions), np.nan_to_num(self.recalls), scored], axis=1)
        count, groups, rule = len(self.targets), self.groups, self.zero_division

        def finish(totals: Any) -> Any:
            sums = np.asarray(totals, dtype=np.float64)
            clips = sums[..., 2 * count :]
            precision, recall = quotient(sums[..., :count], clips), quotient(sums[..., count : 2 * count], clips)
            scores = _f_of_means(precision, recall, rule)
            return np.mean([scores[..., list(group)].mean(axis=-1) for group in groups], axis=0)

        return SummedScore(rows=rows, finish=finish)


def _f_of_means(precision: Any, recall: Any, rule: ZeroDivision) -> Any:
    f = quotient(2.0 * np.asarray(precision) * recall, np.asarray(precision) + recall)
    return f if rule == "nan" else np.nan_to_num(f, nan=0.0)


class SetScorer:
    """Scores a corpus of label sets. Compile once per table and protocol, then score as often as wanted.

    Args:
        table: Where labels go.
        protocol: Which targets, how averaged, and the zero rule.
        zero_division: Another zero rule than the protocol's; the score is then called `custom(...)`.
    """

    def __init__(self, table: LabelTable, protocol: Protocol, *, zero_division: ZeroDivision | None = None) -> None:
        targets = tuple(dict.fromkeys(target for group in protocol.groups for target in group))
        if not targets:
            raise InvalidScores(f"the protocol {protocol.name} scores no label sets")
        self.protocol = protocol
        self.zero_division = zero_division or protocol.zero_division
        self.masks = LabelMasks(table, targets)

    @property
    def name(self) -> str:
        """The protocol's name, or `custom(...)` where tables or zero rule are not its own."""
        table, protocol = self.masks.table, self.protocol
        own_table = (
            table.name.startswith("emotrace-wheel/") if protocol.tables == "own" else table.name == protocol.tables
        )
        if own_table and self.zero_division == protocol.zero_division:
            return protocol.name
        return f"custom({protocol.name}, tables {table.name}, 0/0 = {self.zero_division})"

    def score(self, truth: Sequence[Any], answers: Sequence[Any]) -> SetScore:
        """Scores answers against truth, clip by clip in the same order; each is a label string or a list of labels.

        Raises:
            InvalidScores: Different lengths, or an answer that is neither string nor list of strings.
        """
        if len(truth) != len(answers):
            raise InvalidScores(f"got {len(truth)} truths and {len(answers)} answers")
        encoded = self.masks.encode(truth), self.masks.encode(answers)
        sets = self.masks.masks(encoded[0]), self.masks.masks(encoded[1])
        in_truth, in_answer, in_both = (
            np.stack([self.masks.count(masks, field) for field in self.masks.fields], axis=1)
            for masks in (*sets, sets[0] & sets[1])
        )
        scored = in_truth > 0
        precisions = np.where(scored, in_both / np.maximum(in_answer, 1), np.nan)
        recalls = np.where(scored, in_both / np.maximum(in_truth, 1), np.nan)
        counts = scored.sum(axis=0)
        precision = quotient(np.where(scored, precisions, 0.0).sum(axis=0), counts)
        recall = quotient(np.where(scored, recalls, 0.0).sum(axis=0), counts)
        f = _f_of_means(precision, recall, self.zero_division)
        if self.zero_division == "zero":
            precision, recall = np.nan_to_num(precision), np.nan_to_num(recall)
        groups = tuple(tuple(self.masks.targets.index(target) for target in group) for group in self.protocol.groups)
        f_zero = np.nan_to_num(f)
        sample_f = quotient(2.0 * precisions * recalls, precisions + recalls)
        return SetScore(
            protocol=self.name,
            table=self.masks.table.name,
            table_sha256=self.masks.table.sha256,
            zero_division=self.zero_division,
            average=_mean_of_means(f, groups),
            average_with_zero=_mean_of_means(f_zero, groups),
            group_averages=tuple(float(f[list(group)].mean()) for group in groups),
            precision=float(precision.mean()),
            recall=float(recall.mean()),
            targets=tuple(
                TargetScore(
                    target=target,
                    f=float(f[column]),
                    precision=float(precision[column]),
                    recall=float(recall[column]),
                    scored=int(counts[column]),
                    skipped=len(truth) - int(counts[column]),
                )
                for column, target in enumerate(self.masks.targets)
            ),
            clips=len(truth),
            truth=self._label_counts(encoded[0], in_truth),
            answers=self._label_counts(encoded[1], in_answer),
            sample_precision=_mean_where(precisions, scored),
            sample_recall=_mean_where(recalls, scored),
            sample_f=_mean_where(np.nan_to_num(sample_f), scored),
            undefined=self._why_undefined(f, counts),
            precisions=precisions,
            recalls=recalls,
            groups=groups,
        )

    def _why_undefined(self, f: Float64[np.ndarray, " target"], counts: Int64[np.ndarray, " target"]) -> str:
        undefined = [target for target, value in zip(self.masks.targets, f, strict=True) if np.isnan(value)]
        if not undefined:
            return ""
        unscored = [target for target, count in zip(self.masks.targets, counts, strict=True) if count == 0]
        reason = f"; no clip is scored on {', '.join(unscored)}" if unscored else ""
        return f"0/0 on {', '.join(undefined)}{reason}"

    def _label_counts(self, encoded: EncodedLabels, clusters: Int64[np.ndarray, "clip target"]) -> LabelCounts:
        clips, known = max(len(encoded.starts), 1), len(self.masks.labels)
        given = encoded.ids > 0
        is_unknown = encoded.ids > known
        per_clip = np.add.reduceat(given, encoded.starts, dtype=np.int64) if len(encoded.starts) else np.zeros(0, int)
        uses = np.bincount(encoded.ids[is_unknown] - known - 1, minlength=len(encoded.unknown))
        ranked = sorted(zip(encoded.unknown, uses.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        is_known = given & ~is_unknown
        words = self.masks.words[encoded.ids[is_known]]
        return LabelCounts(
            given=int(given.sum()) / clips,
            known=int(is_known.sum()) / clips,
            clusters={t: float(clusters[:, c].sum() / clips) for c, t in enumerate(self.masks.targets)},
            empty=int((per_clip == 0).sum()),
            empty_after_mapping=int((clusters.sum(axis=1) == 0).sum()),
            unknown_uses=int(is_unknown.sum()),
            unknown_words=len(encoded.unknown),
            unknown_top=tuple(ranked[:TOP_UNKNOWN]),
            off_target_uses={
                field.target: int((self.masks.count(words, field) == 0).sum()) for field in self.masks.fields
            },
            malformed=encoded.malformed,
        )


def _mean_of_means(f: Float64[np.ndarray, " target"], groups: tuple[tuple[int, ...], ...]) -> float:
    return float(np.mean([f[list(group)].mean() for group in groups]))


def _mean_where(values: Any, where: Any) -> float:
    return float(values[where].mean()) if where.any() else float("nan")
