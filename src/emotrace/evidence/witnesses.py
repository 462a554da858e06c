"""Who is in the clip: faces are watched, the sound is heard, and voice and words are given to whom they belong.

Both streams are read once, block by block; what stays in memory are the compact series of the meters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
from jaxtyping import Float32

from emotrace.evidence.face_signals import FaceMeter, FaceSeries
from emotrace.evidence.segments import Stretch
from emotrace.evidence.sheets import HeardVoice, Witness
from emotrace.evidence.speaker import attribute
from emotrace.evidence.visual import mouth_activity
from emotrace.evidence.vocal import baseline
from emotrace.evidence.voice_series import VoiceSeries
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.heads.voice import usual_voice
from emotrace.heads.voice_features import VoiceFeatureMeter
from emotrace.media.audio import Waveform
from emotrace.media.faces import FaceDetector
from emotrace.media.tracking import FaceTrack, FaceTracker, TimedFrame
from emotrace.media.transcript import Transcript, Utterance
from emotrace.progress import Watch
from emotrace.span import Span

VOICE = "voice"
"""The id of someone who is heard, but whom no visible face could be given."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """The sound of the clip, as measured every 10 ms and as the voice head hears it."""

    series: VoiceSeries
    features: Float32[np.ndarray, "frame feature"]
    """See `heads/voice_features.py`."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """One person's face through the clip: where it was, and what was measured of it."""

    track: FaceTrack
    series: FaceSeries


def watch_and_hear(
    frames: Iterable[TimedFrame] | None,
    sound: Iterable[Waveform] | None,
    detector: FaceDetector,
    *,
    total_seconds: float,
    watch: Watch,
) -> tuple[tuple[Face, ...], Voice | None]:
    """Reads the picture and the sound side by side, each once; an absent one gives no faces, or None."""
    done = Event()
    with ThreadPoolExecutor(max_workers=1) as listener:
        voice = listener.submit(hear_voice, sound, total_seconds=total_seconds, watch=watch, unless=done)
        try:
            return watch_faces(frames, detector, total_seconds=total_seconds, watch=watch), voice.result()
        finally:
            done.set()  # an error, or Ctrl-C, need not wait for the rest of the sound


def watch_faces(
    frames: Iterable[TimedFrame] | None, detector: FaceDetector, *, total_seconds: float, watch: Watch
) -> tuple[Face, ...]:
    """Detects, follows and measures every face of the clip, in order of first appearance.

    The next picture is decoded while the last one is looked at; two are in memory at a time.
    """
    if frames is None:
        return ()
    tracker, meter = FaceTracker(detector, still=total_seconds == 0.0), FaceMeter()
    pictures = iter(frames)
    with ThreadPoolExecutor(max_workers=1) as decoder:
        upcoming = decoder.submit(next, pictures, None)
        while True:
            with watch.stage("wait for picture"):
                frame = upcoming.result()
            if frame is None:
                break
            upcoming = decoder.submit(next, pictures, None)
            with watch.stage("find faces"):
                faces = tracker.update(frame)
            with watch.stage("measure faces"):
                meter.feed(faces)
            watch.progress("watching", frame.time_seconds, total_seconds)
    with watch.stage("find faces"):
        tracks = tracker.finish()
    with watch.stage("measure faces"):
        return tuple(Face(track=track, series=meter.series(track)) for track in tracks)


def hear_voice(
    sound: Iterable[Waveform] | None, *, total_seconds: float, watch: Watch, unless: Event | None = None
) -> Voice | None:
    """Measures the sound, block by block, unless it is told to stop; None where there is none."""
    if sound is None:
        return None
    meter, features = VoiceMeter(), VoiceFeatureMeter()
    blocks = iter(sound)
    while unless is None or not unless.is_set():
        with watch.stage("decode sound"):
            block = next(blocks, None)
        if block is None:
            break
        with watch.stage("measure voice"):
            meter.feed(block)
            features.feed(block)
        watch.progress("listening", block.span.end_seconds, total_seconds)
    with watch.stage("measure voice"):
        return Voice(series=meter.finish(), features=features.finish())


def witnesses(
    faces: Sequence[Face],
    voice: Voice | None,
    turns: Sequence[Span],
    stretches: Sequence[Stretch],
    transcript: Transcript | None,
) -> tuple[Witness, ...]:
    """The people of the clip: everyone seen, and `voice` where speech or words belong to no visible face.

    Args:
        faces: The faces, in order of first appearance.
        voice: What was measured of the sound; None where there is none.
        turns: When somebody speaks, by ear.
        stretches: The clip, cut; voice and words are given away stretch by stretch.
        transcript: What was said. Words without times of their own go to whoever speaks longest.
    """
    spoken = [s for s in stretches if s.utterances or any(s.span.overlap_seconds(turn) > 0.0 for turn in turns)]
    mouths = {face.track.person_id: mouth_activity(face.series) for face in faces}
    speakers = attribute(None if voice is None else voice.series, mouths, [s.span for s in spoken]).speakers
    owned: dict[str, list[Stretch]] = {face.track.person_id: [] for face in faces}
    for stretch, speaker in zip(spoken, speakers, strict=True):
        owned.setdefault(speaker or VOICE, []).append(stretch)
    if untimed := _unplaced(transcript, stretches):
        longest = max(owned, key=lambda id: sum(s.span.duration_seconds for s in owned[id]), default=VOICE)
        owned.setdefault(longest, []).append(Stretch(span=untimed[0].span, kind="whole", utterances=untimed))
    by_id = {face.track.person_id: face for face in faces}
    sounds = () if transcript is None else transcript.sounds
    return tuple(
        Witness(
            id=id,
            track=None if id not in by_id else by_id[id].track,
            face=None if id not in by_id else by_id[id].series,
            speaking=tuple(stretch.span for stretch in own),
            utterances=tuple(utterance for stretch in own for utterance in stretch.utterances),
            sounds=tuple(s for s in sounds if any(s.span.overlap_seconds(stretch.span) > 0.0 for stretch in own)),
            **_voice_of(voice, turns, own),
        )
        for id, own in owned.items()
    )


def _unplaced(transcript: Transcript | None, stretches: Sequence[Stretch]) -> tuple[Utterance, ...]:
    """The utterances of no stretch, because nobody knows when they were said."""
    if transcript is None or transcript.timed:
        return ()
    placed = [utterance for stretch in stretches for utterance in stretch.utterances]
    return tuple(utterance for utterance in transcript.utterances if utterance not in placed)


def _voice_of(voice: Voice | None, turns: Sequence[Span], own: Sequence[Stretch]) -> dict[str, Any]:
    """The voice and its usual state, if any of the speech is this person's."""
    spoken = [shared for turn in turns for stretch in own if (shared := turn & stretch.span) is not None]
    if voice is None or not spoken:
        return {}
    return {
        "voice": voice.series,
        "heard": HeardVoice(
            features=voice.features,
            speech=tuple(spoken),
            usual=usual_voice(voice.features, spoken),
        ),
        "baseline": baseline(voice.series, spoken),
    }
