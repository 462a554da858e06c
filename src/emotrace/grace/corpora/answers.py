"""What a trained model answers for clips of which nobody knows the label: a distribution, or why there is none.

Folders of frames are taken as they are, as corpora hold them: face crops. In a video the faces are found, followed and
cropped first, and the answer is that of the person who is longest on screen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from emotrace.errors import EmptyMedia, MediaError
from emotrace.evidence.observation import MissingReason, Modality
from emotrace.evidence.sheets import Witness, sheet_of
from emotrace.evidence.witnesses import watch_faces
from emotrace.grace.clips import ClipBatch, FrameSource, load
from emotrace.grace.inputs import GraceInput
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.model import Grace
from emotrace.grace.video.observed import READING
from emotrace.grace.video.system import GraceSystem
from emotrace.media.clip import Clip
from emotrace.media.faces import FaceDetector
from emotrace.metrics.answer_files import ABSTAINED, PROBABILITY
from emotrace.progress import Watch
from emotrace.training.loading import moved, prefetched

Reason = Literal["no_person", "no_frames", "unreadable"]


@dataclass(frozen=True, kw_only=True)
class ClipAnswer:
    """One clip."""

    name: str
    distribution: Mapping[str, float] | None
    """Label -> probability; None where nothing could be said."""
    frames: int
    """Pictures that were looked at."""
    reason: Reason | None = None
    """Why nothing could be said."""

    @property
    def label(self) -> str | None:
        """The likeliest label, the first of equals."""
        shares = self.distribution
        return None if shares is None else max(shares, key=lambda label: shares[label])


def answer_clips(
    model: Grace,
    source: FrameSource,
    keys: Sequence[str],
    *,
    texts: Mapping[str, AffectText] | None = None,
    batch_size: int = 16,
    workers: int = 2,
    watch: Watch | None = None,
) -> Iterator[ClipAnswer]:
    """The answers for clips of a source, in their order. A clip that cannot be read is answered with the reason.

    Args:
        model: In evaluation mode.
        source: Of the frames.
        keys: The clips.
        texts: Words by key; read only where the model's text mode lets them be.
        batch_size: Clips at once.
        workers: Threads that read ahead.
        watch: Told how far it is.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, watch, done = model.to(device).eval(), watch or Watch(), 0
    pieces = [keys[start : start + batch_size] for start in range(0, len(keys), batch_size)]

    def read(piece: Sequence[str]) -> list[ClipBatch | Reason]:
        return [_read(model, source, key) for key in piece]

    for piece, found in prefetched(read, pieces, workers=workers):
        there = [(key, clip) for key, clip in zip(piece, found, strict=True) if isinstance(clip, ClipBatch)]
        shares = iter(_ask(model, there, texts or {}, device))
        for key, clip in zip(piece, found, strict=True):
            if isinstance(clip, ClipBatch):
                frames = int(clip.frame_mask.sum())
                yield ClipAnswer(name=key, distribution=next(shares), frames=frames)
            else:
                yield ClipAnswer(name=key, distribution=None, frames=0, reason=clip)
        done += len(piece)
        watch.progress("predict", done, len(keys))


def answer_video(
    system: GraceSystem, path: Path, *, name: str, detector: FaceDetector, watch: Watch | None = None
) -> ClipAnswer:
    """The answer for a video, read window by window: the mean over the pictures of whoever is longest on screen."""
    watch = watch or Watch()
    try:
        clip = Clip.open(path, use_audio=False)
        if not clip.has_video:
            return ClipAnswer(name=name, distribution=None, frames=0, reason="no_frames")
        faces = watch_faces(clip.frames(), detector, total_seconds=clip.span.end_seconds, watch=watch)
        people = [Witness(id=face.track.person_id, track=face.track, face=face.series) for face in faces]
        if not people:
            return ClipAnswer(name=name, distribution=None, frames=0, reason="no_person")
        main = max(people, key=lambda person: person.evidence_seconds)
        absent: dict[Modality, MissingReason] = {"vocal": "switched_off", "verbal": "switched_off"}
        read = system.read(
            clip, [main], lambda who, span: sheet_of(who, span, clip_id=clip.sha256, absent=absent), watch
        )
    except EmptyMedia:
        return ClipAnswer(name=name, distribution=None, frames=0, reason="no_frames")
    except MediaError:
        return ClipAnswer(name=name, distribution=None, frames=0, reason="unreadable")
    reading = read.get(main.id)
    if reading is None:
        return ClipAnswer(name=name, distribution=None, frames=0, reason="no_person")
    whole = next(each for each in reading.findings(clip.span) if each.cue == READING)
    times = {frame.time_seconds for window in reading.expressions for frame in window.frames}
    return ClipAnswer(name=name, distribution=whole.scores, frames=len(times))


def as_csv(answers: Iterable[ClipAnswer], labels: Sequence[str], truth: Mapping[str, str] | None = None) -> str:
    """The answers as a table that `emotrace evaluate` reads; with the truth, where it is known, in a column of its own.

    A clip without an answer has the reason in the column `abstained`, and empty cells.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    known = ["label"] if truth is not None else []
    writer.writerow(["name", *known, "prediction", *(f"{PROBABILITY}{label}" for label in labels), "frames", ABSTAINED])
    for each in answers:
        shares = each.distribution
        cells = [""] * len(labels) if shares is None else [f"{shares[label]:.9g}" for label in labels]
        own = [truth[each.name]] if truth is not None else []
        writer.writerow([each.name, *own, each.label or "", *cells, each.frames, each.reason or ""])
    return table.getvalue()


def _read(model: Grace, source: FrameSource, key: str) -> ClipBatch | Reason:
    try:
        return load(source, [key], frames=model.config.frames, pixels=model.visual.image_pixels)
    except EmptyMedia:
        return "no_frames"
    except MediaError:
        return "unreadable"


def _ask(
    model: Grace, clips: Sequence[tuple[str, ClipBatch]], texts: Mapping[str, AffectText], device: torch.device
) -> list[dict[str, float]]:
    if not clips:
        return []
    batch = GraceInput(
        frames=torch.cat([clip.frames for _, clip in clips]),
        frame_mask=torch.cat([clip.frame_mask for _, clip in clips]),
        frame_times_seconds=torch.cat([clip.frame_times_seconds for _, clip in clips]),
        texts=tuple(texts.get(key) for key, _ in clips),
    )
    with torch.no_grad():
        rows = model(moved(batch, device)).probabilities.double().cpu().tolist()
    return [dict(zip(model.config.labels, row, strict=True)) for row in rows]
