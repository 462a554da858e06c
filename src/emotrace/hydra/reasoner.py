"""The interface of whoever reasons: a table, a language model, a script."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.decide import Decision
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.trace import Trace
from emotrace.hydra.verify import Verification
from emotrace.results import Usage


@runtime_checkable
class Reasoner(Protocol):
    """Proposes, verifies and decides. Each step is one call, and none may change the sheet."""

    @property
    def name(self) -> str:
        """`name@version`, kept in every verdict."""
        ...

    @property
    def order_free(self) -> bool:
        """Whether the order of the hypotheses cannot matter by construction; where it can, the swap check is on."""
        ...

    def propose(self, sheet: EvidenceSheet, k: int, held: tuple[Hypothesis, ...] = ()) -> tuple[Hypothesis, ...]:
        """K further hypotheses, each from another perspective, rivals of one another and of those `held`."""
        ...

    def verify(self, sheet: EvidenceSheet, hypothesis: Hypothesis) -> Verification:
        """One hypothesis against every observation, without sight of its rivals."""
        ...

    def decide(
        self, sheet: EvidenceSheet, hypotheses: tuple[Hypothesis, ...], verifications: tuple[Verification, ...]
    ) -> Decision:
        """The hypothesis that best reconciles all observations, and the labels that follow; K may be 0."""
        ...


@runtime_checkable
class Metered(Reasoner, Protocol):
    """A reasoner that takes calls, tokens and time; several threads may ask it, each in sessions of its own."""

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its replies: server, model, hash of the prompts, sampling."""
        ...

    def session(self) -> Metered:
        """The same reasoner with a meter that begins at nothing; what it takes counts for this one too."""
        ...

    def usage(self) -> Usage:
        """What was asked in this session."""
        ...


@runtime_checkable
class TraceReasoner(Reasoner, Protocol):
    """A reasoner that can do all three steps in one generation."""

    def reason(self, sheet: EvidenceSheet, k: int) -> Trace:
        """One whole trajectory with exactly K hypotheses."""
        ...
