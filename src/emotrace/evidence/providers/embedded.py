"""The house's own observers as a provider: nothing to download, nothing sent, the same answer every time, no scores."""

from __future__ import annotations

from typing import Final

from emotrace.evidence.observation import MODALITIES, EvidenceSheet, Finding, MissingReason, Modality, numbered
from emotrace.evidence.providers.interface import Reply
from emotrace.evidence.reasoning.material import Material
from emotrace.evidence.reasoning.requests import SENSE_OF, SHOWN, Request, Sense
from emotrace.evidence.reasoning.trace import MAX_SECTION_OBSERVATIONS, MAX_TEXT_CHARACTERS, Section, Status, Usage
from emotrace.evidence.segments import segment
from emotrace.evidence.sheets import Witness, sheet_of
from emotrace.evidence.voice_activity import speech_turns
from emotrace.evidence.witnesses import watch_and_hear, witnesses
from emotrace.media.clip import AnonymousClip
from emotrace.media.faces import FaceDetector
from emotrace.media.faces import detector as build_detector
from emotrace.progress import Watch
from emotrace.span import Span

VERSION: Final = "observers@1"
_WHOLE_CLIP: Final = "_"


class EmbeddedProvider:
    """Measures the clip's main person and says what was measured.

    Its joint section compares times: which observations of different modalities fall together. It gives no scores.

    Args:
        detector: Finds faces; OpenCV's own by default, so that the answer does not depend on what was pulled.
    """

    name = "embedded"
    host: str | None = None
    writes = False

    def __init__(self, detector: FaceDetector | None = None) -> None:
        self._detector = detector or build_detector("opencv")
        self.model = f"{VERSION}+{self._detector.name}"
        self._last: tuple[AnonymousClip, EvidenceSheet] | None = None

    def senses(self) -> tuple[Sense, ...]:
        """Everything."""
        return SHOWN["joint"]

    def ask(self, request: Request) -> Reply:
        """The section of the modality that the call is named after."""
        if request.call == "one":
            raise ValueError("the embedded observers answer one call per modality")
        sheet = self.sheet(request.material)
        return Reply(section=section_of(sheet, request.call), usage=Usage())

    def sheet(self, material: Material) -> EvidenceSheet:
        """What is measured of the main person; the clip is read once for all its questions."""
        if self._last is None or self._last[0] is not material.clip:
            self._last = (material.clip, observe(material.clip, self._detector))
        return self._last[1]


def observe(clip: AnonymousClip, detector: FaceDetector) -> EvidenceSheet:
    """The evidence about whoever is most in evidence, over the whole clip. Pictures and sound are each read once."""
    faces, voice = watch_and_hear(
        clip.frames() if clip.has_video else None,
        clip.audio() if clip.has_audio else None,
        detector,
        total_seconds=clip.span.end_seconds,
        watch=Watch(),
    )
    span = clip.span.rounded()
    said = None if clip.transcript is None else clip.transcript.within(span)
    turns = () if voice is None else speech_turns(voice.series)
    people = witnesses(faces, voice, turns, segment(span, said, turns), said)
    main = max(people, key=lambda person: person.evidence_seconds, default=Witness(id="nobody"))
    present = {"visual": clip.has_video, "vocal": clip.has_audio, "verbal": said is not None}
    absent: dict[Modality, MissingReason] = {part: "not_recorded" for part in SENSE_OF if not present[part]}
    # A trace tells what was observed; what a trained head makes of it would give the answer away.
    return sheet_of(main, span, clip_id=_WHOLE_CLIP, absent=absent, heads=False)


def section_of(sheet: EvidenceSheet, part: Modality) -> Section:
    """One modality of a sheet as a section; the joint one from what falls together in time."""
    if part == "joint":
        return _joint(sheet)
    if (why := sheet.missing.get(part)) is not None:
        return Section(status=Status.ABSENT, reason=_WHY[why])
    told = sorted(sheet.of_modality(part), key=lambda o: (-sheet.weight(o), o.id))[:MAX_SECTION_OBSERVATIONS]
    kept = numbered(told)
    text = ". ".join(_sentence(o.text) for o in kept) or "Nothing that departs from the person's usual was measured"
    return Section(status=Status.OK, observations=kept, text=f"{text}."[:MAX_TEXT_CHARACTERS])


_WHY: Final[dict[MissingReason, str]] = {
    "not_recorded": "the clip has none",
    "not_found": "nobody to observe was found in it",
    "switched_off": "it was switched off",
}


def _joint(sheet: EvidenceSheet) -> Section:
    pairs = [
        (shared, first, second)
        for number, first in enumerate(sheet.observations)
        for second in sheet.observations[number + 1 :]
        if first.modality != second.modality and (shared := first.span & second.span) is not None
    ]
    pairs.sort(key=lambda pair: (-min(sheet.weight(pair[1]), sheet.weight(pair[2])), pair[1].id, pair[2].id))
    findings = [_together(*pair) for pair in pairs[:MAX_SECTION_OBSERVATIONS]]
    spoken = [part for part in MODALITIES if sheet.of_modality(part)]
    if not spoken:
        return Section(status=Status.OK, text="No modality shows a departure that was measured.")
    together = ". ".join(_sentence(f.text) for f in findings) or "No two of them fall together"
    text = f"Changes were measured in: {', '.join(spoken)}. {together}."
    return Section(status=Status.OK, observations=numbered(dict.fromkeys(findings)), text=text[:MAX_TEXT_CHARACTERS])


def _together(shared: Span, first: Finding, second: Finding) -> Finding:
    """That two measured changes fall together; what they are stands in their own sections."""
    one, other = (f"{_NAMES[each.modality]} from {each.span.start_seconds:.1f} s" for each in (first, second))
    return Finding(
        modality="joint",
        span=shared.rounded(),
        text=f"a change of the {one} and one of the {other} fall together",
        strength=min(first.strength, second.strength),
        confidence=min(first.confidence, second.confidence),
        source=VERSION,
    )


_NAMES: Final[dict[Modality, str]] = {"visual": "face", "vocal": "voice", "verbal": "words", "joint": "all"}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
