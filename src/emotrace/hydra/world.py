"""A simulated world of situations and cues with known answers, for controlled studies of the protocol. [ours].

It knows nothing about real people. Cues are independent given what drives a channel, and a result here is about the
algorithm, never about accuracy on video. Hydra specification, section 10.

A draw: a *situation* makes one or two affects felt; each *channel* (face, voice, words) carries one or both; a display
rule may *mask* the face and the words behind a shown affect; cues fire; an observer puts them on a sheet. The emission
table is a disturbed copy of the reasoner's, so that nobody reasons with the true one, except the oracle.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from jaxtyping import Float64

from emotrace.evidence.observation import EvidenceSheet, Finding, MissingReason, Modality
from emotrace.hydra.likelihood import NAMES, Cue, CueTable, shipped_table
from emotrace.hydra.phrasings import Split, phrase
from emotrace.labels.affects import AFFECT_BY_NAME, AFFECT_NAMES
from emotrace.span import Span

SENSES: tuple[Modality, ...] = ("visual", "vocal", "verbal")
CLIP_SECONDS = 6.0
MISSING_PROBABILITY = 0.12
BOTH_FELT = 0.6
CARRIES_ONE = 0.5
MASKING_PROBABILITY = 0.35
WORDS_MASKED = 0.5
LEAK = 0.35
SPONTANEOUS = 0.01
"""Probability that a cue fires for no reason."""
MOST_CUES = 4
"""Per modality."""
CARRIED: dict[Modality, int] = {"visual": 0, "vocal": 1, "verbal": 0}
"""Which of two felt affects a channel carries where it carries one."""

SITUATIONS: tuple[tuple[str, ...], ...] = (
    ("joy", "shame"),
    ("disappointment", "pride"),
    ("sadness", "affection"),
    ("surprise", "joy"),
    ("relief", "joy"),
    ("anger", "worry"),
    ("irritation", "disappointment"),
    ("shame", "amusement"),
    ("fear",),
    ("pride", "affection"),
    ("boredom", "irritation"),
    ("disgust", "surprise"),
    ("contempt", "irritation"),
    ("confusion", "interest"),
    ("amusement", "calm"),
    ("calm",),
    ("worry", "irritation"),
    ("sadness", "fear"),
    ("surprise", "anger"),
    ("neutral",),
    ("boredom", "calm"),
    ("interest", "confusion"),
    ("shame", "worry"),
    ("disgust", "anger"),
)
"""The affects that each named type of situation can make felt."""

SITUATION_NAMES: tuple[str, ...] = (
    "wins over a friend",
    "near miss on the podium",
    "farewell",
    "surprise party",
    "test result comes back clear",
    "child runs into the road",
    "order cancelled",
    "trips on stage",
    "alone in the dark",
    "child's first concert",
    "endless meeting",
    "finds mould in the lunch box",
    "a rival's clumsy speech",
    "puzzling exhibit",
    "old friends joking",
    "quiet evening",
    "train is late before an interview",
    "news from a hospital",
    "a parcel opened by someone else",
    "reads out a list",
    "long train ride",
    "a new instrument explained",
    "called on unprepared",
    "a dog beaten in the street",
)

HELD_OUT_SITUATIONS = (1, 14, 17, 22)
HELD_OUT_AFFECTS = frozenset({"relief", "contempt", "confusion"})

DISPLAY_RULES: dict[str, tuple[str, ...]] = {
    "sadness": ("joy", "calm"),
    "worry": ("joy", "calm"),
    "disappointment": ("joy", "pride"),
    "anger": ("calm", "joy"),
    "disgust": ("calm", "joy"),
    "irritation": ("calm",),
    "pride": ("calm",),
    "joy": ("calm",),
    "fear": ("calm", "amusement"),
    "shame": ("amusement", "calm"),
    "contempt": ("interest", "calm"),
    "boredom": ("interest",),
}
"""Felt affect -> what is shown over it."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a draw came out as it did: kept apart from the sheet, and read by no builder of prompts."""

    situation: int
    felt: tuple[str, ...]
    shown: str | None
    words_masked: bool
    carried: tuple[tuple[str, ...], ...]
    """What each of the three senses carries of the felt affects."""
    intensity: float
    gold: tuple[str, ...]
    """One word per felt affect."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One simulated clip."""

    sheet: EvidenceSheet
    cause: Cause


