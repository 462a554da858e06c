"""Behavioural events as the Brain Imaging Data Structure keeps them (BIDS 1.10, `beh/`); experimental.

https://bids-specification.readthedocs.io/en/stable/modality-specific-files/task-events.html. BIDS is about
participants of a study and says nothing about emotions that viewers perceive: how it is used here is ours [ours].
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from emotrace.export.stretches import judged_segments
from emotrace.export.tables import Row, delimited
from emotrace.export.wording import one_line
from emotrace.labels.affects import AFFECT_BY_NAME
from emotrace.results import ABSTAIN_REASONS, Analysis, Segment

COLUMNS: dict[str, dict[str, Any]] = {
    "onset": {"Description": "Start of the segment, from the start of the file", "Units": "s"},
    "duration": {"Description": "Length of the segment; 0 for an instant", "Units": "s"},
    "trial_type": {"Description": "Perceived emotion; n/a where there is no label"},
    "confidence": {"Description": "Confidence of the label, 0 to 1"},
    "rank": {"Description": "1 for the first label of a verdict, 2 for the second"},
    "person": {"Description": "Person within the file, P1, P2, ...; voice for someone who is heard and not seen"},
    "abstain": {"Description": "Why there is no label", "Levels": dict(ABSTAIN_REASONS)},
    "text": {"Description": "What is said in the segment"},
}
"""Column -> what the sidecar says about it."""


def to_bids(analysis: Analysis) -> dict[str, str]:
    """A result as files of a BIDS data set: path below its root -> text.

    `sub-<label>/beh/sub-<label>_task-emotion_events.tsv` and its `.json`. The label is made of the file's name and
    the first eight digits of its hash. An empty cell is `n/a`; rows stand in order of onset.
    """
    label = re.sub("[^0-9A-Za-z]", "", PurePath(analysis.source.name).stem)[:24] + analysis.source.sha256[:8]
    stem = f"sub-{label}/beh/sub-{label}_task-emotion_events"
    rows = sorted(_rows(analysis), key=lambda row: row["onset"])
    table = delimited(COLUMNS, rows, delimiter="\t", line_end="\n", empty="n/a")
    return {f"{stem}.tsv": table, f"{stem}.json": _sidecar(analysis, rows)}


def _rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for person in analysis.persons:
        for segment in judged_segments(person):
            shared = {
                "onset": segment.span.start_seconds,
                "duration": round(segment.span.duration_seconds, 3),
                "person": one_line(person.id),
                "text": one_line(segment.text or ""),
            }
            yield from ({**shared, **row} for row in _of_verdict(segment))


def _of_verdict(segment: Segment) -> Iterator[Row]:
    if segment.verdict.abstain is not None:
        yield {"abstain": segment.verdict.abstain}
    for rank, label in enumerate(segment.verdict.labels, start=1):
        yield {"trial_type": label.word, "confidence": label.confidence, "rank": rank}


def _sidecar(analysis: Analysis, rows: list[dict[str, Any]]) -> str:
    columns = {name: dict(about) for name, about in COLUMNS.items()}
    words = {
        label.word: label.cluster
        for person in analysis.persons
        for segment in judged_segments(person)
        for label in segment.verdict.labels
    }
    columns["trial_type"]["Levels"] = {
        word: f"a viewer would perceive {word}" + (f" (affect: {cluster})" if cluster in AFFECT_BY_NAME else "")
        for word, cluster in sorted(words.items())
    }
    about = {
        "SourceFile": one_line(analysis.source.name),
        "SourceSHA256": analysis.source.sha256,
        "GeneratedBy": f"emotrace {analysis.provenance.emotrace}, {analysis.verdict.reasoner}",
    }
    return json.dumps({**columns, **about}, ensure_ascii=False, indent=2) + "\n"
