"""`PriorClips`: features, traces, their reliability and labels of a set of clips, in memory and checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from emotrace.errors import DuplicateName, InvalidFeatures, UsageError, first_five
from emotrace.priors.config import FEATURES, SECTIONS

UNLABELLED = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorClips:
    """Clips in the order of `keys`. What is masked as absent may hold anything, and nothing of it is read.

    The first axis of every array is the clip; shapes are checked here, so that a file of the wrong width is named.

    Raises:
        InvalidFeatures: Shapes that do not fit, or a number that is not finite where one is read; clips are named.
        DuplicateName: A key stands twice.
        UsageError: A label number outside `label_names`.
    """

    keys: tuple[str, ...]
    label_names: tuple[str, ...]
    features: Mapping[str, Float32[np.ndarray, "_ _"]]
    """By modality; all three of them, each of its own width."""
    present: Bool[np.ndarray, "_ _"]
    """Which modalities a clip has, in the order visual, vocal, verbal."""
    traces: Float32[np.ndarray, "_ _ _"] | None = None
    """One vector per section: visual, vocal, verbal, joint. None: no clip has a trace."""
    rho: Float32[np.ndarray, "_ _"]
    """Reliability in [0, 1]; 0 is an absent section."""
    labels: Int64[np.ndarray, " _"]
    """Numbers into `label_names`; -1 where the label is unknown."""
    valence: Float32[np.ndarray, " _"] | None = None
    """nan where it was not rated."""
    groups: tuple[str | None, ...] | None = None
    """Film or person: folds keep groups whole."""
    frames: Mapping[str, Sequence[Float32[np.ndarray, "_ _"]]] = field(default_factory=dict)
    """Frame features by modality; attention over them takes the place of `features`. Widths are the same."""
    verdicts: Int64[np.ndarray, " _"] | None = None
    """The label of each clip's joint trace, -1 for none: pseudo-labels must agree with it. Never an input."""

    def __post_init__(self) -> None:
        if len(set(self.keys)) != len(self.keys):
            twice = sorted({key for key in self.keys if self.keys.count(key) > 1})
            raise DuplicateName(f"clips stand twice: {first_five(twice)}", where="keys")
        self._demand_shapes()
        self._demand_finite()
        if ((self.labels < UNLABELLED) | (self.labels >= len(self.label_names))).any():
            raise UsageError(f"numbers must be -1 or below {len(self.label_names)}", where="labels")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def widths(self) -> dict[str, int]:
        """Columns of each modality's features."""
        return {name: self.features[name].shape[1] for name in FEATURES}

    @property
    def trace_width(self) -> int | None:
        """Columns of a section's vector; None without traces."""
        return None if self.traces is None else self.traces.shape[2]

    def subset(self, indices: Sequence[int] | Int64[np.ndarray, " chosen"] | Bool[np.ndarray, " clip"]) -> PriorClips:
        """Some of the clips, by number or mask."""
        rows = np.arange(len(self))[np.asarray(indices)] if len(indices) else np.zeros(0, np.int64)

        def chosen(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: chosen(each) for name, each in value.items()}
            if isinstance(value, np.ndarray):
                return value[rows]
            return None if value is None else type(value)(value[row] for row in rows)

        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return PriorClips(**{name: v if name == "label_names" else chosen(v) for name, v in values.items()})

    def missing(self) -> dict[str, int]:
        """How many clips lack each modality, and each section of a trace: for the report."""
        absent = {name: int((~self.present[:, m]).sum()) for m, name in enumerate(FEATURES)}
        return absent | {f"{name} trace": int((self.rho[:, s] <= 0).sum()) for s, name in enumerate(SECTIONS)}

    def _demand_shapes(self) -> None:
        clips = len(self.keys)
        if set(self.features) != set(FEATURES) or (self.frames.keys() - set(FEATURES)):
            raise InvalidFeatures(f"must be of {', '.join(FEATURES)}, got {', '.join(self.features)}", where="features")
        shapes = {
            "present": (self.present.shape, (clips, len(FEATURES))),
            "rho": (self.rho.shape, (clips, len(SECTIONS))),
            "labels": (self.labels.shape, (clips,)),
        }
        shapes |= {name: (x.shape, (clips, *x.shape[1:2])) for name, x in self.features.items()}
        if self.traces is not None:
            shapes["traces"] = self.traces.shape, (clips, len(SECTIONS), *self.traces.shape[2:3])
        for name in ("valence", "verdicts"):
            if (value := getattr(self, name)) is not None:
                shapes[name] = value.shape, (clips,)
        for name, (found, wanted) in shapes.items():
            if found != wanted:
                raise InvalidFeatures(f"has shape {found} where {wanted} is needed", where=name)
        for name, sequences in self.frames.items():
            width = self.features[name].shape[1]
            wrong = [key for key, x in zip(self.keys, sequences, strict=True) if x.ndim != 2 or x.shape[1] != width]
            if wrong:
                raise InvalidFeatures(f"frames must be {width} wide: {first_five(wrong)}", where=name)

    def _demand_finite(self) -> None:
        for m, name in enumerate(FEATURES):
            self._refuse(~np.isfinite(self.features[name]).all(axis=1) & self.present[:, m], "not finite", name)
            if name in self.frames:
                bad = [not (len(x) and np.isfinite(x).all()) for x in self.frames[name]]
                self._refuse(np.array(bad, bool) & self.present[:, m], "without frames, or not finite", name)
        self._refuse(np.asarray(~((self.rho >= 0) & (self.rho <= 1)).all(axis=1)), "outside [0, 1]", "rho")
        if self.traces is not None:
            bad_rows = (~np.isfinite(self.traces).all(axis=2) & (self.rho > 0)).any(axis=1)
            self._refuse(bad_rows, "not finite", "traces")
        elif (self.rho > 0).any():
            self._refuse(np.asarray((self.rho > 0).any(axis=1)), "above 0 although there are no traces", "rho")

    def _refuse(self, bad: Bool[np.ndarray, " clip"], what: str, name: str) -> None:
        if bad.any():
            clips = first_five(key for key, is_bad in zip(self.keys, bad, strict=True) if is_bad)
            raise InvalidFeatures(f"{what}, for the clips {clips}", where=name, hint="Mend them or mask them as absent")


