"""The cue table, and what each cue says about each set of affects: p(cue | affects) against the average affect.

For a set S of affects and a cue c, with p̄ the mean over the 19 affects (neutral apart) [ours]:

    ρ_c(S) = (1 − ε) · mean_{a in S} p(c | a) / p̄(c) + ε

The floor ε keeps any cue from ruling an affect out. Hydra specification, sections 5.1 and 5.2; the file
`tables/likelihood.toml` names a source for every row.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import combinations

import numpy as np
from jaxtyping import Float64, Int8

from emotrace.errors import EvidenceError
from emotrace.evidence.observation import Finding, Modality
from emotrace.hydra.propose import cluster_of
from emotrace.labels.affects import AFFECT_NAMES

FLOOR = 0.15
"""ε [ours]."""
LABEL_PRICE = 0.75
"""γ [ours]: what every label beyond the first must earn; chosen on a development seed of the world."""
CROWDING = 0.5
"""[ours] How far an affect with many cues in a modality shares its probability among them, 0 to 1.

At 1 (a full normalisation) affects with few cues look likely from cues that have no link with them, and a loud voice
alone reads as pride; at 0 affects with many cues win too often."""
LARGEST_SET = 3
SUPPORT_RATIO = 1.35
"""[ours] An observation supports what makes it at least this much likelier."""
SHOWN_AFFECTS = ("joy", "calm", "amusement", "pride", "interest")
"""[ours] Affects that people put on over another."""
SHOWN_SHARE: Mapping[Modality, float] = {"visual": 0.7, "verbal": 0.35}
"""[ours] How much of a masked channel the shown affect drives; the voice keeps the felt one."""
NAMES = "w_names:"
STILLNESS = ("still_face", "even_voice", "w_routine")
"""The cues of measured stillness, on which alone `neutral` may stand."""

_LEVELS = ("--", "-", "0", "+", "++")
_LINK = re.compile(r"([a-z]+)(\+\+|\+|--|-)")
_NEGATION = re.compile(r"\b(?:no|not|nobody|never|without|nor|hardly|barely|n't)\b")


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One row of the table."""

    key: str
    modality: Modality
    source: str
    """The literature that the direction of the links is taken from."""
    links: Mapping[str, int]
    """Affect -> level from -2 to 2; an affect that is not named has level 0."""
    phrases: tuple[str, ...]
    """What finds the cue in free prose."""


@dataclass(frozen=True, kw_only=True)
class CueTable:
    """The rows with the level probabilities, themes and word requirements of the same file."""

    version: str
    cues: tuple[Cue, ...]
    probabilities: tuple[float, ...]
    """Emission probability of the levels -2 to 2, before normalisation."""
    themes: Mapping[str, str]
    required: Mapping[str, tuple[str, ...]]

    @cached_property
    def index(self) -> dict[str, int]:
        """Cue key -> row number."""
        return {cue.key: row for row, cue in enumerate(self.cues)}

    @cached_property
    def levels(self) -> Int8[np.ndarray, "affect cue"]:
        """Level of every link, -2 to 2."""
        return np.array([[cue.links.get(a, 0) for cue in self.cues] for a in AFFECT_NAMES], dtype=np.int8)

    @cached_property
    def ratios(self) -> Float64[np.ndarray, "affect cue"]:
        """p(cue | affect) / p̄(cue), each modality's cues sharing a probability of 1; without the floor."""
        emission = np.array(self.probabilities)[self.levels + 2]
        for modality in ("visual", "vocal", "verbal"):
            of = [row for row, cue in enumerate(self.cues) if cue.modality == modality]
            emission[:, of] /= emission[:, of].sum(axis=1, keepdims=True) ** CROWDING
        ratios: Float64[np.ndarray, "affect cue"] = emission / emission[:-1].mean(axis=0)
        return ratios

    def row_of(self, finding: Finding) -> int | None:
        """The row that speaks about a finding: by its cue key, else by a phrase of its text; None when none does."""
        key = finding.cue
        if key is not None and key.startswith(NAMES):
            return self.index.get(f"{NAMES}{cluster_of(key.removeprefix(NAMES))}")
        if key is not None:
            row = self.index.get(key)
            return row if row is not None and self.cues[row].modality == finding.modality else None
        return self._row_of_prose(finding.text.lower(), finding.modality)

    def _row_of_prose(self, text: str, modality: Modality) -> int | None:
        found = []
        for row, cue in enumerate(self.cues):
            for phrase in cue.phrases if cue.modality == modality else ():
                matches = re.finditer(rf"\b{re.escape(phrase)}\b", text)
                if any(not _NEGATION.search(" ".join(text[: m.start()].split()[-3:])) for m in matches):
                    found.append((-len(phrase), row))
        return min(found)[1] if found else None


