"""What an evaluation writes: one JSON with the scores, what they were made of, and where everything came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from emotrace.errors import UnreadableResult

SCHEMA_VERSION: Literal["1.0"] = "1.0"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class ScoreInterval(_Frozen):
    """95 % bootstrap interval of a score."""

    low: float | None
    high: float | None
    rounds: int
    undefined_rounds: int
    clusters: int | None


class Score(_Frozen):
    """One number. `value` is null exactly when it is undefined, and then `undefined` says why."""

    value: float | None
    interval: ScoreInterval | None = None
    undefined: str = ""
    note: str = ""


class Group(_Frozen):
    """The scores of the clips that share a value of a column; none where they are too few."""

    clips: int
    scores: dict[str, Score]


class Folds(_Frozen):
    """The scores of each test fold, and their mean. The scores of all clips together are the pooled ones."""

    column: str
    clips: dict[str, int]
    scores: dict[str, dict[str, float | None]]
    """Score -> fold -> value."""
    mean: dict[str, float | None]
    deviation: dict[str, float | None]
    """Standard deviation over the folds, with k - 1."""


class PairedDifference(_Frozen):
    """A minus one rival on the same clips."""

    rival: str
    """Name of the rival's file."""
    score: str
    rival_value: float | None
    value: float | None
    low: float | None
    high: float | None
    p_permutation: float | None
    p_holm: float | None = None
    """`p_permutation` after Holm's adjustment, where A is compared with several rivals."""
    p_bootstrap: float | None
    p_mcnemar: float | None = None
    t_folds: float | None = None
    """Corrected resampled t over the folds, where folds are named; and its p."""
    p_folds: float | None = None


class InputFile(_Frozen):
    """A file that went in."""

    name: str
    sha256: str
    rows: int


class Clips(_Frozen):
    """How many clips there were, and what became of them."""

    truth: int
    missing: int
    """Truth without an answer, scored as an empty answer."""
    missing_names: tuple[str, ...]
    """The first five of them."""
    ignored: int
    """Answers without truth."""
    abstained: int
    """Answers that are empty."""
    reasons: dict[str, int] = {}
    """Reason code of an abstention -> clips, where the answers give reasons."""
    scored: dict[str, int]
    """Part of the protocol (such as a wheel) -> clips scored there."""
    split_sha256: str
    """SHA-256 of the sorted names, one per line."""


class Tables(_Frozen):
    """The label tables that the numbers depend on."""

    name: str
    sha256: str


class EvaluationReport(_Frozen):
    """The result of `emotrace evaluate`."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    kind: Literal["emotrace-evaluation"] = "emotrace-evaluation"
    protocol: str
    formula: str
    source: str
    notes: tuple[str, ...]
    main: str
    """Name of the headline score."""
    scores: dict[str, Score]
    baselines: dict[str, float | None]
    """Constant or random answer -> its headline score on the same truth."""
    differences: tuple[PairedDifference, ...] = ()
    groups: dict[str, Group] = {}
    folds: Folds | None = None
    clips: Clips
    details: dict[str, Any]
    """Per class or per target tables, label counts, extraction."""
    tables: Tables | None
    inputs: dict[str, InputFile]
    engine: str
    seed: int
    settings: dict[str, Any]
    packages: dict[str, str]

    def to_json(self) -> str:
        """The report as JSON text, the same for the same input and settings."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str | Path | None = None) -> EvaluationReport:
        """Reads what `to_json` wrote.

        Raises:
            UnreadableResult: Not an evaluation report, or of another schema version; names the first field at fault.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise UnreadableResult(f"not an evaluation report ({place}: {first['msg']})", where=where) from None
