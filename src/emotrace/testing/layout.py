"""What a miniature corpus is made of: made-up rows, and where an owner's archive puts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

MediaKind = Literal["frames", "video", "audio"]
Files = dict[str, bytes]
"""Path below the root -> content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One made-up clip, as its corpus would write it."""

    name: str
    split: str
    label: str
    group: str = ""
    text: str = "The parcel came on Monday."
    value: float = 0.0
    witness: str = ""
    """What the corpus's second witness of the label says: a path, a sentiment, a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One corpus in one of its layouts."""

    corpus: str
    variant: str = ""
    media: MediaKind
    rows: Callable[[], list[Row]]
    place: Callable[[Row], str]
    """Where a row's clip lies below the root."""
    lists: Callable[[Sequence[Row]], Files] = lambda rows: {}
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter's constructor is given."""
    frames: int = 17
    """Frames of a clip: more than the field's models sample, and enough that text and number order differ."""
    faults: tuple[str, ...] = ()
    """Faults that only some corpora can have; those of the lists and the media are common."""

    @property
    def title(self) -> str:
        """Corpus and variant."""
        return f"{self.corpus} ({self.variant})" if self.variant else self.corpus
