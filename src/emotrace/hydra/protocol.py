"""From an `EvidenceSheet` to a `Verdict`: propose rival explanations, verify each against every observation, decide.

Our reconstruction of HyDRA (arXiv 2603.16463), whose full text was not available to us. Abductive rather than
deductive: it infers the best explanation. Hydra specification, section 4.
"""

from __future__ import annotations

from typing import Literal

from emotrace.errors import MalformedCompletion, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.decide import Decision, abstention, closed_labels, conflict, decide, decision_of, explain
from emotrace.hydra.propose import MAX_HYPOTHESES, Hypothesis, propose
from emotrace.hydra.reasoner import Metered, Reasoner, TraceReasoner
from emotrace.hydra.scoring import LEAST_WEIGHT, SENSES, readings, score
from emotrace.hydra.trace import Trace
from emotrace.hydra.verify import Verification, from_marks, verify
from emotrace.results import AbstainCode, Usage, Verdict

LEAST_RELIABILITY = 0.3
"""[ours] Below it a modality is too poor to trust."""


def run(
    sheet: EvidenceSheet,
    reasoner: Reasoner,
    *,
    k: int = 2,
    mode: Literal["one", "steps"] = "one",
    swap_check: bool | Literal["cyclic"] | None = None,
    abstain: bool = True,
    reserve: Reasoner | None = None,
) -> Verdict:
    """The verdict of a reasoner on one sheet.

    Args:
        sheet: The evidence.
        reasoner: Who proposes, verifies and decides.
        k: How many rival hypotheses, 0 to 4; 2 was best in the paper, by its reviewers' account [paper].
        mode: `one` generation where the reasoner offers it; `steps` asks for each step by itself.
        swap_check: Whether to decide again in another order; None: exactly where the order could matter.
        abstain: Whether weak verdicts are withheld. Where the gate finds nothing to judge from, they are always.
        reserve: Who reasons about this sheet in the reasoner's place where its replies stay unusable; the verdict's
            `instead_of` says so. None makes that an error. A server that does not answer is an error in any case.

    Raises:
        UsageError: `k` is not 0 to 4.
        MalformedCompletion: The reasoner's replies cannot be used, and there is no reserve.
        ServerFailed: Nobody answered.
        UnclosedVerdict: A label stands on no observation that its hypothesis judged as support.
    """
    if not 0 <= k <= MAX_HYPOTHESES:
        raise UsageError(f"the number of hypotheses must be 0 to {MAX_HYPOTHESES}, got {k}", where="k")
    mind = reasoner.session() if isinstance(reasoner, Metered) else reasoner
    try:
        return _reasoned(sheet, mind, k, mode, swap_check, abstain)
    except MalformedCompletion:
        if reserve is None:
            raise
    spent = mind.usage() if isinstance(mind, Metered) else Usage()
    verdict = run(sheet, reserve, k=k, mode=mode, swap_check=swap_check, abstain=abstain)
    verdict = verdict.model_copy(update={"instead_of": reasoner.name, "usage": spent + verdict.usage})
    return verdict.model_copy(update={"explanation": explain(sheet, verdict)})


def _reasoned(
    sheet: EvidenceSheet,
    reasoner: Reasoner,
    k: int,
    mode: Literal["one", "steps"],
    swap_check: bool | Literal["cyclic"] | None,
    abstain: bool,
) -> Verdict:
    if (code := gate(sheet)) is not None:
        return _verdict(sheet, reasoner, (), (), _refusal(code), None, code)
    first: Decision | None = None
    if mode == "one" and isinstance(reasoner, TraceReasoner):
        trace = reasoner.reason(sheet, k)
        hypotheses, verifications = trace.hypotheses, _verified(trace, sheet)
        first = decision_of(trace, sheet, verifications)
    else:
        hypotheses = propose(sheet, reasoner.propose, k=k)
        verifications = verify(sheet, hypotheses, reasoner.verify)
    check = (not reasoner.order_free) if swap_check is None else swap_check
    decision, consistency = decide(sheet, hypotheses, verifications, reasoner.decide, first=first, swap_check=check)
    masked = any(h.perspective == "masking" for h in hypotheses if h.number in decision.winners[:1])
    code = abstention(decision, conflict(readings(score(sheet))), masked=masked) if abstain else decision.abstain
    return _verdict(sheet, reasoner, hypotheses, verifications, decision, consistency, code)


def gate(sheet: EvidenceSheet) -> AbstainCode | None:
    """Why a sheet is not worth a call, or None.

    `no_person` when face, voice and words are all missing; `low_quality` when nothing that is there can be trusted;
    `no_evidence` when nothing was measured, or too faintly (Σ s_o < 0.3); learned heads' readings do not count. [ours]
    """
    there = [modality for modality in SENSES if modality not in sheet.missing]
    if not there:
        return "no_person"
    measured = [observation for observation in sheet.observations if observation.scores is None]
    if measured and all(sheet.reliability.get(modality, 1.0) < LEAST_RELIABILITY for modality in there):
        return "low_quality"
    return "no_evidence" if sum(map(sheet.weight, measured)) < LEAST_WEIGHT else None


def _refusal(code: AbstainCode) -> Decision:
    return Decision(winners=(), answers=(), confidence=0.0, basis="none", margin=0.0, abstain=code)


def _verified(trace: Trace, sheet: EvidenceSheet) -> tuple[Verification, ...]:
    checks = [check for check in trace.checks if check.id in sheet]
    quotes = {check.id: check.quote for check in checks}
    return tuple(
        from_marks(sheet, number=n, marks={c.id: c.marks[n] for c in reversed(checks) if n in c.marks}, quotes=quotes)
        for n in (hypothesis.number for hypothesis in trace.hypotheses)
    )


def _verdict(
    sheet: EvidenceSheet,
    reasoner: Reasoner,
    hypotheses: tuple[Hypothesis, ...],
    verifications: tuple[Verification, ...],
    decision: Decision,
    consistency: float | None,
    code: AbstainCode | None,
) -> Verdict:
    alone = readings(score(sheet))
    clash = conflict(alone)
    verdict = Verdict(
        labels=() if code else closed_labels(sheet, decision, verifications),
        distribution=None if decision.distribution is None else dict(decision.distribution),
        hypotheses=hypotheses,
        verifications=verifications,
        winner=decision.winners[0] if decision.winners else None,
        confidence=round(decision.confidence, 2),
        confidence_basis=decision.basis,
        conflict=None if clash is None else round(clash, 2) + 0.0,
        modality_readings=alone,
        abstain=code,
        best_guess=tuple(answer.word for answer in decision.answers) if code else (),
        order_consistency=None if consistency is None else round(consistency, 2),
        usage=reasoner.usage() if isinstance(reasoner, Metered) else Usage(),
        reasoner=reasoner.name,
    )
    return verdict.model_copy(update={"explanation": explain(sheet, verdict)})
