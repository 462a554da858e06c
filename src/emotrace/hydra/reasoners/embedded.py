"""The embedded reasoner: naive-Bayes odds over label sets. No language model, no download, no randomness.

[ours] Simple enough to be argued with: every number comes from one row of the cue table. Its rivals buy a margin and
something to compare with; it must not be cited for a claim about the number of hypotheses. Hydra specification,
section 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float64

from emotrace.evidence.observation import EvidenceSheet, Modality, Observation
from emotrace.hydra.confidence import Calibration, Features, shipped_calibration, sigmoid
from emotrace.hydra.decide import Decision, choose_word, conflict
from emotrace.hydra.likelihood import LABEL_PRICE, SHOWN_AFFECTS, STILLNESS, label_sets, membership
from emotrace.hydra.propose import MAX_CITES, PERSPECTIVES, RIVAL_OVERLAP, Hypothesis, Perspective, cluster_of
from emotrace.hydra.quotes import quote_of
from emotrace.hydra.scoring import MASKING_PRICE, NEUTRAL, TIE, Scores, readings, score, supports
from emotrace.hydra.trace import Answer
from emotrace.hydra.verify import Mark, Verification
from emotrace.labels.affects import AFFECT_NAMES, AFFECTS

PERSPECTIVE_WEIGHTS: Mapping[Perspective, Mapping[Modality, float]] = {
    "face": {"visual": 1.0, "vocal": 0.35, "verbal": 0.35, "joint": 1.0},
    "voice": {"visual": 0.35, "vocal": 1.0, "verbal": 0.35, "joint": 1.0},
    "words": {"visual": 0.35, "vocal": 0.35, "verbal": 1.0, "joint": 1.0},
    "situation": {"visual": 0.7, "vocal": 0.7, "verbal": 1.2, "joint": 1.0},
}
"""[ours]"""
LEADING: Mapping[Perspective, Modality] = {
    "face": "visual",
    "voice": "vocal",
    "words": "verbal",
    "situation": "verbal",
}
"""A perspective whose leading modality holds no evidence is skipped."""
_OPENING: Mapping[Perspective, str] = {
    "face": "going by the face: ",
    "voice": "going by the voice: ",
    "words": "going by the words: ",
    "situation": "going by the situation: ",
    "masking": "",
    "other": "",
}

Affects = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class EmbeddedReasoner:
    """Proposes the best set of each perspective, verifies by likelihood ratio, decides by posterior odds."""

    calibration: Calibration = field(default_factory=shipped_calibration)
    name: str = "embedded@1"
    order_free: bool = True

    def propose(self, sheet: EvidenceSheet, k: int, held: tuple[Hypothesis, ...] = ()) -> tuple[Hypothesis, ...]:
        """The best set of each perspective, surest first; gaps are filled from the ranking on all evidence."""
        scores = score(sheet)
        if not scores.supported_affects.any():
            return ()
        kept: list[tuple[Perspective, Affects]] = []
        taken = [_affects_of(hypothesis) for hypothesis in held]
        for perspective, affects, most_overlap in chain(_offers(scores), _ranking(scores)):
            if len(kept) == k:
                break
            if all(_overlap(affects, other) < most_overlap for other in taken):
                kept.append((perspective, affects))
                taken.append(affects)
        numbered = enumerate(kept, start=len(held) + 1)
        return tuple(_hypothesis(scores, number, *offer) for number, offer in numbered)

    def verify(self, sheet: EvidenceSheet, hypothesis: Hypothesis) -> Verification:
        """Marks by the hypothesis's own account: one that assumes masking expects the smile."""
        scores = score(sheet)
        affects = _affects_of(hypothesis)
        ratios = _account(scores, hypothesis.perspective, affects)
        marks: dict[str, Mark] = dict.fromkeys((o.id for o in sheet.observations), "silent")
        for id, number in scores.column_of.items():
            marks[id] = _mark(scores, number, affects, float(ratios[number]))
        gains = scores.weights * np.log(ratios)
        explainable = scores.weights * np.log(np.maximum(scores.ratios.max(axis=1, initial=1.0), 1.0))
        log_phi = math.fsum(np.maximum(gains, 0.0))
        price = LABEL_PRICE * max(len(affects) - 1, 0) + MASKING_PRICE * (hypothesis.perspective == "masking")
        log_psi = math.fsum(np.minimum(gains, 0.0)) - price
        most = math.fsum(explainable)
        return Verification(
            number=hypothesis.number,
            marks=marks,
            quotes={o.id: quote_of(o.text) for o in sheet.observations},
            missing=tuple(sheet.missing),
            unexplained=tuple(id for id, mark in marks.items() if id in scores.column_of and mark != "supports"),
            log_phi=round(log_phi, 2) + 0.0,
            log_psi=round(log_psi, 2) + 0.0,
            phi=round(min(log_phi / most, 1.0), 2) if most > TIE else 0.0,
            psi=round(math.exp(log_psi / max(len(sheet.observations), 1)), 2),
        )

    def decide(
        self, sheet: EvidenceSheet, hypotheses: tuple[Hypothesis, ...], verifications: tuple[Verification, ...]
    ) -> Decision:
        """The hypothesis with the best posterior odds, both accounts together; with K = 0 the best of all sets."""
        scores = score(sheet)
        if not scores.supported_affects.any() or (hypotheses and not any(map(_affects_of, hypotheses))):
            return Decision(
                winners=(), answers=(), confidence=0.0, basis=self.calibration.basis, margin=0.0, abstain="no_evidence"
            )
        winner = _winner(scores, hypotheses)
        affects = _by_own_score(scores, _affects_of(winner) if winner else scores.best(scores.supported(scores.total)))
        if winner is None:
            ratios = _account(scores, "other", affects)
            supporting = {id for id, n in scores.column_of.items() if supports(float(ratios[n]))}
        else:
            supporting = set(next(v for v in verifications if v.number == winner.number).supporting)
        features = features_of(scores, affects)
        confidence = self.calibration.probability(features)
        answers = _answers(scores, affects, supporting, confidence)
        return Decision(
            winners=(winner.number,) if winner else (),
            answers=answers,
            confidence=confidence,
            basis=self.calibration.basis,
            margin=features.margin,
            abstain=None if answers else "no_evidence",
            distribution=_rounded(scores.posterior),
        )


