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
    from emotrace.metrics.confusion import confusion  # noqa: F401 - the module `confusion` gives way to its function
    from emotrace.metrics.constant_answers import constant_answers  # noqa: F401 - likewise
    from emotrace.metrics.grouped_sets import GroupedScore as GroupedScore
    from emotrace.metrics.grouped_sets import grouped_sets  # noqa: F401 - likewise
    from emotrace.metrics.hit_rate import HitRate as HitRate
    from emotrace.metrics.hit_rate import hit_or_not as hit_or_not
    from emotrace.metrics.hit_rate import hit_rate  # noqa: F401 - likewise
    from emotrace.metrics.label_masks import parse_labels as parse_labels
    from emotrace.metrics.open_vocabulary import SetScore as SetScore
    from emotrace.metrics.open_vocabulary import SetScorer as SetScorer
    from emotrace.metrics.protocols import PROTOCOLS as PROTOCOLS
    from emotrace.metrics.protocols import Protocol as Protocol
    from emotrace.metrics.resampling import Difference as Difference
    from emotrace.metrics.resampling import Interval as Interval
    from emotrace.metrics.resampling import SummedScore as SummedScore
    from emotrace.metrics.resampling import bootstrap as bootstrap
