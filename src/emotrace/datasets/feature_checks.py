"""What `verify` says of the files beside the media: transcripts, and features in MERTools' layout."""

from __future__ import annotations

from collections.abc import Sequence

from emotrace.datasets.corpus import Corpus, Record
from emotrace.datasets.findings import Finding, found, skipped
from emotrace.datasets.mertools_features import faults_of, feature_sets, place_of


def check_transcripts(records: Sequence[Record]) -> Finding:
    """Clips without words, in a corpus that has transcripts. Nothing may be said in them, so this is a note."""
    wordless = [record.id for record in records if not record.text]
    if len(wordless) == len(records):
        return skipped("transcripts", "the corpus has no transcripts")
    return found("transcripts", wordless, bad="clips without words", good="every clip has its words", level="note")


def check_features(corpus: Corpus, records: Sequence[Record]) -> Finding:
    """Features that are no arrays, of two widths, empty, nan or infinite are faults; absent files are a note."""
    if not (corpus.root / "features").is_dir():
        return skipped("features", "there is no folder `features`")
    names = list(dict.fromkeys(record.id for record in records))
    sets = feature_sets(corpus.root)
    faults = [fault for folder in sets.values() for fault in faults_of(folder, names)]
    if faults:
        return found("features", faults, bad="features that cannot be used", good="")
    absent = [f"{name}: {clip}" for name, folder in sets.items() for clip in names if place_of(folder, clip) is None]
    return found(
        "features",
        absent,
        bad="clips without features: a missing modality, which training masks",
        good=f"every clip has all features ({', '.join(sets) or 'no sets'})",
        level="note",
    )
