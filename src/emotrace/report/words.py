"""The fixed sentences of a report: times, reasons and numbers put into plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emotrace.evidence.observation import MissingReason, Modality
from emotrace.hydra.verify import Verification
from emotrace.labels.affects import AFFECT_NAMES
from emotrace.results import Analysis, Person, Segment, Verdict
from emotrace.span import Span

MODALITY_NAMES: dict[Modality, str] = {"visual": "face", "vocal": "voice", "verbal": "words", "joint": "joint"}
SEGMENT_KINDS = {"utterance": "utterance", "speech": "speech turn", "window": "window", "whole": "whole clip"}

_MISSING: dict[tuple[Modality, MissingReason], str] = {
    ("visual", "not_recorded"): "the file has no picture",
    ("visual", "not_found"): "no face was found",
    ("vocal", "not_recorded"): "the file has no sound",
    ("vocal", "not_found"): "no speech was heard",
    ("verbal", "not_recorded"): "there is no transcript",
    ("verbal", "not_found"): "the transcript has no words here",
}
_BASES = {
    "none": "not calibrated: larger is surer, but it is not a probability",
    "simulated": "calibrated on simulated clips, not on people",
}
_DISAGREEMENT = (
    (0.25, "agree"),
    (0.5, "differ a little"),
    (0.75, "disagree in part"),
    (1.01, "point to different emotions"),
)
_SHOWN_SHARES = 8
_SMALLEST_SHARE = 0.01


def clock(seconds: float) -> str:
    """A time as people write it.

    >>> clock(3.24), clock(83.2)
    ('3.2', '1:23.2')
    """
    tenths = round(seconds * 10)
    if tenths < 600:
        return f"{tenths / 10:.1f}"
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest / 10:04.1f}"


def period(span: Span) -> str:
    """When something was.

    >>> period(Span(1.2, 2.0)), period(Span(0.0, 0.0)), period(Span(59.0, 61.5))
    ('1.2–2.0 s', '0.0 s', '59.0–1:01.5')
    """
    start, end = clock(span.start_seconds), clock(span.end_seconds)
    text = start if start == end else f"{start}–{end}"
    return text if ":" in text else f"{text} s"


def periods(spans: Sequence[Span]) -> str:
    """The first stretches of time, and how many more there are."""
    shown = ", ".join(period(span) for span in spans[:3])
    return shown if len(spans) <= 3 else f"{shown} and {len(spans) - 3} more"


def missing_reason(modality: Modality, reason: MissingReason) -> str:
    """Why a modality is absent."""
    return _MISSING.get(
        (modality, reason), "switched off by an option" if reason == "switched_off" else "not available"
    )


def basis(confidence_basis: str) -> str:
    """What a confidence was calibrated on."""
    if confidence_basis.startswith("fitted:"):
        return f"calibrated on labelled clips ({confidence_basis.removeprefix('fitted:')})"
    return _BASES.get(confidence_basis, f"calibrated on {confidence_basis}")


def shares(distribution: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """The likeliest affects, likeliest first, then what is left over as one row."""
    order = {name: place for place, name in enumerate(AFFECT_NAMES)}
    ranked = sorted(distribution.items(), key=lambda row: (-row[1], order.get(row[0], len(order)), row[0]))
    shown = [row for row in ranked[:_SHOWN_SHARES] if row[1] >= _SMALLEST_SHARE]
    rest = sum(share for _, share in ranked[len(shown) :])
    if len(shown) < len(ranked):
        shown.append((f"{len(ranked) - len(shown)} others together", rest))
    return tuple(shown)


def conflict(verdict: Verdict) -> str:
    """How far face, voice and words disagree, as a sentence."""
    alone = [
        f"{'the ' if modality != 'joint' else ''}{MODALITY_NAMES[modality]} as {' and '.join(affects)}"
        for modality, affects in verdict.modality_readings.items()
        if affects
    ]
    if verdict.conflict is None:
        return "Fewer than two of face, voice and words give a reading, so they cannot be compared."
    degree = next(word for limit, word in _DISAGREEMENT if verdict.conflict < limit)
    parts = f" Read alone: {'; '.join(alone)}." if alone else ""
    return f"Face, voice and words {degree}.{parts}"


def unexplained_by_all(verifications: Sequence[Verification]) -> tuple[str, ...]:
    """Ids of the observations that no reading explains, in the sheet's order."""
    if not verifications:
        return ()
    shared = set(verifications[0].unexplained).intersection(*(v.unexplained for v in verifications[1:]))
    return tuple(id for id in verifications[0].marks if id in shared)


def presence(person: Person) -> str:
    """When a person is on screen, and whether they are heard."""
    seen = f"on screen {periods(person.presence)}" if person.presence else "not seen"
    return f"{seen}; {'heard' if person.heard else 'not heard'}"


def available(analysis: Analysis) -> tuple[tuple[Modality, str | None], ...]:
    """Face, voice and words, each with the reason why it is absent, or None."""
    modalities: tuple[Modality, ...] = ("visual", "vocal", "verbal")
    return tuple((m, missing_reason(m, analysis.missing[m]) if m in analysis.missing else None) for m in modalities)


def short_verdict(segment: Segment) -> str:
    """The labels of a segment in one line; a dash where it abstains."""
    return ", ".join(label.word for label in segment.verdict.labels) or "—"


def quoted(quote: str, text: str) -> str:
    """A quotation from an observation, with an ellipsis where the observation goes on.

    >>> quoted("lip corners rise", "lip corners rise from 1.2 s")
    'lip corners rise …'
    """
    return f"{quote} …" if quote and not text.endswith(quote) else quote
