"""The embedded visual observer: `FaceSeries` -> `Finding`s, measured movements put into plain words.

Each finding could be checked by looking at the clip. Thresholds are [ours]; `docs/cards/smile.md` gives those of the
smile. They are set well beyond what talking and the measurement's own noise do: on rendered faces without brow action
99 % of the measured brow movements were below 0.045 eye distances, and talking moved the chin by less than 0.2 in 99 %
of frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from emotrace.evidence.face_signals import FaceSeries
from emotrace.evidence.observation import Finding
from emotrace.evidence.signals import Column, ramp, runs, smooth, span_of
from emotrace.media.faces import EYE_DISTANCE
from emotrace.span import Span

SOURCE: Final = "visual@1"

SMILE_LOGIT: Final = 2.2
"""A raised mouth has at least this log odds (probability 0.9) at its most."""
SMILE_RISE: Final = 3.0
"""... and this much more than the person's own lower fifth, or it is how this person's mouth is shaped."""
BROW_RISE: Final = 0.08
BROW_GATHER: Final = 0.05
CHIN_DROP: Final = 0.10
MOUTH_DARK: Final = 0.40
TILT_DEGREES: Final = 12.0
NEARER: Final = 1.2
STILL_SECONDS: Final = 2.0
STILL_RANGE: Final = 0.12
STILL_HEAD: Final = 0.5
_LEAST_ROWS: Final = 5


def observe(series: FaceSeries, span: Span) -> list[Finding]:
    """What the face does within the span, in order of time.

    Args:
        series: The whole clip of one person: rest is read from all of it.
        span: The stretch to look at.

    Returns:
        Findings inside the span; none when the face is not in it. One frame, as of a photograph, gives what needs
        no movement: whether the mouth's corners are raised, and a tilt.
    """
    part = series.slice(span)
    if not len(part):
        return []
    quality = reliability(series, span)
    smiles = _smiles(series, part, quality)
    found = [*smiles, *_tilt(series, part, quality)]
    if len(part) >= _LEAST_ROWS:
        found += [*_brows(part, quality), *_mouth_opening(series, part, quality), *_nearer(series, part, quality)]
        found += _stillness(part, quality) if not any(f.cue is not None for f in found) else []
        found += _head_movement(part, quality)
    return sorted(found, key=lambda finding: (finding.span, finding.text))


def reliability(series: FaceSeries, span: Span) -> float:
    """How far the picture of the face can be trusted in the span, 0..1; 0 where the face is not in it.

    The product of: face size (full from a square of 80 pixels on), sharpness, light, share of frames
    in which a detector saw the face, and number of frames (a single one counts 0.6). [ours]
    """
    part = series.slice(span)
    if not len(part):
        return 0.0
    size = ramp(float(np.median(part.side)), 24.0, 80.0)
    sharp = ramp(float(np.median(part.sharpness)), 0.03, 0.12)
    bright = float(np.median(part.brightness))
    light = min(ramp(bright, 0.04, 0.18), ramp(1.0 - bright, 0.03, 0.15))
    seen = ramp(float(part.detected.mean()), 0.0, 0.25)
    enough = 0.6 + 0.4 * ramp(float(len(part)), 1.0, 5.0)
    return round((0.3 + 0.7 * size) * (0.4 + 0.6 * sharp) * (0.3 + 0.7 * light) * (0.4 + 0.6 * seen) * enough, 4)


def mouth_activity(series: FaceSeries) -> tuple[Float64[np.ndarray, " time"], Float32[np.ndarray, " time"]]:
    """Times in seconds, and how much the mouth region changed since the frame before (nan where unknown).

    The change that cheeks and nose show too, the head's and the light's, is taken off. In units of the face's
    contrast; lips at rest give about 0.03, speech 0.1 to 0.5.
    """
    return series.times_seconds, series.mouth_motion


def _log_odds(probability: Float32[np.ndarray, " time"]) -> Float64[np.ndarray, " time"]:
    p = np.clip(probability.astype(np.float64), 1e-6, 1.0 - 1e-6)
    return np.log(p / (1.0 - p))


def _finding(span: Span, text: str, *, strength: float, confidence: float, cue: str | None) -> Finding:
    return Finding(
        modality="visual",
        span=span,
        text=text,
        strength=round(min(1.0, max(0.0, strength)), 2),
        confidence=round(min(0.95, max(0.05, confidence)), 2),
        source=SOURCE,
        cue=cue,
    )


def _smiles(series: FaceSeries, part: FaceSeries, quality: float) -> list[Finding]:
    """Raised lip corners: stretches of high smile log odds, and what the eye region does meanwhile."""
    whole, mouth = smooth(_log_odds(series.smile)), smooth(_log_odds(part.smile))
    eyes = smooth(_log_odds(part.smiling_eyes))
    rest = float(np.percentile(whole, 20.0))
    calm = smooth(_log_odds(series.smiling_eyes))[whole < rest + 0.5 * SMILE_RISE]
    found = []
    brief = len(series) < _LEAST_ROWS
    usual = brief or float(np.median(whole)) >= SMILE_LOGIT
    for first, last in runs(mouth > 0.5 * SMILE_LOGIT):
        apex = first + int(np.argmax(mouth[first : last + 1]))
        top, rise = float(mouth[apex]), float(mouth[apex]) - rest
        rises = rise >= SMILE_RISE and not brief
        if top < (0.6 if brief else 1.0) * SMILE_LOGIT or not (rises or usual):
            continue
        # A rise against the person's own rest says more than a shape, which may be how this mouth is made.
        certainty = 0.65 + 0.03 * min(6.0, rise) if rises else 0.45 + 0.05 * min(4.0, top)
        certainty *= 0.75 + 0.25 * ramp(float(last - first), 0.0, 4.0)
        level = float(np.median(eyes[first : last + 1]))
        change = level - float(np.median(calm)) if rises and len(calm) >= 3 else None
        cue, words, sure = _eye_region(change, level)
        found.append(
            _finding(
                span_of(part, first, last),
                f"{_course(part, first, apex, last, rises)} {words}",
                strength=(top - 1.0) / 6.0,  # saturates with a broad, open smile [ours]
                confidence=certainty * sure * quality,
                cue=cue,
            )
        )
    return found


def _course(part: FaceSeries, first: int, apex: int, last: int, rises: bool) -> str:
    if first == last:
        return "lip corners are raised"
    start, top, end = (float(part.times_seconds[i]) for i in (first, apex, last))
    if not rises:
        return f"lip corners are raised from {start:.1f} to {end:.1f} s"
    return f"lip corners rise from {start:.1f} s, most at {top:.1f} s, until {end:.1f} s"


def _eye_region(rise: float | None, level: float) -> tuple[str, str, float]:
    """Cue, words and certainty for the eyes of a smile: how they changed or, where unknown, what they are like."""
    if rise is not None:
        if rise >= 1.0:
            return "au06_12", "while eye region and upper cheeks change with them", 0.9 + 0.1 * ramp(rise, 1.0, 3.0)
        if rise <= 0.4:
            return "au12_alone", "while eye region and upper cheeks stay still", 0.9
    if level >= 0.0:
        return "au06_12", "and eye region and upper cheeks look narrowed", 0.6 + 0.2 * ramp(level, 0.0, 2.0)
    return "au12_alone", "and eye region and upper cheeks do not look narrowed", 0.6 + 0.2 * ramp(-level, 0.0, 2.0)


def _brows(part: FaceSeries, quality: float) -> list[Finding]:
    """Brows up (AU1+2), or together and down (AU4), against the person's own rest."""
    found = []
    rise, inner = smooth(part.brow_rise), smooth(part.inner_brow_rise)
    gather = smooth(part.brow_gather)
    up = np.nan_to_num(np.minimum(rise, inner / 0.75), nan=0.0)
    together = np.where(np.nan_to_num(rise, nan=1.0) < -0.25 * BROW_GATHER, np.nan_to_num(gather, nan=0.0), 0.0)
    for signal, least, cue, words in (
        (up, BROW_RISE, "au01_02", "brows move up"),
        (together, BROW_GATHER, "au04", "brows move together and down"),
    ):
        for first, last in runs(signal > 0.5 * least):
            apex = first + int(np.argmax(signal[first : last + 1]))
            top = float(signal[apex])
            if top < least or last == first:
                continue
            start, most = float(part.times_seconds[first]), float(part.times_seconds[apex])
            fit = ramp(float(np.median(part.fit[first : last + 1])), 0.6, 0.95)
            found.append(
                _finding(
                    span_of(part, first, last),
                    f"{words} from {start:.1f} s, most at {most:.1f} s, by {top:.2f} eye distances",
                    strength=top / (3.0 * least),
                    confidence=(0.45 + 0.35 * ramp(top / least, 1.0, 2.0)) * (0.5 + 0.5 * fit) * quality,
                    cue=cue,
                )
            )
    return found


