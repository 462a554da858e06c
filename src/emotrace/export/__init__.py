"""`Analysis` to the files people use: one kind per file, a function from a result (or from many) to the content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emotrace.export.bids import to_bids
from emotrace.export.boris import to_boris, to_boris_project
from emotrace.export.csv import to_csv
from emotrace.export.eaf import to_eaf
from emotrace.export.frames import to_frames
from emotrace.export.jsonl import to_jsonl
from emotrace.export.parquet import to_arrow, to_parquet
from emotrace.export.summary import to_summary
from emotrace.export.textgrid import to_textgrid
from emotrace.export.webvtt import to_webvtt


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of file that results become."""

    ending: str
    """Of the file's name; empty for a format whose files name themselves."""
    about: str
    """Half a sentence for help and documentation."""
    write: Callable[..., Any]
    """From a result to text, to bytes or, for `bids`, to paths with their text.

    A format that holds many results in one table takes any number of them too.
    """
    many_in_one: bool = False
    is_text: bool = True
    experimental: bool = False


FORMATS: dict[str, Format] = {
    "csv": Format(ending=".csv", about="a row per person, segment and label", write=to_csv, many_in_one=True),
    "jsonl": Format(ending=".jsonl", about="a line per person and segment", write=to_jsonl, many_in_one=True),
    "frames": Format(
        ending=".frames.csv", about="action units and head pose, frame by frame", write=to_frames, many_in_one=True
    ),
    "parquet": Format(
        ending=".parquet", about="csv's rows with real types", write=to_parquet, many_in_one=True, is_text=False
    ),
    "summary": Format(ending=".summary.csv", about="a row per video", write=to_summary, many_in_one=True),
    "eaf": Format(ending=".eaf", about="ELAN, a tier per person and channel", write=to_eaf),
    "textgrid": Format(ending=".TextGrid", about="Praat", write=to_textgrid),
    "vtt": Format(ending=".vtt", about="captions under the playing video", write=to_webvtt),
    "boris": Format(ending=".boris.tsv", about="BORIS's tabular events", write=to_boris),
    "boris-project": Format(ending=".boris", about="a project that BORIS opens or imports", write=to_boris_project),
    "bids": Format(ending="", about="beh/ events of a BIDS data set", write=to_bids, experimental=True),
}
"""Name of the format -> what it is."""

__all__ = [
    "FORMATS",
    "Format",
    "to_arrow",
    "to_bids",
    "to_boris",
    "to_boris_project",
    "to_csv",
    "to_eaf",
    "to_frames",
    "to_jsonl",
    "to_parquet",
    "to_summary",
    "to_textgrid",
    "to_webvtt",
]
