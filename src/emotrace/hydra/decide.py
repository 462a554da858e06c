"""Decide: which explanation best reconciles the evidence, in which words, and whether to say it at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from emotrace.errors import UnclosedVerdict
from emotrace.evidence.observation import EvidenceSheet, Modality, Observation
from emotrace.hydra.explain import explain as explain
from emotrace.hydra.likelihood import NAMES, shipped_table
from emotrace.hydra.propose import Hypothesis, cluster_of
from emotrace.hydra.trace import Answer, Trace
from emotrace.hydra.verify import Verification
from emotrace.labels.affects import AFFECT_BY_NAME, AFFECT_BY_WORD
from emotrace.results import AbstainCode, Label

CONFLICT_LIMIT = 0.9
MARGIN_LIMIT = 0.35
CONFIDENCE_LIMIT = 0.45
"""[ours] Below these the embedded reasoner's verdict abstains."""
Decider = Callable[[EvidenceSheet, tuple[Hypothesis, ...], tuple[Verification, ...]], "Decision"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a reasoner concluded, before anybody asks whether it should be said."""

    winners: tuple[int, ...]
    """The winner's number first; the others lend labels. Empty when K = 0."""
    answers: tuple[Answer, ...]
    confidence: float
    basis: str
    """What the confidence was calibrated on: `none`, `simulated` or `fitted:<id>`."""
    margin: float
    """How far the winner is ahead, in nats (embedded) or in weight of evidence (a model's marks)."""
    abstain: AbstainCode | None = None
    """The reasoner's own abstention."""
    distribution: Mapping[str, float] | None = None


def decide(
    sheet: EvidenceSheet,
    hypotheses: tuple[Hypothesis, ...],
    verifications: tuple[Verification, ...],
    ask: Decider,
    *,
    first: Decision | None = None,
    swap_check: bool | str = False,
) -> tuple[Decision, float | None]:
    """The decision, and the share of orders of the hypotheses that gave the same winner (None when unchecked).

    With the swap check the reasoner decides again with the hypotheses in reverse order under fresh numbers (`"cyclic"`:
    in all K rotations). Below full consistency the confidence is multiplied by it and the margin averaged; without one
    most frequent winner the decision abstains with `low_margin`. [ours]

    Args:
        sheet: The evidence.
        hypotheses: The rivals.
        verifications: One per hypothesis.
        ask: `Reasoner.decide`.
        first: The decision in the given order, where it is already known.
        swap_check: Whether, or how, to ask again.
    """
    decision = ask(sheet, hypotheses, verifications) if first is None else first
    if not swap_check or len(hypotheses) < 2:
        return decision, None
    k = len(hypotheses)
    rotations = [[*range(shift, k), *range(shift)] for shift in range(1, k)]
    orders = rotations if swap_check == "cyclic" else [list(range(k))[::-1]]
    decisions = [decision, *(_decide_in(order, sheet, hypotheses, verifications, ask) for order in orders)]
    votes = Counter(d.winners[:1] for d in decisions)
    (winner, count), *others = votes.most_common()
    consistency = count / len(decisions)
    if consistency == 1.0:
        return decision, 1.0
    tied = bool(others) and others[0][1] == count
    chosen = next(d for d in decisions if d.winners[:1] == winner)
    settled = replace(
        chosen,
        answers=tuple(
            a if a.confidence is None else replace(a, confidence=a.confidence * consistency) for a in chosen.answers
        ),
        confidence=chosen.confidence * consistency,
        margin=sum(d.margin for d in decisions) / len(decisions),
        abstain="low_margin" if tied else chosen.abstain,
    )
    return settled, consistency


def _decide_in(
    order: list[int],
    sheet: EvidenceSheet,
    hypotheses: tuple[Hypothesis, ...],
    verifications: tuple[Verification, ...],
    ask: Decider,
) -> Decision:
    """The decision on reordered, renumbered hypotheses, told in the old numbers."""
    decision = ask(
        sheet,
        tuple(replace(hypotheses[old], number=new) for new, old in enumerate(order, start=1)),
        tuple(replace(verifications[old], number=new) for new, old in enumerate(order, start=1)),
    )
    return replace(decision, winners=tuple(hypotheses[order[n - 1]].number for n in decision.winners))


def decision_of(
    trace: Trace,
    sheet: EvidenceSheet,
    verifications: tuple[Verification, ...],
    *,
    numbers: Mapping[int, int] | None = None,
) -> Decision:
    """What a trajectory in text decided. Its claimed confidence is kept as its claim: the basis is `none`.

    Args:
        trace: The trajectory.
        sheet: The evidence.
        verifications: What its marks say, one per hypothesis.
        numbers: Where the hypotheses have fresh numbers: number in the trajectory -> number now.
    """
    winners = trace.verdict if numbers is None else tuple(numbers[n] for n in trace.verdict if n in numbers)
    weight = {id: sheet.weight(sheet[id]) for id in (o.id for o in sheet.observations)}
    net = {
        v.number: sum(weight[id] for id in v.supporting) - sum(weight[id] for id in v.contradicting)
        for v in verifications
    }
    winner = winners[0] if winners else None
    rest = [value for number, value in net.items() if number != winner]
    answers = tuple(a for a in trace.answers if a.word != "neutral" or len(trace.answers) == 1)
    return Decision(
        winners=winners,
        answers=answers,
        confidence=next((a.confidence for a in answers if a.confidence is not None), 0.0),
        basis="none",
        margin=0.0 if winner is None else net[winner] - max(rest, default=0.0),
        abstain=trace.abstain,
    )


def closed_labels(
    sheet: EvidenceSheet, decision: Decision, verifications: tuple[Verification, ...]
) -> tuple[Label, ...]:
    """The decision's answers as labels, each with the citations that hold.

    A citation holds when the observation exists and the winner, or a hypothesis that the verdict names beside it,
    judged it as support; with K = 0, when it exists.

    Raises:
        UnclosedVerdict: A label whose citations all fail.
    """
    judged = {v.number: set(v.supporting) for v in verifications}
    standing = set().union(*(judged[n] for n in decision.winners)) if decision.winners else None
    labels = []
    for answer in decision.answers:
        held = tuple(id for id in answer.cites if id in sheet and (standing is None or id in standing))
        if not held:
            raise UnclosedVerdict(
                f"{answer.word!r} cites {list(answer.cites)}, none of which is on the sheet and judged as support",
                hint="Ask the reasoner again; a verdict is only given on evidence",
            )
        claimed = decision.confidence if answer.confidence is None else answer.confidence
        labels.append(
            Label(
                word=answer.word,
                cluster=cluster_of(answer.word),
                confidence=round(claimed, 2),
                observation_ids=held,
                grounded_by="reading" if all(sheet[id].scores is not None for id in held) else "observations",
            )
        )
    return tuple(labels)


def abstention(decision: Decision, conflict: float | None, *, masked: bool) -> AbstainCode | None:
    """Why a decision should not be said, or None.

    The thresholds are those of a calibrated confidence; a claim that nothing calibrated is not held against them.
    """
    if decision.abstain is not None or decision.basis == "none":
        return decision.abstain
    if conflict is not None and conflict >= CONFLICT_LIMIT and decision.margin < MARGIN_LIMIT and not masked:
        return "modalities_disagree"
    return "low_margin" if decision.confidence < CONFIDENCE_LIMIT else None


def conflict(readings: Mapping[Modality, Iterable[str]]) -> float | None:
    """How far the modalities' own readings disagree, 0..1; None with fewer than two readings.

    1 − mean pairwise Jaccard, over affects and sectors alike [ours].

    >>> conflict({"visual": ["joy"], "vocal": ["amusement"]}), conflict({"visual": ["joy"]})
    (0.5, None)
    """
    affects = [set(reading) for reading in readings.values()]
    if len(affects) < 2:
        return None
    sectors = [{AFFECT_BY_NAME[affect].sector for affect in reading} for reading in affects]
    shares = [len(a & b) / len(a | b) for level in (affects, sectors) for a, b in combinations(level, 2)]
    return 1.0 - sum(shares) / len(shares)


def choose_word(affect: str, supporting: Iterable[Observation]) -> str:
    """The word of an affect whose intensity is nearest to that of the observations that support it.

    An affect's words divide 0..1 evenly, mildest first. Strength counts for what was seen and heard; words said have
    strength 1 by definition and tell of no intensity, unless the speaker named the state, and then that word's own
    place counts. Without any the middle word is taken. A word that requires a cue (`grieving` needs a loss) is open
    only with it. [ours]

    >>> choose_word("joy", [])
    'happy'
    """
    observations = list(supporting)
    cues = {observation.cue for observation in observations}
    required = shipped_table().required
    words = AFFECT_BY_NAME[affect].words
    places = {word: (rank + 0.5) / len(words) for rank, word in enumerate(words)}
    told = [places[named] for o in observations if (named := _named(o, affect)) in places]
    marked = told + [o.strength for o in observations if o.modality != "verbal" and o.scores is None]
    wanted = sum(marked) / len(marked) if marked else 0.5
    open_words = [word for word in words if word not in required or cues & set(required[word])]
    return min(open_words, key=lambda word: round(abs(places[word] - wanted), 9))


def _named(observation: Observation, affect: str) -> str | None:
    if observation.cue is None or not observation.cue.startswith(NAMES):
        return None
    word = observation.cue.removeprefix(NAMES)
    return word if word in AFFECT_BY_WORD and AFFECT_BY_WORD[word].name == affect else None
