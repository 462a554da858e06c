"""What GRACE adds to a sheet: its links as observations, its distribution as a reading.

A link says where and when words of the sheet met the picture. Those words were observed, and count, without it: so its
cue is none of the cue table, and no reasoner that weighs cues counts them twice. It names no emotion. The reading is
the model's opinion, and the only thing here that a verdict may weigh [ours].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float

from emotrace.evidence.observation import Finding, clean
from emotrace.grace.video.expression import AlignedWord, Expression, rounded_shares
from emotrace.span import Span

LOCATED = "located:"
"""Before the cue that a link located."""
READING = "reading:grace"
READING_TEXT = "what a trained model makes of the moving face"
_LONGEST = 120

LinkKind = Literal["words", "typical_words"]
Grid = tuple[Float[np.ndarray, " picture"], Float[np.ndarray, "picture label"]]
"""Times in seconds, and a distribution at each."""


@dataclass(frozen=True, kw_only=True)
class FaceReading:
    """What GRACE made of one person: all windows, and what any stretch of time gets of them."""

    expressions: tuple[Expression, ...]
    """In order of time."""
    trust: float
    """Confidence of the reading, 0..1."""

    def fusion(self, span: Span) -> None:
        """None: it looks at the face alone."""

    def findings(self, span: Span) -> list[Finding]:
        """The link of greatest lift of every event that meets `span`, and one reading of the pictures inside it."""
        links = [
            as_finding(met[0], self.expressions[0].source)
            for event in self._events
            if (met := [word for word in event if (word.aligned_span & span) is not None])
        ]
        reading = self._reading(span)
        return links if reading is None else [*links, reading]

    @cached_property
    def _events(self) -> tuple[tuple[AlignedWord, ...], ...]:
        return tuple(
            tuple(self.expressions[window].words[place] for window, place in event)
            for event in same_events(self.expressions)
        )

    def _reading(self, span: Span) -> Finding | None:
        """The mean distribution over the pictures inside."""
        times, shares = self._grid
        inside = (times >= span.start_seconds) & (times <= span.end_seconds)
        if not inside.any():
            return None
        first, mean = self.expressions[0], shares[inside].mean(axis=0)
        return Finding(
            modality="visual",
            span=Span(float(times[inside][0]), float(times[inside][-1])),
            text=READING_TEXT,
            strength=round(float(mean.max()), 3),
            confidence=self.trust,
            source=first.source,
            cue=READING,
            scores=rounded_shares(dict(zip(first.distribution, mean.tolist(), strict=True))),
            scheme=first.scheme,
        )

    @cached_property
    def _grid(self) -> Grid:
        return on_a_grid(self.expressions)


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


def on_a_grid(expressions: Sequence[Expression]) -> Grid:
    """When there was a picture, and the distribution then; of a picture that two windows share, the mean of both."""
    times = np.array(sorted({frame.time_seconds for each in expressions for frame in each.frames}), np.float64)
    total, count = np.zeros((len(times), len(expressions[0].distribution))), np.zeros((len(times), 1))
    for each in expressions:
        places = np.searchsorted(times, [frame.time_seconds for frame in each.frames])
        total[places] += list(each.distribution.values())
        count[places] += 1.0
    return times, total / count


def mean_shares(expressions: Sequence[Expression]) -> dict[str, float]:
    """The mean distribution over all pictures."""
    _, shares = on_a_grid(expressions)
    return rounded_shares(dict(zip(expressions[0].distribution, shares.mean(axis=0).tolist(), strict=True)))


def same_events(expressions: Sequence[Expression], kind: LinkKind = "words") -> list[list[tuple[int, int]]]:
    """The words of all windows as (window, word) numbers, those of one event together, the highest lift first.

    Windows overlap, and a movement may last: one event is one phrase whose links follow each other without a gap.
    Events are in order of their first window.
    """
    events: list[list[tuple[int, int, AlignedWord]]] = []
    latest: dict[str, list[tuple[int, int, AlignedWord]]] = {}
    for window, each in enumerate(expressions):
        words: tuple[AlignedWord, ...] = getattr(each, kind)
        for place, word in enumerate(words):
            event = latest.get(word.text)
            if event is None or not _follow(expressions[event[-1][0]], each):
                event = latest[word.text] = []
                events.append(event)
            event.append((window, place, word))
    return [[(w, p) for w, p, _ in sorted(event, key=lambda item: -item[2].lift)] for event in events]


def _follow(earlier: Expression, later: Expression) -> bool:
    """Whether two windows share time."""
    return (earlier.span & later.span) is not None
