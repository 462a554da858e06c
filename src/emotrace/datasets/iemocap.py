"""IEMOCAP: ten actors in five sessions, improvised and scripted dialogues (Busso et al., 2008; USC SAIL).

    Session<1..5>/dialog/EmoEvaluation/<dialogue>.txt     [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5, 2.5, 2.5]
    Session<1..5>/dialog/transcriptions/<dialogue>.txt    Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
    Session<1..5>/dialog/avi/DivX/<dialogue>.avi          both actors side by side
    Session<1..5>/sentences/wav/<dialogue>/<utterance>.wav

The numbers in brackets are valence, activation and dominance from 1 to 5. An utterance is a span of its dialogue's
video, or its own wav file. Each actor stays in one session, so the session is the group; the owner names no splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.tables import number, read_lines, span_of
from emotrace.errors import CorpusNotFound, UnreadableTable

_LINE = re.compile(r"\[(\S+) - (\S+)\]\t(\S+)\t(\S+)\t\[(\S+), (\S+), (\S+)\]\s*$")
_SPOKEN = re.compile(r"(\S+) \[[^\]]*\]:\s*(.*)$")
ENCODINGS = ("utf-8-sig", "latin-1")


class Iemocap(Corpus):
    """IEMOCAP's utterances with all eleven annotation codes; `map_labels` makes the field's four or six classes."""

    name: ClassVar[str] = "iemocap"
    scheme_name: ClassVar[str] = "iemocap"
    group_is: ClassVar[str | None] = "session"
    published: ClassVar[Published | None] = Published(
        clips={"all": 10039},
        classes={
            "all": {
                "angry": 1103,
                "happy": 595,
                "sad": 1084,
                "neutral": 1708,
                "frustrated": 1849,
                "excited": 1041,
                "fearful": 40,
                "surprised": 107,
                "disgusted": 2,
                "other": 3,
                "undecided": 2507,
            }
        },
        source="counts of the release's EmoEvaluation files, as tabled in the literature",
    )

    def __init__(self, root: str | Path, *, media: Literal["wav", "avi"] = "wav") -> None:
        super().__init__(root)
        self.media = media

    def records(self) -> Iterator[Record]:
        """The utterances of all sessions that are there."""
        sessions = sorted(self.root.glob("Session[1-5]"))
        if not sessions:
            raise CorpusNotFound("no folder Session1 to Session5 is there", where=self.root)
        for session in sessions:
            evaluations = sorted((session / "dialog" / "EmoEvaluation").glob("Ses*.txt"))
            if not evaluations:
                raise CorpusNotFound("no evaluation is there", where=session / "dialog" / "EmoEvaluation")
            for path in evaluations:
                yield from self._dialogue(session, path)

    def _dialogue(self, session: Path, path: Path) -> Iterator[Record]:
        spoken = _transcript(session / "dialog" / "transcriptions" / path.name)
        for line in read_lines(path, encodings=ENCODINGS):
            if not line.startswith("[") or line.startswith("[START_TIME"):
                continue
            matched = _LINE.match(line)
            if matched is None:
                raise UnreadableTable(f"not a line of an evaluation: {line.strip()!r}", where=path)
            start, end, name, code, *rated = matched.groups()
            yield Record(
                id=name,
                split="all",
                media=self._media(session, path.stem, name),
                label=code,
                values={
                    dimension: value
                    for dimension, cell in zip(("valence", "activation", "dominance"), rated, strict=True)
                    if (value := number(cell, where=path)) is not None
                },
                group=session.name,
                text=spoken.get(name),
                language="en",
                span=span_of(start, end, where=path) if self.media == "avi" else None,
                doubt=None if name.startswith(path.stem) else f"{name} stands in the evaluation of {path.stem}",
            )

    def _media(self, session: Path, dialogue: str, name: str) -> Path:
        if self.media == "avi":
            return session / "dialog" / "avi" / "DivX" / f"{dialogue}.avi"
        return session / "sentences" / "wav" / dialogue / f"{name}.wav"


def _transcript(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found = (_SPOKEN.match(line) for line in read_lines(path, encodings=ENCODINGS))
    return {match[1]: match[2] for match in found if match}
