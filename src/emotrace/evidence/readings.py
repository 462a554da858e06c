"""What the trained heads make of face, voice and words, as readings on a sheet: opinions, never verdicts.

A reading is a distribution over a head's own labels, with the head as its source. How much it may say is limited three
times: here by its confidence [ours], below; in the reasoner by what the same distribution says of the average case
(`hydra/fitted.py`) and by a share and a limit in nats (`hydra/scoring.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from emotrace.evidence.face_signals import LEAST_QUALITY, FaceSeries
from emotrace.evidence.observation import Finding, Modality, clean
from emotrace.evidence.verbal import language_of
from emotrace.heads.face import EXPRESSIONS, UNITS, expression_odds
from emotrace.heads.voice import EMOTIONS as VOICE_EMOTIONS
from emotrace.heads.voice import UsualVoice, VoiceHead, voice_windows
from emotrace.heads.words import EMOTIONS as WORD_EMOTIONS
from emotrace.heads.words import WordsHead
from emotrace.media.transcript import Utterance
from emotrace.span import Span

FACE, VOICE, WORDS = "face-head@1", "voice-head@1", "words-head@1"
LABELS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    FACE: ("basic-7", EXPRESSIONS),
    VOICE: ("emodb", VOICE_EMOTIONS),
    WORDS: ("goemotions", WORD_EMOTIONS),
}
"""Source -> its label scheme, and its labels in the head's own order."""
FACE_CONFIDENCE: Final = 0.6
"""Of a good picture. [ours]: fitted on rendered faces and portraits, see docs/cards/face.md."""
VOICE_CONFIDENCE: Final = 0.3
"""[ours] Eight German actors are no sample of the world, see docs/cards/voice.md."""
WORDS_CONFIDENCE: Final = 0.6
"""[ours] Learned from comments that were read, not heard, see docs/cards/text.md."""
LEAST_KNOWN: Final = 0.5
"""[ours] Utterances of which the head knows a smaller share of the words are not read."""
READ_BY_LEVEL: Final = ("AU06", "AU12", "AU25", "AU26", "AU45")
"""[ours] Units whose level tells on people never seen, as portraits showed. All others are read by their rise above the
person's own rest: a face that rests with high brows is not startled."""
LARGEST_DISTRIBUTION = 3
"""How many labels a reading names in its text; `scores` has them all."""
MARKED_AROUSAL: Final = 0.35
"""[ours] Arousal, -1..1, from which on it is put into words, if it stands out from its own uncertainty."""
WORDS_SHOWN = 2


@cache
def voice_head() -> VoiceHead:
    """The shipped head, opened once."""
    return VoiceHead()


@cache
def words_head() -> WordsHead:
    """The shipped head, opened once."""
    return WordsHead()


def of_face(series: FaceSeries, span: Span) -> list[Finding]:
    """The expressions that the face's action units speak for in a span; none where no crop is good enough."""
    part = series.slice(span)
    good = part.quality >= LEAST_QUALITY
    if not good.any():
        return []
    units = part.units[good] - _rest(series)
    odds = np.average(expression_odds(units), axis=0, weights=part.quality[good])
    seen = Span(float(part.times_seconds[good][0]), float(part.times_seconds[good][-1]))
    confidence = FACE_CONFIDENCE * float(part.quality[good].mean()) * float(good.mean())
    return [reading("visual", FACE, odds, seen.rounded(2) & span or span, confidence=confidence)]


def _rest(series: FaceSeries) -> Float32[np.ndarray, " unit"]:
    """The person's own resting share of each unit, which says nothing.

    0 for units that are read by their level, and where there are too few frames to know what rest is.
    """
    if series.resting_units is None:
        return np.zeros(len(UNITS), np.float32)
    rest = series.resting_units.copy()
    rest[[UNITS.index(unit) for unit in READ_BY_LEVEL]] = 0.0
    return rest


