"""The main job: from a file to an `Analysis`.

Each stream of the file is read once, block by block; only compact series stay. What happens then is `analyze`'s body:
the clip is cut into stretches, voice and words are given to people, and every person's evidence is put on a sheet and
reasoned about, stretch by stretch and as a whole. Systems that were asked for read the clip in between, and add to the
sheets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emotrace.errors import UsageError
from emotrace.evidence.observation import EvidenceSheet, SegmentKind
from emotrace.evidence.segments import Stretch, segment
from emotrace.evidence.sheets import Witness, sheet_of
from emotrace.evidence.voice_activity import speech_turns
from emotrace.evidence.witnesses import watch_and_hear, witnesses
from emotrace.hydra.protocol import run as reason
from emotrace.hydra.reasoner import Metered, Reasoner
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.together import AT_ONCE, verdicts_of
from emotrace.media.clip import MAX_DURATION_SECONDS, Clip
from emotrace.media.faces import detector as build_detector
from emotrace.progress import Watch
from emotrace.provenance import Recording, face_frames, provenance
from emotrace.purpose import check_purpose
from emotrace.results import Analysis, Person, Segment, Verdict
from emotrace.span import Span
from emotrace.systems import System, joined


def analyze(
    path: str | Path,
    *,
    text: str | None = None,
    transcript: str | Path | None = None,
    encoding: str | None = None,
    purpose: str = "unspecified",
    reasoner: Reasoner | None = None,
    reserve: Reasoner | None = None,
    mode: Literal["one", "steps"] = "one",
    swap_check: bool | None = None,
    concurrency: int = AT_ONCE,
    systems: Sequence[System] = (),
    heads: bool = True,
    k: int = 2,
    rate_hz: float = 5.0,
    detector: str = "auto",
    detector_model: str | Path | None = None,
    max_duration_seconds: float = MAX_DURATION_SECONDS,
    use_video: bool = True,
    use_audio: bool = True,
    abstain: bool = True,
    watch: Watch | None = None,
) -> Analysis:
    """Says which emotions a viewer would perceive in a video, sound or picture file, when, and on what evidence.

    Args:
        path: The file. It is only read.
        text: What is said, where the times are not known.
        transcript: A .srt, .vtt or .txt file; without it, one beside or inside the file is looked for.
        encoding: Encoding of the transcript, if it is not Unicode.
        purpose: One of `emotrace.purpose.PURPOSES`; kept in the provenance.
        reasoner: Who weighs the evidence; the embedded reasoner by default, which sends nothing anywhere.
        reserve: Who reasons where the reasoner's replies stay unusable, such as `EmbeddedReasoner()`; each such verdict
            has `instead_of`. None makes that an error.
        mode: Whether a language model is asked for everything in `one` generation, or in `steps`.
        swap_check: Whether it decides again in another order; None: exactly where the order could matter.
        concurrency: About how many stretches a server is asked at once; the result does not depend on it. What is no
            server reasons about one after the other.
        systems: Trained models that read the clip too, such as `emotrace.grace.video.system.GraceSystem.load(folder)`.
        heads: Whether the trained heads have a say: their readings of face, voice and words, and action units.
        k: Number of rival readings that are proposed, 0..4.
        rate_hz: Pictures looked at per second.
        detector: `opencv` (needs nothing), `yunet` (weights from `emotrace pull yunet`, or `detector_model`), or
            `auto`: yunet if its weights are there, else opencv; the provenance says which it was.
        detector_model: A weights file for the detector.
        max_duration_seconds: Longer files are refused.
        use_video: Whether to look at the picture.
        use_audio: Whether to listen to the sound.
        abstain: Whether a verdict may abstain; switch off for benchmarks only.
        watch: Gets the stage times and the progress.

    Returns:
        The result, the same for the same bytes and settings.

    Raises:
        MediaError: The file cannot be analysed (`MediaNotFound`, `EmptyMedia`, `UnreadableMedia`, `MediaTooLong`).
        TranscriptError: The transcript cannot be read.
        PurposeRefused: The purpose is one that the EU AI Act prohibits.
        MalformedCompletion: A reasoner's replies cannot be used, and there is no reserve.
        ServerFailed: Nobody answered.
        UsageError: Two systems of one name.
    """
    kept_purpose = check_purpose(purpose)
    if len({system.name for system in systems}) < len(systems):
        raise UsageError("two systems of one name", where="systems", hint="Give each system once")
    mind, watch = reasoner or EmbeddedReasoner(), watch or Watch()
    faces_by = build_detector(detector, detector_model)
    clip = Clip.open(
        path,
        text=text,
        transcript_path=transcript,
        encoding=encoding,
        rate_hz=rate_hz,
        max_duration_seconds=max_duration_seconds,
        use_video=use_video,
        use_audio=use_audio,
    )
    recording = Recording(clip)
    faces, voice = watch_and_hear(
        recording.pictures, recording.sound, faces_by, total_seconds=clip.span.end_seconds, watch=watch
    )
    whole, turns = recording.span, () if voice is None else speech_turns(voice.series)
    stretches = segment(whole, recording.transcript, turns)
    people = witnesses(faces, voice, turns, stretches, recording.transcript)

    def measured(witness: Witness, span: Span) -> EvidenceSheet:
        return sheet_of(witness, span, clip_id=clip.sha256, absent=recording.absent, heads=heads)

    read = [system.read(clip, people, measured, watch) for system in systems]
    readings = {
        witness.id: [by_person[witness.id] for by_person in read if witness.id in by_person] for witness in people
    }

    def sheet_on(witness: Witness, span: Span) -> EvidenceSheet:
        sheet = measured(witness, span)
        for reading in readings.get(witness.id, ()):
            sheet = joined(sheet, reading.findings(span))
        return sheet

    def judge(sheet: EvidenceSheet) -> Verdict:
        return reason(sheet, mind, k=k, mode=mode, swap_check=swap_check, abstain=abstain, reserve=reserve)

    def portray(witness: Witness, segments: list[Segment]) -> Person:
        return Person(
            id=witness.id,
            seen=witness.track is not None,
            heard=bool(witness.speaking),
            presence=tuple(span.rounded() for span in witness.presence),
            boxes=recording.boxes(witness.track),
            frames=None if witness.face is None else face_frames(witness.face),
            expressions=tuple(each for reading in readings[witness.id] for each in reading.expressions),
            segments=tuple(segments[:-1]),
            overall=segments[-1],
        )

    with watch.stage("reason"):
        parts = [part for witness in people or [Witness(id="nobody")] for part in _parts(witness, stretches, whole)]
        sheets = [sheet_on(part.witness, part.span) for part in parts]
        at_once = concurrency if isinstance(mind, Metered) else 1
        verdicts = verdicts_of(sheets, judge, at_once=at_once, watch=watch)
    segments: dict[str, list[Segment]] = {}
    for part, sheet, verdict in zip(parts, sheets, verdicts, strict=True):
        fusions = (reading.fusion(part.span) for reading in readings.get(part.witness.id, ()))
        fusion = next((fused for fused in fusions if fused is not None), None)
        segments.setdefault(part.witness.id, []).append(
            Segment(span=part.span, kind=part.kind, text=part.text, sheet=sheet, verdict=verdict, fusion=fusion)
        )
    persons = [portray(witness, segments[witness.id]) for witness in people]
    most = max(range(len(people)), key=lambda i: people[i].evidence_seconds, default=None)
    main = None if most is None else persons[most]
    return Analysis(
        source=recording.source(turns),
        missing=recording.missing(people),
        persons=tuple(persons),
        verdict=verdicts[-1] if main is None else main.overall.verdict,
        main_person=None if main is None else main.id,
        notes=recording.notes(people),
        provenance=provenance(
            detector=faces_by,
            purpose=kept_purpose,
            systems=systems,
            settings={
                "reasoner": mind.name,
                **_asked(mind, mode, swap_check),
                **({} if reserve is None else {"reserve": reserve.name}),
                "heads": heads,
                "k": k,
                "rate_hz": rate_hz,
                "detector": faces_by.name,
                "max_duration_seconds": max_duration_seconds,
                "use_video": use_video,
                "use_audio": use_audio,
                "abstain": abstain,
                "encoding": encoding,
            },
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A stretch of one person, about which there is to be a verdict."""

    witness: Witness
    span: Span
    kind: SegmentKind
    text: str | None


def _parts(witness: Witness, stretches: Sequence[Stretch], whole: Span) -> list[_Part]:
    """The stretches in which a person is there, and the whole at the end."""
    own = [s for s in stretches if witness.is_in(s.span)]
    parts = [_Part(witness=witness, span=s.span, kind=s.kind, text=s.text_of(witness.utterances)) for s in own]
    return [*parts, _Part(witness=witness, span=whole, kind="whole", text=None)]


def _asked(mind: Reasoner, mode: str, swap_check: bool | None) -> dict[str, Any]:
    """How a reasoner that has to be asked was asked."""
    if not isinstance(mind, Metered):
        return {}
    return {"reasoner_settings": {**mind.settings, "mode": mode, "swap_check": swap_check}}
