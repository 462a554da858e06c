"""How far each section of a trace can be trusted: ρ in 0..1, from checks that must hold and scores of degree.

All of it is [ours]; that reasoning priors must be reliable is the paper's claim (arXiv 2508.03722) [paper].

    ρ_m = h_m · exp( Σ_k w_k ln max(s_k, 0.05) / Σ_k w_k ),  w = 1

h is 1 where every hard check holds and 0 otherwise. The soft scores that are defined, with p = scores / Σ scores:

    margin   min(1, (p₍₁₎ − p₍₂₎) / 0.2)             decided or torn
    joint    1 − JS₂(p_m, p_joint), base 2            agreement with the joint section
    model    Σ_c min(p_m(c), q(c))                    agreement with a supervised model, out of fold
    self     mean over pairs of samples of Σ_c min    self-consistency
    ground   (1 + supported) / (2 + supported + contradicted)   claims against measurements

Where none is defined, ρ = h / 2. The geometric mean of 1 and 0.25 is 0.5; any hard failure gives exactly 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Final

import numpy as np
from jaxtyping import Float64

from emotrace.evidence.observation import Modality
from emotrace.evidence.reasoning.grounding import QUOTED
from emotrace.evidence.reasoning.parsing import BAD_ID, BAD_SPAN, FOREIGN, REFUSAL, TOLERANCE_SECONDS, TOO_MANY
from emotrace.evidence.reasoning.trace import (
    Grounding,
    ReasoningTrace,
    Section,
    SectionReliability,
    Status,
)
from emotrace.evidence.verbal import language_of

FLOOR: Final = 0.05
WITHOUT_SCORES: Final = 0.5
DECIDED: Final = 0.2
LEAST_CHARACTERS: Final = 20
QUOTED_WORDS: Final = 4
QUOTED_HAN: Final = 6
ABSENT_MODALITY: Final = "absent_modality"
QUOTES_WORDS: Final = "quotes_words"

HARD_CODES: Final[Mapping[str, str]] = {
    "malformed": "the answer is not what the schema demands",
    "status": "there is no answer",
    "empty": "no observation, and fewer than 20 characters",
    TOO_MANY: "more than six observations",
    "refusal": "a phrase by which models decline",
    BAD_ID: "an observation's id is illegal, or stands twice",
    BAD_SPAN: "a time lies outside the clip, or ends before it starts",
    "bad_action_unit": "an action unit that does not exist",
    FOREIGN: "an observation of another modality",
    ABSENT_MODALITY: "a section about what the clip does not have",
    QUOTES_WORDS: "a section that was given no words quotes them",
    "language": "another language than the one that was asked for",
    "scores_labels": "the scores do not cover the label set",
    "scores_range": "a score outside 0..1",
    "label": "the label is not the one with the highest score",
    "contribution": "the contributions do not sum to 100",
}
"""Code of a hard check -> what is wrong where it fails."""

_ACTION_UNIT = re.compile(r"(?i)\b(?:AU|action unit)\s*-?\s*(\d+)")
_LEGAL_UNITS: Final = frozenset(
    (1, 2, *range(4, 47), *range(50, 59), *range(61, 75), *range(80, 86), 91, 92, 97, 98)
) - {3, 40}
"""Codes of the Facial Action Coding System [field: Ekman, Friesen & Hager 2002]."""
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def reliability(
    trace: ReasoningTrace,
    *,
    transcript: str | None = None,
    model: Mapping[str, float] | None = None,
    grounding: Mapping[Modality, Grounding] | None = None,
) -> dict[Modality, SectionReliability]:
    """ρ of every section, with the hard checks that failed and the soft scores that it was made from.

    Args:
        trace: The trace.
        transcript: What is said, to find quotations where there should be none; what was found when the trace was
            made is in it already.
        model: A supervised model's probabilities; **out of fold** for clips that it could have been trained on.
        grounding: Claims against measurements, in place of the trace's own.
    """
    grounds = trace.grounding if grounding is None else grounding
    joint = _shares(trace.joint.scores) if not hard_failures(trace, "joint", transcript=transcript) else None
    found: dict[Modality, SectionReliability] = {}
    for part, section in trace.sections.items():
        failed = hard_failures(trace, part, transcript=transcript)
        soft = soft_scores(section, joint=None if part == "joint" else joint, model=model, grounding=grounds.get(part))
        found[part] = SectionReliability(rho=0.0 if failed else rho(soft), failed=failed, soft=soft)
    return found


def rho(soft: Mapping[str, float]) -> float:
    """The geometric mean of the soft scores, none of them below 0.05; a half where there is none.

    >>> round(rho({"margin": 1.0, "joint": 0.25}), 12), rho({})
    (0.5, 0.5)
    """
    if not soft:
        return WITHOUT_SCORES
    return min(1.0, float(np.exp(np.mean([np.log(max(score, FLOOR)) for score in soft.values()]))))


def soft_scores(
    section: Section,
    *,
    joint: Mapping[str, float] | None = None,
    model: Mapping[str, float] | None = None,
    grounding: Grounding | None = None,
) -> dict[str, float]:
    """The scores that are defined, by name.

    Args:
        section: The section.
        joint: The joint section's scores; None for that section itself, and where it cannot be used.
        model: A supervised model's probabilities.
        grounding: Claims against measurements.
    """
    soft: dict[str, float] = {}
    own = _shares(section.scores)
    if own is not None and len(own) >= 2:
        first, second = sorted(own.values(), reverse=True)[:2]
        soft["margin"] = min(1.0, (first - second) / DECIDED)
    for name, other in (("joint", _shares(joint)), ("model", _shares(model))):
        if own is not None and other is not None and set(own) == set(other):
            a, b = (np.array([each[label] for label in sorted(own)]) for each in (own, other))
            soft[name] = 1.0 - _divergence(a, b) if name == "joint" else float(np.minimum(a, b).sum())
    samples = [shares for each in (section.scores, *section.samples) if (shares := _shares(each)) is not None]
    pairs = [sum(min(a[c], b.get(c, 0.0)) for c in a) for a, b in combinations(samples, 2)]
    if pairs:
        soft["self"] = float(np.mean(pairs))
    if grounding is not None and (known := grounding.supported + grounding.contradicted):
        soft["ground"] = (1 + grounding.supported) / (2 + known)
    return {name: min(1.0, max(0.0, score)) for name, score in soft.items()}


def hard_failures(trace: ReasoningTrace, part: Modality, *, transcript: str | None = None) -> tuple[str, ...]:
    """Codes of the hard checks that a section fails, in the order of `HARD_CODES`."""
    section = trace.sections[part]
    if section.status is Status.MALFORMED:
        return ("malformed",)
    if not section.is_ok:
        return ("status",)
    failed = {issue for issue in section.issues if issue in HARD_CODES}
    said = "\n".join((section.text, *(each.text for each in section.observations)))
    checks = {
        "empty": not section.observations and len(section.text) < LEAST_CHARACTERS,
        "refusal": REFUSAL.search(section.text) is not None,
        BAD_SPAN: any(o.span.end_seconds > trace.span.end_seconds + TOLERANCE_SECONDS for o in section.observations),
        "bad_action_unit": any(int(number) not in _LEGAL_UNITS for number in _ACTION_UNIT.findall(said)),
        FOREIGN: any(o.modality != part for o in section.observations),
        QUOTES_WORDS: part in ("visual", "vocal") and transcript is not None and quotes(said, transcript),
        "language": _is_foreign(section.text, trace.settings.language),
        **_score_checks(section, trace.settings.labels),
        "contribution": part == "joint" and not _adds_up(section, trace),
    }
    failed |= {code for code, fails in checks.items() if fails}
    return tuple(code for code in HARD_CODES if code in failed)


def quotes(text: str, transcript: str) -> bool:
    """Whether a text holds a run of four words, or of six Chinese characters, of what is said.

    >>> quotes("the voice says I have never seen that", "I have never seen that before")
    True
    """
    if any(run in "".join(_HAN.findall(text)) for run in _runs(_HAN.findall(transcript), QUOTED_HAN, "")):
        return True
    own = " ".join(_WORD.findall(text.casefold()))
    said = [word for word in _WORD.findall(transcript.casefold()) if not _HAN.search(word)]
    return any(f" {run} " in f" {own} " for run in _runs(said, QUOTED_WORDS, " "))


def _runs(tokens: list[str], length: int, joint: str) -> set[str]:
    return {joint.join(tokens[k : k + length]) for k in range(len(tokens) - length + 1)}


def _score_checks(section: Section, labels: tuple[str, ...]) -> dict[str, bool]:
    if not labels:
        return {}
    scores = section.scores
    if scores is None or set(scores) != set(labels):
        return {"scores_labels": True}
    best = max(scores.values())
    return {
        "scores_range": not all(0.0 <= score <= 1.0 for score in scores.values()),
        "label": section.label is None or scores.get(section.label, -1.0) < best,
    }


def _adds_up(section: Section, trace: ReasoningTrace) -> bool:
    """Whether the contributions sum to 100 ± 1. Observers that measure give none, and none is asked of them."""
    if section.contribution is None:
        return not trace.prompt_sha256
    given = section.contribution
    in_range = all(0.0 <= share <= 100.0 for share in given.values())
    return set(given) == {"visual", "vocal", "verbal"} and in_range and abs(sum(given.values()) - 100.0) <= 1.0


def _is_foreign(text: str, language: str) -> bool:
    """Whether the reasoning is in another language; what it quotes does not count."""
    own = QUOTED.sub(" ", text)
    letters = [character for character in own if character.isalpha()]
    if len(letters) < LEAST_CHARACTERS // 2:
        return False
    han = sum(_HAN.match(letter) is not None for letter in letters) / len(letters)
    if language == "zh":
        return han < 0.3
    latin = sum(letter.isascii() for letter in letters) / len(letters)
    return latin < 0.6 or language_of(own) == "de"


def _shares(scores: Mapping[str, float] | None) -> dict[str, float] | None:
    """Scores made to sum to 1; None where they cannot."""
    if scores is None or any(score < 0.0 for score in scores.values()) or not (total := sum(scores.values())) > 0.0:
        return None
    return {label: score / total for label, score in scores.items()}


def _divergence(a: Float64[np.ndarray, " label"], b: Float64[np.ndarray, " label"]) -> float:
    """Jensen-Shannon divergence to base 2, 0..1."""
    middle = 0.5 * (a + b)

    def relative(p: Float64[np.ndarray, " label"]) -> float:
        known = p > 0.0
        return float(np.sum(p[known] * np.log2(p[known] / middle[known])))

    return 0.5 * (relative(a) + relative(b))
