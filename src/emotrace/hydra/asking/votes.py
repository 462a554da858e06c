"""Several samples of one question: which of them speaks for most, and how far they agree [ours]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emotrace.hydra.propose import overlap
from emotrace.hydra.trace import Trace


def elect(traces: Sequence[Trace], *, of: int) -> tuple[Trace, float]:
    """The sample whose answer the others share most, and how far they do.

    Samples vote by level-2 clusters: each gives every sample the Jaccard index of their clusters. An abstention is a
    cluster of its own, and the first of equals wins. The agreement, 0..1, is the mean vote, the sample's own among
    them; what could not be used gave none. The claimed confidences are multiplied by it.

    Args:
        traces: The usable samples, at least one.
        of: How many samples there were, usable or not.
    """
    said = [[answer.word for answer in trace.answers] or [str(trace.abstain)] for trace in traces]
    votes = [sum(overlap(words, others) for others in said) for words in said]
    chosen = max(range(len(traces)), key=votes.__getitem__)
    agreement = votes[chosen] / of
    answers = tuple(
        answer if answer.confidence is None else replace(answer, confidence=answer.confidence * agreement)
        for answer in traces[chosen].answers
    )
    return replace(traces[chosen], answers=answers), agreement
