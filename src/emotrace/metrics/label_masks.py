"""Labels as bits: a clip's label set is a few 64-bit words, and set sizes are bit counts.

Each cluster of each target owns one bit; small targets share a word (five wheels at level 1 need 31 bits), large ones
take several. A set is the OR of its labels, so order and repeats cannot matter, and a dropped label is no bit at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.labels.label_table import LabelTable
from emotrace.labels.splitting import split_labels

if TYPE_CHECKING:
    from jaxtyping import Int32, Int64, UInt64

Answer = str | Sequence[str] | None
"""A label string as the field writes it, a list of labels, or nothing."""
WORD_BITS = 64
_OPENING = "\x00"
"""The piece that opens each clip. In an answer it is replaced by another character that no label has."""
_SEAM = "\x02"
"""The same where the commonest writing, `['a', 'b']`, follows upon itself."""
_BLANK = -1


def parse_labels(answer: Any) -> list[str]:
    """Labels of an answer, lower case and stripped, in order, repeats kept.

    A list passes item by item without being split; None, nan and the empty string give no labels; other strings are
    split by `labels.splitting.split_labels`.

    >>> parse_labels("['Happy', 'at ease']"), parse_labels(["a, b"]), parse_labels(None)
    (['happy', 'at ease'], ['a, b'], [])

    Raises:
        InvalidScores: Not a string, list or array of strings.
    """
    items = raw_labels(answer)
    return [label for item in items if (label := item.lower().strip())]


def raw_labels(answer: Any) -> Sequence[str]:
    """The pieces of an answer as they are written, blanks stripped from split strings."""
    if isinstance(answer, str):
        return split_labels(answer)
    if answer is None or (isinstance(answer, float) and np.isnan(answer)):
        return ()
    items = answer.tolist() if isinstance(answer, np.ndarray) else answer
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise InvalidScores(f"an answer is a string or a list of strings: got {answer!r}")
    return items


def is_malformed(answer: Any) -> bool:
    """Whether a label string has unbalanced brackets or semicolons; it is scored as the rules say all the same."""
    return isinstance(answer, str) and (";" in answer or answer.count("[") != answer.count("]"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """Where the clusters of one target lie: words `start` to `stop`, and within the first word the bits of `mask`."""

    target: str
    start: int
    stop: int
    mask: int
    clusters: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EncodedLabels:
    """The labels of many clips as numbers: 0 opens each clip, then known labels, then unknown ones past the table."""

    ids: Int32[np.ndarray, " label"]
    starts: Int64[np.ndarray, " clip"]
    unknown: tuple[str, ...]
    """Label of id `len(table) + 1 + i`."""
    malformed: int


class LabelMasks:
    """A label table compiled for some of its targets.

    Args:
        table: Where labels go.
        targets: Which targets to keep; each must be one of the table's.
    """

    def __init__(self, table: LabelTable, targets: Sequence[str]) -> None:
        self.table = table
        self.targets = tuple(targets)
        self.fields = _lay_out(table, self.targets)
        self.labels = tuple(sorted(table.known))
        self._id_of_label = {label: number for number, label in enumerate(self.labels, start=1)}
        self.words = self._compile()

    def _compile(self) -> UInt64[np.ndarray, "label word"]:
        """One row per label id; row 0, which opens each clip, is empty."""
        words = np.zeros((len(self.labels) + 1, max(field.stop for field in self.fields)), dtype=np.uint64)
        for field in self.fields:
            low_bit = (field.mask & -field.mask).bit_length() - 1
            bit_of = {cluster: low_bit + number for number, cluster in enumerate(field.clusters)}
            places = self.table.clusters[field.target]
            for label, cluster in places.items():
                bit = bit_of[cluster]
                row = self._id_of_label.get(label)
                if row is not None:
                    words[row, field.start + bit // WORD_BITS] |= np.uint64(1 << bit % WORD_BITS)
        return words

    def encode(self, answers: Sequence[Any]) -> EncodedLabels:
        """Numbers of all labels of all answers."""
        numbering = _Numbering(self._id_of_label, self.table)
        joined = _join(answers)
        pieces = _split_one_by_one(answers) if joined is None else _split_together(joined)
        # One pass in C over all pieces of all answers: this line is most of the time of a score.
        ids = np.fromiter(map(numbering.__getitem__, pieces), dtype=np.int32, count=len(pieces))
        ids = ids[ids != _BLANK]
        return EncodedLabels(
            ids=ids,
            starts=np.flatnonzero(ids == 0),
            unknown=tuple(numbering.unknown),
            malformed=_count_malformed(answers, joined),
        )

    def masks(self, encoded: EncodedLabels) -> UInt64[np.ndarray, "clip word"]:
        """The label set of each clip."""
        if not len(encoded.starts):
            return np.zeros((0, self.words.shape[1]), np.uint64)
        rows = np.where(encoded.ids > len(self.labels), 0, encoded.ids)
        return np.bitwise_or.reduceat(self.words[rows], encoded.starts, axis=0)

    def count(self, masks: UInt64[np.ndarray, "*clip word"], field: Field) -> Int64[np.ndarray, "*clip"]:
        """Number of clusters of one target in each set."""
        bits: UInt64[np.ndarray, "*clip word"] = masks[..., field.start : field.stop] & np.uint64(field.mask)
        counts: Int64[np.ndarray, "*clip"] = np.bitwise_count(bits).sum(axis=-1, dtype=np.int64)
        return counts

    def field(self, target: str) -> Field:
        """Where a target's clusters lie."""
        return self.fields[self.targets.index(target)]


