"""What a result says about its file and about how it was made. Nothing depends on the clock or on a folder's name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float32

from emotrace._version import __version__
from emotrace.evidence.face_signals import LEAST_QUALITY, FaceSeries
from emotrace.evidence.observation import MissingReason, Modality
from emotrace.evidence.sheets import Witness
from emotrace.heads.face import UNITS
from emotrace.installation import installed_version
from emotrace.media.clip import Clip
from emotrace.media.faces import FaceDetector
from emotrace.media.tracking import FaceTrack
from emotrace.media.transcript import Transcript, readable
from emotrace.models import REGISTRY
from emotrace.results import (
    AudioInfo,
    FaceBox,
    FaceFrames,
    ModelRecord,
    Note,
    Provenance,
    Purpose,
    Source,
    TranscriptInfo,
    VideoInfo,
)
from emotrace.span import Span
from emotrace.systems import System

_PACKAGES = ("numpy", "av", "opencv-python-headless", "onnxruntime")
"""Those whose version can change a number."""
_TABLES = {
    "likelihood": "hydra/tables/likelihood.toml",
    "fitted": "hydra/tables/fitted.json",
    "confidence": "hydra/tables/confidence.json",
    "wheel": "labels/tables/emotrace_wheel.csv",
    "phrases": "evidence/tables/phrases.toml",
}


_ISSUES = {
    "end_before_start": "end before they start and were left out",
    "beyond_clip": "lie beyond the end of the clip and were left out",
    "cut_to_clip": "reach beyond the clip and were cut to it",
}


class Recording:
    """A clip and its readers: what the header claims beside what was measured while reading."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.pictures = clip.frames() if clip.has_video else None
        self.sound = clip.audio() if clip.has_audio else None
        self.absent: dict[Modality, MissingReason] = {part: why for part, why in clip.missing.items()}  # noqa: C416 - widens the type

    @property
    def span(self) -> Span:
        """From 0 to the last picture or sample that could be read."""
        ends = [reader.info.end_seconds for reader in (self.pictures, self.sound) if reader is not None]
        return Span(0.0, round(max(ends, default=0.0), 3))

    @cached_property
    def transcript(self) -> Transcript | None:
        """What is said in `span`. Ask for it once the readers are through, since a header may claim another end."""
        return None if self.clip.transcript is None else self.clip.transcript.within(self.span)

    def boxes(self, track: FaceTrack | None) -> tuple[FaceBox, ...]:
        """Where the face was, as shares of the picture."""
        if track is None or self.pictures is None:
            return ()
        width, height = self.pictures.info.width, self.pictures.info.height
        return tuple(
            FaceBox(
                time_seconds=round(float(time), 3),
                x=round(float(x - side / 2) / width, 4),
                y=round(float(y - side / 2) / height, 4),
                width=round(float(side) / width, 4),
                height=round(float(side) / height, 4),
            )
            for time, x, y, side in track.squares
        )

    def source(self, turns: Sequence[Span]) -> Source:
        """The file, in numbers."""
        transcript = self.transcript
        return Source(
            name=readable(self.clip.path.name),
            sha256=self.clip.sha256,
            bytes=self.clip.bytes,
            duration_seconds=self.span.end_seconds,
            video=self._video(),
            audio=self._audio(turns),
            transcript=None
            if transcript is None
            else TranscriptInfo(source=transcript.source, words=len(transcript.words), timed=transcript.timed),
        )

    def missing(self, people: Sequence[Witness]) -> dict[Modality, MissingReason]:
        """What the whole clip lacks: not recorded, switched off, or there but without a face or a voice in it."""
        missing = dict(self.absent)
        if not any(witness.track is not None for witness in people):
            missing.setdefault("visual", "not_found")
        if not any(witness.voice is not None for witness in people):
            missing.setdefault("vocal", "not_found")
        return missing

    def notes(self, people: Sequence[Witness]) -> tuple[Note, ...]:
        """What the reader of the result should know about the file."""
        found: list[Note] = []
        for name, reader in (("picture", self.pictures), ("sound", self.sound)):
            if reader is not None and reader.truncated:
                found.append(Note(code=f"{name}_cut_short", text=_cut_short(name, reader.info)))
        if self.pictures is not None and not any(witness.track is not None for witness in people):
            found.append(Note(code="no_face", text="no face was found in the picture"))
        if self.sound is not None and not any(witness.voice is not None for witness in people):
            found.append(Note(code="no_speech", text="no speech was found in the sound"))
        if any(witness.track is None for witness in people) and self.pictures is not None:
            found.append(Note(code="voice_unseen", text="speech or words could not be given to a visible face"))
        transcript = self.transcript
        if transcript is not None:
            found += [
                Note(code=f"transcript_{issue}", text=f"transcript cues that {_ISSUES[issue]}: {count}")
                for issue, count in sorted(transcript.issues.items())
            ]
            if not transcript.timed:
                found.append(Note(code="transcript_untimed", text="the words have no times of their own"))
        return tuple(found)

    def _video(self) -> VideoInfo | None:
        return None if self.pictures is None else VideoInfo(**_rounded(asdict(self.pictures.info)))

    def _audio(self, turns: Sequence[Span]) -> AudioInfo | None:
        if self.sound is None:
            return None
        spoken = sum(turn.duration_seconds for turn in turns)
        return AudioInfo(**_rounded({**asdict(self.sound.info), "speech_seconds": spoken}))


