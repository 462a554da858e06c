"""Spans of time: the one way in which frames, words, face tracks and observations say *when*."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A stretch of time, in seconds from the start of the file; both ends belong to it.

    Ordered by start, then end; hashable. A span may be an instant (`start == end`), as for a photograph.

    >>> Span(1.0, 3.0) & Span(2.0, 5.0)
    Span(start_seconds=2.0, end_seconds=3.0)
    >>> Span(1.0, 2.0) | Span(4.0, 5.0)
    Span(start_seconds=1.0, end_seconds=5.0)
    >>> 1.5 in Span(1.0, 2.0), Span(1.2, 1.4) in Span(1.0, 2.0)
    (True, True)

    Raises:
        ValueError: An end is not finite, is negative, or lies before the start.
    """

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_seconds) and math.isfinite(self.end_seconds)):
            raise ValueError(f"a span needs finite ends, got {self.start_seconds} and {self.end_seconds}")
        if not 0.0 <= self.start_seconds <= self.end_seconds:
            raise ValueError(f"a span needs 0 <= start <= end, got {self.start_seconds} and {self.end_seconds}")
        object.__setattr__(self, "start_seconds", float(self.start_seconds))
        object.__setattr__(self, "end_seconds", float(self.end_seconds))

    @property
    def duration_seconds(self) -> float:
        """Length in seconds; 0 for an instant."""
        return self.end_seconds - self.start_seconds

    @property
    def middle_seconds(self) -> float:
        """The time half-way between the ends."""
        return 0.5 * (self.start_seconds + self.end_seconds)

    def __and__(self, other: Span) -> Span | None:
        """What two spans share: None when they do not meet, an instant when they touch."""
        start, end = max(self.start_seconds, other.start_seconds), min(self.end_seconds, other.end_seconds)
        return Span(start, end) if start <= end else None

    def __or__(self, other: Span) -> Span:
        """The shortest span that holds both, the gap between them included."""
        return Span(min(self.start_seconds, other.start_seconds), max(self.end_seconds, other.end_seconds))

    def __contains__(self, moment: object) -> bool:
        """Whether a time in seconds, or a whole span, lies inside."""
        if isinstance(moment, Span):
            return self.start_seconds <= moment.start_seconds and moment.end_seconds <= self.end_seconds
        if isinstance(moment, int | float):
            return self.start_seconds <= moment <= self.end_seconds
        return False

    def overlap_seconds(self, other: Span) -> float:
        """How long the two spans run together; 0 when they only touch."""
        shared = self & other
        return 0.0 if shared is None else shared.duration_seconds

    def rounded(self, digits: int = 3) -> Span:
        """The span with its ends rounded, as it is written to files."""
        return Span(round(self.start_seconds, digits), round(self.end_seconds, digits))

    def __str__(self) -> str:
        return f"{self.start_seconds:.2f}-{self.end_seconds:.2f} s"


def union(spans: Iterable[Span], *, bridge_seconds: float = 0.0) -> tuple[Span, ...]:
    """The spans in order, with those that meet, or lie at most `bridge_seconds` apart, made one.

    >>> union([Span(3.0, 4.0), Span(0.0, 1.0), Span(0.5, 2.0)])
    (Span(start_seconds=0.0, end_seconds=2.0), Span(start_seconds=3.0, end_seconds=4.0))
    """
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start_seconds - merged[-1].end_seconds <= bridge_seconds:
            merged[-1] = merged[-1] | span
        else:
            merged.append(span)
    return tuple(merged)


def gaps(spans: Iterable[Span], within: Span) -> tuple[Span, ...]:
    """What of `within` no span covers, in order; instants are left out.

    >>> gaps([Span(1.0, 2.0)], Span(0.0, 3.0))
    (Span(start_seconds=0.0, end_seconds=1.0), Span(start_seconds=2.0, end_seconds=3.0))
    """
    free, cursor = [], within.start_seconds
    for span in union(spans):
        if span.start_seconds >= within.end_seconds:
            break
        if span.start_seconds > cursor:
            free.append(Span(cursor, span.start_seconds))
        cursor = max(cursor, span.end_seconds)
    if cursor < within.end_seconds:
        free.append(Span(cursor, within.end_seconds))
    return tuple(free)
