"""Many clips -> feature files in MERTools' layout, which its baselines and ours read.

    OUT/<encoder>-UTT/<clip>.npy     (width,)          OUT/<encoder>-UTT.json   what was used, and which clips lack it
    OUT/<encoder>-FRA/<clip>.npy     (time, width)

A clip without a face, a sound or a word gets no file: readers take a missing file for a missing modality. What was
computed once is taken from the cache, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from emotrace._version import __version__
from emotrace.encoders.cache import FeatureCache, FeatureKey, Rows, as_npy, text_hash
from emotrace.encoders.clip_features import ClipSource, OpenClip
from emotrace.encoders.features import ClipFeatures, FeatureEncoder, Level
from emotrace.errors import DuplicateName, MediaError, TranscriptError, UsageError, first_five
from emotrace.files import flat_name, make_folder, write_atomically
from emotrace.media.faces import FaceDetector
from emotrace.media.faces import detector as build_detector
from emotrace.models import REGISTRY
from emotrace.progress import Watch

EMBEDDED: Final = ("face", "voice", "hashed")
"""One encoder per modality that needs no download."""


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """One encoder at one level, over all clips of a run."""

    name: str
    """Of the folder: the encoder's name and the level."""
    encoder: str
    modality: str
    level: Level
    width: int | None
    """None where no clip has the modality."""
    fingerprint: str
    written: int
    kept: int
    """How many of the clips that have it came from the cache."""
    absent: tuple[str, ...]
    """The clips without this modality."""


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What a run wrote."""

    sets: tuple[FeatureSet, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Clip -> why it could not be read."""


def encoder_named(name: str) -> FeatureEncoder:
    """The encoder of that name.

    Args:
        name: `face`, `voice` or `hashed`, which need nothing; or a checkpoint for transformers, by its name on the hub
            or its folder: CLIP sees, the HuBERT family hears, any other text model reads.

    Raises:
        MissingExtra: transformers is needed and not installed.
        ModelNotFound: No such checkpoint here, and none could be fetched.
        ModelFileError: A damaged checkpoint, or one of no use here.
    """
    if name == "face":
        from emotrace.encoders.pictures import FaceRows

        return FaceRows()
    if name == "voice":
        from emotrace.encoders.voice import VoiceMeasures

        return VoiceMeasures()
    from emotrace.encoders.text import sentence_encoder

    if name == "hashed":
        return sentence_encoder(name)
    from emotrace.encoders.audio import MODEL_TYPES, TransformersSound
    from emotrace.encoders.checkpoints import model_type

    kind = model_type(name)
    if kind == "clip":
        from emotrace.encoders.pictures import ClipRows

        return ClipRows(name)
    return TransformersSound(name) if kind in MODEL_TYPES else sentence_encoder(name)


def extract(
    sources: Sequence[ClipSource],
    encoders: Sequence[FeatureEncoder],
    out: str | Path,
    *,
    levels: Sequence[Level] = ("utt",),
    cache: FeatureCache | None = None,
    detector: FaceDetector | None = None,
    rate_hz: float = 5.0,
    watch: Watch | None = None,
) -> Extraction:
    """Writes the feature files of all clips.

    Args:
        sources: The clips.
        encoders: Who looks, listens and reads; no two of one name.
        out: The folder of the sets; made if it is not there.
        levels: One row per clip, many, or both.
        cache: Where features are kept by content.
        detector: Finds faces; the best one that is installed by default.
        rate_hz: Pictures looked at per second of video.
        watch: Told how far the run is.

    Raises:
        UsageError: Two encoders of one name, or none.
        DuplicateName: Two clips of one name.
        UnwritableOutput: The folder is closed or the disk full.
    """
    _check(sources, encoders)
    out, cache, watch = make_folder(out), cache or FeatureCache(), watch or Watch()
    run = _Run(encoders, tuple(dict.fromkeys(levels)), cache, detector or build_detector("auto"), rate_hz)
    sets = {(encoder.name, level): _Set(encoder, level, out) for encoder in encoders for level in run.levels}
    failed: dict[str, str] = {}
    for number, source in enumerate(sources):
        watch.progress("extracting", number, len(sources))
        try:
            found = run.features_of(source)
        except (MediaError, TranscriptError) as error:
            failed[source.name] = error.what  # without the path: what is written must not depend on it
            continue
        for key, (rows, was_kept) in found.items():
            sets[key].write(source.name, rows, was_kept)
    watch.progress("extracting", len(sources), len(sources))
    return Extraction(sets=tuple(each.close(failed, run.settings) for each in sets.values()), failed=failed)


