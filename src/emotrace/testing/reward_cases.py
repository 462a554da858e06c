"""Completions to reward, as values: perfect ones, legal ones of every quality, and how they score.

For the tests of `hydra/rewards/`. Needs hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from hypothesis import strategies as st

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.grammar import render
from emotrace.hydra.propose import Hypothesis, cluster_of
from emotrace.hydra.rewards import TERMS, RewardConfig, Score, Scorer
from emotrace.hydra.trace import Answer, Check, Trace
from emotrace.hydra.world import World, sample
from emotrace.labels.affects import AFFECTS

WORDS = [word for affect in AFFECTS for word in affect.words if affect.name != "neutral"]
MARKS = ("supports", "contradicts", "silent")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One completion as a value, with what it is scored against."""

    k: int
    sheet: EvidenceSheet
    gold: tuple[str, ...]
    trace: Trace


@cache
def sheets() -> tuple[EvidenceSheet, ...]:
    """Sheets of the simulated world with 2 to 8 observations."""
    drawn = (draw.sheet for draw in sample(World(), 80, seed=11))
    return tuple(islice((sheet for sheet in drawn if 2 <= len(sheet.observations) <= 8), 24))


@cache
def scorer(k: int, preset: str = "full") -> Scorer:
    """The scorer of a preset."""
    return Scorer(RewardConfig.preset(preset, k=k))


def perfect(sheet: EvidenceSheet, gold: tuple[str, ...], k: int) -> Trace:
    """A trace that earns everything: the first hypothesis holds gold and is supported throughout."""
    ids = tuple(o.id for o in sheet.observations)
    taken = {cluster_of(word) for word in gold}
    others = [a.words[0] for a in AFFECTS if a.name not in taken and a.name != "neutral"]
    labels = [gold, *((word,) for word in others[: max(k - 1, 0)])]
    hypotheses = [
        Hypothesis(number=n, perspective="other", labels=labels[n - 1], story="", cites=ids[:1])
        for n in range(1, k + 1)
    ]
    first, *rest = sheet.observations
    checks = [Check(id=first.id, quote=first.text, marks=dict.fromkeys(range(1, k + 1), "supports"))]
    marks = {n: "supports" if n == 1 else "contradicts" for n in range(1, k + 1)}
    checks += [Check(id=o.id, quote=o.text, marks=marks) for o in rest]  # type: ignore[arg-type]
    return Trace(
        hypotheses=tuple(hypotheses),
        checks=tuple(checks),
        verdict=(1,) if k else (),
        answers=tuple(Answer(word=word, confidence=0.5, cites=ids[:1]) for word in gold),
    )


@st.composite
def golds(draw: st.DrawFn) -> tuple[str, ...]:
    """1 to 3 words of different affects."""
    affects = draw(st.lists(st.sampled_from(AFFECTS[:-1]), min_size=1, max_size=3, unique_by=lambda a: a.name))
    return tuple(draw(st.sampled_from(affect.words)) for affect in affects)


@st.composite
def perfect_cases(draw: st.DrawFn) -> Case:
    """Cases that earn everything."""
    k, sheet, gold = draw(st.integers(0, 4)), draw(st.sampled_from(sheets())), draw(golds())
    return Case(k=k, sheet=sheet, gold=gold, trace=perfect(sheet, gold, k))


@st.composite
def cases(draw: st.DrawFn, least_k: int = 0) -> Case:
    """Legal traces of every quality: absent and repeated ids, bad quotes, odd words, any marks."""
    k, sheet, gold = draw(st.integers(least_k, 4)), draw(st.sampled_from(sheets())), draw(golds())
    ids = st.sampled_from([*(o.id for o in sheet.observations), "V9", "J1"])
    texts = [o.text for o in sheet.observations]
    quotes = st.sampled_from([*texts, *(" ".join(text.split()[:4]) for text in texts), "the face", "nobody said so"])
    words = st.sampled_from([*gold, *WORDS, "neutral", "bluish"])
    cites = st.lists(ids, max_size=4).map(tuple)
    hypotheses = [
        Hypothesis(
            number=n,
            perspective="other",
            labels=tuple(draw(st.lists(words, min_size=1, max_size=3))),
            story="",
            cites=draw(cites),
        )
        for n in range(1, k + 1)
    ]
    marks = st.dictionaries(st.integers(1, k), st.sampled_from(MARKS)) if k else st.just({})
    checks = draw(st.lists(st.builds(Check, id=ids, quote=quotes, marks=marks), max_size=6))
    answers = draw(st.lists(st.builds(Answer, word=words, confidence=st.none(), cites=cites), min_size=1, max_size=5))
    trace = Trace(
        hypotheses=tuple(hypotheses),
        checks=tuple(checks),
        verdict=tuple(draw(st.lists(st.integers(1, k), min_size=1, max_size=2))) if k else (),
        answers=tuple(answers),
    )
    return Case(k=k, sheet=sheet, gold=gold, trace=trace)


def but(case: Case, **changes: object) -> Case:
    """The case with another trace."""
    return replace(case, trace=replace(case.trace, **changes))  # type: ignore[arg-type]


def text_score(text: str, case: Case, preset: str = "full") -> Score:
    """The reward of a text on a case's sheet and gold."""
    batch = scorer(case.k, preset).score([text], [case.sheet], [list(case.gold)])
    raw, gated = (dict(zip(TERMS, values[0].tolist(), strict=True)) for values in (batch.raw, batch.gated))
    return Score(raw=raw, gated=gated, total=float(batch.total[0]), closure=float(batch.closure[0]))


def reward(case: Case) -> Score:
    """The reward of a case's own trace."""
    return text_score(render(case.trace), case)


def full(k: int = 2) -> Case:
    """A case that earns everything, on a sheet with three visual observations or more."""
    sheet = next(s for s in sheets() if len(s.of_modality("visual")) >= 3 and len(s.observations) >= 5)
    return Case(k=k, sheet=sheet, gold=("sad",), trace=perfect(sheet, ("sad",), k))


def with_checks(case: Case, change: Callable[[Check], Check]) -> Case:
    """The case with each check changed."""
    return but(case, checks=tuple(change(check) for check in case.trace.checks))
