"""CREMA-D: 91 actors, 12 sentences, six emotions at up to four intensities (Cao et al., 2014; CheyneyComputerScience).

    VideoFlash/1001_DFA_ANG_XX.flv, AudioWAV/1001_DFA_ANG_XX.wav     actor, sentence, emotion, intensity

The label is the emotion that was acted, which is not always the one that raters saw. The repository stores media with
Git LFS: an archive of it holds text pointers instead of clips. The actor is the group; the owner names no splits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from emotrace.datasets.by_name import recordings
from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.errors import UnreadableTable

FOLDERS = {"video": ("VideoFlash", (".flv", ".mp4")), "audio": ("AudioWAV", (".wav",))}
_OTHERS = ("anger", "disgust", "fear", "happy", "sad")


class CremaD(Corpus):
    """CREMA-D, either its videos or its sound."""

    name: ClassVar[str] = "crema-d"
    scheme_name: ClassVar[str] = "crema-d"
    may_leave_machine: ClassVar[bool] = True
    group_is: ClassVar[str | None] = "actor"
    published: ClassVar[Published | None] = Published(
        clips={"all": 7442},
        classes={"all": {**dict.fromkeys(_OTHERS, 1271), "neutral": 1087}},
        source="CheyneyComputerScience/CREMA-D, README.md",
    )
    known_faults: ClassVar[dict[str, str]] = {
        "1076_MTI_SAD_XX": "silent, and without a face (CREMA-D issue 8)",
        "1076_MTI_NEU_XX": "cannot be played (CREMA-D issue 8)",
        "1064_TIE_SAD_XX": "without duration (CREMA-D issue 8)",
        "1064_IEO_DIS_MD": "a minute long, with several emotions (CREMA-D issue 8)",
    }

    def __init__(self, root: str | Path, *, media: Literal["video", "audio"] = "video") -> None:
        super().__init__(root)
        self.media = media

    def records(self) -> Iterator[Record]:
        """One for each file of the media folder."""
        folder, suffixes = FOLDERS[self.media]
        for path in recordings(self.root / folder, *suffixes):
            parts = path.stem.split("_")
            if len(parts) != 4 or not parts[0].isdigit():
                raise UnreadableTable(f"expected actor_sentence_emotion_level, got {path.name}", where=path.parent)
            actor, _, emotion, _ = parts
            yield Record(id=path.stem, split="all", media=path, label=emotion, group=actor)