def of_voice(
    features: Float32[np.ndarray, "frame feature"],
    span: Span,
    *,
    speech: Sequence[Span],
    usual: UsualVoice | None = None,
) -> list[Finding]:
    """How the speech in a span sounds: a distribution, and how activated it is where that is marked.

    Args:
        features: Of the whole sound, as `VoiceFeatureMeter` made them.
        span: The stretch.
        speech: All turns of this speaker; those in the span are read.
        usual: How the speaker sounds on average; by default from `speech`.
    """
    spoken = [shared for turn in speech if (shared := turn & span) is not None]
    heard = voice_head().read(features, voice_windows(spoken), reference=usual or speech)
    if not heard.spans:
        return []
    seconds = np.array([window.duration_seconds for window in heard.spans])
    extent = Span(heard.spans[0].start_seconds, heard.spans[-1].end_seconds).rounded(2) & span or span
    odds = np.average(heard.emotions, axis=0, weights=seconds)
    confidence = VOICE_CONFIDENCE * min(1.0, float(seconds.sum()) / 3.0)
    findings = [reading("vocal", VOICE, odds, extent, confidence=confidence, after="; weak beyond acted speech")]
    arousal = float(np.average(heard.arousal, weights=seconds))
    doubt = float(np.average(heard.arousal_sd, weights=seconds))
    if abs(arousal) >= max(MARKED_AROUSAL, doubt):
        how = "activated" if arousal > 0 else "subdued"
        text = f"voice sounds {how}: {arousal:+.1f} between subdued -1 and activated +1, give or take {doubt:.1f}"
        findings.append(
            Finding(
                modality="vocal",
                span=extent,
                text=text,
                strength=min(1.0, abs(arousal)),
                confidence=round(confidence, 2),
                source=VOICE,
            )
        )
    return findings


def of_words(utterances: Sequence[Utterance], span: Span) -> list[Finding]:
    """What readers would see in the English utterances of a span together, and the words that carry it most."""
    english = [u for u in utterances if language_of(u.text) == "en"]
    read = words_head().read([u.text for u in english])
    rows = np.flatnonzero((read.known >= LEAST_KNOWN) & (read.probabilities.sum(axis=1) > 0.0))
    if not len(rows):
        return []
    weights = np.array([len(english[row].text) for row in rows], np.float64) * read.known[rows]
    odds = np.average(read.probabilities[rows], axis=0, weights=weights)
    best = int(odds.argmax())
    carrier = english[int(rows[read.probabilities[rows, best].argmax()])]
    carried = "" if WORD_EMOTIONS[best] == "neutral" else _carried(carrier.text, WORD_EMOTIONS[best])
    spans = [english[row].span for row in rows]
    said = Span(min(s.start_seconds for s in spans), max(s.end_seconds for s in spans)) & span or span
    confidence = WORDS_CONFIDENCE * float(np.average(read.known[rows], weights=weights))
    return [reading("verbal", WORDS, odds, said, confidence=confidence, after=carried)]


def _carried(text: str, emotion: str) -> str:
    """The words that speak most for an emotion, quoted."""
    most = [part for part in words_head().contributions(text, emotion) if part.log_odds > 0.0][:WORDS_SHOWN]
    words = [clean(text[part.start : part.end]).replace("'", "’") for part in sorted(most, key=lambda p: p.start)]
    return f"; most by {', '.join(repr(word) for word in words)}" if words else ""


def reading(
    modality: Modality,
    source: str,
    odds: Float32[np.ndarray, " label"] | Float64[np.ndarray, " label"],
    span: Span,
    *,
    confidence: float,
    after: str = "",
) -> Finding:
    """A head's distribution as a finding.

    Args:
        modality: Of what the head reads.
        source: The head: `FACE`, `VOICE` or `WORDS`.
        odds: In the order of the head's labels; scaled to sum to 1.
        span: The stretch that was read.
        confidence: 0..1.
        after: What is said after the largest three, if it fits.
    """
    scheme, labels = LABELS[source]
    shares = np.asarray(odds, np.float64) / float(np.sum(odds))
    scores = {label: round(float(share), 4) for label, share in zip(labels, shares, strict=True)}
    largest = sorted(scores, key=lambda label: -scores[label])[:LARGEST_DISTRIBUTION]
    named = ", ".join(f"{label} {scores[label]:.2f}" for label in largest)
    what = {"visual": "face", "vocal": "voice", "verbal": "words"}[modality]
    text = f"trained head on the {what}: {named}"
    return Finding(
        modality=modality,
        span=span,
        text=text + (after if len(text + after) <= 120 else ""),
        strength=1.0,
        confidence=round(confidence, 2),
        source=source,
        scores=scores,
        scheme=scheme,
    )
