"""A system against its rivals on the same clips: paired tests, Holm's adjustment, and what picking the best does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.metrics.exact_tests import fold_t_test, holm, mcnemar
from emotrace.metrics.parts import fold_values
from emotrace.metrics.protocols import Protocol
from emotrace.metrics.report import PairedDifference
from emotrace.metrics.resampling import paired_difference
from emotrace.metrics.scored import Scored, Settings, plain

PICKED = "picking the best on the test set flatters: on published outputs it lifted a mean by 0.8 to 3.0 points [field]"


def compare(
    protocol: Protocol,
    settings: Settings,
    system: Scored,
    rivals: Mapping[str, Scored],
    *,
    clusters: Sequence[str] | None,
    folds: Sequence[str] | None,
) -> tuple[PairedDifference, ...]:
    """The differences in the headline score, each with its tests.

    Raises:
        InvalidScores: No clip is scored, so nothing can be compared.
    """
    differences = [_difference(protocol, settings, system, name, rivals[name], clusters, folds) for name in rivals]
    if len(differences) < 2:
        return tuple(differences)
    stated = {each.rival: each.p_permutation for each in differences if each.p_permutation is not None}
    adjusted = holm(stated)
    return tuple(each.model_copy(update={"p_holm": adjusted.get(each.rival)}) for each in differences)


def _difference(
    protocol: Protocol,
    settings: Settings,
    a: Scored,
    name: str,
    b: Scored,
    clusters: Sequence[str] | None,
    folds: Sequence[str] | None,
) -> PairedDifference:
    main = protocol.main
    if main not in a.summed or main not in b.summed:
        raise InvalidScores(f"no clip is scored by {protocol.name}: nothing can be compared")
    rounds = settings.rounds or None
    drawn = paired_difference(a.summed[main], b.summed[main], rounds=rounds, seed=settings.seed, clusters=clusters)
    t, p = (None, None) if folds is None else _over_folds(a, b, main, folds)
    return PairedDifference(
        rival=name,
        score=main,
        rival_value=plain(b.summed[main].value),
        value=plain(drawn.estimate),
        low=plain(drawn.interval.low),
        high=plain(drawn.interval.high),
        p_permutation=plain(drawn.p_permutation),
        p_bootstrap=plain(drawn.p_bootstrap),
        p_mcnemar=None if a.correct is None else mcnemar(a.correct, b.correct),
        t_folds=t,
        p_folds=p,
    )


def _over_folds(a: Scored, b: Scored, main: str, folds: Sequence[str]) -> tuple[float | None, float | None]:
    """Corrected resampled t-test over folds that part the corpus: k - 1 of k parts were trained on [ours]."""
    gaps = np.array(fold_values(a.summed[main], folds)) - np.array(fold_values(b.summed[main], folds))
    t, p = fold_t_test(gaps, test_clips=1, train_clips=len(gaps) - 1)
    return plain(t), plain(p)


def picked(first: str, own: float, differences: Sequence[PairedDifference]) -> str:
    """The sentence that goes with a sweep: what the best of several systems got, and why it is not the number."""
    values = {first: own, **{each.rival: each.rival_value for each in differences if each.rival_value is not None}}
    best = max(values, key=lambda name: values[name])
    return (
        f"Of {len(values)} systems {best} is best on this very truth, with {values[best]:.4f}; {PICKED}. "
        f"The score above is that of {first} alone."
    )
