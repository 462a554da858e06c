"""What GRACE adds to a sheet: its links as observations, its distribution as a reading.

A link says where and when words of the sheet met the picture. Those words were observed, and count, without it: so its
cue is none of the cue table, and no reasoner that weighs cues counts them twice. It names no emotion. The reading is
the model's opinion, and the only thing here that a verdict may weigh [ours].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from emotrace.evidence.observation import Finding, clean
from emotrace.grace.expression import AlignedWord, Expression, rounded_shares
from emotrace.span import Span

LOCATED = "located:"
"""Before the cue that a link located."""
READING = "reading:grace"
READING_TEXT = "a trained model's reading of the moving face"
_LONGEST = 120


@dataclass(frozen=True, kw_only=True)
class FaceReading:
    """What GRACE made of one person: all windows, and what any stretch of time gets of them."""

    expressions: tuple[Expression, ...]
    """In order of time."""
    trust: float
    """Confidence of the reading, 0..1."""

    def findings(self, span: Span) -> list[Finding]:
        """The links whose aligned span meets `span`, and one reading of the pictures inside it."""
        links = [finding for finding in self._links if (finding.span & span) is not None]
        reading = self._reading(span)
        return links if reading is None else [*links, reading]

    @cached_property
    def _links(self) -> tuple[Finding, ...]:
        return tuple(
            as_finding(self.expressions[window].words[place], self.expressions[window].source)
            for (window, place), *_ in same_events(self.expressions)
        )

    def _reading(self, span: Span) -> Finding | None:
        """The mean distribution over the pictures inside; one that two windows share takes the mean of both."""
        inside = (self._times >= span.start_seconds) & (self._times <= span.end_seconds)
        if not inside.any():
            return None
        first, times = self.expressions[0], self._times[inside]
        shares = self._shares[inside].mean(axis=0)
        return Finding(
            modality="visual",
            span=Span(float(times[0]), float(times[-1])),
            text=READING_TEXT,
            strength=round(float(shares.max()), 3),
            confidence=self.trust,
            source=first.source,
            cue=READING,
            scores=rounded_shares(dict(zip(first.distribution, shares.tolist(), strict=True))),
            scheme=first.scheme,
        )

    @cached_property
    def _times(self) -> Float[np.ndarray, " picture"]:
        return np.array(sorted({frame.time_seconds for each in self.expressions for frame in each.frames}), np.float64)

    @cached_property
    def _shares(self) -> Float[np.ndarray, "picture label"]:
        """Distribution at every picture."""
        total = np.zeros((len(self._times), len(self.expressions[0].distribution)))
        count = np.zeros((len(self._times), 1))
        for each in self.expressions:
            places = np.searchsorted(self._times, [frame.time_seconds for frame in each.frames])
            total[places] += list(each.distribution.values())
            count[places] += 1.0
        return total / count


def as_finding(word: AlignedWord, source: str) -> Finding:
    """A link as an observation: the phrase and the part of the face that it met."""
    place = f" (matched at the {word.matched_region})"
    return Finding(
        modality="visual",
        span=word.aligned_span,
        text=clean(word.text)[: _LONGEST - len(place)].rstrip() + place,
        strength=word.share,
        confidence=word.confidence,
        source=source,
        cue=LOCATED + (word.cue or "prose"),
    )


def same_events(expressions: Sequence[Expression]) -> list[list[tuple[int, int]]]:
    """The words of all windows as (window, word) numbers, those of one event together, the most massive first.

    Windows overlap, so one movement is linked in several: one event is one phrase that met one part of the face at
    times that meet. Events are in order of the time of their first word.
    """
    return _grouped(
        (window, place, word) for window, each in enumerate(expressions) for place, word in enumerate(each.words)
    )


def _grouped(words: Iterable[tuple[int, int, AlignedWord]]) -> list[list[tuple[int, int]]]:
    events: list[list[tuple[int, int, AlignedWord]]] = []
    latest: dict[tuple[str, str], list[tuple[int, int, AlignedWord]]] = {}
    for window, place, word in words:
        key = (word.text, word.matched_region)
        event = latest.get(key)
        if event is None or (event[-1][2].aligned_span & word.aligned_span) is None:
            event = latest[key] = []
            events.append(event)
        event.append((window, place, word))
    return [[(w, p) for w, p, _ in sorted(event, key=lambda item: -item[2].share)] for event in events]