class _Run:
    """The settings of a run, and one clip's features under them."""

    def __init__(
        self,
        encoders: Sequence[FeatureEncoder],
        levels: tuple[Level, ...],
        cache: FeatureCache,
        detector: FaceDetector,
        rate_hz: float,
    ) -> None:
        self.levels, self.settings = levels, {"detector": detector.name, "rate_hz": rate_hz}
        self._encoders, self._cache, self._detector, self._rate_hz = encoders, cache, detector, rate_hz

    def features_of(self, source: ClipSource) -> dict[tuple[str, Level], tuple[Rows, bool]]:
        """Encoder and level -> the rows, and whether they came from the cache. No row: the clip lacks it."""
        clip = OpenClip(source, rate_hz=self._rate_hz)
        keys = {(each.name, level): self._key(each, level, clip) for each in self._encoders for level in self.levels}
        kept = {place: rows for place, key in keys.items() if (rows := self._cache.get(key)) is not None}
        due = [each for each in self._encoders if any((each.name, level) not in kept for level in self.levels)]
        fresh: dict[tuple[str, Level], Rows] = {}
        for encoder, features in self._encoded(clip, due):
            for level in self.levels:
                rows = _rows(features, level)
                self._cache.put(keys[encoder.name, level], rows)
                fresh[encoder.name, level] = rows
        return {place: (fresh[place], False) if place in fresh else (kept[place], True) for place in keys}

    def _encoded(
        self, clip: OpenClip, encoders: Sequence[FeatureEncoder]
    ) -> list[tuple[FeatureEncoder, ClipFeatures | None]]:
        lookers = [each for each in encoders if each.modality == "visual"]
        seen = clip.seen_by(lookers, self._detector) if lookers else {}
        found: list[tuple[FeatureEncoder, ClipFeatures | None]] = []
        for encoder in encoders:
            if encoder.modality == "visual":
                found.append((encoder, seen[encoder.name]))
            elif encoder.modality == "vocal":
                found.append((encoder, clip.heard_by(encoder)))
            else:
                found.append((encoder, clip.read_by(encoder)))
        return found

    def _key(self, encoder: FeatureEncoder, level: Level, clip: OpenClip) -> FeatureKey:
        if encoder.modality == "verbal":
            return FeatureKey(content=text_hash(clip.text or ""), encoder=encoder.fingerprint, level=level)
        made = encoder.fingerprint
        if encoder.modality == "visual":
            made += f"|{self._detector.name}|{REGISTRY['align'].sha256[:16]}|{self._rate_hz!r}"
        return FeatureKey(content=clip.content, encoder=made, level=level)


class _Set:
    """One folder of files while it is being written."""

    def __init__(self, encoder: FeatureEncoder, level: Level, out: Path) -> None:
        self._encoder, self._level = encoder, level
        self._folder = make_folder(out / f"{encoder.name}-{level.upper()}")
        self._width: int | None = None
        self._written = self._kept = 0
        self._absent: list[str] = []

    def write(self, name: str, rows: Rows, was_kept: bool) -> None:
        """Writes a clip's file, if it is not there already as it should be."""
        target = self._folder / f"{flat_name(name)}.npy"
        if not rows.size:
            self._absent.append(name)
            target.unlink(missing_ok=True)  # of an earlier run, when the clip was another
            return
        self._width = rows.shape[-1]
        self._written += 1
        self._kept += was_kept
        data = as_npy(rows)
        if not target.is_file() or target.read_bytes() != data:
            write_atomically(target, data)

    def close(self, failed: Mapping[str, str], settings: Mapping[str, object]) -> FeatureSet:
        """Writes what the set is, beside its folder."""
        report = FeatureSet(
            name=self._folder.name,
            encoder=self._encoder.name,
            modality=self._encoder.modality,
            level=self._level,
            width=self._width,
            fingerprint=self._encoder.fingerprint,
            written=self._written,
            kept=self._kept,
            absent=tuple(self._absent),
        )
        card = {
            "schema": "emotrace.features/1",
            "emotrace": __version__,
            "encoder": report.encoder,
            "modality": report.modality,
            "level": report.level,
            "width": report.width,
            "fingerprint": report.fingerprint,
            "settings": dict(settings) if report.modality == "visual" else {},
            "clips": report.written,
            "absent": sorted(report.absent),
            "failed": dict(sorted(failed.items())),
        }
        text = json.dumps(card, ensure_ascii=False, indent=1) + "\n"
        write_atomically(self._folder.with_name(f"{report.name}.json"), text)
        return report


def _rows(features: ClipFeatures | None, level: Level) -> Rows:
    if features is None:
        return np.zeros(0, np.float32)
    return features.utterance if level == "utt" else features.frames


def _check(sources: Sequence[ClipSource], encoders: Sequence[FeatureEncoder]) -> None:
    names = [encoder.name for encoder in encoders]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"needs encoders of different names, got {', '.join(names) or 'none'}", where="encoders")
    clips = Counter(flat_name(source.name) for source in sources)
    twice = [name for name, count in clips.items() if count > 1]
    if twice:
        raise DuplicateName(
            f"clips of one name, whose features would replace each other: {first_five(twice)}",
            hint="Give the folder that holds each clip once, such as the videos without their sound files",
        )
