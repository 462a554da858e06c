"""A verdict in fixed sentences: what was read, on what, against what, beside which rival, and what was missing."""

from __future__ import annotations

from collections.abc import Iterable

from emotrace.evidence.observation import EvidenceSheet, MissingReason, Modality
from emotrace.hydra.verify import Verification
from emotrace.results import ABSTAIN_REASONS, Verdict

NOTABLE_CONFLICT = 0.5
"""[ours] From here on, what each modality alone would say is told."""

_SENSE: dict[Modality, str] = {"visual": "face", "vocal": "voice", "verbal": "words", "joint": "whole clip"}
_REASON: dict[MissingReason, str] = {
    "not_recorded": "not recorded",
    "not_found": "not found",
    "switched_off": "switched off",
}


def explain(sheet: EvidenceSheet, verdict: Verdict) -> tuple[str, ...]:
    """The verdict on this sheet, told in at most eight sentences. "Perceived", never "feels"."""
    sentences = [_reading(verdict)]
    winner = next((v for v in verdict.verifications if v.number == verdict.winner), None)
    if winner is not None:
        sentences += _for_and_against(sheet, verdict, winner)
        sentences += _rival(verdict, winner)
    elif verdict.labels:
        ids = dict.fromkeys(id for label in verdict.labels for id in label.observation_ids)
        sentences.append(f"In support: {_told(sheet, list(ids)[:2])}.")
    if verdict.conflict is not None and verdict.conflict >= NOTABLE_CONFLICT:
        alone = [f"{_SENSE[m]} as {_and(affects)}" for m, affects in verdict.modality_readings.items()]
        sentences.append(
            f"Each taken alone would be read otherwise: {', '.join(alone)} (conflict {verdict.conflict:.2f})."
        )
    if sheet.missing:
        gone = [f"{_SENSE[modality]} ({_REASON[reason]})" for modality, reason in sheet.missing.items()]
        sentences.append(f"Missing: {', '.join(gone)}.")
    if verdict.instead_of is not None:
        sentences.append(f"Reasoned by {verdict.reasoner}, as no reply of {verdict.instead_of} could be used.")
    return tuple(sentences)


def _reading(verdict: Verdict) -> str:
    if verdict.abstain is not None:
        guess = f" The nearest reading would be {_and(verdict.best_guess)}." if verdict.best_guess else ""
        return f"No emotion is named: {ABSTAIN_REASONS[verdict.abstain]}.{guess}"
    basis = verdict.confidence_basis
    calibrated = {"none": "not calibrated", "simulated": "calibrated in simulation only"}.get(
        basis, f"calibrated on {basis.removeprefix('fitted:')}"
    )
    words = _and(f"{label.word} ({label.confidence:.2f})" for label in verdict.labels)
    return f"Perceived as {words}; confidence {verdict.confidence:.2f} in this part of the wheel ({calibrated})."


def _for_and_against(sheet: EvidenceSheet, verdict: Verdict, winner: Verification) -> list[str]:
    hypothesis = next(h for h in verdict.hypotheses if h.number == winner.number)
    cited = [id for id in hypothesis.cites if id in winner.supporting]
    best = [*cited, *(id for id in winner.supporting if id not in cited)][:2]
    sentences = [f"In support: {_told(sheet, best)}."] if best else []
    against = sorted(winner.contradicting, key=lambda id: -sheet.weight(sheet[id]))
    sentences.append(f"Against it: {_told(sheet, against[:1])}." if against else "Nothing observed contradicts it.")
    if winner.unexplained:
        sentences.append(f"It leaves {_and(winner.unexplained)} unexplained.")
    return sentences


def _rival(verdict: Verdict, winner: Verification) -> list[str]:
    others = [v for v in verdict.verifications if v.number != winner.number]
    if not others:
        return []
    rival = max(others, key=lambda v: round(v.log_phi + v.log_psi, 9))
    hypothesis = next(h for h in verdict.hypotheses if h.number == rival.number)
    explains = f"would explain {_and(rival.supporting)}" if rival.supporting else "would explain nothing observed"
    leaves = f" and leave {_and(rival.unexplained)} unexplained" if rival.unexplained else ""
    return [f"The best rival, {_and(hypothesis.labels)}, {explains}{leaves}."]


def _told(sheet: EvidenceSheet, ids: Iterable[str]) -> str:
    return "; ".join(f"{sheet[id].text} ({id}, {sheet[id].span})" for id in ids)


def _and(items: Iterable[str]) -> str:
    """Items as English joins them.

    >>> _and(["sad", "tired", "bored"])
    'sad, tired and bored'
    """
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last