def features_of(scores: Scores, affects: Affects) -> Features:
    """What the calibration sees of a decision for `affects`, the first label first."""
    sector = AFFECTS[affects[0]].sector
    inside, elsewhere = _in_sector(sector)
    own = scores.score(affects)
    return Features(
        margin=own - float(scores.total[elsewhere].max()),
        log_posterior=math.log(max(float(scores.posterior[inside].sum()), 1e-12)),
        log_score=own,
        conflict=conflict(readings(scores)),
        observations=len(scores.column_of),
    )


@cache
def _in_sector(sector: str) -> tuple[Bool[np.ndarray, " affect"], Bool[np.ndarray, " set"]]:
    """Which affects belong to a sector, and which label sets have none of them."""
    inside = np.array([affect.sector == sector for affect in AFFECTS])
    return inside, (membership() @ inside) == 0.0


def _offers(scores: Scores) -> list[tuple[Perspective, Affects, float]]:
    """Each perspective's best set, by its own probability, then in the order of perspectives."""
    offers: list[tuple[float, int, Perspective, Affects]] = []
    for perspective, alpha in PERSPECTIVE_WEIGHTS.items():
        if LEADING[perspective] in scores.present:
            account = scores.supported(scores.open_under(alpha))
            offers.append(_offer(perspective, account, account, scores))
    # Masking is offered only where it explains more than openness does, and then in place of its open copy. [ours]
    hidden = np.where(scores.masked > scores.open + TIE, scores.supported(scores.masked), -np.inf)
    if np.isfinite(hidden).any():
        masking = _offer("masking", hidden, scores.supported(scores.masked), scores)
        offers = [offer for offer in offers if offer[-1] != masking[-1]] + [masking]
    return [(perspective, affects, RIVAL_OVERLAP) for _, _, perspective, affects in sorted(offers)]


def _offer(
    perspective: Perspective,
    account: Float64[np.ndarray, " set"],
    among: Float64[np.ndarray, " set"],
    scores: Scores,
) -> tuple[float, int, Perspective, Affects]:
    return _own_share(account, among), PERSPECTIVES.index(perspective), perspective, scores.best(account)


def _own_share(account: Float64[np.ndarray, " set"], among: Float64[np.ndarray, " set"]) -> float:
    """−ln of the best set's share among all sets, coarse enough to make ties ties."""
    return round(float(np.log(np.exp(among - account.max()).sum())), 8)


def _ranking(scores: Scores) -> Iterator[tuple[Perspective, Affects, float]]:
    """All sets, best first: supported ones, then any, and none that shares an affect with another hypothesis.

    A set that only adds labels to a better one would be no rival to read. [ours]
    """
    for account in (scores.supported(scores.total), scores.total):
        for number in np.argsort(-np.round(account, 8), kind="stable"):
            if np.isfinite(account[number]):
                yield "other", label_sets()[number], TIE


