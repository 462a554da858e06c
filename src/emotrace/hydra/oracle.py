"""The best that can be known in the simulated world: exact enumeration of every cause of a sheet. [ours].

Its answers are the ceiling for every reasoner there, its readings of single senses define conflict, and its posterior
gives the true direction of each cue. Hydra specification, section 10, points 7 and 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product
from math import comb

import numpy as np
from jaxtyping import Float64, Int64

from emotrace.evidence.observation import EvidenceSheet, Modality
from emotrace.hydra.decide import conflict
from emotrace.hydra.world import (
    BOTH_FELT,
    DISPLAY_RULES,
    MASKING_PROBABILITY,
    MOST_CUES,
    SENSES,
    SITUATIONS,
    WORDS_MASKED,
    World,
    carriers,
)
from emotrace.labels.affects import AFFECT_NAMES

ANSWER_SHARE = 0.4
MOST_ANSWERS = 3

Driver = tuple[tuple[str, ...], str | None, bool]
"""What drives one sense: felt affects carried, affect shown, whether the sense is masked by it."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """One hidden cause, apart from what each sense happens to carry."""

    felt: tuple[str, ...]
    shown: str | None
    words_masked: bool
    prior: float


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """Knows the world's tables, and nothing of the draw but its sheet."""

    world: World = field(default_factory=World)

    @cached_property
    def stories(self) -> tuple[Story, ...]:
        """Every combination of what is felt and shown, with its probability."""
        found: list[Story] = []
        for situation in self.world.situations:
            share = 1.0 / len(self.world.situations)
            both = SITUATIONS[situation]
            alone = [((affect,), share * (1.0 - BOTH_FELT) / 2.0) for affect in both]
            for felt, prior in [(both, share)] if len(both) == 1 else [(both, share * BOTH_FELT), *alone]:
                found += _shown_over(felt, prior)
        return tuple(found)

    @cached_property
    def _drivers(self) -> dict[Modality, tuple[Driver, ...]]:
        """The distinct things that can drive each sense."""
        return {m: tuple(dict.fromkeys(d for story in self.stories for d, _ in _drivers_of(story, m))) for m in SENSES}

    @cached_property
    def _mixture(self) -> dict[Modality, Float64[np.ndarray, "story driver"]]:
        """Probability of each driver of a sense under each story."""
        mixtures = {}
        for modality in SENSES:
            mixture = np.zeros((len(self.stories), len(self._drivers[modality])))
            for row, story in enumerate(self.stories):
                for driver, share in _drivers_of(story, modality):
                    mixture[row, self._drivers[modality].index(driver)] += share
            mixtures[modality] = mixture
        return mixtures

    @cached_property
    def _firing(self) -> dict[Modality, Float64[np.ndarray, "driver cue"]]:
        return {m: np.array([self.world.firing(m, *driver) for driver in self._drivers[m]]) for m in SENSES}

    def likelihood(self, sheet: EvidenceSheet, modality: Modality) -> Float64[np.ndarray, " story"]:
        """Probability of exactly the cues that one sense put on the sheet; 1 where it is missing."""
        if modality in sheet.missing:
            return np.ones(len(self.stories))
        keys = {observation.cue for observation in sheet.of_modality(modality)}
        seen = np.array([cue.key in keys for cue in self.world.cues[modality]])
        firing = self._firing[modality]
        fired = np.where(seen, firing, 1.0).prod(axis=1)
        others = firing[:, ~seen]
        if seen.sum() < MOST_CUES:
            quiet = (1.0 - others).prod(axis=1)
        else:
            # The cap may hide cues: four of 4 + n were kept, each choice being equally likely.
            quiet = _counts(others) @ np.array([1.0 / comb(MOST_CUES + n, n) for n in range(others.shape[1] + 1)])
        likelihood: Float64[np.ndarray, " story"] = self._mixture[modality] @ (fired * quiet)
        return likelihood

    def posterior(self, sheet: EvidenceSheet, modalities: tuple[Modality, ...] = SENSES) -> dict[str, float]:
        """Probability that each affect is felt, from some senses or all."""
        odds = np.array([story.prior for story in self.stories])
        for modality in modalities:
            odds = odds * self.likelihood(sheet, modality)
        odds = odds / odds.sum()
        return {a: float(odds[self._felt[a]].sum()) for a in AFFECT_NAMES}

    @cached_property
    def _felt(self) -> dict[str, Int64[np.ndarray, " story"]]:
        return {
            a: np.array([n for n, s in enumerate(self.stories) if a in s.felt], dtype=np.int64) for a in AFFECT_NAMES
        }

    def answer(self, sheet: EvidenceSheet, modalities: tuple[Modality, ...] = SENSES) -> tuple[str, ...]:
        """Affects that are felt with probability 0.4 or more, at most 3, else the likeliest one."""
        posterior = self.posterior(sheet, modalities)
        ranked = sorted(AFFECT_NAMES, key=lambda a: -round(posterior[a], 12))
        return tuple(a for a in ranked[:MOST_ANSWERS] if posterior[a] >= ANSWER_SHARE) or (ranked[0],)

    def readings(self, sheet: EvidenceSheet) -> Mapping[Modality, tuple[str, ...]]:
        """The answer from each sense that has cues on the sheet."""
        return {m: self.answer(sheet, (m,)) for m in SENSES if sheet.of_modality(m)}

    def conflict(self, sheet: EvidenceSheet) -> float | None:
        """1 − mean pairwise wheel Jaccard of the readings of single senses; None with fewer than two."""
        return conflict(self.readings(sheet))


def _shown_over(felt: tuple[str, ...], prior: float) -> list[Story]:
    ruled = [affect for affect in felt if affect in DISPLAY_RULES]
    if not ruled:
        return [Story(felt=felt, shown=None, words_masked=False, prior=prior)]
    stories = [Story(felt=felt, shown=None, words_masked=False, prior=prior * (1.0 - MASKING_PROBABILITY))]
    for affect, words_masked in product(ruled, (False, True)):
        options = DISPLAY_RULES[affect]
        share = MASKING_PROBABILITY / len(ruled) / len(options) * (WORDS_MASKED if words_masked else 1.0 - WORDS_MASKED)
        stories += [Story(felt=felt, shown=s, words_masked=words_masked, prior=prior * share) for s in options]
    return stories


@lru_cache(maxsize=4096)
def _drivers_of(story: Story, modality: Modality) -> tuple[tuple[Driver, float], ...]:
    masked = story.shown is not None and (modality == "visual" or (modality == "verbal" and story.words_masked))
    shown = story.shown if masked else None
    return tuple(((carried, shown, masked), share) for carried, share in carriers(story.felt, modality))


def _counts(firing: Float64[np.ndarray, "driver cue"]) -> Float64[np.ndarray, "driver count"]:
    """Distribution of the number of cues that fire."""
    counts = np.zeros((firing.shape[0], firing.shape[1] + 1))
    counts[:, 0] = 1.0
    for p in firing.T:
        counts[:, 1:] = counts[:, 1:] * (1.0 - p)[:, None] + counts[:, :-1] * p[:, None]
        counts[:, 0] *= 1.0 - p
    return counts
