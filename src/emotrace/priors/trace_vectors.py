"""Reasoning traces as vectors: one per section, from a frozen text encoder, under one of five views.

Which encoder is [ours], and so is everything else here: the paper says that traces enter the fusion, not how [paper].
An absent section is masked, never zero by meaning: its row is 0 and its reliability is 0, so nothing reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float32

from emotrace.encoders.choices import refuse_unknown
from emotrace.encoders.text import SentenceEncoder
from emotrace.errors import UsageError
from emotrace.evidence.reasoning.trace import SECTIONS, ReasoningTrace, Section
from emotrace.labels.label_scheme import LabelScheme
from emotrace.priors.trace_views import VIEWS, VerdictWords, View, section_text, shuffled_order

Granularity = Literal["section", "observation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TraceVectors:
    """The traces of a list of clips, as `PriorClips` takes them."""

    vectors: Float32[np.ndarray, "clip 4 width"]
    """Sections in the order visual, vocal, verbal, joint; 0 where absent."""
    rho: Float32[np.ndarray, "clip 4"]
    """Reliability in [0, 1]; 0 where absent."""
    without_trace: tuple[str, ...]
    """The clips of the list that have no trace."""
    unused: tuple[str, ...]
    """Clips with a trace that are not of the list."""
    view: View

    @property
    def present(self) -> Bool[np.ndarray, "clip 4"]:
        """Which sections are there."""
        return self.rho > 0.0

    @property
    def counts(self) -> str:
        """One line for a report."""
        sections = ", ".join(f"{name} {int(n)}" for name, n in zip(SECTIONS, self.present.sum(axis=0), strict=True))
        return (
            f"traces ({self.view}): {sections}; {len(self.without_trace)} of {len(self.rho)} clips without one, "
            f"{len(self.unused)} of other clips left out"
        )


def encode_traces(
    traces: Mapping[str, ReasoningTrace],
    keys: Sequence[str],
    encoder: SentenceEncoder,
    *,
    scheme: LabelScheme,
    view: View = "full",
    folds: Sequence[object] | None = None,
    seed: int = 0,
    granularity: Granularity = "section",
) -> TraceVectors:
    """The vectors of the clips' traces under a view.

    Args:
        traces: Clip -> its trace. Clips without one are masked and counted.
        keys: The clips, in the order of the rows.
        encoder: Reads each text by itself.
        scheme: Of the corpus: its label names are hidden by `masked` and kept by `verdict`.
        view: See `trace_views.py`. A section of which the view leaves no word is absent.
        folds: The fold of each clip, for `shuffled`; one fold by default. A clip takes over the other trace with its
            reliability.
        seed: Of the shuffle.
        granularity: `section` encodes a section in one piece; `observation` encodes each observation by itself and
            takes their mean, weighted by confidence, and the whole section where it has no observations.

    Returns:
        Vectors that are not standardised yet: `PriorFusion` does that. A section is absent where its status is not
        ok, or its reliability is 0 or was never determined.

    Raises:
        UnknownChoice: No such view or granularity.
        UsageError: Folds of another number than clips, or a fold with one clip under `shuffled`.
    """
    refuse_unknown("view", view, VIEWS)
    refuse_unknown("granularity", granularity, get_args(Granularity))
    if folds is not None and len(folds) != len(keys):
        raise UsageError(f"{len(folds)} folds for {len(keys)} clips", where="folds")
    owners = list(keys)
    if view == "shuffled":
        order = shuffled_order([0] * len(keys) if folds is None else folds, seed)
        owners = [keys[other] for other in order.tolist()]
    words = VerdictWords.of(scheme)
    vectors = np.zeros((len(keys), len(SECTIONS), encoder.width), np.float32)
    rho = np.zeros((len(keys), len(SECTIONS)), np.float32)
    for row, owner in enumerate(owners):
        trace = traces.get(owner)
        if trace is None or view == "none":
            continue
        for column, (name, section) in enumerate(trace.sections.items()):
            judged = trace.reliability.get(name)
            if judged is None or judged.rho <= 0.0 or not section.is_ok:
                continue
            vector = _vector(section, encoder, words, view, granularity)
            if vector is not None:
                vectors[row, column], rho[row, column] = vector, judged.rho
    return TraceVectors(
        vectors=vectors,
        rho=rho,
        without_trace=tuple(key for key in keys if key not in traces),
        unused=tuple(sorted(traces.keys() - set(keys))),
        view=view,
    )


def _vector(
    section: Section, encoder: SentenceEncoder, words: VerdictWords, view: View, granularity: Granularity
) -> Float32[np.ndarray, " width"] | None:
    def shown(text: str) -> str:
        if view == "masked":
            return words.masked(text, encoder.mask_token)
        return words.verdict(text) if view == "verdict" else text

    pieces = [(section_text(section), 1.0)]
    if granularity == "observation" and section.observations:
        pieces = [(each.text, each.confidence) for each in section.observations]
    kept = [(text, weight) for piece, weight in pieces if (text := shown(piece).strip()) and weight > 0.0]
    if not kept:
        return None
    rows = encoder.encode([text for text, _ in kept])
    vector: Float32[np.ndarray, " width"] = np.average(rows, axis=0, weights=[w for _, w in kept]).astype(np.float32)
    return vector if vector.any() else None