def _hypothesis(scores: Scores, number: int, perspective: Perspective, affects: Affects) -> Hypothesis:
    affects = _by_own_score(scores, affects)
    ratios = _account(scores, perspective, affects)
    gains = scores.weights * np.log(ratios)
    best = [int(n) for n in np.argsort(-np.round(gains, 8), kind="stable") if supports(float(ratios[n]))]
    cites = [id for n in best for id in scores.columns[n].ids[:1]]
    themes = [scores.table.table.themes[AFFECT_NAMES[a]] for a in affects[:2]]
    story = _OPENING[perspective] + ", and ".join(themes)
    if perspective == "masking" and (shown := scores.shown_over(affects)) is not None:
        story += f"; {SHOWN_AFFECTS[shown]} is put on over it"
    return Hypothesis(
        number=number,
        perspective=perspective,
        labels=tuple(choose_word(AFFECT_NAMES[a], _supporting(scores, a, None)) for a in affects),
        story=story,
        cites=tuple(cites[:MAX_CITES]),
    )


def _account(scores: Scores, perspective: Perspective, affects: Affects) -> Float64[np.ndarray, " column"]:
    """ρ of every column under a hypothesis, masked by the affect that fits best where it says so."""
    if not affects:
        return np.ones(len(scores.columns))
    shown = scores.shown_over(affects) if perspective == "masking" else None
    return scores.open_ratios(affects) if shown is None else scores.masked_ratios(affects, shown)


def _mark(scores: Scores, number: int, affects: Affects, ratio: float) -> Mark:
    if supports(ratio):
        return "supports"
    column = scores.columns[number]
    against_all = bool(affects) and bool((column.levels[list(affects)] < 0).all())
    # Neutral has no negative link: it is contradicted by a cue that is no stillness.
    stirs = affects == (NEUTRAL,) and column.row is not None and not supports(1.0 / max(1.0 / ratio, 1.0))
    stirs = stirs and scores.table.table.cues[column.row or 0].key not in STILLNESS
    return "contradicts" if against_all or stirs else "silent"


def _winner(scores: Scores, hypotheses: tuple[Hypothesis, ...]) -> Hypothesis | None:
    """Best score; ties go by perspective, then by affect, so that the order of the hypotheses cannot matter."""
    if not hypotheses:
        return None
    scored = [(scores.score(affects), h) for h in hypotheses if (affects := _affects_of(h))]
    top = max(value for value, _ in scored)
    level = [h for value, h in scored if value >= top - TIE]
    return min(level, key=lambda h: (PERSPECTIVES.index(h.perspective), sorted(_affects_of(h))))


def _answers(scores: Scores, affects: Affects, supporting: set[str], confidence: float) -> tuple[Answer, ...]:
    """A word for each affect that something supports, each with its share of the verdict's confidence."""
    whole = scores.score(affects)
    answers = []
    for affect in affects:
        stands_on = _supporting(scores, affect, supporting)
        if stands_on:
            without = scores.score(tuple(a for a in affects if a != affect))
            answers.append(
                Answer(
                    word=choose_word(AFFECT_NAMES[affect], stands_on),
                    confidence=confidence * sigmoid(whole - without),
                    cites=tuple(o.id for o in stands_on),
                )
            )
    return tuple(answers)


def _supporting(scores: Scores, affect: int, among: set[str] | None) -> list[Observation]:
    """The observations that support one affect alone, in sheet order."""
    return [
        o
        for o in scores.sheet.observations
        if (among is None or o.id in among)
        and (number := scores.column_of.get(o.id)) is not None
        and supports(float(scores.ratios[number, affect]))
    ]


def _by_own_score(scores: Scores, affects: Affects) -> Affects:
    """The affects, best supported first."""
    return tuple(sorted(affects, key=lambda a: (-round(scores.score((a,)), 8), a)))


def _affects_of(hypothesis: Hypothesis) -> Affects:
    """Numbers of the affects that a hypothesis's words belong to."""
    clusters = [cluster_of(word) for word in hypothesis.labels]
    return tuple(dict.fromkeys(AFFECT_NAMES.index(c) for c in clusters if c is not None))


def _overlap(a: Affects, b: Affects) -> float:
    return len(set(a) & set(b)) / len(set(a) | set(b))


def _rounded(shares: Float64[np.ndarray, " affect"]) -> dict[str, float]:
    """The distribution in thousandths that still sum to 1: the largest remainders are rounded up."""
    thousandths = np.floor(shares * 1000.0 + TIE)
    remainders = np.round(shares * 1000.0 - thousandths, 6)
    missing = 1000 - int(thousandths.sum())
    thousandths[np.argsort(-remainders, kind="stable")[:missing]] += 1.0
    return {name: float(count) / 1000.0 for name, count in zip(AFFECT_NAMES, thousandths, strict=True)}
