"""A reasoner that replays text: for tests, and for users who have a model's completions on disk."""

from __future__ import annotations

from emotrace.errors import MalformedCompletion, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.decide import Decision, decision_of
from emotrace.hydra.grammar import parse, repair
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.trace import Trace
from emotrace.hydra.verify import Verification, from_marks


class ScriptedReasoner:
    """Replays one text per sheet, in the order in which new sheets come.

    In steps, each step takes its part of the same text. As its winner is fixed, it is the same in every order.

    Args:
        *texts: Completions in the grammar of `hydra/grammar.py`.
        name: What verdicts say who reasoned.
    """

    def __init__(self, *texts: str, name: str = "scripted@1") -> None:
        self.name = name
        self.order_free = True
        self._texts = list(texts)
        self._traces: dict[tuple[str, int], Trace] = {}

    def reason(self, sheet: EvidenceSheet, k: int) -> Trace:
        """The trace of the next text, or the one that this sheet was given before.

        Raises:
            MalformedCompletion: The text stays unparsable after repair.
            UsageError: No text is left.
        """
        key = (sheet.sheet_id, k)
        if key not in self._traces:
            if not self._texts:
                raise UsageError("no scripted text is left for another sheet", hint="Give one text per sheet")
            raw = self._texts.pop(0)
            parsed = parse(raw, k=k, sheet=sheet)
            if parsed.trace is None:
                parsed = parse(repair(raw)[0], k=k, sheet=sheet)
            if parsed.trace is None:
                first = next(issue for issue in parsed.issues if issue.code.fatal)
                raise MalformedCompletion(f"{first.code.sentence.rstrip('.')}: {first.text[:80]!r}", raw=raw)
            self._traces[key] = parsed.trace
        return self._traces[key]

    def propose(self, sheet: EvidenceSheet, k: int, held: tuple[Hypothesis, ...] = ()) -> tuple[Hypothesis, ...]:
        """The hypotheses of the sheet's text; asked again, it has no others."""
        return () if held else tuple(sorted(self.reason(sheet, k).hypotheses, key=lambda h: h.number))

    def verify(self, sheet: EvidenceSheet, hypothesis: Hypothesis) -> Verification:
        """The marks that the text gives the hypothesis."""
        trace, number = self._trace(sheet, (hypothesis,)), self._place(sheet, hypothesis).number
        checks = [check for check in trace.checks if check.id in sheet]
        return from_marks(
            sheet,
            number=hypothesis.number,
            marks={check.id: check.marks[number] for check in reversed(checks) if number in check.marks},
            quotes={check.id: check.quote for check in checks},
        )

    def decide(
        self, sheet: EvidenceSheet, hypotheses: tuple[Hypothesis, ...], verifications: tuple[Verification, ...]
    ) -> Decision:
        """The text's answer, with its verdict told in the numbers of the hypotheses given."""
        trace = self._trace(sheet, hypotheses)
        numbers = {self._place(sheet, hypothesis).number: hypothesis.number for hypothesis in hypotheses}
        if trace.verdict and trace.verdict[0] not in numbers:
            raise UsageError("the scripted winner is no rival of the hypotheses before it, and was dropped")
        return decision_of(trace, sheet, verifications, numbers=numbers)

    def _trace(self, sheet: EvidenceSheet, hypotheses: tuple[Hypothesis, ...]) -> Trace:
        """The text that was given to this sheet, whatever K it was asked for."""
        if not hypotheses:
            return self.reason(sheet, 0)
        return next(trace for (sheet_id, k), trace in self._traces.items() if sheet_id == sheet.sheet_id and k)

    def _place(self, sheet: EvidenceSheet, hypothesis: Hypothesis) -> Hypothesis:
        """The hypothesis as the text numbers it."""
        for scripted in self._trace(sheet, (hypothesis,)).hypotheses:
            if (scripted.perspective, scripted.labels) == (hypothesis.perspective, hypothesis.labels):
                return scripted
        raise UsageError(f"the script has no hypothesis {hypothesis.labels}")
