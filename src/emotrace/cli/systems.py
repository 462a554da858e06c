"""The trained models that `analyze --with` names, each with its weights."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emotrace.cli.console import needing
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.priors.video.observer import Observer
    from emotrace.systems import System


class SystemName(StrEnum):
    """What may read a clip beside the observers."""

    GRACE = "grace"
    PRIORS = "priors"


ObserverName = Literal["embedded", "stored", "none"]


def load_systems(
    names: Sequence[SystemName],
    weights: Sequence[Path],
    *,
    class_words: bool = False,
    provider: ObserverName | None = None,
    traces: Path | None = None,
) -> tuple[System, ...]:
    """Those that were asked for, in their order.

    Args:
        names: Which; each at most once.
        weights: One folder per system, in the same order.
        class_words: For GRACE: show also the words that are typical of its likeliest label.
        provider: For priors: who writes the traces; None is `stored` with traces, else `embedded`.
        traces: For priors: what an earlier run of `emotrace trace` wrote.

    Raises:
        UsageError: Weights without a system, or the other way round; options of a system that was not asked for.
        MissingExtra: torch, or what stands on it, is not installed.
        ModelFileError: The weights cannot be used.
    """
    if len(names) != len(weights):
        raise UsageError(
            f"{len(names)} of --with and {len(weights)} of --weights",
            where="--with, --weights",
            hint="Name each system with its weights: --with grace --weights runs/dfew/f1/last",
        )
    if class_words and SystemName.GRACE not in names:
        raise UsageError("--class-words is for GRACE", where="analyze", hint="Add --with grace")
    if (provider or traces) and SystemName.PRIORS not in names:
        raise UsageError("--provider and --traces are for priors", where="analyze", hint="Add --with priors")
    return tuple(
        _grace(folder, class_words) if name is SystemName.GRACE else _priors(folder, provider, traces)
        for name, folder in zip(names, weights, strict=True)
    )


def _grace(weights: Path, class_words: bool) -> System:
    with needing("train", "analyze --with grace"):
        from emotrace.grace.video.system import GraceSystem

    return GraceSystem.load(weights, class_words=class_words)


def _priors(weights: Path, provider: ObserverName | None, traces: Path | None) -> System:
    with needing("train", "analyze --with priors"):
        from emotrace.priors.video.system import PriorsSystem

    return PriorsSystem.load(weights, observer=_observer(provider or ("stored" if traces else "embedded"), traces))


def _observer(provider: ObserverName, traces: Path | None) -> Observer:
    from emotrace.priors.video.observer import Embedded, Nobody, Stored

    if (provider == "stored") != (traces is not None):
        raise UsageError(
            "traces of an earlier run are named by both, or by neither",
            where="--provider, --traces",
            hint="Use --provider stored --traces FILE; `emotrace trace` writes such a file",
        )
    if traces is not None:
        return Stored.open(traces)
    return Embedded() if provider == "embedded" else Nobody()