def face_frames(series: FaceSeries) -> FaceFrames | None:
    """The face head's columns, None in frames whose crop was too poor to read; None where there is no frame."""
    if not len(series):
        return None
    good = series.quality >= LEAST_QUALITY

    def column(values: Float32[np.ndarray, " time"], digits: int) -> tuple[float | None, ...]:
        return tuple(
            round(value, digits) + 0.0 if read else None
            for value, read in zip(values.tolist(), good.tolist(), strict=True)
        )

    pitch, yaw, roll = series.pose_degrees.T
    return FaceFrames(
        times_seconds=tuple(round(time, 3) for time in series.times_seconds.tolist()),
        units={name: column(values.clip(0.0, 1.0), 3) for name, values in zip(UNITS, series.units.T, strict=True)},
        pitch_degrees=column(pitch, 1),
        yaw_degrees=column(yaw, 1),
        roll_degrees=column(roll, 1),
        eye_opening=column(series.eye_opening, 3),
        mouth_opening=column(series.mouth_opening, 3),
        quality=tuple(round(min(max(value, 0.0), 1.0), 3) for value in series.quality.tolist()),
    )


def provenance(
    *, detector: FaceDetector, purpose: Purpose, settings: dict[str, Any], systems: Sequence[System] = ()
) -> Provenance:
    """What would have to be the same for the numbers to come back."""
    used = ["align", "smile", "face", "voice", "text", *([detector.name] if detector.name in REGISTRY else [])]
    weights = [
        ModelRecord(
            name=name, sha256=REGISTRY[name].sha256, licence=REGISTRY[name].licence, origin=REGISTRY[name].origin
        )
        for name in used
    ]
    tables = [
        ModelRecord(name=f"table:{name}", sha256=_digest(path), licence="Apache-2.0", origin=f"emotrace, {path}")
        for name, path in _TABLES.items()
    ]
    packages = dict.fromkeys((*_PACKAGES, *(name for system in systems for name in system.packages)))
    return Provenance(
        emotrace=__version__,
        packages={name: found for name in packages if (found := installed_version(name)) is not None},
        models=(*weights, *tables, *(model for system in systems for model in system.models)),
        settings={**settings, **{system.name: system.settings for system in systems}},
        purpose=purpose,
    )


def _digest(path: str) -> str:
    return hashlib.sha256(files("emotrace").joinpath(path).read_bytes()).hexdigest()


def _rounded(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its numbers as they are written: to the millisecond."""
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in record.items()}


def _cut_short(name: str, info: Any) -> str:
    claimed = info.duration_seconds_from_header
    claim = "" if claimed is None else f", the header claims {claimed:.1f} s"
    return f"the {name} is damaged or cut short: {info.end_seconds:.1f} s could be read{claim}"
