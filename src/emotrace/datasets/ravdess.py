"""RAVDESS: 24 actors, speech and song, eight emotions, in three formats (Livingstone and Russo, PLoS ONE 2018).

    Actor_12/02-01-06-01-02-01-12.mp4    modality, channel, emotion, intensity, statement, repetition, actor

Modality 01 is picture and sound, 02 picture, 03 sound; channel 01 is speech, 02 song. Archives unpack to folders of
their own around `Actor_<n>`, so files are looked for at any depth. The owner names no splits; here a split is a
modality and a channel, as `av-speech`, because mixing them would put one performance on both sides. The actor is the
group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from emotrace.datasets.by_name import recordings
from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.errors import UnreadableTable

MODALITIES = {"01": "av", "02": "video", "03": "audio"}
CHANNELS = {"01": "speech", "02": "song"}
SPEECH = {"neutral": 96, **dict.fromkeys(("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 192)}
SONG = {"neutral": 92, **dict.fromkeys(("calm", "happy", "sad", "angry", "fearful"), 184)}


class Ravdess(Corpus):
    """RAVDESS in whichever formats lie below the folder."""

    name: ClassVar[str] = "ravdess"
    scheme_name: ClassVar[str] = "ravdess"
    may_leave_machine: ClassVar[bool] = True
    group_is: ClassVar[str | None] = "actor"
    groups_apart: ClassVar[bool] = False
    published: ClassVar[Published | None] = Published(
        clips={
            f"{mode}-{kind}": 1440 if kind == "speech" else 1012
            for mode in MODALITIES.values()
            for kind in CHANNELS.values()
        },
        classes={
            f"{mode}-{kind}": SPEECH if kind == "speech" else SONG
            for mode in MODALITIES.values()
            for kind in CHANNELS.values()
        },
        optional=frozenset(f"{mode}-{kind}" for mode in MODALITIES.values() for kind in CHANNELS.values()),
        source="Zenodo 1188976 (no song of actor 18)",
    )

    def records(self) -> Iterator[Record]:
        """One for each file."""
        for path in recordings(self.root, ".mp4", ".wav"):
            parts = path.stem.split("-")
            if len(parts) != 7 or parts[0] not in MODALITIES or parts[1] not in CHANNELS:
                raise UnreadableTable(
                    f"expected seven numbers as in 03-01-06-01-02-01-12, got {path.name}", where=path.parent
                )
            yield Record(
                id=path.stem,
                split=f"{MODALITIES[parts[0]]}-{CHANNELS[parts[1]]}",
                media=path,
                label=parts[2],
                group=parts[6],
                doubt=_doubt(path, parts[6]),
            )


def _doubt(path: Path, actor: str) -> str | None:
    folder = path.parent.name
    if folder.startswith("Actor_") and folder != f"Actor_{actor}":
        return f"{path.name} lies in the folder {folder}"
    return None
