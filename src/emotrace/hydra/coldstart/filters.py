"""What a demonstration must be: a list of filters in a fixed order, each with a count of what it kept and dropped.

A blind trajectory is *selected* by gold and never *told* it. The terms are those that later reward the student
(`hydra/rewards`), so that nothing is imitated which the reward would punish.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.asking.reading import Asked, contradictions
from emotrace.hydra.grammar import parse
from emotrace.hydra.learning.cases import Case
from emotrace.hydra.rewards import TERMS, RewardConfig, Scorer
from emotrace.hydra.sentences import Sentenced
from emotrace.hydra.trace import IssueCode, Trace
from emotrace.labels.label_table import INNER, LabelTable, OwnTable
from emotrace.labels.official_tables import LEVEL_1
from emotrace.metrics.clip_scorer import ClipScorer

LEAST_EVIDENCE: Final = 0.8
"""[ours] Of r_evid: how much of what is quoted must be on the sheet."""
LEAST_AGREEMENT: Final = 0.5
"""[ours] Level-1 F of the answer against gold."""
MOST_TOKENS: Final = 1024
"""[paper] Of a completion."""
CHARACTERS_PER_TOKEN: Final = 3
"""[ours] Where no tokenizer is named, every started group of so many characters counts as a token."""
LEAK_PHRASES: Final = (
    "ground truth",
    "gold label",
    "gold standard",
    "gold answer",
    "the label",
    "labelled",
    "labeled",
    "annotat",
    "correct answer",
    "i was told",
    "we are told",
    "we were told",
    "people who watched",
)
"""[ours] Beginnings of words by which a teacher gives away that it knew."""

_CAPS: Final = frozenset(
    {
        IssueCode.OVER_CAP,
        IssueCode.TOO_MANY_LABELS,
        IssueCode.DUPLICATE_CHECK,
        IssueCode.NEUTRAL_MIXED,
        IssueCode.UNKNOWN_CITATION,
    }
)
_LEAK: Final = re.compile(rf"\b(?:{'|'.join(map(re.escape, LEAK_PHRASES))})", re.IGNORECASE)
_EVID: Final = TERMS.index("evid")


class Filter(Sentenced):
    """A filter, in the order in which they are asked, and what passes it."""

    OBSERVED = "observed", "The sheet holds an observation."
    LABELLED = "labelled", "Gold holds a word that is on the wheel."
    NEW = "new", "The same sheet did not come before."
    ANSWERED = "answered", "The teacher's reply could be used."
    EXACT = "exact", "It has the grammar's form, with exactly K hypotheses."
    CAPPED = "capped", "It keeps to the caps, cites what exists, and checks nothing twice."
    DECIDED = "decided", "It answers with words, and does not abstain."
    CLOSED = "closed", "Every label cites an observation that its hypothesis judged as support."
    QUOTED = "quoted", "What it quotes is on the sheet."
    AGREES = "agrees", "Its answer agrees with gold."
    UNTOLD = "untold", "It says nothing of labels that somebody gave."
    SHORT = "short", "It is short enough."
    BALANCED = "balanced", "Its combination of level-1 clusters is not too frequent already."


ORDER: Final = tuple(Filter)
BEFORE_ASKING: Final = (Filter.OBSERVED, Filter.LABELLED, Filter.NEW)


def estimated_tokens(text: str) -> int:
    """Tokens of a text where no tokenizer is at hand, rather too many than too few for ordinary English [ours]."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is demanded."""

    least_evidence: float = LEAST_EVIDENCE
    least_agreement: float = LEAST_AGREEMENT
    most_tokens: int = MOST_TOKENS
    length: Callable[[str], int] = estimated_tokens
    length_by: str = f"characters / {CHARACTERS_PER_TOKEN}"
    """What `length` is, for the manifest."""


class LevelOne:
    """Answers and gold by their clusters of level 1.

    Args:
        table: Where words go: the shipped wheel, or the user's official tables.
    """

    def __init__(self, table: LabelTable | None = None) -> None:
        self.table = table or OwnTable.shipped()
        self._scorer = ClipScorer(self.table, [name for name in (INNER, *LEVEL_1) if name in self.table.clusters])

    def clusters(self, words: Sequence[str]) -> int:
        """The clusters as bits; 0 where the table holds none of the words."""
        return self._scorer.mask(list(words))

    def agreement(self, answer: Sequence[str], gold: Sequence[str]) -> float:
        """F of the clusters, 0..1: the mean over the wheels; 0 where gold is on none."""
        score = self._scorer.score(list(gold), list(answer))
        return 0.0 if score is None else score.f


class Judge:
    """Says which filter a case or a trajectory fails first.

    Args:
        k: How many hypotheses a trajectory has.
        limits: How much is demanded.
        level_one: Compares answers with gold.
    """

    def __init__(self, *, k: int, limits: Limits | None = None, level_one: LevelOne | None = None) -> None:
        self.k, self.limits, self.level_one = k, limits or Limits(), level_one or LevelOne()
        self._scorer = Scorer(RewardConfig(k=k, table=self.level_one.table))

    def unfit_case(self, case: Case) -> Filter | None:
        """Why nobody need be asked about a case, or None."""
        if not case.sheet.observations:
            return Filter.OBSERVED
        return None if self.level_one.clusters(case.gold) else Filter.LABELLED

    def fault(self, text: str | None, case: Case) -> Filter | None:
        """The first filter that a trajectory fails; None for one that may be imitated."""
        if text is None:
            return Filter.ANSWERED
        parsed = parse(text, k=self.k, sheet=case.sheet)
        if parsed.trace is None:
            return Filter.EXACT
        trace = parsed.trace
        tests: Iterable[tuple[Filter, Callable[[], bool]]] = (
            (Filter.CAPPED, lambda: not any(issue.code in _CAPS for issue in parsed.issues)),
            (Filter.DECIDED, lambda: trace.abstain is None),
            (Filter.CLOSED, lambda: not contradictions(trace, Asked(step="reason", k=self.k, sheet=case.sheet))),
            (Filter.QUOTED, lambda: self._evidence(text, case) >= self.limits.least_evidence),
            (Filter.AGREES, lambda: self._agreement(trace, case) >= self.limits.least_agreement),
            (Filter.UNTOLD, lambda: not tells_of_labels(trace, case.sheet)),
            (Filter.SHORT, lambda: self.limits.length(text) <= self.limits.most_tokens),
        )
        return next((filter for filter, passes in tests if not passes()), None)

    def _evidence(self, text: str, case: Case) -> float:
        return float(self._scorer.score([text], [case.sheet], [list(case.gold)]).raw[0, _EVID])

    def _agreement(self, trace: Trace, case: Case) -> float:
        return self.level_one.agreement([answer.word for answer in trace.answers], case.gold)


def tells_of_labels(trace: Trace, sheet: EvidenceSheet) -> bool:
    """Whether the teacher's own words hold a phrase of the leak list. What is quoted from the sheet is not its own."""
    copied = {check.quote for check in trace.checks if check.id in sheet and check.quote in sheet[check.id].text}
    own = [*(h.story for h in trace.hypotheses), *trace.notes, *(c.quote for c in trace.checks)]
    return any(_LEAK.search(words) for words in own if words not in copied)