def load_table(text: str) -> CueTable:
    """Reads a cue table.

    Raises:
        EvidenceError: A row without a known source, with an unknown affect or level, or a duplicate key.
    """
    record = tomllib.loads(text)
    sources = record["sources"]
    cues = [_cue(key, m, row, sources) for m in ("visual", "vocal", "verbal") for key, row in record[m].items()]
    for affect in AFFECT_NAMES[:-1]:
        # [ours] neutral--: whoever names an emotion of their own is not perceived as neutral, however still the face
        row = {"source": "self_report", "affects": f"{affect}++ neutral--"}
        cues += [_cue(NAMES + affect, "verbal", row, sources)]
    if set(record["themes"]) != set(AFFECT_NAMES):
        raise EvidenceError("every affect needs one theme", where="themes")
    required = {word: tuple(keys) for word, keys in record["required"].items()}
    return CueTable(
        version=record["version"],
        cues=tuple(cues),
        probabilities=tuple(float(record["levels"][level]) for level in _LEVELS),
        themes=record["themes"],
        required=required,
    )


def _cue(key: str, modality: Modality, row: Mapping[str, object], sources: Mapping[str, str]) -> Cue:
    source, links = sources.get(str(row["source"])), {}
    if not source:
        raise EvidenceError(f"names no known source: {row['source']!r}", where=key)
    for item in str(row["affects"]).split():
        match = _LINK.fullmatch(item)
        if match is None or match[1] not in AFFECT_NAMES or match[1] in links:
            raise EvidenceError(f"has a link that is no affect and level: {item!r}", where=key)
        links[match[1]] = _LEVELS.index(match[2]) - 2
    phrases = row.get("phrases", ())
    assert isinstance(phrases, list | tuple)
    return Cue(key=key, modality=modality, source=source, links=links, phrases=tuple(map(str, phrases)))


@cache
def shipped_table() -> CueTable:
    """The table that comes with emotrace, read once."""
    return load_table(files("emotrace.hydra").joinpath("tables/likelihood.toml").read_text(encoding="utf-8"))


@cache
def label_sets() -> tuple[tuple[int, ...], ...]:
    """All sets of 1 to 3 of the 19 affects (1,159), then neutral alone, as affect numbers.

    >>> len(label_sets()), label_sets()[-1]
    (1160, (19,))
    """
    affects = range(len(AFFECT_NAMES) - 1)
    sets = [s for size in range(1, LARGEST_SET + 1) for s in combinations(affects, size)]
    return (*sets, (len(AFFECT_NAMES) - 1,))


@cache
def membership() -> Float64[np.ndarray, "set affect"]:
    """Share of each affect in each label set; rows sum to 1."""
    shares = np.zeros((len(label_sets()), len(AFFECT_NAMES)))
    for row, members in enumerate(label_sets()):
        shares[row, list(members)] = 1.0 / len(members)
    return shares


def floored(ratios: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Ratios that cannot rule an affect out: mixed with a share ε of 1."""
    return (1.0 - FLOOR) * ratios + FLOOR


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A table multiplied out over all label sets, once."""

    table: CueTable

    @cached_property
    def affect_ratios(self) -> Float64[np.ndarray, "affect cue"]:
        """ρ of every affect alone, floor included."""
        return floored(self.table.ratios)

    @cached_property
    def set_ratios(self) -> Float64[np.ndarray, "cue set"]:
        """ρ of every label set."""
        return np.ascontiguousarray((membership() @ self.affect_ratios).T)

    @cached_property
    def log_ratios(self) -> Float64[np.ndarray, "cue set"]:
        """Log ratio, ln ρ, of every label set."""
        logs: Float64[np.ndarray, "cue set"] = np.log(self.set_ratios)
        return logs

    @cached_property
    def masked_log_ratios(self) -> Float64[np.ndarray, "cue shown set"]:
        """Log ratio, ln ρ, where the felt set is masked by each shown affect."""
        shown = self.affect_ratios[[AFFECT_NAMES.index(a) for a in SHOWN_AFFECTS]].T
        share = np.array([SHOWN_SHARE.get(cue.modality, 0.0) for cue in self.table.cues])[:, None, None]
        mixed = (1.0 - share) * self.set_ratios[:, None, :] + share * shown[:, :, None]
        logs: Float64[np.ndarray, "cue shown set"] = np.log(mixed)
        return logs


@cache
def compiled() -> Compiled:
    """The shipped table, compiled once and kept."""
    return Compiled(table=shipped_table())