@dataclass(frozen=True, kw_only=True)
class World:
    """The world of one seed: its emission table is drawn from the reasoner's [ours].

    Of the reasoner's links 20 % are dropped, 4 % of the absent ones are added at `+`, and every remaining or added link
    is moved by N(0, 0.15) levels; probabilities are interpolated between levels.
    """

    seed: int = 7
    situations: tuple[int, ...] = tuple(range(len(SITUATIONS)))
    """Numbers of the situations that occur."""

    @cached_property
    def table(self) -> CueTable:
        """The reasoner's table, whose cues the world shares."""
        return shipped_table()

    @cached_property
    def cues(self) -> dict[Modality, tuple[Cue, ...]]:
        """The cues of each sense. Nobody names an emotion here: it would give the answer away."""
        every = [cue for cue in self.table.cues if not cue.key.startswith(NAMES)]
        return {modality: tuple(cue for cue in every if cue.modality == modality) for modality in SENSES}

    @cached_property
    def emission(self) -> dict[Modality, Float64[np.ndarray, "affect cue"]]:
        """Probability that an affect alone makes each cue fire."""
        rng = np.random.default_rng(self.seed)
        return {modality: self._disturbed(modality, rng) for modality in SENSES}

    def _disturbed(self, modality: Modality, rng: np.random.Generator) -> Float64[np.ndarray, "affect cue"]:
        levels = self.table.levels[:, [self.table.index[cue.key] for cue in self.cues[modality]]].astype(np.float64)
        linked = levels != 0.0
        dropped = linked & (rng.random(levels.shape) < 0.2)
        added = ~linked & (rng.random(levels.shape) < 0.04)
        levels = np.where(dropped, 0.0, np.where(added, 1.0, levels))
        levels = np.where(levels != 0.0, levels + rng.normal(0.0, 0.15, levels.shape), 0.0)
        return np.interp(levels, [-2.0, -1.0, 0.0, 1.0, 2.0], self.table.probabilities)

    def firing(
        self, modality: Modality, carried: tuple[str, ...], shown: str | None, masked: bool
    ) -> Float64[np.ndarray, " cue"]:
        """Probability of each cue of one sense, given what drives it.

        Args:
            modality: The sense.
            carried: The felt affects that it carries.
            shown: The affect put on, if any.
            masked: Whether `shown` drives this sense; the felt ones then only leak.
        """
        drivers = [(affect, LEAK if masked else 1.0) for affect in carried]
        drivers += [(shown, 1.0)] if masked and shown is not None else []
        silent = np.full(len(self.cues[modality]), 1.0 - SPONTANEOUS)
        for affect, weight in drivers:
            silent = silent * (1.0 - weight * self.emission[modality][AFFECT_NAMES.index(affect)])
        return 1.0 - silent


def carriers(felt: tuple[str, ...], modality: Modality) -> tuple[tuple[tuple[str, ...], float], ...]:
    """What a sense may carry of the felt affects, with probabilities."""
    if len(felt) == 1:
        return ((felt, 1.0),)
    return ((felt[CARRIED[modality]],), CARRIES_ONE), (felt, 1.0 - CARRIES_ONE)


def sample(world: World, count: int, *, seed: int, split: Split = "train") -> Iterator[Draw]:
    """Draws from the world.

    Args:
        world: Its situations and emissions.
        count: How many draws.
        seed: Of the draws; the same seed gives the same sheets.
        split: Which phrasings of the cues are used.
    """
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield _draw(world, rng, f"{seed:016x}{number:016x}".rjust(64, "0"), split)


