"""How the six terms add up: format gates all, and accuracy scales the terms about the process [ours].

    R = w_fmt·fmt + fmt·(w_acc·acc + acc·(w_think·think + w_cite·cite + w_evid·evid + w_sem·sem))

so a fine story under a wrong label earns nothing. With the weights of the preset `full` R lies in 0..2.2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from jaxtyping import Float64, Int64

from emotrace.encoders.text import SentenceEncoder, sentence_encoder
from emotrace.errors import RewardFailed, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.propose import MAX_HYPOTHESES
from emotrace.hydra.rewards.accuracy import Accuracy, Words
from emotrace.hydra.rewards.arrays import numbered, of_pairs
from emotrace.hydra.rewards.citing import cite
from emotrace.hydra.rewards.likeness import Likeness
from emotrace.hydra.rewards.quoting import evid, sem
from emotrace.hydra.rewards.reading import Readings, read
from emotrace.hydra.rewards.sheets import SheetIndex
from emotrace.hydra.rewards.thinking import closure, think
from emotrace.hydra.rewards.trajectories import PerCompletion, ground
from emotrace.labels.label_table import LabelTable, OwnTable

Term = Literal["fmt", "acc", "think", "cite", "evid", "sem"]
TERMS: tuple[Term, ...] = get_args(Term)
WEIGHTS: Mapping[Term, float] = MappingProxyType(
    {"fmt": 0.2, "acc": 1.0, "think": 0.2, "cite": 0.2, "evid": 0.3, "sem": 0.3}
)
SHEETS = 4096
"""How many sheets that came as JSON are kept read."""
_UNFIT = (ArithmeticError, LookupError, TypeError, ValueError)
"""What reading a damaged column can raise."""

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """What is rewarded, and how much."""

    k: int = 2
    """How many hypotheses a legal text has."""
    weights: Mapping[Term, float] = field(default_factory=lambda: WEIGHTS)
    """One weight of 0 or more per term."""
    gated: bool = True
    """Whether format and accuracy gate the other terms."""
    table: LabelTable = field(default_factory=OwnTable.shipped)
    """Where answer and gold are compared: the shipped wheel, or the user's official tables."""
    encoder: SentenceEncoder = field(default_factory=lambda: sentence_encoder("hashed"))
    """Compares quotes with observations."""

    def __post_init__(self) -> None:
        if not 0 <= self.k <= MAX_HYPOTHESES:
            raise UsageError(f"the number of hypotheses must be 0 to {MAX_HYPOTHESES}, got {self.k}", where="k")
        if set(self.weights) != set(TERMS) or not all(0.0 <= w < math.inf for w in self.weights.values()):
            raise UsageError(
                f"weights are numbers of 0 or more for {', '.join(TERMS)}, got {dict(self.weights)}", where="weights"
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> RewardConfig:
        """`full`: all that this file says; `outcome`: format and accuracy alone; `flat`: all terms, without gates.

        Raises:
            UsageError: No such preset.
        """
        outcome = {term: weight if term in ("fmt", "acc") else 0.0 for term, weight in WEIGHTS.items()}
        presets: dict[str, dict[str, Any]] = {"full": {}, "outcome": {"weights": outcome}, "flat": {"gated": False}}
        if name not in presets:
            raise UsageError(f"presets are {', '.join(presets)}, got {name!r}", where="preset")
        return cls(**{**presets[name], **changes})

    def record(self) -> dict[str, Any]:
        """What a run's manifest says of its rewards: plain values."""
        return {
            "k": self.k,
            "weights": {term: self.weights[term] for term in TERMS},
            "gated": self.gated,
            "table": self.table.name,
            "table_sha256": self.table.sha256,
            "encoder": self.encoder.name,
            "encoder_fingerprint": self.encoder.fingerprint,
        }


@dataclass(frozen=True, kw_only=True)
class BatchScores:
    """The rewards of many completions: nan where no wheel holds any gold label."""

    raw: Float64[np.ndarray, "completion term"]
    """Each term by itself, 0..1, in the order of `TERMS`."""
    gated: Float64[np.ndarray, "completion term"]
    """Each term as the hierarchy lets it through; R is the weighted sum of these."""
    total: Float64[np.ndarray, " completion"]
    """R."""
    closure: Float64[np.ndarray, " completion"]
    """phi · psi of the winner: logged, never rewarded. nan for malformed texts and for K = 0."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The reward of one completion."""

    raw: Mapping[Term, float]
    gated: Mapping[Term, float]
    total: float
    closure: float


class Scorer:
    """Scores completions in batches. What lines, quotes and answers share within a batch is computed once.

    Args:
        config: What is rewarded.
        likeness: Holds the vectors of texts, for scorers of one encoder to share; None: one of its own.
    """

    def __init__(self, config: RewardConfig | None = None, *, likeness: Likeness | None = None) -> None:
        self.config = config or RewardConfig()
        self._accuracy = Accuracy(self.config.table)
        self._likeness = likeness or Likeness(self.config.encoder)
        self._sheet = lru_cache(maxsize=SHEETS)(_sheet_of_json)

    def score(
        self,
        texts: Sequence[str],
        sheets: Sequence[Any],
        golds: Sequence[Any],
        *,
        names: Sequence[str] | None = None,
    ) -> BatchScores:
        """The rewards of completions, each with its sheet and gold.

        Args:
            texts: Completions, whatever they hold: malformed text scores 0.
            sheets: The `EvidenceSheet` that each was written about, or the JSON of its `to_dict`.
            golds: The gold labels of each, a list of words or a label string.
            names: What an error calls each sample; `sample 0` and so on where none are given.

        Raises:
            UsageError: Not one sheet and one gold for each text.
            RewardFailed: A text, sheet or gold that is not one; the message names the sample.
        """
        if not len(texts) == len(sheets) == len(golds):
            raise UsageError(f"got {len(texts)} completions, {len(sheets)} sheets and {len(golds)} gold labels")
        names = names or [f"sample {number}" for number in range(len(texts))]
        indices, sheet = _each(sheets, _key_of_sheet, self._index, "sheet", names)
        truths, gold = _each(golds, repr, self._accuracy.gold, "gold", names)
        for name, text in zip(names, texts, strict=True):
            if not isinstance(text, str):
                raise RewardFailed(f"a completion is a text, got {type(text).__name__}", where=name)
        readings = read(texts, self.config.k)
        raw, closures = np.zeros((len(texts), len(TERMS))), np.full(len(texts), np.nan)
        trajectories = ground(readings, indices, sheet[readings.legal], self._likeness)
        acc = self._acc(readings, truths, gold[readings.legal])
        process = (term(trajectories) for term in (think, cite, evid, sem))
        raw[readings.legal] = np.stack([np.ones(len(readings)), acc, *process], axis=1)
        closures[readings.legal] = closure(trajectories)
        raw[np.array([truth is None for truth in truths], np.bool_)[gold]] = np.nan
        gated = _gated(raw) if self.config.gated else raw
        return BatchScores(raw=raw, gated=gated, total=self._weighted(gated), closure=closures)

    def _index(self, sheet: Any) -> SheetIndex:
        if isinstance(sheet, str):
            return SheetIndex(self._sheet(sheet))
        if not isinstance(sheet, EvidenceSheet):
            raise TypeError(f"a sheet is an EvidenceSheet or its JSON, got {type(sheet).__name__}")
        return SheetIndex(sheet)

    def _acc(self, readings: Readings, truths: list[Words | None], gold: Int64[np.ndarray, " legal"]) -> PerCompletion:
        """The term `acc` of each answer; 0 where there is no gold."""
        answers = readings.lines.answers
        said = answers.labels[readings.answers]
        return of_pairs(said, gold, lambda words, truth: self._agreement(answers.words[words], truths[truth]))

    def _agreement(self, words: tuple[str, ...], truth: Words | None) -> float:
        return 0.0 if truth is None else self._accuracy(self._accuracy.words(words), truth)

    def _weighted(self, gated: Float64[np.ndarray, "completion term"]) -> Float64[np.ndarray, " completion"]:
        """Σ weight · value, rounded once, so that a perfect trajectory gives the sum of the weights exactly."""
        weights = [self.config.weights[term] for term in TERMS]
        rows = (gated * weights).tolist()
        return np.array([math.fsum(row) for row in rows], dtype=np.float64)


def _gated(raw: Float64[np.ndarray, "completion term"]) -> Float64[np.ndarray, "completion term"]:
    gated: Float64[np.ndarray, "completion term"] = raw * raw[:, :1]
    gated[:, 2:] *= gated[:, 1:2]
    return gated


def _each(
    column: Sequence[T], key: Callable[[T], Hashable], read_one: Callable[[T], V], what: str, names: Sequence[str]
) -> tuple[list[V], Int64[np.ndarray, " row"]]:
    """The distinct values of a column, each read once, and which of them stands in each row."""
    _, number = numbered(list(map(key, column)))
    values = []
    for row in np.unique(number, return_index=True)[1].tolist():
        try:
            values.append(read_one(column[row]))
        except _UNFIT as error:
            raise RewardFailed(f"the {what} cannot be read: {error}", where=names[row]) from error
    return values, number


def _key_of_sheet(sheet: Any) -> str | int:
    return sheet if isinstance(sheet, str) else id(sheet)


def _sheet_of_json(text: str) -> EvidenceSheet:
    return EvidenceSheet.from_dict(json.loads(text))


def score(text: str, *, sheet: EvidenceSheet, gold: Any, config: RewardConfig | None = None) -> Score | None:
    """The reward of one completion; None where no wheel holds any gold label. Many are faster in a `Scorer`."""
    batch = Scorer(config).score([text], [sheet], [gold])
    if np.isnan(batch.total[0]):
        return None
    raw, gated = (dict(zip(TERMS, values[0].tolist(), strict=True)) for values in (batch.raw, batch.gated))
    return Score(raw=raw, gated=gated, total=float(batch.total[0]), closure=float(batch.closure[0]))
