"""Every corpus by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emotrace.datasets.corpus import Corpus
from emotrace.datasets.cremad import CremaD
from emotrace.datasets.dfew import Dfew
from emotrace.datasets.emodb import EmoDb
from emotrace.datasets.ferv39k import Ferv39k
from emotrace.datasets.generic import Generic
from emotrace.datasets.iemocap import Iemocap
from emotrace.datasets.mafw import Mafw, MafwCompound
from emotrace.datasets.meld import Meld
from emotrace.datasets.mer2023 import Mer2023
from emotrace.datasets.mer2024 import Mer2024
from emotrace.datasets.mer2025 import Mer2025, Mer2025OpenVocabulary
from emotrace.datasets.mosi import Mosei, Mosi
from emotrace.datasets.ovmerd import OvMerd
from emotrace.datasets.ravdess import Ravdess
from emotrace.datasets.sims import Sims, SimsV2
from emotrace.errors import UnknownChoice

CORPORA: dict[str, type[Corpus]] = {
    corpus.name: corpus
    for corpus in (
        Dfew,
        Ferv39k,
        Mafw,
        MafwCompound,
        Mer2023,
        Mer2024,
        Mer2025,
        Mer2025OpenVocabulary,
        OvMerd,
        Meld,
        Iemocap,
        Mosi,
        Mosei,
        Sims,
        SimsV2,
        CremaD,
        Ravdess,
        EmoDb,
        Generic,
    )
}


ALSO_CALLED = {"table": "generic"}
"""Other names of the same corpus."""


def open_corpus(name: str, root: str | Path, **options: Any) -> Corpus:
    """The corpus of that name in a folder.

    Args:
        name: A key of `CORPORA`, in any case and with `_` or `-` or neither.
        root: The folder that the owner's archive unpacks to.
        options: What the adapter's constructor takes, as `frames` of DFEW.

    Raises:
        UnknownChoice: No corpus is called so; the message lists those that there are.
        CorpusNotFound: The folder does not exist.
    """
    return corpus_class(name)(root, **options)


def corpus_class(name: str) -> type[Corpus]:
    """The adapter of that name.

    Raises:
        UnknownChoice: No corpus is called so; the message lists those that there are.
    """
    wanted = _plain(ALSO_CALLED.get(name, name))
    for known, corpus in CORPORA.items():
        if _plain(known) == wanted:
            return corpus
    raise UnknownChoice(f"no corpus is called {name!r}", hint=f"Known corpora: {', '.join(CORPORA)}")


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
