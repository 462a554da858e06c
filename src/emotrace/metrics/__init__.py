"""Plain arrays and strings in, named results out.

This is the table of contents. Names load when they are first used, so that importing the room costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotrace.metrics.calibration import CalibrationResult as CalibrationResult
    from emotrace.metrics.calibration import RiskCoverage as RiskCoverage
    from emotrace.metrics.calibration import calibrate as calibrate
    from emotrace.metrics.calibration import risk_coverage as risk_coverage
    from emotrace.metrics.classification import ClosedSetResult as ClosedSetResult
    from emotrace.metrics.classification import classify as classify
    from emotrace.metrics.classification import from_confusion as from_confusion
    from emotrace.metrics.clip_scorer import ClipScore as ClipScore
    from emotrace.metrics.clip_scorer import ClipScorer as ClipScorer
    from emotrace.metrics.confusion_matrix import confusion as confusion
    from emotrace.metrics.exact_tests import fold_t_test as fold_t_test
    from emotrace.metrics.exact_tests import holm as holm
    from emotrace.metrics.exact_tests import mcnemar as mcnemar
    from emotrace.metrics.guessing import constant_answers as constant_answers
    from emotrace.metrics.hits import HitRate as HitRate
    from emotrace.metrics.hits import hit_or_not as hit_or_not
    from emotrace.metrics.hits import hit_rate as hit_rate
    from emotrace.metrics.label_masks import parse_labels as parse_labels
    from emotrace.metrics.open_vocabulary import SetScore as SetScore
    from emotrace.metrics.open_vocabulary import SetScorer as SetScorer
    from emotrace.metrics.protocols import PROTOCOLS as PROTOCOLS
    from emotrace.metrics.protocols import Protocol as Protocol
    from emotrace.metrics.resampling import Difference as Difference
    from emotrace.metrics.resampling import Interval as Interval
    from emotrace.metrics.resampling import SummedScore as SummedScore
    from emotrace.metrics.resampling import bootstrap as bootstrap
    from emotrace.metrics.resampling import paired_difference as paired_difference
    from emotrace.metrics.resampling import permutation_test as permutation_test
    from emotrace.metrics.stored_groups import GroupedScore as GroupedScore
    from emotrace.metrics.stored_groups import grouped_sets as grouped_sets
    from emotrace.metrics.two_classes import SentimentResult as SentimentResult
    from emotrace.metrics.two_classes import polarity as polarity
    from emotrace.metrics.two_classes import preference as preference
    from emotrace.metrics.two_classes import sentiment as sentiment
    from emotrace.metrics.values import ccc as ccc
    from emotrace.metrics.values import mer2023_combined as mer2023_combined
    from emotrace.metrics.values import mse as mse

_HOME = {
    # closed sets and values
    "ClosedSetResult": "classification",
    "classify": "classification",
    "from_confusion": "classification",
    "confusion": "confusion_matrix",
    "ccc": "values",
    "mer2023_combined": "values",
    "mse": "values",
    # probabilities
    "CalibrationResult": "calibration",
    "RiskCoverage": "calibration",
    "calibrate": "calibration",
    "risk_coverage": "calibration",
    # open vocabulary
    "SetScore": "open_vocabulary",
    "SetScorer": "open_vocabulary",
    "ClipScore": "clip_scorer",
    "ClipScorer": "clip_scorer",
    "constant_answers": "guessing",
    "parse_labels": "label_masks",
    "HitRate": "hits",
    "hit_or_not": "hits",
    "hit_rate": "hits",
    "GroupedScore": "stored_groups",
    "grouped_sets": "stored_groups",
    "SentimentResult": "two_classes",
    "polarity": "two_classes",
    "preference": "two_classes",
    "sentiment": "two_classes",
    # protocols, and how sure a score is
    "PROTOCOLS": "protocols",
    "Protocol": "protocols",
    "Difference": "resampling",
    "Interval": "resampling",
    "SummedScore": "resampling",
    "bootstrap": "resampling",
    "fold_t_test": "exact_tests",
    "holm": "exact_tests",
    "mcnemar": "exact_tests",
    "paired_difference": "resampling",
    "permutation_test": "resampling",
}
"""Public name -> the module of this room that defines it."""

__all__ = [*_HOME]  # noqa: PLE0604 - every key is a string


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
