"""The one public schema: what `analyze` returns, what is written to disk, and what every export and report reads.

`Analysis` -> `Person` -> `Segment` -> (`EvidenceSheet`, `Verdict`). All values are frozen; unknown keys are refused.
Written numbers are rounded, and nothing in a result depends on the clock or on the folder that the file lay in, so the
same bytes and settings give the same JSON.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emotrace.errors import UnreadableResult
from emotrace.evidence.observation import EvidenceSheet, MissingReason, Modality, SegmentKind
from emotrace.evidence.reasoning.trace import total
from emotrace.grace.video.expression import MAPS_ASIDE, Expression
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.verify import Verification
from emotrace.priors.video.fused import FusedReading
from emotrace.span import Span

SCHEMA_VERSION: Literal["1.0"] = "1.0"

AbstainCode = Literal["no_person", "no_evidence", "low_quality", "low_margin", "modalities_disagree"]
ABSTAIN_REASONS: dict[AbstainCode, str] = {
    "no_person": "nobody is seen or heard",
    "no_evidence": "too little was observed to judge from",
    "low_quality": "picture and sound are too poor to trust",
    "low_margin": "no reading stands out from its rivals",
    "modalities_disagree": "face, voice and words point to different emotions",
}
Purpose = Literal["unspecified", "research", "medical", "safety", "accessibility", "media", "personal", "development"]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class Record(BaseModel):
    """Base of everything that is written: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(Record):
    """One perceived emotion of a verdict, with what it stands on."""

    word: str
    """Canonical word of the vocabulary, such as `disappointed`."""
    cluster: str | None
    """The affect that the word belongs to (middle ring of the wheel); None for a word that is on no wheel."""
    confidence: Unit
    observation_ids: tuple[str, ...]
    grounded_by: Literal["observations", "reading"] = "observations"
    """`reading` when only a learned model's opinion, and no measured cue, supports the label."""


class Usage(Record):
    """What a remote reasoner was asked, as its server reported it, and how steadily it replied; None where unknown."""

    calls: int = 0
    cached: int = 0
    """Replies that were kept from an earlier run, and cost nothing."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    image_tokens: int | None = None
    """How many of the prompt's tokens are pictures."""
    seconds: float | None = None
    cost: float | None = None
    """In the currency of the prices that the user gave; None without prices."""
    agreement: Unit | None = None
    """How far several samples of the answer agree, by affects; None where one was asked for."""

    def __add__(self, other: Usage) -> Usage:
        """Both together, unknown only where neither is known. The agreement is the later one's, which answered."""
        seconds = total(self.seconds, other.seconds)
        return Usage(
            calls=self.calls + other.calls,
            cached=self.cached + other.cached,
            prompt_tokens=total(self.prompt_tokens, other.prompt_tokens),
            completion_tokens=total(self.completion_tokens, other.completion_tokens),
            image_tokens=total(self.image_tokens, other.image_tokens),
            seconds=None if seconds is None else round(seconds, 3),
            cost=total(self.cost, other.cost),
            agreement=other.agreement,
        )


class Verdict(Record):
    """The emotions that a viewer would perceive, or the reason for not saying so. The losing readings are kept."""

    labels: tuple[Label, ...]
    """Empty exactly when `abstain` is set."""
    distribution: dict[str, Unit] | None
    """Affect -> probability, summing to 1, before any label is chosen; None where the reasoner gives none."""
    hypotheses: tuple[Hypothesis, ...]
    verifications: tuple[Verification, ...]
    winner: int | None
    """Number of the hypothesis that best reconciles the evidence."""
    confidence: Unit
    confidence_basis: str
    """`none`, `simulated` or `fitted:<id>`: what the number was calibrated on."""
    conflict: Unit | None
    """How far face, voice and words disagree; None when fewer than two of them give a reading."""
    modality_readings: dict[Modality, tuple[str, ...]] = Field(default_factory=dict)
    """What each modality alone would say, as affects; these are what `conflict` compares."""
    abstain: AbstainCode | None = None
    best_guess: tuple[str, ...] = ()
    """Where it abstains, the words it would have chosen: to be read, never exported as a label."""
    explanation: tuple[str, ...] = ()
    order_consistency: Unit | None = None
    """Share of the orders of the hypotheses that gave the same winner; None when it was not checked."""
    usage: Usage = Usage()
    reasoner: str
    """`name@version` of who reasoned."""
    instead_of: str | None = None
    """`name@version` of who was asked first and whose replies could not be used; `usage` holds what those took."""


class Segment(Record):
    """One stretch of time of one person: its evidence and the verdict on it."""

    span: Span
    kind: SegmentKind
    text: str | None
    sheet: EvidenceSheet
    verdict: Verdict
    fusion: FusedReading | None = None
    """What a network of priors made of face, voice and words; None where it was not asked, or had nothing to read."""


class FaceBox(Record):
    """Where a face was, as shares of the upright picture's width and height."""

    time_seconds: float
    x: float
    y: float
    width: float
    height: float


