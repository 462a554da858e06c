"""Made-up `Analysis` objects that look like real ones, for tests and for work on reports and exports.

Nothing was measured: numbers are drawn from a seed, and every result says so in its notes. The same arguments give the
same object.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from typing import get_args

from emotrace.evidence.observation import EvidenceSheet, Finding, MissingReason, Modality
from emotrace.hydra.propose import PERSPECTIVES, Hypothesis, Perspective
from emotrace.hydra.verify import Mark, Verification
from emotrace.labels.affects import AFFECT_BY_NAME, AFFECT_NAMES, AFFECTS, Affect
from emotrace.results import (
    AbstainCode,
    Analysis,
    AudioInfo,
    FaceBox,
    Label,
    ModelRecord,
    Note,
    Person,
    Provenance,
    Segment,
    Source,
    TranscriptInfo,
    Verdict,
    VideoInfo,
)
from emotrace.span import Span

HOSTILE = (
    "</script><script>window.hostile=1</script>",
    '"><img src=x onerror="window.hostile=1">',
    '=HYPERLINK("http://example.invalid","open") \'quoted\', and\na new line',
    "{{ 7 * 7 }} {% include 'x' %} ${7*7} <!-- ]]> \u2028\u202e\u0301 &lt;b&gt;",
    "javascript:window.hostile=1 \t\x7f 笑い 😀 naïve",
)
"""Speech and file names that try to break out of HTML, a template, a script or a spreadsheet cell."""

_TEXTS = (
    "We finished fourth, two hundredths behind.",
    "I kept telling everyone that it was a good race, and it was, I suppose.",
    "Then the phone rang.",
    "It was the result from the clinic, and everything is fine.",
    "So we sat down in the corridor and said nothing at all for a while.",
)
_NOTICED: dict[Modality, tuple[tuple[str, str], ...]] = {
    "visual": (
        ("lip corners rise (AU12) while the cheeks stay still", "au12_alone"),
        ("inner brows rise and draw together (AU1+4)", "au01_04"),
        ("cheeks lift as the lip corners rise (AU6+12)", "au06_12"),
        ("gaze turns down and stays there", "gaze_down"),
        ("head tilts to the left by 12 degrees", "head_tilt"),
        ("the face barely moves", "still_face"),
    ),
    "vocal": (
        ("pitch is 3.1 semitones below the speaker's median", "pitch_low"),
        ("voice drops to 9 dB under the speaker's median", "soft"),
        ("speech slows to 2.4 syllables a second", "slow"),
        ("two pauses longer than 0.7 s", "long_pauses"),
        ("pitch spans 11 semitones", "pitch_wide"),
    ),
    "verbal": (
        ("says 'fourth, two hundredths behind'", "w_fell_short"),
        ("says 'everything is fine'", "w_good_news"),
        ("adds 'I suppose' at the end", "w_denies"),
        ("says 'the phone rang'", "w_unexpected"),
    ),
    "joint": (),
}
_BASE_WEIGHT = 0.002


def synthetic_analysis(
    *,
    seconds: float = 9.6,
    persons: int = 1,
    segments: int = 3,
    observations: int = 7,
    abstain: Sequence[AbstainCode] = (),
    missing: Mapping[Modality, MissingReason] | None = None,
    unseen_voice: bool = False,
    texts: Sequence[str] = _TEXTS,
    name: str = "talk.mp4",
    sha256: str | None = None,
    seed: int = 0,
) -> Analysis:
    """A made-up result.

    Args:
        seconds: Length of the clip; 0 makes a photograph.
        persons: How many people are seen.
        segments: Stretches of time per person, all of one length.
        observations: How many cues are noticed per segment, at most 24.
        abstain: The reasons of the first segments of each person, in order; later segments get a verdict.
        missing: Modalities that the clip lacks.
        unseen_voice: Adds somebody who is heard and not seen.
        texts: What is said, in turn; the hostile ones of this file are `HOSTILE`.
        name: The file's name.
        sha256: The file's hash, for a result that should pass for that of a real file.
        seed: Draws the numbers.
    """
    rng = random.Random(seed)
    missing = dict(missing or {})
    if seconds == 0.0:
        missing |= {"vocal": "not_recorded", "verbal": "not_recorded"}
    clip_id = sha256 or hashlib.sha256(f"synthetic {seed}".encode()).hexdigest()
    ids = [f"P{number}" for number in range(1, persons + 1)] + (["voice"] if unseen_voice else [])
    people = tuple(
        _person(rng, id, seconds, segments, observations, abstain, missing, texts, clip_id, number / max(persons, 1))
        for number, id in enumerate(ids)
    )
    return Analysis(
        source=_source(name, clip_id, seconds, missing, texts),
        missing=missing,
        persons=people,
        verdict=people[0].overall.verdict if people else _nothing("no_person"),
        main_person=people[0].id if people else None,
        notes=(Note(code="synthetic", text="Made up for a test: nothing in this result was measured."),),
        provenance=_provenance(),
    )


def every_abstention(*, seed: int = 0) -> Analysis:
    """A made-up result whose segments abstain for every reason there is, and end with one verdict."""
    codes = get_args(AbstainCode)
    return synthetic_analysis(seconds=24.0, segments=len(codes) + 1, abstain=codes, seed=seed)


def hostile_analysis(*, seed: int = 0) -> Analysis:
    """A made-up result whose file name, speech and notes attack whoever shows them."""
    analysis = synthetic_analysis(
        seconds=20.0, persons=2, segments=len(HOSTILE), texts=HOSTILE, name=HOSTILE[1] + ".mp4", seed=seed
    )
    notes = tuple(Note(code="hostile", text=text) for text in HOSTILE)
    return analysis.model_copy(update={"notes": (*analysis.notes, *notes)})


def _person(
    rng: random.Random,
    id: str,
    seconds: float,
    segments: int,
    observations: int,
    abstain: Sequence[AbstainCode],
    missing: Mapping[Modality, MissingReason],
    texts: Sequence[str],
    clip_id: str,
    place: float,
) -> Person:
    seen = id != "voice" and "visual" not in missing
    lacking = dict(missing) if seen else {**missing, "visual": "not_found"}
    spans = [Span(seconds * i / segments, seconds * (i + 1) / segments) for i in range(segments)]
    noticed = [_findings(rng, span, observations, lacking) for span in spans]
    made = []
    for index, (span, findings) in enumerate(zip(spans, noticed, strict=True)):
        code = abstain[index] if index < len(abstain) else None
        kept = [] if code in ("no_person", "no_evidence") else findings
        sheet = _sheet(kept, clip_id, id, span, lacking, 0.25 if code == "low_quality" else 0.9)
        text = None if "verbal" in lacking else texts[index % len(texts)]
        kind = "window" if text is None else "utterance"
        made.append(Segment(span=span, kind=kind, text=text, sheet=sheet, verdict=_verdict(rng, sheet, code)))
    whole = Span(0.0, seconds)
    sheet = _sheet([f for group in noticed for f in group], clip_id, id, whole, lacking, 0.9)
    overall = Segment(span=whole, kind="whole", text=None, sheet=sheet, verdict=_verdict(rng, sheet, None))
    return Person(
        id=id,
        seen=seen,
        heard="vocal" not in missing,
        presence=(whole,) if seen else (),
        boxes=tuple(_box(seconds, k, place) for k in range(_box_count(seconds))) if seen else (),
        segments=tuple(made),
        overall=overall,
    )


def _findings(rng: random.Random, span: Span, count: int, missing: Mapping[Modality, MissingReason]) -> list[Finding]:
    bank = [(modality, *row) for modality, rows in _NOTICED.items() if modality not in missing for row in rows]
    found: list[Finding] = []
    for _ in range(count if bank else 0):
        modality, text, cue = rng.choice(bank)
        start = span.start_seconds + rng.uniform(0.0, 0.7) * span.duration_seconds
        end = start + rng.uniform(0.1, 0.3) * span.duration_seconds
        found.append(
            Finding(
                modality=modality,
                span=Span(start, min(end, span.end_seconds)).rounded(),
                text=text,
                strength=1.0 if modality == "verbal" else round(rng.uniform(0.2, 1.0), 2),
                confidence=round(rng.betavariate(8, 2), 2),
                source=f"emotrace/{modality}@1",
                cue=cue,
            )
        )
    return found


def _sheet(
    findings: Sequence[Finding],
    clip_id: str,
    person: str,
    span: Span,
    missing: Mapping[Modality, MissingReason],
    reliability: float,
) -> EvidenceSheet:
    present: tuple[Modality, ...] = ("visual", "vocal", "verbal")
    reliabilities = {modality: reliability for modality in present if modality not in missing}
    return EvidenceSheet.of(
        findings, clip_id=clip_id, span=span, person=person, missing=missing, reliability=reliabilities
    )


def _nothing(code: AbstainCode) -> Verdict:
    return Verdict(
        labels=(), distribution=None, hypotheses=(), verifications=(), winner=None, confidence=0.0,
        confidence_basis="none", conflict=None, abstain=code, reasoner="synthetic@1",
    )  # fmt: skip


def _verdict(rng: random.Random, sheet: EvidenceSheet, code: AbstainCode | None) -> Verdict:
    if not sheet.observations:
        return _nothing(code or "no_evidence")
    chosen, rival = _two_rivals(rng)
    perspectives: tuple[Perspective, ...] = tuple(rng.sample(PERSPECTIVES[:5], 2))
    ids = tuple(observation.id for observation in sheet.observations)
    hypotheses = tuple(
        Hypothesis(
            number=number,
            perspective=perspective,
            labels=tuple(rng.choice(affect.words) for affect in affects),
            story=story,
            cites=ids[:2],
        )
        for number, perspective, affects, story in (
            (1, perspectives[0], chosen, "keeps a bright face after a result that nearly was"),
            (2, perspectives[1], rival, "takes the moment as it comes"),
        )
    )
    verifications = tuple(_verification(rng, sheet, number, must_support=number == 1) for number in (1, 2))
    confidence = round(rng.uniform(0.5, 0.85), 2) if code is None else round(rng.uniform(0.25, 0.4), 2)
    supporting = verifications[0].supporting
    labels = tuple(
        Label(
            word=word,
            cluster=affect.name,
            confidence=round(confidence * (1.0 - 0.3 * place), 2),
            observation_ids=supporting[place : place + 3] or supporting[:1],
        )
        for place, (word, affect) in enumerate(zip(hypotheses[0].labels, chosen, strict=True))
    )
    alone = {modality: (rng.choice(AFFECT_NAMES),) for modality in _present(sheet)}
    conflict = (0.94 if code == "modalities_disagree" else round(rng.uniform(0.0, 0.8), 2)) if len(alone) > 1 else None
    return Verdict(
        labels=labels if code is None else (),
        distribution=_distribution(rng, chosen, rival),
        hypotheses=hypotheses,
        verifications=verifications,
        winner=1,
        confidence=confidence,
        confidence_basis="simulated",
        conflict=conflict,
        modality_readings=alone,
        abstain=code,
        best_guess=() if code is None else hypotheses[0].labels,
        explanation=(
            f"A viewer would perceive {' and '.join(hypotheses[0].labels)}."
            if code is None
            else "The evidence does not decide.",
            f"This rests mainly on {', '.join(supporting[:2])}.",
            f"The best rival, {' and '.join(hypotheses[1].labels)}, leaves part of it unexplained.",
        ),
        reasoner="synthetic@1",
    )


def _present(sheet: EvidenceSheet) -> tuple[Modality, ...]:
    return tuple(dict.fromkeys(observation.modality for observation in sheet.observations))


def _two_rivals(rng: random.Random) -> tuple[tuple[Affect, ...], tuple[Affect, ...]]:
    """Two sets of affects that share no sector."""
    first, second, third = rng.sample([a for a in AFFECTS if a.sector != "neutral"], 3)
    others = [a for a in AFFECTS if a.sector not in (first.sector, second.sector)]
    return (first, second), ((third,) if third in others else (rng.choice(others),))


def _verification(rng: random.Random, sheet: EvidenceSheet, number: int, *, must_support: bool) -> Verification:
    marks: dict[str, Mark] = {
        o.id: rng.choices(get_args(Mark), weights=(0.45, 0.2, 0.35))[0] for o in sheet.observations
    }
    if must_support and "supports" not in marks.values():
        marks[next(iter(marks))] = "supports"
    log_phi, log_psi = round(rng.uniform(0.8, 3.0), 2), round(-rng.uniform(0.1, 1.4), 2)
    return Verification(
        number=number,
        marks=marks,
        quotes={o.id: " ".join(o.text.split()[:6]) for o in sheet.observations},
        missing=tuple(sheet.missing),
        unexplained=tuple(id for id, mark in marks.items() if mark != "supports")[::2],
        log_phi=log_phi,
        log_psi=log_psi,
        phi=round(rng.uniform(0.3, 0.95), 2),
        psi=round(math.exp(log_psi / len(marks)), 2),
    )


def _distribution(rng: random.Random, chosen: Sequence[Affect], rival: Sequence[Affect]) -> dict[str, float]:
    weights = {name: _BASE_WEIGHT + 0.02 * rng.random() ** 3 for name in AFFECT_NAMES}
    for affects, share in ((chosen, 0.6), (rival, 0.25)):
        for place, affect in enumerate(affects):
            weights[affect.name] += share / (1 + place)
    total = sum(weights.values())
    return {name: round(weight / total, 6) for name, weight in weights.items() if name in AFFECT_BY_NAME}


def _box_count(seconds: float) -> int:
    return int(seconds * 5) + 1


def _box(seconds: float, k: int, place: float) -> FaceBox:
    sway = 0.02 * math.sin(k / 4)
    x = 0.36 + sway if place == 0.0 else min(0.1 + 0.7 * place + sway, 0.8)
    return FaceBox(time_seconds=min(round(k / 5, 3), seconds), x=round(x, 4), y=0.18, width=0.2, height=0.36)


def _source(
    name: str, sha256: str, seconds: float, missing: Mapping[Modality, MissingReason], texts: Sequence[str]
) -> Source:
    video = VideoInfo(
        width=640, height=360, frames_analyzed=_box_count(seconds), sampling_rate_hz=5.0, end_seconds=seconds,
        duration_seconds_from_header=seconds, codec="h264",
    )  # fmt: skip
    audio = AudioInfo(
        end_seconds=seconds, duration_seconds_from_header=seconds, source_rate_hz=48_000, source_channels=2,
        codec="aac", speech_seconds=round(0.7 * seconds, 2),
    )  # fmt: skip
    words = sum(len(text.split()) for text in texts)
    return Source(
        name=name,
        sha256=sha256,
        bytes=268_435,
        duration_seconds=seconds,
        video=None if missing.get("visual") == "not_recorded" else video,
        audio=None if missing.get("vocal") == "not_recorded" else audio,
        transcript=None if "verbal" in missing else TranscriptInfo(source="option", words=words, timed=True),
    )


def _provenance() -> Provenance:
    haar = ModelRecord(
        name="made-up detector", sha256="0" * 64, licence="Apache-2.0", origin="emotrace.testing, for tests only"
    )
    return Provenance(
        emotrace="0.0.0",
        packages={"numpy": "0.0.0", "av": "0.0.0"},
        models=(haar,),
        settings={"sampling_rate_hz": 5.0, "hypotheses": 2},
        purpose="research",
    )
