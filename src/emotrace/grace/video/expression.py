"""`Expression`: what GRACE says of one face in one window of time. Plain values, no torch: anybody can read them.

Maps are kept in steps, as the file has them, so that what is written and what is read are equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from emotrace.grace.language.affect_text import TextSource
from emotrace.span import Span

RATE_HZ = 8.0
"""Pictures per second that GRACE looks at [ours]."""

MAPS_ASIDE = "maps aside"
"""Key of the serialisation context: a list that gets every map's text, in order, while null is written in its place."""

MapSource = Literal["transport", "motion", "none"]


class PatchMap:
    """A number for every frame, patch row and patch column, as a whole number of steps; written as nested lists."""

    steps_per_unit: ClassVar[int]
    """How many steps make 1."""
    kept_as: ClassVar[type[np.integer[Any]]]
    """The smallest type that holds a number of steps."""
    what: ClassVar[str]
    """What one number is, for the schema."""

    def __init__(self, steps: Int[np.ndarray, "frame row column"]) -> None:
        self.steps = np.array(steps, self.kept_as)
        self.steps.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatchMap) and type(other) is type(self) and np.array_equal(self.steps, other.steps)

    def __hash__(self) -> int:
        return hash((self.steps.shape, self.steps.tobytes()))

    def __repr__(self) -> str:
        frames, rows, columns = self.steps.shape
        return f"{type(self).__name__}({frames} frames of {rows} x {columns} patches)"

    @property
    def values(self) -> Float[np.ndarray, "frame row column"]:
        """The numbers."""
        return np.asarray(self.steps / self.steps_per_unit, np.float64)

    @property
    def over_time(self) -> Float[np.ndarray, " frame"]:
        """The sum of every frame."""
        return np.asarray(self.steps.sum(axis=(1, 2)) / self.steps_per_unit, np.float64)

    def to_list(self) -> list[Any]:
        """Frames of rows of columns, as they are written; a whole number without a point."""
        return list((self.steps if self.steps_per_unit == 1 else self.values).tolist())

    @classmethod
    def from_list(cls, value: object) -> PatchMap:
        """The map of `to_list`.

        Raises:
            ValueError: Not three levels of equally long lists of numbers, a number that cannot be, or a wrong sum.
        """
        if isinstance(value, cls):
            return value
        try:
            numbers = np.array(value, np.float64)
        except (TypeError, ValueError):
            raise ValueError("a map is a list of frames, each a list of rows, each a list of numbers") from None
        if numbers.ndim != 3:
            raise ValueError(f"a map has frames, rows and columns, got {numbers.ndim} levels of lists")
        if not (np.isfinite(numbers).all() and (numbers >= 0.0).all()):
            raise ValueError("a map has no number below 0, and none that is not finite")
        steps = np.round(numbers * cls.steps_per_unit)
        cls.check(steps)
        return cls(steps.astype(np.int32))

    @classmethod
    def check(cls, steps: Float[np.ndarray, "frame row column"]) -> None:
        """Raises ValueError where the numbers break a rule of their kind."""

    def _written(self, info: Any) -> list[Any] | None:
        """The lists; or nothing, with their text put aside for whoever asked for that."""
        if (aside := (info.context or {}).get(MAPS_ASIDE)) is None:
            return self.to_list()
        aside.append(json.dumps(self.to_list(), separators=(",", ":")))
        return None

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(cls._written, info_arg=True)
        return core_schema.no_info_plain_validator_function(cls.from_list, serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        number: dict[str, Any] = {"type": "integer" if cls.steps_per_unit == 1 else "number", "minimum": 0}
        rows = {"type": "array", "items": {"type": "array", "items": number}}
        return {"type": "array", "items": rows, "description": cls.what}


class HeatMap(PatchMap):
    """Each patch's share of the whole map. The shares sum to 1, or to 0 where there is no map."""

    steps_per_unit = 100_000
    kept_as = np.int32
    what = "frame, row, column: the patch's share of the map; sums to 1, or to 0 where there is no map"

    @classmethod
    def of(cls, shares: Float[np.ndarray, "frame row column"]) -> HeatMap:
        """The shares in steps of 0.00001 that sum to 1 exactly; all 0 where nothing is greater than 0."""
        return cls(in_steps(shares, cls.steps_per_unit))

    @classmethod
    def check(cls, steps: Float[np.ndarray, "frame row column"]) -> None:
        """Raises ValueError where the sum is neither 1 (within 0.001) nor 0."""
        total = float(steps.sum() / cls.steps_per_unit)
        if total and abs(total - 1.0) > 1e-3:
            raise ValueError(f"the shares of a heat map sum to 1 or to 0, got {total:g}")


class LevelMap(PatchMap):
    """Each patch in per cent of the strongest one: 0 to 100."""

    steps_per_unit = 1
    kept_as = np.uint8
    what = "frame, row, column: per cent of the strongest patch"

    @classmethod
    def of(cls, values: Float[np.ndarray, "frame row column"]) -> LevelMap:
        """Non-negative numbers relative to their greatest; all 0 where nothing is greater than 0."""
        most = float(values.max(initial=0.0))
        return cls(np.round(100.0 * values.astype(np.float64) / (most if most > 0.0 else 1.0)).astype(np.int32))

    @classmethod
    def check(cls, steps: Float[np.ndarray, "frame row column"]) -> None:
        """Raises ValueError for a level above 100."""
        if steps.max(initial=0.0) > 100.0:
            raise ValueError(f"a level is at most 100 per cent, got {steps.max():g}")


@dataclass(frozen=True, kw_only=True)
class SeenFrame:
    """One picture of the window, and the face square that was cut from it, as shares of the picture's sides."""

    time_seconds: float
    x: float
    """Left side of the square before it is turned; the square turns about its middle."""
    y: float
    width: float
    height: float
    roll_degrees: float
    """Positive clockwise, in pixels of the picture."""


@dataclass(frozen=True, kw_only=True)
class AlignedWord:
    """One phrase, and where and when the plan matched it with the picture."""

    text: str
    region: str
    """Which part of the face the phrase is about."""
    matched_region: str
    """Which part of the face its strongest patch lies on."""
    share: float
    """Of the affect-bearing mass of the window, 0..1."""
    lift: float
    """Its best patch against that patch's share by chance."""
    peak_seconds: float
    aligned_span: Span
    """The pictures around the peak that hold at least half of its mass."""
    observed_span: Span | None
    """When the source of the text saw it; None for the class bank."""
    read_from: str | None
    """The observation that the phrase was made of; None for the class bank."""
    cue: str | None
    """The cue of that observation."""
    confidence: float
    """Of that observation, 0..1."""
    map: LevelMap
    """The phrase's own map."""


@dataclass(frozen=True, kw_only=True)
class Expression:
    """One face in one window: the distribution over the labels, and where and when words and picture matched.

    The maps say where the text and the picture matched. They are not a cause of the label.
    """

    span: Span
    """From the first picture to the last."""
    source: str
    """`grace/` and the first 12 digits of the weights' SHA-256."""
    scheme: str
    """The label scheme of the distribution, as in `labels/schemes.py`; `source` where the labels are of none."""
    distribution: Mapping[str, float]
    """Label -> probability, in the order of the weights; sums to 1."""
    frames: tuple[SeenFrame, ...]
    frames_missing: int
    """How many of the window's places had no picture of their own."""
    heat: HeatMap
    heat_source: MapSource
    """`transport`: words and picture; `motion`: movement alone, since there was no word to match; `none`: no map."""
    heat_text: TextSource | None
    """Whose words: those of the evidence, or those typical of `typical_of`."""
    motion: LevelMap
    """How much each patch moves beyond the head and the light."""
    words: tuple[AlignedWord, ...] = ()
    """Read from the evidence of the same stretch; most massive first."""
    typical_of: str | None = None
    """The likeliest label, where the words that are typical of it were asked for."""
    typical_words: tuple[AlignedWord, ...] = field(default=())
    """Of the class bank: what faces of that label are said to do. Nobody observed them here."""

    def __post_init__(self) -> None:
        shape = self.heat.steps.shape
        maps = (self.motion, *(word.map for word in (*self.words, *self.typical_words)))
        if shape[0] != len(self.frames) or any(each.steps.shape != shape for each in maps):
            raise ValueError(f"every map of a window needs {len(self.frames)} frames and the patches of {shape}")
        if abs(sum(self.distribution.values()) - 1.0) > 1e-3 or min(self.distribution.values()) < 0.0:
            raise ValueError(f"a distribution is non-negative and sums to 1, got {dict(self.distribution)}")


def in_steps(shares: Shaped[np.ndarray, "*shape"], steps: int) -> Int[np.ndarray, "*shape"]:
    """Non-negative numbers as whole steps that sum to `steps` exactly: the largest remainders are rounded up.

    All 0 where nothing is greater than 0.

    >>> in_steps(np.array([1.0, 1.0, 1.0]), 100)
    array([34, 33, 33], dtype=int32)
    """
    total = float(shares.sum(dtype=np.float64))
    if not total > 0.0:
        return np.zeros(shares.shape, np.int32)
    exact = shares.astype(np.float64).reshape(-1) / total * steps  # in this order: 1 / total may be too large
    whole = np.floor(exact + 1e-9)
    missing = steps - int(whole.sum())
    whole[np.argsort(-np.round(exact - whole, 9), kind="stable")[:missing]] += 1.0
    return np.asarray(whole.reshape(shares.shape), np.int32)


def rounded_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """The distribution in ten-thousandths that sum to 1, in its own order."""
    steps = in_steps(np.array(list(shares.values()), np.float64), 10_000)
    return {label: int(count) / 10_000 for label, count in zip(shares, steps, strict=True)}
