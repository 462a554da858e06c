"""A miniature of a MER challenge with everything that priors train on: lists, media, transcripts, features, traces.

Features are class centres with noise, traces are sentences drawn by class, and some of both are wrong or missing on
purpose, so that what is counted can be checked. Everything is made up and knows nothing of people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from emotrace.evidence.observation import Modality
from emotrace.evidence.reasoning.trace import SECTIONS, ReasoningTrace, Section, Settings, Status
from emotrace.evidence.reliability import reliability
from emotrace.files import sha256_of
from emotrace.labels.schemes import scheme
from emotrace.span import Span
from emotrace.testing.layout import Files, Row
from emotrace.testing.miniature import layout_of, video

LABELS: Final = scheme("mer6").labels
SHARES: Final = (0.25, 0.24, 0.21, 0.14, 0.12, 0.04)
"""About MER2024's, in the order neutral, angry, happy, sad, worried, surprise."""
WIDTHS: Final = {"visual": 24, "vocal": 20, "verbal": 28}
FRAMES: Final = 17
"""Of every clip, at 25 a second."""
CUES: Final[dict[str, tuple[str, str, str]]] = {
    "neutral": ("the face stays at rest", "pitch stays level", "the wording is plain"),
    "angry": ("the brows are lowered and drawn together", "loudness rises at once", "the wording is blunt"),
    "happy": ("the lip corners are pulled up", "pitch moves widely", "the wording is playful"),
    "sad": ("the inner brows are raised", "the pace is slow with long pauses", "the wording trails off"),
    "worried": ("the brows are raised and drawn together", "the voice trembles", "the wording hedges"),
    "surprise": ("the upper lids are raised, the jaw drops", "a short gasp is heard", "the wording breaks off"),
}
"""Label -> what a made-up observer writes of face, voice and words."""


@dataclass(frozen=True, kw_only=True)
class MiniatureMer:
    """What was written."""

    corpus: str
    root: Path
    features: tuple[str, ...]
    """For `--features`."""
    traces: Path
    """For `--traces`."""


def write_mer(
    root: Path,
    *,
    corpus: Literal["mer2023", "mer2024", "mer2025"] = "mer2024",
    labelled: int = 120,
    pool: int = 60,
    tested: int = 0,
    seed: int = 0,
    faults: bool = True,
) -> MiniatureMer:
    """Writes a corpus below `root`, which must not exist or be empty.

    Args:
        root: The corpus's folder.
        corpus: Whose layout it has. MER2023 has no pool.
        labelled: Training clips.
        pool: Clips without a label.
        tested: Clips of a test set whose labels are held: test1 of MER2023, semi of MER2024, test of MER2025.
        seed: Draws everything.
        faults: Whether features of some clips are missing and the file of traces has lines that cannot be used.
    """
    random = np.random.default_rng(seed)
    rows = _rows(corpus, labelled, 0 if corpus == "mer2023" else pool, tested, random)
    places = {row.name: root / _place(corpus, row) for row in rows}
    _write(root, _lists(corpus, rows))
    for number, place in enumerate(places.values()):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(video(1000 * seed + number, FRAMES))
    names = _write_features(root, rows, random, faults=faults)
    traces = root / "traces.jsonl"
    traces.write_text("\n".join(_trace_lines(rows, places, random, faults=faults)) + "\n", encoding="utf-8")
    return MiniatureMer(corpus=corpus, root=root, features=names, traces=traces)


def made_trace(clip_sha256: str, said: str, *, seed: int = 0, model: str = "made-up") -> ReasoningTrace:
    """A trace whose words and scores speak for one label.

    Args:
        clip_sha256: Of the clip's file.
        said: The label.
        seed: Draws how sure the observer is.
        model: Who is said to have written it.
    """
    random = np.random.default_rng(seed)
    scores = {label: round(float(random.uniform(0.0, 0.25)), 2) for label in LABELS}
    scores[said] = round(float(random.uniform(0.4, 0.9)), 2)
    cues = CUES[said]
    texts = dict(zip(SECTIONS, (*cues, "; ".join(cues)), strict=True))
    sections: dict[Modality, Section] = {
        part: Section(
            status=Status.OK,
            text=f"Throughout the clip {texts[part]}. Perceived as {said}.",
            scores=scores,
            label=said,
            contribution={"visual": 40.0, "vocal": 35.0, "verbal": 25.0} if part == "joint" else None,
        )
        for part in SECTIONS
    }
    trace = ReasoningTrace(
        clip_sha256=clip_sha256,
        span=Span(0.0, FRAMES / 25),
        language="en",
        transcript_sha256=None,
        provider="scripted",
        model=model,
        prompt_sha256={},
        settings=Settings(fps=8.0, max_frames=96, longest_pixels=512, labels=LABELS),
        visual=sections["visual"],
        vocal=sections["vocal"],
        verbal=sections["verbal"],
        joint=sections["joint"],
    )
    return trace.model_copy(update={"reliability": reliability(trace)})


