"""What one sheet says about all 1,160 label sets: odds with every number traceable to one row of the cue table [ours].

    ℓ(S) = Σ_o α(modality) · s_o · ln ρ_o(S) − γ (|S| − 1)

in an *open* account (the affects show themselves) and a *masked* one (face and words are partly driven by a shown
affect; the voice is not). Hydra specification, section 5.2. Nothing here depends on the order of a sheet or on hashes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from emotrace.evidence.observation import EvidenceSheet, Modality, Observation
from emotrace.hydra.fitted import Fitted, shipped_fitted
from emotrace.hydra.likelihood import (
    LABEL_PRICE,
    SHOWN_AFFECTS,
    SHOWN_SHARE,
    SUPPORT_RATIO,
    Compiled,
    compiled,
    floored,
    label_sets,
    membership,
)
from emotrace.hydra.propose import cluster_of
from emotrace.labels.affects import AFFECT_NAMES, AFFECTS
from emotrace.labels.schemes import scheme, schemes

MASKING_PRICE = 1.0
"""[ours] What it costs to assume that something is hidden."""
LEAST_WEIGHT = 0.3
"""[ours] Σ s_o of a sheet below which there is too little to judge from: the gate."""
LEAST_READING_WEIGHT = 0.2
"""[ours] Σ s_o of one sense below which it gives no reading of its own, and takes no part in conflict."""
READING_SHARE: Mapping[Modality, float] = {"visual": 0.5, "vocal": 0.5, "verbal": 0.5, "joint": 0.25}
"""β [ours]: weight of a learned head's reading; a joint one saw the other cues already."""
READING_LIMIT = 1.5
"""[ours] No reading speaks louder than this, in nats."""
TIE = 1e-9
"""Scores that are closer than this are equal, and go by order: other machines sum in another order."""
SENSES: tuple[Modality, ...] = ("visual", "vocal", "verbal")

NEUTRAL = len(AFFECTS) - 1