def _mouth_opening(series: FaceSeries, part: FaceSeries, quality: float) -> list[Finding]:
    """A jaw far lower, and a mouth far darker inside, than this person's speech shows."""
    found = []
    dark, drop = (np.nan_to_num(smooth(column), nan=0.0) for column in (part.mouth_dark, part.chin_drop))
    shut = np.nan_to_num(series.mouth_dark, nan=0.0), np.nan_to_num(series.chin_drop, nan=0.0)
    dark, drop = dark - np.percentile(shut[0], 20.0), drop - np.percentile(shut[1], 20.0)
    for first, last in runs((dark > 0.6 * MOUTH_DARK) & (drop > 0.6 * CHIN_DROP)):
        apex = first + int(np.argmax(dark[first : last + 1]))
        if dark[apex] < MOUTH_DARK or drop[first : last + 1].max() < CHIN_DROP:
            continue
        most = float(part.times_seconds[apex])
        found.append(
            _finding(
                span_of(part, first, last),
                f"mouth opens wide at {most:.1f} s, the jaw drops",
                strength=float(dark[apex]),
                confidence=(0.5 + 0.3 * ramp(float(dark[apex]), MOUTH_DARK, 0.8)) * quality,
                cue="au26",
            )
        )
    return found


def _tilt(series: FaceSeries, part: FaceSeries, quality: float) -> list[Finding]:
    """A head on one side. Where it is so for most of the clip, the camera may be tilted: told, but no cue."""
    found = []
    tilted = np.abs(series.roll_degrees) > TILT_DEGREES
    usual = len(series) >= _LEAST_ROWS and float(tilted.mean()) > 0.5
    cue, verb = (None, "line of the eyes slopes") if usual else ("head_tilt", "head tilts")
    roll = smooth(part.roll_degrees)
    for first, last in runs(np.abs(roll) > TILT_DEGREES):
        lasting = float(part.times_seconds[last] - part.times_seconds[first])
        if lasting < 0.6 and len(part) > 1:
            continue
        degrees = float(np.median(roll[first : last + 1]))
        side = "right" if degrees > 0 else "left"
        found.append(
            _finding(
                span_of(part, first, last),
                f"{verb} by {abs(degrees):.0f} degrees to the {side} of the picture",
                strength=(abs(degrees) - 5.0) / 25.0,
                confidence=(0.6 + 0.3 * ramp(abs(degrees), TILT_DEGREES, 25.0)) * quality,
                cue=cue,
            )
        )
    return found


