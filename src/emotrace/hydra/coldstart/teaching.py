"""Teachers: whoever writes the trajectories that a student is to imitate.

A teacher sees the sheet and nothing else. `teacher_sees="labels"` is the paper's EmbedGT [paper], kept as a switch: the
gold words are then told to the teacher, beside the sheet, and every sample says so. What a blind teacher is handed
holds no gold at all: `build` gives it a sheet, a number and an empty tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, runtime_checkable

from emotrace.errors import ReasoningError, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.decide import Decision
from emotrace.hydra.grammar import render, trace_of
from emotrace.hydra.propose import MAX_HYPOTHESES, Hypothesis
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoner import Reasoner, TraceReasoner
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.verify import Verification

Saw = Literal["nothing", "labels"]
Agreement = Callable[[Sequence[str], Sequence[str]], float]
"""(answer, gold) -> level-1 F."""


@runtime_checkable
class Teacher(Protocol):
    """Writes trajectories."""

    name: str
    """Stamped into every sample."""
    saw: Saw
    """Whether gold may be told to it."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides its trajectories, for the manifest."""
        ...

    def tries(self, sheet: EvidenceSheet, k: int, told: tuple[str, ...] = ()) -> Iterator[str | None]:
        """Trajectories for one sheet, each a new try; None for one that could not be used.

        Args:
            sheet: The evidence.
            k: How many hypotheses.
            told: The gold words, where the teacher may see them; a blind one is given none.

        Raises:
            ServerFailed: Nobody answered; what was answered before is kept.
        """
        ...


class EmbeddedTeacher:
    """The embedded reasoner as the teacher: one try, as it is never of another opinion.

    It commits where it would abstain, since abstentions teach no reasoning.
    Where it sees labels there is no question to put them into. It then offers as many rivals as there may be, keeps
    the one that agrees best with gold among the K, and lets that one win: it is shown which of its own readings is
    right, and can say no more than it would have proposed.

    Args:
        saw: Whether it may see gold.
        agreement: By which a reading agrees with gold; needed where it sees it.

    Raises:
        UsageError: It is to see labels, and nobody said what agrees with them.
    """

    def __init__(self, *, saw: Saw = "nothing", agreement: Agreement | None = None) -> None:
        if saw == "labels" and agreement is None:
            raise UsageError("a teacher that sees labels needs a measure of agreement", where="teacher_sees")
        self.saw: Saw = saw
        self._reasoner, self._agreement = EmbeddedReasoner(), agreement
        self.name = self._reasoner.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it was calibrated, and what it does with labels."""
        picks = {"labels": "picks among its own readings"} if self.saw == "labels" else {}
        return {"calibration": self._reasoner.calibration.basis, **picks}

    def tries(self, sheet: EvidenceSheet, k: int, told: tuple[str, ...] = ()) -> Iterator[str | None]:
        """One trajectory.

        Raises:
            UsageError: With K = 0 it has no readings to pick from.
        """
        if self._agreement is None or self.saw == "nothing":
            yield trajectory(self._reasoner, sheet, k)
        elif k == 0:
            raise UsageError("with K = 0 there are no readings to pick from by labels", where="teacher_sees")
        else:
            yield trajectory(PickingReasoner(self._reasoner, told, self._agreement), sheet, k)


class PickingReasoner:
    """A reasoner that is told gold, and lets the hypothesis win that agrees best with it.

    Args:
        reasoner: Proposes, verifies, and says in which words the chosen hypothesis answers.
        gold: What people perceived.
        agreement: How well labels agree with it.
    """

    order_free = True

    def __init__(self, reasoner: Reasoner, gold: tuple[str, ...], agreement: Agreement) -> None:
        self.name = reasoner.name
        self._reasoner, self._gold, self._agreement = reasoner, gold, agreement

    def propose(self, sheet: EvidenceSheet, k: int, held: tuple[Hypothesis, ...] = ()) -> tuple[Hypothesis, ...]:
        """The first K of all that the reasoner has to offer, the one that agrees best with gold among them."""
        offered = self._reasoner.propose(sheet, MAX_HYPOTHESES - len(held), held)
        if not offered:
            return ()
        best = self._best(offered)
        kept = offered[:k] if best in offered[:k] else (*offered[: k - 1], best)
        return tuple(replace(each, number=number) for number, each in enumerate(kept, start=len(held) + 1))

    def verify(self, sheet: EvidenceSheet, hypothesis: Hypothesis) -> Verification:
        """As the reasoner does: marks do not depend on gold."""
        return self._reasoner.verify(sheet, hypothesis)

    def decide(
        self, sheet: EvidenceSheet, hypotheses: tuple[Hypothesis, ...], verifications: tuple[Verification, ...]
    ) -> Decision:
        """The decision between the best hypothesis and nothing."""
        if not hypotheses:
            return self._reasoner.decide(sheet, (), ())
        best = self._best(hypotheses)
        return self._reasoner.decide(sheet, (best,), tuple(v for v in verifications if v.number == best.number))

    def _best(self, hypotheses: tuple[Hypothesis, ...]) -> Hypothesis:
        """Ties go to the reasoner's own order."""
        return max(hypotheses, key=lambda each: (self._agreement(each.labels, self._gold), -each.number))


def trajectory(reasoner: Reasoner, sheet: EvidenceSheet, k: int) -> str | None:
    """What a reasoner makes of a sheet, as text; None where it came to nothing that can be used.

    Raises:
        ServerFailed: Nobody answered.
    """
    try:
        if isinstance(reasoner, TraceReasoner):
            return render(reasoner.reason(sheet, k))
        return render(trace_of(run(sheet, reasoner, k=k, abstain=False), sheet))
    except ReasoningError:
        return None
