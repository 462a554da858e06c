"""Plain arrays and strings in, named results out. Importing it loads numpy and `labels`, nothing else."""

from emotrace.metrics.calibration import CalibrationResult, RiskCoverage, calibrate, risk_coverage
from emotrace.metrics.classification import (
    ClosedSetResult,
    ccc,
    classify,
    confusion,
    from_confusion,
    mer2023_combined,
    mse,
)
from emotrace.metrics.grouped_sets import GroupedScore, grouped_sets
from emotrace.metrics.hit_rate import HitRate, hit_or_not, hit_rate
from emotrace.metrics.label_masks import parse_labels
from emotrace.metrics.open_vocabulary import ClipScore, ClipScorer, SetScore, SetScorer, constant_answers
from emotrace.metrics.protocols import PROTOCOLS, Protocol
from emotrace.metrics.resampling import (
    Difference,
    Interval,
    SummedScore,
    bootstrap,
    fold_t_test,
    holm,
    mcnemar,
    paired_difference,
    permutation_test,
)
from emotrace.metrics.sentiment import SentimentResult, polarity, preference, sentiment

__all__ = [
    # closed sets and values
    "ClosedSetResult",
    "ccc",
    "classify",
    "confusion",
    "from_confusion",
    "mer2023_combined",
    "mse",
    # probabilities
    "CalibrationResult",
    "RiskCoverage",
    "calibrate",
    "risk_coverage",
    # open vocabulary
    "ClipScore",
    "ClipScorer",
    "GroupedScore",
    "HitRate",
    "SentimentResult",
    "SetScore",
    "SetScorer",
    "constant_answers",
    "grouped_sets",
    "hit_or_not",
    "hit_rate",
    "parse_labels",
    "polarity",
    "preference",
    "sentiment",
    # protocols, and how sure a score is
    "PROTOCOLS",
    "Protocol",
    "Difference",
    "Interval",
    "SummedScore",
    "bootstrap",
    "fold_t_test",
    "holm",
    "mcnemar",
    "paired_difference",
    "permutation_test",
]
