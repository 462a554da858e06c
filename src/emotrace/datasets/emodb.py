"""EmoDB, the Berlin database of emotional speech: ten actors, seven emotions, sound only (Burkhardt et al., 2005).

    wav/03a01Fa.wav     speaker, sentence, emotion, take

The sixth character is the initial of the German word: Wut, Langeweile, Ekel, Angst, Freude, Trauer, N for neutral. The
owner's archive has wav files; a lossless copy as flac is read as well. The speaker is the group; there are no splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from emotrace.datasets.by_name import recordings
from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.tables import first_that_exists
from emotrace.errors import UnreadableTable

_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Za-z])([a-z])$")


class EmoDb(Corpus):
    """EmoDB."""

    name: ClassVar[str] = "emodb"
    scheme_name: ClassVar[str] = "emodb"
    group_is: ClassVar[str | None] = "speaker"
    published: ClassVar[Published | None] = Published(
        clips={"all": 535},
        classes={
            "all": {
                "anger": 127,
                "boredom": 81,
                "disgust": 46,
                "fear": 69,
                "happiness": 71,
                "sadness": 62,
                "neutral": 79,
            }
        },
        source="Berlin EmoDB, Interspeech 2005, and its release of 535 files",
    )

    def records(self) -> Iterator[Record]:
        """One for each file."""
        folder = first_that_exists(*(self.root / name for name in ("wav", "flac")), self.root)
        for path in recordings(folder if folder.is_dir() else self.root, ".wav", ".flac"):
            matched = _NAME.match(path.stem)
            if matched is None:
                raise UnreadableTable(f"expected a name as 03a01Fa, got {path.name}", where=path.parent)
            speaker, _, emotion, _ = matched.groups()
            yield Record(id=path.stem, split="all", media=path, label=emotion, group=speaker)
