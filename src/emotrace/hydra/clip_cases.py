"""The clips of a corpus as cases: each is measured to a sheet without sight of its label, and the label set beside it.

A sheet is kept in a file under the hash of the clip, its words and the observers, so that a run that was killed goes
on, and a second one measures nothing. What is measured is whoever is most in evidence, over the whole clip, as
`EmbeddedProvider` does; name, path and label of a clip cannot reach it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotrace._version import __version__
from emotrace.datasets.corpus import Corpus
from emotrace.datasets.example import Example
from emotrace.errors import MediaError, TranscriptError, UsageError, first_five
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.providers.embedded import VERSION, observe
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.hydra.learning.cases import Case
from emotrace.media.clip import Clip
from emotrace.media.faces import FaceDetector, detector
from emotrace.media.transcript import Transcript
from emotrace.progress import Watch


@dataclass(frozen=True, kw_only=True)
class KeptSheet:
    """What was measured of a clip."""

    sheet: EvidenceSheet
    words_sha256: str
    observers: str

    @property
    def key(self) -> TraceKey:
        """Clip, observers, words."""
        return TraceKey(clip_id=self.sheet.clip_id, provider=self.observers, prompt_sha256=self.words_sha256)

    @property
    def made_from(self) -> Mapping[str, str]:
        """Nothing else."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"sheet": self.sheet.to_dict(), "words_sha256": self.words_sha256, "observers": self.observers}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> KeptSheet:
        """Reads what `to_dict` wrote."""
        return cls(**{**record, "sheet": EvidenceSheet.from_dict(record["sheet"])})


@dataclass(frozen=True, kw_only=True)
class ClipCases:
    """What came of a corpus."""

    cases: Mapping[str, Case]
    """Name of the clip -> its case, in the order of the lists."""
    unread: Mapping[str, MediaError | TranscriptError]
    """Name of a clip that cannot be read -> why."""


def labelled_clips(corpus: Corpus, split: str | None) -> tuple[list[tuple[str, Example]], int]:
    """The clips that have a label, by names that are unique, and how many have none.

    Raises:
        UsageError: No clip has a label, or some are no files of their own.
        DatasetError: The corpus is not as its owner lays it out.
    """
    examples = list(corpus.examples(split=split))
    told = [each for each in examples if each.target.labels]
    if not told:
        raise UsageError("no clip has a label to score against", where=corpus.name, hint="Name another --split")
    if parts := [each.id for each in told if each.span is not None or each.kind == "frames"]:
        raise UsageError(
            f"clips that are no files of their own: {first_five(parts)}", where=corpus.name, hint="Cut them into files"
        )
    ids = [each.id for each in told]
    names = ids if len(set(ids)) == len(ids) else [f"{each.split}/{each.id}" for each in told]
    return list(zip(names, told, strict=True)), len(examples) - len(told)


def measure_clips(
    clips: Sequence[tuple[str, Example]], *, kept: Path | None = None, watch: Watch | None = None
) -> ClipCases:
    """Cases of clips; one that cannot be read is told as such.

    Args:
        clips: What `labelled_clips` gave.
        kept: A `.jsonl` file of sheets, which need not exist.
        watch: Gets the progress.

    Raises:
        UnreadableTrace: A line of the file is damaged, other than an unfinished last one.
    """
    faces, watch = detector("opencv"), watch or Watch()
    store = None if kept is None else TraceStore(kept, KeptSheet.from_dict)
    cases: dict[str, Case] = {}
    unread: dict[str, MediaError | TranscriptError] = {}
    for number, (name, example) in enumerate(clips):
        watch.progress("measuring", number, len(clips))
        try:
            sheet = _sheet(example.media, example.text, faces, store)
        except (MediaError, TranscriptError) as error:
            unread[name] = error
        else:
            cases[name] = Case(sheet=sheet, gold=example.target.labels)
    return ClipCases(cases=cases, unread=unread)


def _sheet(media: Path, text: str | None, faces: FaceDetector, store: TraceStore[KeptSheet] | None) -> EvidenceSheet:
    clip = Clip.open(media, text=text)
    observers = f"{VERSION}+{faces.name}/{__version__}"
    words = _words_sha256(clip.transcript)
    key = TraceKey(clip_id=clip.sha256, provider=observers, prompt_sha256=words)
    if store is not None and (found := store.get(key)) is not None:
        return found.sheet
    sheet = replace(observe(clip.anonymous(), faces), clip_id=clip.sha256)
    if store is not None:
        store.append(KeptSheet(sheet=sheet, words_sha256=words, observers=observers))
    return sheet


def _words_sha256(transcript: Transcript | None) -> str:
    """Of all that the observers are told of the words; no transcript differs from an empty one."""
    told = None if transcript is None else (transcript.utterances, transcript.sounds)
    return hashlib.sha256(repr(told).encode()).hexdigest()