class _Numbering(dict[str, int]):
    """Piece as written -> label id; resolves each spelling once and numbers the labels that the table lacks."""

    def __init__(self, id_of_label: dict[str, int], table: LabelTable) -> None:
        super().__init__(id_of_label)
        self.update({_OPENING: 0, _SEAM: 0, "": _BLANK, " ": _BLANK})
        self.unknown: dict[str, int] = {}
        self._id_of_label, self._table = id_of_label, table

    def __missing__(self, piece: str) -> int:
        label = piece.lower().strip()
        number = self._id_of_label.get(self._table.key(label)) if label else _BLANK
        if number is None:
            number = len(self._id_of_label) + 1 + self.unknown.setdefault(label, len(self.unknown))
        self[piece] = number
        return number


def _join(answers: Sequence[Any]) -> str | None:
    """All answers in one string, each between two `_OPENING`; None where some are not strings."""
    if set(map(type, answers)) != {str}:
        return None
    joined = _OPENING.join(["", *answers, ""])
    if joined.count(_OPENING) == len(answers) + 1 and _SEAM not in joined:
        return joined
    return _OPENING.join(["", *map(_without_marks, answers), ""])


def _without_marks(text: str) -> str:
    return text.replace(_OPENING, "\x01").replace(_SEAM, "\x01")


def _split_together(joined: str) -> list[str]:
    """All pieces of all answers, each answer opened by `_OPENING`: one pass in C over the corpus."""
    # The commonest writing goes first, brackets, quotes and all: fewer passes over the text, and fewer blank pieces.
    joined = joined.replace(f"']{_OPENING}['", f",{_SEAM},").replace("', '", ",")
    joined = joined.replace(f"{_OPENING}[", _OPENING).replace(f"]{_OPENING}", _OPENING)
    joined = joined.replace("'", ",").replace('"', ",").replace(_OPENING, f",{_OPENING},")
    return joined.split(",")[1:-2]


def _split_one_by_one(answers: Sequence[Any]) -> list[str]:
    """The same for answers of which some are lists."""
    pieces: list[str] = []
    for answer in answers:
        pieces.append(_OPENING)
        pieces += map(_without_marks, raw_labels(answer))
    return pieces


def _count_malformed(answers: Sequence[Any], joined: str | None) -> int:
    """Number of strings with unbalanced brackets or semicolons."""
    if joined is not None and ";" not in joined:
        # Nothing but one pair around every string, or no bracket at all: told from four counts.
        pairs = {joined.count(mark) for mark in ("[", "]", f"{_OPENING}[", f"]{_OPENING}")}
        if len(pairs) == 1 and pairs <= {0, len(answers)}:
            return 0
    return sum(map(is_malformed, answers))


def _lay_out(table: LabelTable, targets: Sequence[str]) -> tuple[Field, ...]:
    """Gives each target its bits: into the open word where it fits, else into words of its own."""
    missing = [target for target in targets if target not in table.clusters]
    if missing:
        raise InvalidScores(
            f"the tables {table.name} have no {missing[0]}", hint=f"They have {', '.join(table.clusters)}"
        )
    fields, word, used = [], 0, 0
    for target in targets:
        clusters = tuple(sorted(set(table.clusters[target].values())))
        size = len(clusters)
        if used and used + size > WORD_BITS:
            word, used = word + 1, 0
        if size > WORD_BITS:
            stop, mask = word + -(-size // WORD_BITS), 2**WORD_BITS - 1
        else:
            stop, mask = word + 1, ((1 << size) - 1) << used
        fields.append(Field(target=target, start=word, stop=stop, mask=mask, clusters=clusters))
        word, used = (stop, 0) if size > WORD_BITS else (word, used + size)
    return tuple(fields)
