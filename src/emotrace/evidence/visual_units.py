"""Action units that the face head reads, put into plain words with their times: what `visual.py`'s signals leave out.

A unit counts by how far it rises above this person's own rest, the lower third of all frames: a face that rests with
lowered brows is not angry. Which units are told, and from which rise on, was set on rendered faces whose units are
known [ours]; `docs/cards/face.md` says how well each is read. Units of the mouth are not told while the mouth talks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from emotrace.evidence.face_signals import LEAST_QUALITY, FaceSeries
from emotrace.evidence.observation import Finding
from emotrace.evidence.signals import ramp, runs, smooth, span_of
from emotrace.heads.face import UNITS
from emotrace.span import Span

SOURCE: Final = "face-units@1"
LEAST_ROWS: Final = 5
TALKING: Final = 0.08
"""[ours] Mean change of the mouth region, over a second, from which on it may be talking."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Units that belong to one cue."""

    cue: str
    units: tuple[str, ...]
    together: bool
    """Whether all must rise (the least counts), or any (the most counts)."""
    least: float
    """Rise, 0..1, from which on it is told."""
    words: str
    of_the_mouth: bool = False


MOVEMENTS: Final[tuple[Movement, ...]] = (
    Movement(
        cue="au01_04", units=("AU01", "AU04"), together=True, least=0.30, words="inner brows rise and draw together"
    ),
    Movement(cue="au01_02", units=("AU01", "AU02"), together=True, least=0.35, words="brows rise"),
    Movement(cue="au04", units=("AU04",), together=True, least=0.35, words="brows lower and draw together"),
    Movement(cue="au05", units=("AU05",), together=True, least=0.35, words="upper lids rise"),
    Movement(
        cue="au09_10", units=("AU09", "AU10"), together=False, least=0.22, words="nose wrinkles or upper lip rises"
    ),
    Movement(
        cue="au15", units=("AU15",), together=True, least=0.35, words="lip corners are pulled down", of_the_mouth=True
    ),
    Movement(cue="au17", units=("AU17",), together=True, least=0.30, words="chin boss rises", of_the_mouth=True),
    Movement(cue="au20", units=("AU20",), together=True, least=0.35, words="lips stretch sideways", of_the_mouth=True),
    Movement(
        cue="au23_24",
        units=("AU23", "AU24"),
        together=False,
        least=0.30,
        words="lips press together",
        of_the_mouth=True,
    ),
)
"""Least rises: in SynthDFER's 300 val clips (rendered) each is found in 56 to 95 % of those where it rises by 0.4 and
more, and in 0 to 4 % of those where it rises by 0.1 at most. AU07, AU14, AU16 are read too poorly to be told."""


def observe(series: FaceSeries, span: Span) -> list[Finding]:
    """The movements within a span, in order of time.

    Args:
        series: The whole clip of one person: rest is read from all of it.
        span: The stretch to look at.
    """
    rest, part = series.resting_units, series.slice(span)
    if rest is None or len(part) < LEAST_ROWS:
        return []
    found = [finding for movement in MOVEMENTS for finding in _of(movement, part, part.units.astype(np.float64) - rest)]
    return sorted(found, key=lambda finding: (finding.span, finding.text))


def _of(movement: Movement, part: FaceSeries, rise: Float64[np.ndarray, "time unit"]) -> list[Finding]:
    chosen = rise[:, [UNITS.index(unit) for unit in movement.units]]
    signal = smooth(chosen.min(axis=1) if movement.together else chosen.max(axis=1))
    usable = part.quality >= LEAST_QUALITY
    if movement.of_the_mouth:
        usable &= ~_talking(part)
    found = []
    for first, last in runs((signal > 0.6 * movement.least) & usable):
        top = float(signal[first : last + 1].max())
        if top < movement.least or last == first:
            continue
        apex = first + int(np.argmax(signal[first : last + 1]))
        when = span_of(part, first, last)
        units = "+".join(movement.units) if movement.together else "/".join(movement.units)
        quality = float(part.quality[first : last + 1].mean())
        found.append(
            Finding(
                modality="visual",
                span=when,
                text=f"{movement.words} ({units}) from {when.start_seconds:.1f} s, most at "
                f"{float(part.times_seconds[apex]):.1f} s, by {top:.2f} of the full range",
                strength=round(min(1.0, top), 2),
                confidence=round((0.35 + 0.25 * ramp(top / movement.least, 1.0, 2.0)) * quality, 2),
                source=SOURCE,
                cue=movement.cue,
            )
        )
    return found


def _talking(part: FaceSeries) -> Bool[np.ndarray, " time"]:
    """Where the mouth region keeps changing: its mean change over five frames."""
    change = np.nan_to_num(part.mouth_motion.astype(np.float64), nan=0.0)
    return np.convolve(np.pad(change, 2, mode="edge"), np.full(5, 0.2), mode="valid") >= TALKING
