"""Made-up expressions for tests of whatever shows or stores them. No torch; nothing in them was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emotrace.grace.video.expression import RATE_HZ, AlignedWord, Expression, HeatMap, LevelMap, SeenFrame
from emotrace.results import Analysis, FaceBox, Person
from emotrace.span import Span

_ROWS = _COLUMNS = 7


def made_up_word(span: Span, frames: int = 16, *, row: int = 4, column: int = 3, **changes: Any) -> AlignedWord:
    """A word that was matched around one patch, most in the middle of its span."""
    known = {
        "text": "lip corners pulled up strongly",
        "region": "lip corners",
        "matched_region": "left mouth corner",
        "share": 0.6,
        "lift": 3.0,
        "peak_seconds": round(span.middle_seconds, 3),
        "aligned_span": span,
        "observed_span": span,
        "read_from": "lip corners rise from 0.0 s, most at 0.8 s, until 1.5 s",
        "cue": "au06_12",
        "confidence": 0.5,
        "map": LevelMap.of(_blob(frames, row, column)),
    }
    return AlignedWord(**{**known, **changes})


def made_up_expression(start_seconds: float = 0.0, *, frames: int = 16, **changes: Any) -> Expression:
    """One window with one word of the evidence."""
    times = [round(start_seconds + place / RATE_HZ, 3) for place in range(frames)]
    span = Span(times[0], times[-1])
    known = {
        "span": span,
        "source": "grace/0123456789ab",
        "scheme": "dfew",
        "distribution": {"happy": 0.7, "sad": 0.3},
        "frames": tuple(
            SeenFrame(time_seconds=time, x=0.36, y=0.18, width=0.2, height=0.36, roll_degrees=5.0) for time in times
        ),
        "frames_missing": 16 - frames,
        "heat": HeatMap.of(_blob(frames, 4, 3)),
        "heat_source": "transport",
        "heat_text": "evidence",
        "motion": LevelMap.of(_blob(frames, 1, 5)),
        "words": (made_up_word(span, frames),),
    }
    return Expression(**{**known, **changes})


def without_words(expression: Expression) -> Expression:
    """The window as it is where the evidence has no word about the face."""
    return replace(
        expression, words=(), heat=HeatMap.of(expression.motion.values), heat_source="motion", heat_text=None
    )


def with_expressions(analysis: Analysis, expressions: Sequence[Expression], *, person: int = 0) -> Analysis:
    """The result with these windows for one person, whose boxes are where the windows' squares are."""
    boxes = {
        frame.time_seconds: FaceBox(
            time_seconds=frame.time_seconds, x=frame.x, y=frame.y, width=frame.width, height=frame.height
        )
        for each in expressions
        for frame in each.frames
    }
    known: Person = analysis.persons[person]
    read = known.model_copy(
        update={"expressions": tuple(expressions), "boxes": tuple(boxes[time] for time in sorted(boxes))}
    )
    people = (*analysis.persons[:person], read, *analysis.persons[person + 1 :])
    return analysis.model_copy(update={"persons": people})


def _blob(frames: int, row: int, column: int) -> np.ndarray:
    """A bump around one patch that rises and falls over time."""
    time = np.linspace(-1.0, 1.0, frames) if frames > 1 else np.zeros(1)
    down, across = np.mgrid[:_ROWS, :_COLUMNS]
    place = np.exp(-((down - row) ** 2 + (across - column) ** 2) / 2.0)
    return np.asarray(np.exp(-4.0 * time**2)[:, None, None] * place)
