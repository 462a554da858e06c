"""One clip at a time, as a reward for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from emotrace.labels.label_table import LabelTable
from emotrace.metrics.label_masks import LabelMasks, parse_labels


class ClipScore(NamedTuple):
    """The score of one clip: means over the targets on which the truth has a cluster."""

    f: float
    precision: float
    recall: float


class ClipScorer:
    """Scores one clip at a time, fast enough for a reward: mean over the wheels with T of 2 |T & A| / (|T| + |A|).

    It differs from the corpus score by construction: F is taken per clip and then averaged, over the wheels that this
    truth reaches, where `SetScorer` takes F of the corpus's mean precision and recall for each wheel.

    Args:
        table: Where labels go.
        targets: Which targets count, such as `official_tables.LEVEL_1`.
        cache_size: How many spellings are remembered.
    """

    def __init__(self, table: LabelTable, targets: Sequence[str], *, cache_size: int = 65_536) -> None:
        masks = LabelMasks(table, targets)
        self.targets = masks.targets
        self.fields = tuple(field.mask << 64 * field.start for field in masks.fields)
        """Bits of each target in a mask."""
        self._key = table.key
        self._mask_of_label = {
            label: int.from_bytes(row.tobytes(), "little")
            for label, row in zip(masks.labels, masks.words[1:].astype("<u8"), strict=True)
        }
        self._mask_of_piece = {"": 0, **self._mask_of_label}
        self._cache_size = max(cache_size, len(self._mask_of_piece))

    def mask(self, answer: Any) -> int:
        """The clusters of an answer as bits; `fields` tells which bits belong to which target."""
        if isinstance(answer, str):
            text = answer[1:] if answer[:1] == "[" else answer
            text = text[:-1] if text[-1:] == "]" else text
            pieces: Sequence[str] = text.replace("'", ",").replace('"', ",").split(",")
        else:
            pieces = parse_labels(answer)
        found = self._mask_of_piece
        bits = 0
        for piece in pieces:
            bits |= found[piece] if piece in found else self._remember(piece)
        return bits

    def _remember(self, piece: str) -> int:
        label = piece.lower().strip()
        bits = self._mask_of_label.get(self._key(label), 0)
        if len(self._mask_of_piece) < self._cache_size:
            self._mask_of_piece[piece] = bits
        return bits

    def score(self, truth: Any, answer: Any) -> ClipScore | None:
        """Scores one answer; None when the truth reaches no target, which trainers read as "not applicable"."""
        truth_bits, answer_bits = self.mask(truth), self.mask(answer)
        if not truth_bits:
            return None
        both = truth_bits & answer_bits
        f = precision = recall = 0.0
        wheels = 0
        for field in self.fields:
            in_truth = (truth_bits & field).bit_count()
            if not in_truth:
                continue
            wheels += 1
            hits = (both & field).bit_count()
            if hits:
                in_answer = (answer_bits & field).bit_count()
                f += 2 * hits / (in_truth + in_answer)
                precision += hits / in_answer
                recall += hits / in_truth
        return ClipScore(f / wheels, precision / wheels, recall / wheels)