class FaceFrames(Record):
    """What was measured of a face, frame by frame: columns of one length, in order of time.

    A value is None where the frame's face was too poor to measure. Intensities are shapes of the face, not feelings.
    """

    times_seconds: tuple[float, ...]
    units: dict[str, tuple[Unit | None, ...]]
    """Action unit, as `AU01`, -> its intensity 0..1 (a FACS E is 1)."""
    pitch_degrees: tuple[float | None, ...]
    """Head pose: positive looks down."""
    yaw_degrees: tuple[float | None, ...]
    """Positive turns to the viewer's right."""
    roll_degrees: tuple[float | None, ...]
    """Positive leans clockwise in the picture."""
    eye_opening: tuple[float | None, ...]
    """Mean distance between the lids over the width of the eye."""
    mouth_opening: tuple[float | None, ...]
    """Distance between the inner lips over the width of the mouth."""
    quality: tuple[Unit, ...]
    """How far the crop is a face that can be measured, 0..1."""


class Person(Record):
    """One person of the clip. The number says nothing about who it is, and holds within this clip only."""

    id: str
    """P1, P2, ... in order of first appearance; `voice` for someone heard whom no visible face could be given."""
    seen: bool
    heard: bool
    """Whether the clip's speech, or part of it, was given to this person."""
    presence: tuple[Span, ...]
    """When the face was on screen."""
    boxes: tuple[FaceBox, ...]
    frames: FaceFrames | None = None
    """Action units, pose and openings over time; None where no face was seen, and in files from before them."""
    expressions: tuple[Expression, ...] = ()
    """What GRACE made of the face, window by window; empty where it was not asked, and in files from before it."""
    segments: tuple[Segment, ...]
    overall: Segment
    """The whole clip, from all of this person's evidence."""


class VideoInfo(Record):
    """The picture, as measured while it was read."""

    width: int
    height: int
    frames_analyzed: int
    sampling_rate_hz: float
    end_seconds: float
    duration_seconds_from_header: float | None
    codec: str


class AudioInfo(Record):
    """The sound, as measured while it was read."""

    end_seconds: float
    duration_seconds_from_header: float | None
    source_rate_hz: int
    source_channels: int
    codec: str
    speech_seconds: float


class TranscriptInfo(Record):
    """Where the words came from."""

    source: str
    """`option`, `sidecar:NAME` or `embedded:STREAM`."""
    words: int
    timed: bool


class Source(Record):
    """The file that was analysed."""

    name: str
    sha256: str
    bytes: int
    duration_seconds: float
    video: VideoInfo | None
    audio: AudioInfo | None
    transcript: TranscriptInfo | None


class ModelRecord(Record):
    """A set of weights or a table that a number depends on."""

    name: str
    sha256: str
    licence: str
    origin: str


class Provenance(Record):
    """What would have to be the same for the numbers to come back."""

    emotrace: str
    packages: dict[str, str]
    models: tuple[ModelRecord, ...]
    settings: dict[str, Any]
    purpose: Purpose


class Note(Record):
    """Something about the file that the reader of a result should know."""

    code: str
    text: str


class Analysis(Record):
    """The result of the main job: who is seen and heard, which emotions a viewer would perceive, on what evidence."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    source: Source
    missing: dict[Modality, MissingReason]
    """Modalities that the whole clip lacks: absent is not silent."""
    persons: tuple[Person, ...]
    verdict: Verdict
    """The whole clip in one verdict: that of the person most in evidence, or `no_person`."""
    main_person: str | None
    """Id of the person whose overall verdict `verdict` is."""
    notes: tuple[Note, ...]
    provenance: Provenance

    @property
    def abstained(self) -> bool:
        """Whether every verdict abstained, which the command line reports as exit code 1."""
        verdicts = [self.verdict, *(segment.verdict for person in self.persons for segment in person.segments)]
        return all(verdict.abstain is not None for verdict in verdicts)

    def to_json(self) -> str:
        """The result as JSON text, the same for the same input and settings. A map stands on one line."""
        maps: list[str] = []
        written = self.model_dump_json(indent=1, context={MAPS_ASIDE: maps})
        in_order = iter(maps)
        return _LEFT_OUT.sub(lambda found: f"{found[1]}{next(in_order)}", written) + "\n"

    @classmethod
    def read(cls, path: str | Path) -> Analysis:
        """Reads a result file.

        Raises:
            UnreadableResult: The file cannot be read, or is no result of this schema version.
        """
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            reason = f"cannot be read ({error.strerror or error})"
            raise UnreadableResult(reason, where=path, hint="Name a file that `emotrace analyze` wrote") from error
        return cls.from_json(text, where=path)

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str | Path | None = None) -> Analysis:
        """Reads what `to_json` wrote.

        Raises:
            UnreadableResult: Not a result, or of another schema version; names the first field at fault.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise UnreadableResult(
                f"not an emotrace result of schema {SCHEMA_VERSION} ({place}: {first['msg']})",
                where=where,
                hint="Run `emotrace analyze` on the video again",
            ) from None


_LEFT_OUT = re.compile(r"""("(?:heat|motion|map)": )null""")
"""Where a map belongs. Quotation marks within a text are escaped, so this matches keys alone."""


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a result file."""
    schema = Analysis.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
