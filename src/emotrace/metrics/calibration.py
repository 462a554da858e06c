"""Whether confidence means what it says: ECE, Brier, NLL with the reliability bins, and risk against coverage.

    ECE = sum_b (n_b / n) |accuracy_b - confidence_b|      Brier = mean_i sum_c (p_ic - [y_i = c])^2, in [0, 2]
    NLL = mean_i -log max(p_i,y, 1e-15)                    AURC = mean_k (errors among the k most confident) / k

Clips of equal confidence form one block whose errors are spread evenly, so no number depends on the order of the
clips. Limit cases: all confidences 0.8 at accuracy 0.6 give ECE 0.2; uniform p over C classes gives Brier 1 - 1/C and
NLL log C.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.metrics.library_check import Engine, raise_on_mismatch, sklearn_is_used
from emotrace.metrics.quotient import quotient
from emotrace.metrics.resampling import SummedScore

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64, Int64

BINS = 15
SMALLEST_PROBABILITY = 1e-15
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """The clips whose top probability lies in (low, high]; accuracy and confidence are nan in an empty bin."""

    low: float
    high: float
    clips: int
    accuracy: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class CalibrationResult:
    """How well stated probabilities agree with outcomes. Smaller is better; all are nan without clips."""

    ece: float
    """Expected calibration error over 15 equal-width bins of the top probability, in [0, 1]."""
    ece_mass: float
    """The same over 15 bins of equal clip counts."""
    brier: float
    nll: float
    """In nats."""
    accuracy: float
    bins: tuple[ReliabilityBin, ...]
    clips: int


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """What is gained by leaving the least confident clips unanswered."""

    coverage: Float64[np.ndarray, " clip"]
    """k / n for k = 1..n."""
    risk: Float64[np.ndarray, " clip"]
    """Share of errors among the k most confident clips."""
    aurc: float
    excess_aurc: float
    """AURC minus that of the best possible order of the same errors."""
    risk_at_80: float
    """Risk when the most confident 80 % (rounded up to whole clips) are answered."""
    coverage_at_risk_10: float
    """Largest coverage with risk at most 10 %; 0 when there is none."""


def calibrate(
    probabilities: Float64[np.ndarray, "clip label"],
    truth: Int64[np.ndarray, " clip"],
    *,
    engine: Engine = "auto",
) -> CalibrationResult:
    """Calibration of a distribution over a fixed label list.

    Args:
        probabilities: One row per clip, summing to 1 within 1e-6.
        truth: Column of the true label.
        engine: Whether scikit-learn checks Brier and NLL, see `classification.classify`.

    Raises:
        InvalidScores: A row that is no distribution (its number is named), or a truth outside the columns.
        MetricMismatch: scikit-learn gives another number.
    """
    clips, labels = probabilities.shape
    if truth.shape != (clips,) or (clips and not (truth.min() >= 0 and truth.max() < labels)):
        raise InvalidScores(f"truth must be one column number below {labels} per clip: got {truth.shape = }")
    valid = np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1)
    valid &= np.abs(probabilities.sum(axis=1) - 1.0) <= SUM_TOLERANCE
    if not valid.all():
        row = int(np.argmin(valid))
        raise InvalidScores(
            f"row {row + 1} of {clips} is no distribution, as {int((~valid).sum())} in all: "
            f"its sum is {float(probabilities[row].sum())!r}",
            hint="Probabilities must be at least 0 and sum to 1 within 1e-6",
        )
    if clips == 0:
        nan = float("nan")
        return CalibrationResult(ece=nan, ece_mass=nan, brier=nan, nll=nan, accuracy=nan, bins=(), clips=0)
    confidence, correct, squared_error, surprise = _per_clip(probabilities, truth)
    brier, nll = float(squared_error.mean()), float(surprise.mean())
    if sklearn_is_used(engine) and labels > 1:
        _check_against_library(probabilities, truth, brier=brier, nll=nll)
    bins = _equal_width_bins(confidence, correct)
    return CalibrationResult(
        ece=sum(abs(b.accuracy - b.confidence) * b.clips for b in bins if b.clips) / clips,
        ece_mass=_equal_mass_error(confidence, correct),
        brier=brier,
        nll=nll,
        accuracy=float(correct.mean()),
        bins=bins,
        clips=clips,
    )


def summed_calibration(
    probabilities: Float64[np.ndarray, "clip label"], truth: Int64[np.ndarray, " clip"]
) -> dict[str, SummedScore]:
    """`ece`, `brier` and `nll` of distributions that `calibrate` has accepted, as functions of totals over clips."""
    confidence, correct, squared_error, surprise = _per_clip(probabilities, truth)
    return {
        "ece": summed_calibration_error(confidence, correct),
        "brier": _mean_of(squared_error[:, None]),
        "nll": _mean_of(surprise[:, None]),
    }


def summed_calibration_error(
    confidence: Float64[np.ndarray, " clip"], correct: Float64[np.ndarray, " clip"] | Bool[np.ndarray, " clip"]
) -> SummedScore:
    """ECE of stated confidences, 15 bins of equal width, as a function of totals over clips."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), _bin_of(confidence)] = correct - confidence
    return _mean_of(gaps)