def joined(first: PriorClips, second: PriorClips) -> PriorClips:
    """Two sets of clips with the same features and labels as one, the second behind the first.

    What only one of them has (traces, valence, verdicts) is absent in the other.

    Raises:
        DuplicateName: A clip is in both.
        InvalidFeatures: Widths differ.
        UsageError: Label names differ, or one alone has frames.
    """
    if first.label_names != second.label_names or set(first.frames) != set(second.frames):
        raise UsageError("must have the same labels, and frames of the same modalities", where="clips")
    if first.widths != second.widths or _differ(first.trace_width, second.trace_width):
        raise InvalidFeatures(
            f"widths differ: {first.widths}, {first.trace_width} and {second.widths}, {second.trace_width}"
        )

    def stacked(name: str, absent: float | int) -> Any:
        parts = [getattr(clips, name) for clips in (first, second)]
        known = next((part for part in parts if part is not None), None)
        if known is None:
            return None
        filled = [
            np.full((len(clips), *known.shape[1:]), absent, known.dtype) if part is None else part
            for clips, part in zip((first, second), parts, strict=True)
        ]
        return np.concatenate(filled)

    return PriorClips(
        keys=first.keys + second.keys,
        label_names=first.label_names,
        features={name: np.concatenate([first.features[name], second.features[name]]) for name in FEATURES},
        present=np.concatenate([first.present, second.present]),
        traces=stacked("traces", 0.0),
        rho=np.concatenate([first.rho, second.rho]),
        labels=np.concatenate([first.labels, second.labels]),
        valence=stacked("valence", np.nan),
        groups=(*(first.groups or (None,) * len(first)), *(second.groups or (None,) * len(second))),
        frames={name: [*first.frames[name], *second.frames[name]] for name in first.frames},
        verdicts=stacked("verdicts", UNLABELLED),
    )


def _differ(first: int | None, second: int | None) -> bool:
    return first is not None and second is not None and first != second