def _nearer(series: FaceSeries, part: FaceSeries, quality: float) -> list[Finding]:
    """The face grows within one stretch of following, so that no cut lies between. A zoom looks the same."""
    found = []
    for number in np.unique(part.stretch):
        rows = np.flatnonzero(part.stretch == number)
        usual = float(np.median(series.side[series.stretch == number]))
        size = smooth(part.side[rows])
        for first, last in runs(size > NEARER * usual):
            if last - first + 1 < _LEAST_ROWS:
                continue
            growth = float(np.median(size[first : last + 1])) / usual
            span = span_of(part, int(rows[first]), int(rows[last]))
            text = f"face comes nearer from {span.start_seconds:.1f} s, {100 * (growth - 1):.0f} % larger than usual"
            found.append(_finding(span, text, strength=growth - 1.0, confidence=0.5 * quality, cue="lean_in"))
    return found


def _spread(values: Column) -> float:
    """Distance between the 5th and the 95th percentile; infinite where nothing is known."""
    known = values[np.isfinite(values)]
    return float(np.subtract(*np.percentile(known, [95.0, 5.0]))) if len(known) >= _LEAST_ROWS else float("inf")


def _head_path(part: FaceSeries) -> Float64[np.ndarray, " step"]:
    """Head movement from frame to frame, eye distances per second, cuts left out."""
    eyes = EYE_DISTANCE * float(np.median(part.side))
    step = np.hypot(np.diff(smooth(part.x)), np.diff(smooth(part.y))) / eyes
    seconds = np.maximum(np.diff(part.times_seconds), 1e-3)
    return np.asarray((step / seconds)[(np.diff(part.stretch) == 0) & (seconds < 1.0)], np.float64)


def _stillness(part: FaceSeries, quality: float) -> list[Finding]:
    """Brows, cheeks and lip corners that measurably keep their place; lips and jaw may talk."""
    steps = np.diff(part.times_seconds)
    lasting = float(steps[steps < max(1.0, 3.0 * float(np.median(steps)))].sum())  # while the face is on screen
    moving = [_spread(smooth(c)) for c in (part.brow_rise, part.brow_gather, part.cheek_rise, part.lip_corner_rise)]
    mouth = _spread(smooth(_log_odds(part.smile)))
    if lasting < STILL_SECONDS or max(moving) > STILL_RANGE or mouth > SMILE_RISE + 1.0:
        return []
    most = max(moving)
    path = _head_path(part)
    head = "head moves little and " if len(path) and float(np.median(path)) < 0.5 * STILL_HEAD else ""
    return [
        _finding(
            span_of(part, 0, len(part) - 1),
            f"{head}brows, cheeks and lip corners stay still for {lasting:.1f} s",
            strength=1.0 - most / STILL_RANGE,
            confidence=(0.5 + 0.35 * ramp(STILL_RANGE - most, 0.0, 0.08)) * quality,
            cue="still_face",
        )
    ]


def _head_movement(part: FaceSeries, quality: float) -> list[Finding]:
    path = _head_path(part)
    if len(path) < _LEAST_ROWS or (speed := float(np.mean(path))) < STILL_HEAD:
        return []
    text = f"head moves about, {speed:.1f} eye distances per second on average"
    return [_finding(span_of(part, 0, len(part) - 1), text, strength=speed / 3.0, confidence=0.85 * quality, cue=None)]