def _mean_of(parts: Float64[np.ndarray, "clip part"]) -> SummedScore:
    """The absolute totals of the parts, by the number of clips."""
    return SummedScore(
        rows=np.concatenate([parts, np.ones((len(parts), 1))], axis=1),
        finish=lambda totals: quotient(np.abs(totals[..., :-1]).sum(axis=-1), totals[..., -1]),
    )


def _per_clip(probabilities: Any, truth: Any) -> tuple[Any, Any, Any, Any]:
    """Confidence, whether it was right, squared error and surprise of each clip."""
    clips = np.arange(len(truth))
    confidence = probabilities.max(axis=1)
    # A tie for the top counts as right by the share of tied labels that are true: the columns' order must not matter.
    is_top = probabilities == confidence[:, None]
    correct = is_top[clips, truth] / is_top.sum(axis=1)
    hot = np.zeros_like(probabilities)
    hot[clips, truth] = 1.0
    surprise = -np.log(np.maximum(probabilities[clips, truth], SMALLEST_PROBABILITY))
    return confidence, correct, ((probabilities - hot) ** 2).sum(axis=1), surprise


def _bin_of(confidence: Float64[np.ndarray, " clip"]) -> Int64[np.ndarray, " clip"]:
    bins: Int64[np.ndarray, " clip"] = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return bins


def _equal_width_bins(
    confidence: Float64[np.ndarray, " clip"], correct: Float64[np.ndarray, " clip"]
) -> tuple[ReliabilityBin, ...]:
    which = _bin_of(confidence)
    counts = np.bincount(which, minlength=BINS)
    sums = [np.bincount(which, weights=values, minlength=BINS) for values in (correct, confidence)]
    accuracy, mean = (quotient(s, counts) for s in sums)
    return tuple(
        ReliabilityBin(
            low=b / BINS,
            high=(b + 1) / BINS,
            clips=int(counts[b]),
            accuracy=float(accuracy[b]),
            confidence=float(mean[b]),
        )
        for b in range(BINS)
    )


def _spread_over_ties(
    confidence: Float64[np.ndarray, " clip"], values: Float64[np.ndarray, " clip"]
) -> tuple[Float64[np.ndarray, " clip"], Float64[np.ndarray, " clip"]]:
    """Both arrays by falling confidence, each value replaced by the mean of the clips of the same confidence."""
    levels, block, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    means = np.bincount(block, weights=values, minlength=len(levels)) / sizes
    return -np.repeat(levels, sizes), np.repeat(means, sizes)


def _equal_mass_error(confidence: Float64[np.ndarray, " clip"], correct: Float64[np.ndarray, " clip"]) -> float:
    ordered_confidence, ordered_correct = _spread_over_ties(confidence, correct)
    gaps = np.array_split(ordered_correct - ordered_confidence, min(BINS, len(confidence)))
    return float(sum(abs(gap.sum()) for gap in gaps) / len(confidence))


def risk_coverage(confidence: Float64[np.ndarray, " clip"], correct: Bool[np.ndarray, " clip"]) -> RiskCoverage:
    """Risk as a function of the share of clips that are answered, the most confident first.

    Four clips of which only the least confident is wrong have risks 0, 0, 0, 1/4 and AURC 1/16.

    Raises:
        InvalidScores: No clip, different lengths, or a confidence that is nan.
    """
    if confidence.shape != correct.shape or confidence.size == 0 or np.isnan(confidence).any():
        raise InvalidScores(f"risk needs one confidence per clip: got {confidence.shape = }, {correct.shape = }")
    clips = len(confidence)
    answered = np.arange(1, clips + 1)
    _, errors = _spread_over_ties(confidence, 1.0 - correct)
    risk = np.cumsum(errors) / answered
    wrong = int((~correct).sum())
    best = np.maximum(answered - (clips - wrong), 0) / answered
    within = np.nonzero(risk <= 0.1 + 1e-12)[0]
    return RiskCoverage(
        coverage=answered / clips,
        risk=risk,
        aurc=float(risk.mean()),
        excess_aurc=float(risk.mean() - best.mean()),
        risk_at_80=float(risk[-(-clips * 4 // 5) - 1]),
        coverage_at_risk_10=float((within[-1] + 1) / clips) if within.size else 0.0,
    )


def _check_against_library(
    probabilities: Float64[np.ndarray, "clip label"], truth: Int64[np.ndarray, " clip"], *, brier: float, nll: float
) -> None:
    library: Any = importlib.import_module("sklearn.metrics")
    labels = list(range(probabilities.shape[1]))
    with warnings.catch_warnings():
        # Sums are held to 1e-6 above; the library would warn from 1.5e-8 on.
        warnings.filterwarnings("ignore", message="The y_p", category=UserWarning)
        theirs = {
            "Brier": library.brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False),
            "NLL": library.log_loss(truth, np.maximum(probabilities, SMALLEST_PROBABILITY), labels=labels),
        }
    raise_on_mismatch({"Brier": brier, "NLL": nll}, theirs, engine="scikit-learn")