def _rows(corpus: str, labelled: int, pool: int, tested: int, random: np.random.Generator) -> list[Row]:
    hidden = {"mer2023": "unlabeled", "mer2024": "unlabeled", "mer2025": "candidates"}[corpus]
    test = {"mer2023": "test1", "mer2024": "semi", "mer2025": "test"}[corpus]
    splits = ["train"] * labelled + [test] * tested + [hidden] * pool
    labels = [*LABELS, *LABELS, *random.choice(LABELS, size=max(0, len(splits) - 12), p=SHARES).tolist()]
    return [
        Row(
            name=f"samplenew_{number:08d}",
            split=split,
            label=label,
            value=round(float(random.normal()), 2),
            text="" if number % 17 == 5 else f"She says that {CUES[label][2]}.",
        )
        for number, (split, label) in enumerate(zip(splits, labels, strict=False))
    ]


def _place(corpus: str, row: Row) -> str:
    return layout_of(corpus).place(row)


def _lists(corpus: str, rows: Sequence[Row]) -> Files:
    files = dict(layout_of(corpus).lists([row for row in rows if row.split != "semi"]))
    if semi := [row for row in rows if row.split == "semi"]:
        lines = ["name,discrete,valence", *(f"{row.name},{row.label},{row.value}" for row in semi)]
        files["semi-label.csv"] = ("\n".join(lines) + "\n").encode()
    said = next(name for name in files if name.startswith(("transcription", "subtitle")))
    lines = ["name,english", *(f"{row.name},{row.text}" for row in rows)]
    files[said] = ("\n".join(lines) + "\n").encode()
    return files


def _write(root: Path, files: Files) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for place, content in files.items():
        (root / place).write_bytes(content)


def _write_features(root: Path, rows: Sequence[Row], random: np.random.Generator, *, faults: bool) -> tuple[str, ...]:
    """One set per modality; with faults the first clip lacks its sound, and a silent one has zeros for words."""
    for modality, width in WIDTHS.items():
        folder = root / "features" / f"made-{modality}-UTT"
        folder.mkdir(parents=True)
        centres = 2.2 * random.normal(size=(len(LABELS), width)) / width**0.5
        for number, row in enumerate(rows):
            features = (centres[LABELS.index(row.label)] + random.normal(size=width)).astype(np.float32)
            if modality == "verbal" and not row.text:
                features = np.zeros(width, np.float32)
            if not (faults and modality == "vocal" and number == 0):
                np.save(folder / f"{row.name}.npy", features)
    return tuple(f"{modality}=made-{modality}" for modality in WIDTHS)


def _trace_lines(
    rows: Sequence[Row], places: dict[str, Path], random: np.random.Generator, *, faults: bool
) -> list[str]:
    """A trace of nine clips in ten, right in about two thirds of them; with faults, lines that cannot be used."""
    lines = []
    for number, row in enumerate(rows):
        said = row.label if random.random() < 0.65 else str(random.choice(LABELS))
        if number % 10 != 9:
            lines.append(_line(made_trace(sha256_of(places[row.name]), said, seed=number)))
    if not faults:
        return lines
    other = made_trace("f" * 64, "happy")
    again = json.loads(lines[0])
    refusal = replace_section(ReasoningTrace.from_dict(json.loads(lines[1])), "visual", Status.REFUSED)
    return [
        *lines,
        "this is no trace",
        json.dumps({**again, "schema_version": "of/9"}),
        _line(other),
        lines[0],
        _line(refusal),
    ]


def replace_section(trace: ReasoningTrace, part: Modality, status: Status) -> ReasoningTrace:
    """The same trace with one section that has no answer, and the reliability that follows."""
    changed = trace.model_copy(update={part: Section(status=status, reason="made up")})
    return changed.model_copy(update={"reliability": reliability(changed)})


def _line(trace: ReasoningTrace) -> str:
    return json.dumps(trace.to_dict(), ensure_ascii=False)
