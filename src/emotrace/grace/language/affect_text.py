"""`AffectText`: the affect-bearing words of a clip, their weights, and their columns of the transport plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from emotrace.span import Span

TextSource = Literal["evidence", "class_bank"]
TextUnits = Literal["token", "phrase"]


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """One canonical phrase: a region of the face, what it does, how strongly, when."""

    text: str
    region: str
    action: str
    action_unit: str | None
    """`AU12`; None where the phrase names no single unit."""
    intensity: str | None
    phase: str | None
    span: Span | None
    """When it was observed; None where the source gives no time, as for the class bank."""
    strength: float
    confidence: float
    observation_ids: tuple[str, ...]
    """Of the sheet that the phrase was read from; empty for the class bank."""
    columns: slice
    """Its columns in the plan."""


@dataclass(frozen=True, kw_only=True)
class AffectText:
    """The words of one clip. The first columns are affect words, the last ones background [ours].

    With `units="token"` the phrases form one text, `", ".join(phrase.text)`; each content token of it is a column, and
    `positions` says which tokens those are. With `units="phrase"` each phrase is a column, read alone. Background
    phrases are always read alone, one column each.
    """

    units: TextUnits
    source: TextSource
    phrases: tuple[Phrase, ...]
    token_ids: tuple[int, ...]
    """Of the joined phrases, without start and end; empty for `phrase` units."""
    positions: tuple[int, ...]
    """Column -> place in `token_ids`; empty for `phrase` units."""
    background: tuple[str, ...]
    affect: Float32[np.ndarray, " column"]
    """γ in 0..1; 0 for background."""
    marginal: Float32[np.ndarray, " column"]
    """b >= 0, sums to 1."""
    dropped: tuple[tuple[str, str], ...] = ()
    """(sentence, why it was left out)."""
    overflow: int = 0
    """Phrases that did not fit into the tokenizer's budget."""
    class_columns: tuple[tuple[str, slice], ...] = ()
    """Of the class bank: label -> its columns; empty for evidence."""

    @property
    def column_count(self) -> int:
        """L: affect columns and background columns."""
        return len(self.affect)

    @property
    def is_empty(self) -> bool:
        """Whether no phrase has a weight: then the alignment loss leaves the clip out."""
        return not self.affect.any()
