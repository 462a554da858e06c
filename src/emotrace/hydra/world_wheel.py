"""The simulated world's own wheel: sectors, affects and their words, as a label table.

World results are scored on it, so that they do not move when the shipped wheel is edited. Hydra specification, section
10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Final

from emotrace.labels.affects import AFFECT_BY_WORD, Affect
from emotrace.labels.label_table import INNER, MIDDLE, LabelPath


class WorldWheel:
    """Level 1 is the sector, level 2 the affect; a word that the world does not know is on no wheel."""

    name: Final = "world-wheel/1"

    @cached_property
    def sha256(self) -> str:
        """Of its rows."""
        rows = "".join(f"{word}\t{affect.name}\t{affect.sector}\n" for word, affect in sorted(self._affects.items()))
        return hashlib.sha256(rows.encode()).hexdigest()

    def key(self, label: str) -> str:
        """Lower case, single spaces."""
        return " ".join(label.lower().split())

    @property
    def known(self) -> Collection[str]:
        """Every word of every affect."""
        return self._affects

    @cached_property
    def clusters(self) -> Mapping[str, Mapping[str, str]]:
        """`inner` and `middle` -> word -> sector or affect."""
        return {
            INNER: {word: affect.sector for word, affect in self._affects.items()},
            MIDDLE: {word: affect.name for word, affect in self._affects.items()},
        }

    def explain(self, label: str) -> LabelPath:
        """The one place of `label`."""
        word = self.key(label)
        affect = self._affects.get(word)
        found = (word,) if affect else ()
        return LabelPath(
            label=word,
            words=found,
            wheel_words=found,
            chosen=dict.fromkeys((INNER, MIDDLE), word) if affect else {},
            clusters={INNER: affect.sector, MIDDLE: affect.name} if affect else {},
            status="scored" if affect else "unknown_form",
        )

    @property
    def _affects(self) -> dict[str, Affect]:
        return AFFECT_BY_WORD