@dataclass(frozen=True, kw_only=True)
class Column:
    """One distinct cue or reading of a sheet; a cue seen again counts once, at its strongest."""

    modality: Modality
    ids: tuple[str, ...]
    """Observations that show it, in sheet order."""
    weight: float
    ratios: Float64[np.ndarray, " affect"]
    """ρ of each affect alone."""
    levels: Int8[np.ndarray, " affect"]
    """Level of each link, -2 to 2; a reading has 0 throughout."""
    row: int | None
    """Row of the cue table; None for a reading."""
    fitted: bool = False
    """Whether the ratios were counted in labelled recordings rather than set by hand."""

    @property
    def by_table(self) -> bool:
        """Whether the compiled table holds its ratios."""
        return self.row is not None and not self.fitted


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A sheet, scored."""

    sheet: EvidenceSheet
    columns: tuple[Column, ...]
    table: Compiled

    @cached_property
    def column_of(self) -> dict[str, int]:
        """Observation id -> column number, for observations that say anything."""
        return {observation_id: number for number, column in enumerate(self.columns) for observation_id in column.ids}

    @cached_property
    def present(self) -> tuple[Modality, ...]:
        """Senses with evidence."""
        return tuple(m for m in SENSES if any(column.modality == m for column in self.columns))

    @cached_property
    def weights(self) -> Float64[np.ndarray, " column"]:
        """s_o of each column."""
        return np.array([column.weight for column in self.columns], dtype=np.float64)

    @cached_property
    def ratios(self) -> Float64[np.ndarray, "column affect"]:
        """ρ of each affect alone."""
        return np.array([c.ratios for c in self.columns]).reshape(len(self.columns), len(AFFECTS))

    @cached_property
    def log_ratios(self) -> Float64[np.ndarray, "column set"]:
        """Log ratio, ln ρ, of each label set."""
        rows = [self.table.log_ratios[c.row] if c.by_table else np.log(membership() @ c.ratios) for c in self.columns]
        return np.array(rows).reshape(len(self.columns), len(label_sets()))

    @cached_property
    def masked_log_ratios(self) -> Float64[np.ndarray, "column shown set"]:
        """Log ratio, ln ρ, of each label set behind each shown affect."""
        rows = [self.table.masked_log_ratios[c.row] if c.by_table else _masked(c) for c in self.columns]
        return np.array(rows).reshape(len(self.columns), len(SHOWN_AFFECTS), len(label_sets()))

    def open_under(self, alpha: Mapping[Modality, float]) -> Float64[np.ndarray, " set"]:
        """Open account of all sets, each modality weighed by `alpha` (0 where it is not named)."""
        shares = np.array([alpha.get(c.modality, 0.0) for c in self.columns], dtype=np.float64)
        scores: Float64[np.ndarray, " set"] = (shares * self.weights) @ self.log_ratios - _prices()
        return scores

    @cached_property
    def open(self) -> Float64[np.ndarray, " set"]:
        """Open account with every modality at weight 1."""
        scores: Float64[np.ndarray, " set"] = self.weights @ self.log_ratios - _prices()
        return scores

    @cached_property
    def masked(self) -> Float64[np.ndarray, " set"]:
        """Masked account, averaged over the shown affects; -inf for neutral, and where fewer than two senses speak."""
        if len(self.present) < 2:
            return np.full(len(label_sets()), -np.inf)
        scores = np.tensordot(self.weights, self.masked_log_ratios, axes=1)
        scores = np.where(_may_hide(), scores, -np.inf)
        counts = np.maximum(_may_hide().sum(axis=0), 1)
        averaged: Float64[np.ndarray, " set"] = _logsumexp(scores) - np.log(counts) - _prices() - MASKING_PRICE
        return averaged

    @cached_property
    def total(self) -> Float64[np.ndarray, " set"]:
        """Score of each set: the two accounts together."""
        scores: Float64[np.ndarray, " set"] = np.logaddexp(self.open, self.masked)
        return scores

    @cached_property
    def posterior(self) -> Float64[np.ndarray, " affect"]:
        """Share of each affect in the posterior over label sets; sums to 1.

        A set's share is split evenly among its affects. Sets of one size share one prior, so that the many sets of
        three do not outvote the nineteen single affects when there is little evidence [ours].
        """
        scores = self.total + _size_prior()
        odds = np.exp(scores - scores.max())
        shares: Float64[np.ndarray, " affect"] = (odds / odds.sum()) @ membership()
        return shares

    @cached_property
    def supported_affects(self) -> Bool[np.ndarray, " affect"]:
        """Which affects at least one cue or reading supports by itself."""
        supported: Bool[np.ndarray, " affect"] = np.any(self.ratios >= SUPPORT_RATIO - TIE, axis=0)
        return supported

    def supported(self, scores: Float64[np.ndarray, " set"]) -> Float64[np.ndarray, " set"]:
        """The scores, -inf for sets with an affect that nothing supports: what nothing shows is not proposed [ours]."""
        idle = membership() @ (~self.supported_affects) > 0.0
        return np.where(idle, -np.inf, scores)

    def best(self, scores: Float64[np.ndarray, " set"]) -> tuple[int, ...]:
        """Highest set; ties go to the first in affect order, smaller sets first."""
        return label_sets()[int(np.argmax(scores >= scores.max() - TIE))]

    def reading_of(self, modality: Modality) -> tuple[int, ...] | None:
        """The best set from one sense alone; None when it holds too little."""
        if sum(c.weight for c in self.columns if c.modality == modality) < LEAST_READING_WEIGHT:
            return None
        return self.best(self.open_under({modality: 1.0}))

    def score(self, affects: tuple[int, ...]) -> float:
        """Score of one set, of any size; 0 for none, the average affect."""
        if not affects:
            return 0.0
        number = _set_numbers().get(tuple(sorted(affects)))
        if number is not None:
            return float(self.total[number])
        price = LABEL_PRICE * (len(affects) - 1)
        opened = float(self.weights @ np.log(self.open_ratios(affects))) - price
        if len(self.present) < 2 or NEUTRAL in affects:
            return opened
        masks = self._masks(affects)
        masked = float(_logsumexp(masks[:, None])[0]) - math.log(np.isfinite(masks).sum()) - price - MASKING_PRICE
        return float(np.logaddexp(opened, masked))

    def open_ratios(self, affects: tuple[int, ...]) -> Float64[np.ndarray, " column"]:
        """ρ of every column under a set that shows itself."""
        ratios: Float64[np.ndarray, " column"] = self.ratios[:, list(affects)].mean(axis=1)
        return ratios

    def masked_ratios(self, affects: tuple[int, ...], shown: int) -> Float64[np.ndarray, " column"]:
        """ρ of every column under a set that hides behind one shown affect."""
        return self._all_masked_ratios(affects)[:, shown]

    def shown_over(self, affects: tuple[int, ...]) -> int | None:
        """The shown affect (its place in `SHOWN_AFFECTS`) behind which a set fits best; None where masking is idle."""
        if len(self.present) < 2 or NEUTRAL in affects:
            return None
        masks = self._masks(affects)
        return int(np.argmax(masks >= masks.max() - TIE))

    def _masks(self, affects: tuple[int, ...]) -> Float64[np.ndarray, " shown"]:
        """Evidence for a set behind each shown affect, -inf behind one of its own."""
        evidence = self.weights @ np.log(self._all_masked_ratios(affects))
        masks: Float64[np.ndarray, " shown"] = np.where(np.isin(_shown(), affects), -np.inf, evidence)
        return masks

    def _all_masked_ratios(self, affects: tuple[int, ...]) -> Float64[np.ndarray, "column shown"]:
        share = np.array([SHOWN_SHARE.get(c.modality, 0.0) for c in self.columns])[:, None]
        felt = self.open_ratios(affects)[:, None]
        mixed: Float64[np.ndarray, "column shown"] = (1.0 - share) * felt + share * self.ratios[:, _shown()]
        return mixed


def readings(scores: Scores) -> dict[Modality, tuple[str, ...]]:
    """What each sense alone would say, as affects; senses with too little are left out."""
    found = {modality: scores.reading_of(modality) for modality in SENSES}
    return {m: tuple(AFFECT_NAMES[a] for a in affects) for m, affects in found.items() if affects is not None}


class _Same:
    """A sheet as a key: equal to itself only, since the steps of one run pass the very same sheet."""

    def __init__(self, sheet: EvidenceSheet) -> None:
        self.sheet = sheet

    def __hash__(self) -> int:
        return id(self.sheet)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.sheet is self.sheet


def score(sheet: EvidenceSheet, *, fitted: Fitted | None = None) -> Scores:
    """Finds the cues and readings of a sheet.

    Args:
        sheet: The evidence.
        fitted: What labelled recordings said of observers and heads; None for the shipped table, with which the scores
            of the last few sheets are kept.
    """
    return _score(_Same(sheet)) if fitted is None else _scored(sheet, fitted)


@lru_cache(maxsize=4)
def _score(key: _Same) -> Scores:
    return _scored(key.sheet, shipped_fitted())


def _scored(sheet: EvidenceSheet, fitted: Fitted) -> Scores:
    table = compiled()
    by_row: dict[int, list[Observation]] = {}
    readings: list[Column] = []
    for observation in sheet.observations:
        if observation.scores is not None:
            readings.append(_reading_column(sheet, observation, fitted))
        elif (row := table.table.row_of(observation)) is not None:
            by_row.setdefault(row, []).append(observation)
    columns = [_cue_column(sheet, table, row, by_row[row], fitted) for row in sorted(by_row)]
    return Scores(sheet=sheet, columns=(*columns, *readings), table=table)


def _cue_column(sheet: EvidenceSheet, table: Compiled, row: int, seen: list[Observation], fitted: Fitted) -> Column:
    cue, observers = table.table.cues[row], {o.source for o in seen}
    measured = fitted.observers.get(observers.pop()) if len(observers) == 1 else None
    ratios = None if measured is None else measured.ratios(cue.key, table.table.ratios[:, row])
    return Column(
        modality=cue.modality,
        ids=tuple(o.id for o in seen),
        weight=max(sheet.weight(o) for o in seen),
        ratios=table.affect_ratios[:, row] if ratios is None else floored(ratios),
        levels=table.table.levels[:, row],
        row=row,
        fitted=ratios is not None,
    )


def _reading_column(sheet: EvidenceSheet, reading: Observation, fitted: Fitted) -> Column:
    """exp(β · ln(score / usual)), clipped, for each affect that a label of the reading names; 1 for the others.

    Usual is what the head reads on average, where that was measured, else 1 / C for C labels.
    """
    assert reading.scores is not None
    mean = fitted.readings.get(reading.source)
    shares, usual = (dict.fromkeys(AFFECT_NAMES, 0.0) for _ in range(2))
    named = {label: affect_of_label(label, reading.scheme) for label in reading.scores}
    for label, affect in named.items():
        if affect is not None:
            shares[affect] += reading.scores[label]
            usual[affect] += 0.0 if mean is None else mean[label]
    beta, level = READING_SHARE[reading.modality], 1.0 / len(reading.scores)
    nats = [
        min(max(beta * math.log(max(shares[a] / (usual[a] or level), 1e-12)), -READING_LIMIT), READING_LIMIT)
        if a in named.values()
        else 0.0
        for a in AFFECT_NAMES
    ]
    return Column(
        modality=reading.modality,
        ids=(reading.id,),
        weight=reading.confidence * sheet.reliability.get(reading.modality, 1.0),
        ratios=np.exp(np.array(nats)),
        levels=np.zeros(len(AFFECTS), dtype=np.int8),
        row=None,
    )


def affect_of_label(label: str, scheme_name: str | None) -> str | None:
    """The affect that a label of a scheme names, by name and never by index; None for none.

    >>> affect_of_label("happiness", "mafw"), affect_of_label("angry", None), affect_of_label("other", None)
    ('joy', 'anger', None)
    """
    if scheme_name in schemes():
        known = scheme(scheme_name)
        label = dict(zip(known.labels, known.concepts, strict=True)).get(label, label)
    return cluster_of(label)


def _masked(column: Column) -> Float64[np.ndarray, "shown set"]:
    share, felt = SHOWN_SHARE.get(column.modality, 0.0), membership() @ column.ratios
    shown = column.ratios[_shown()]
    logs: Float64[np.ndarray, "shown set"] = np.log((1.0 - share) * felt[None, :] + share * shown[:, None])
    return logs


@cache
def _prices() -> Float64[np.ndarray, " set"]:
    return np.array([LABEL_PRICE * (len(s) - 1) for s in label_sets()])


@cache
def _size_prior() -> Float64[np.ndarray, " set"]:
    sizes = [len(s) for s in label_sets()]
    prior: Float64[np.ndarray, " set"] = -np.log(np.array([sizes.count(size) for size in sizes], dtype=np.float64))
    return prior


@cache
def _shown() -> Int64[np.ndarray, " shown"]:
    return np.array([AFFECT_NAMES.index(affect) for affect in SHOWN_AFFECTS])


@cache
def _may_hide() -> Bool[np.ndarray, "shown set"]:
    """Whether a set can hide behind a shown affect: not one of its own, and neutral hides nothing."""
    return np.array([[d not in s and NEUTRAL not in s for s in label_sets()] for d in _shown().tolist()])


@cache
def _set_numbers() -> dict[tuple[int, ...], int]:
    return {members: number for number, members in enumerate(label_sets())}


def _logsumexp(scores: Float64[np.ndarray, "shown set"]) -> Float64[np.ndarray, " set"]:
    """Over the first axis; -inf where every entry is."""
    top = scores.max(axis=0)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        logs: Float64[np.ndarray, " set"] = safe + np.log(np.exp(scores - safe).sum(axis=0))
    return logs


def supports(ratio: float) -> bool:
    """Whether an observation of this ratio supports."""
    return ratio >= SUPPORT_RATIO - TIE
