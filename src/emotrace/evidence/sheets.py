"""What was measured of a clip, and the sheet that any person and stretch of it gives.

The clip is read once, streamed. `Witness` keeps only the compact series that the meters made of it; a sheet for any
stretch of time is then made without opening the file again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from emotrace.evidence import readings, verbal, visual, visual_units, vocal
from emotrace.evidence.face_signals import FaceSeries
from emotrace.evidence.observation import EvidenceSheet, Finding, MissingReason, Modality
from emotrace.evidence.voice_series import VoiceSeries
from emotrace.heads.voice import UsualVoice
from emotrace.media.tracking import FaceTrack
from emotrace.media.transcript import Sound, Utterance
from emotrace.span import Span


@dataclass(frozen=True, kw_only=True)
class HeardVoice:
    """What the voice head needs of the sound to read one person's voice."""

    features: Float32[np.ndarray, "frame feature"]
    speech: tuple[Span, ...]
    """When this person speaks, by ear: the turns within `Witness.speaking`."""
    usual: UsualVoice


@dataclass(frozen=True, kw_only=True)
class Witness:
    """One person of the clip: what was measured of the face, and which stretches of voice and words are theirs."""

    id: str
    track: FaceTrack | None = None
    face: FaceSeries | None = None
    voice: VoiceSeries | None = None
    heard: HeardVoice | None = None
    """The same sound for the voice head."""
    baseline: vocal.Baseline | None = None
    speaking: tuple[Span, ...] = ()
    """The stretches of the clip whose voice and words are this person's."""
    utterances: tuple[Utterance, ...] = ()
    sounds: tuple[Sound, ...] = ()
    """Sounds that the captions describe, such as laughter, in this person's stretches."""

    @property
    def presence(self) -> tuple[Span, ...]:
        """When the face was on screen."""
        return () if self.track is None else self.track.presence

    def speaks_in(self, span: Span) -> bool:
        """Whether voice or words of this stretch are this person's."""
        return any(span.overlap_seconds(own) > 0.0 or own == span for own in self.speaking)

    def is_in(self, span: Span) -> bool:
        """Whether there is anything of this person in the stretch."""
        return self.seen_in(span) or self.speaks_in(span)

    @property
    def evidence_seconds(self) -> float:
        """Seconds on screen plus seconds of speaking: how much of the clip is about this person."""
        return sum(span.duration_seconds for span in (*self.presence, *self.speaking))

    def seen_in(self, span: Span) -> bool:
        """Whether the face is on screen in this stretch."""
        return any((own & span) is not None for own in self.presence)


def sheet_of(
    witness: Witness, span: Span, *, clip_id: str, absent: Mapping[Modality, MissingReason], heads: bool = True
) -> EvidenceSheet:
    """The evidence about one person in one stretch of time.

    Args:
        witness: The person.
        span: The stretch, in seconds.
        clip_id: SHA-256 of the clip.
        absent: Modalities that the whole clip lacks. One that the clip has, but not for this person in this
            stretch, is `not_found`.
        heads: Whether the trained heads have a say: their readings, and the action units of the face head.
    """
    findings: list[Finding] = []
    missing: dict[Modality, MissingReason] = dict(absent)
    reliability: dict[Modality, float] = {}
    if witness.face is not None and witness.seen_in(span):
        findings += visual.observe(witness.face, span)
        if heads:
            findings += visual_units.observe(witness.face, span) + readings.of_face(witness.face, span)
        reliability["visual"] = visual.reliability(witness.face, span)
    else:
        missing.setdefault("visual", "not_found")
    utterances = [u for u in witness.utterances if u.span in span]
    captions = verbal.heard(witness.sounds, span)
    if witness.voice is not None and witness.speaks_in(span):
        findings += _heard(witness, witness.voice, span)
        if heads and (heard := witness.heard) is not None:
            findings += readings.of_voice(heard.features, span, speech=heard.speech, usual=heard.usual)
        reliability["vocal"] = vocal.reliability(witness.voice, span)
    elif not captions:
        missing.setdefault("vocal", "not_found")
    findings += captions
    if utterances:
        findings += verbal.observe(utterances, span) + (readings.of_words(utterances, span) if heads else [])
        reliability["verbal"] = verbal.reliability(utterances)
    else:
        missing.setdefault("verbal", "not_found")
    return EvidenceSheet.of(
        findings,
        clip_id=clip_id,
        person=witness.id,
        span=span,
        missing=missing,
        reliability={modality: round(share, 2) for modality, share in reliability.items()},
    )


def _heard(witness: Witness, voice: VoiceSeries, span: Span) -> list[Finding]:
    """What the voice does in this person's own stretches: silence between two of them is no pause of the speaker."""
    findings: list[Finding] = []
    for own in witness.speaking:
        shared = own & span
        if shared is not None and shared.duration_seconds > 0.0:
            words = [word for u in witness.utterances if u.span in shared for word in u.words]
            findings += vocal.observe(voice, shared, baseline=witness.baseline, words=words)
    return findings