def splits() -> dict[str, Iterator[Draw]]:
    """The standard draws, by name: `train`, `rl`, `dev`, and the tests `iid`, `pairs`, `clusters`, `phrasing`.

    Held out from all but their own test: four situations (`pairs`), and every draw in which relief, contempt or
    confusion is felt (`clusters`). `phrasing` says the cues in other words.
    """
    known = World(situations=tuple(s for s in range(len(SITUATIONS)) if s not in HELD_OUT_SITUATIONS))
    held = World(situations=HELD_OUT_SITUATIONS)
    return {
        "train": _take(6000, known, seed=101),
        "rl": _take(2000, known, seed=102),
        "dev": _take(500, known, seed=103),
        "iid": _take(500, known, seed=104),
        "pairs": _take(500, held, seed=105),
        "clusters": _take(500, World(), seed=106, held_out_felt=True),
        "phrasing": _take(500, known, seed=107, split="held_out"),
    }


def _take(
    count: int, world: World, *, seed: int, split: Split = "train", held_out_felt: bool = False
) -> Iterator[Draw]:
    every = sample(world, sys.maxsize, seed=seed, split=split)
    return islice((d for d in every if HELD_OUT_AFFECTS.isdisjoint(d.cause.felt) != held_out_felt), count)


def _draw(world: World, rng: np.random.Generator, clip_id: str, split: Split) -> Draw:
    situation = int(rng.choice(world.situations))
    felt = SITUATIONS[situation]
    if len(felt) == 2 and rng.random() >= BOTH_FELT:
        felt = (felt[int(rng.integers(2))],)
    intensity = float(rng.beta(2.0, 2.0))
    ruled = [affect for affect in felt if affect in DISPLAY_RULES]
    shown = None
    if ruled and rng.random() < MASKING_PROBABILITY:
        options = DISPLAY_RULES[ruled[int(rng.integers(len(ruled)))]]
        shown = options[int(rng.integers(len(options)))]
    words_masked = shown is not None and rng.random() < WORDS_MASKED
    missing = _missing(rng)
    findings: list[Finding] = []
    carried = []
    for modality in SENSES:
        choices = carriers(felt, modality)
        carries = choices[int(rng.random() >= choices[0][1])][0]
        carried.append(carries)
        masked = shown is not None and (modality == "visual" or (modality == "verbal" and words_masked))
        fired = np.flatnonzero(rng.random(len(world.cues[modality])) < world.firing(modality, carries, shown, masked))
        kept = np.sort(rng.permutation(fired)[:MOST_CUES])
        new = [_finding(world.cues[modality][cue], intensity, rng, split) for cue in kept]
        findings += new if modality not in missing else []
    cause = Cause(
        situation=situation,
        felt=felt,
        shown=shown,
        words_masked=words_masked,
        carried=tuple(carried),
        intensity=intensity,
        gold=tuple(_gold_word(affect, intensity, rng) for affect in felt),
    )
    sheet = EvidenceSheet.of(findings, clip_id=clip_id, person="P1", span=Span(0.0, CLIP_SECONDS), missing=missing)
    return Draw(sheet=sheet, cause=cause)


def _missing(rng: np.random.Generator) -> dict[Modality, MissingReason]:
    """Each sense may be missing, never all of them."""
    while True:
        gone = rng.random(len(SENSES)) < MISSING_PROBABILITY
        if not gone.all():
            return {modality: "not_recorded" for modality, is_gone in zip(SENSES, gone, strict=True) if is_gone}


def _finding(cue: Cue, intensity: float, rng: np.random.Generator, split: Split) -> Finding:
    strength = (
        1.0 if cue.modality == "verbal" else round(float(np.clip(intensity + rng.normal(0.0, 0.15), 0.0, 1.0)), 2)
    )
    start, end = np.sort(np.round(rng.uniform(0.0, CLIP_SECONDS, 2), 2))
    return Finding(
        modality=cue.modality,
        span=Span(float(start), float(end)),
        text=phrase(cue.key, rng, split),
        strength=strength,
        confidence=round(float(rng.beta(8.0, 2.0)), 2),
        source="world@1",
        cue=cue.key,
    )


def _gold_word(affect: str, intensity: float, rng: np.random.Generator) -> str:
    words = AFFECT_BY_NAME[affect].words
    place = np.clip(intensity + rng.normal(0.0, 0.1), 0.0, 0.999)
    return words[int(place * len(words))]
