from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from emotrace.errors import MalformedCompletion, UnclosedVerdict, UsageError
from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.hydra.decide import Decision
from emotrace.hydra.grammar import parse, render, trace_of
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.protocol import gate, run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.reasoners.scripted import ScriptedReasoner
from emotrace.hydra.verify import Verification

MakeFinding = Callable[..., Finding]
MakeSheet = Callable[..., EvidenceSheet]

TEXT = """<hyp>
h1 masking: disappointed | smiles after a near miss [A1] [T1]
h2 face: proud | enjoys the podium [V1]
</hyp>
<think>
[V1] "one thing noted at" h1+ h2+
[A1] "one thing noted at" h1+ h2-
[T1] "one thing noted at" h1+ h2-
verdict: h1
</think>
<ans>disappointed 0.71 [T1] [A1]</ans>"""


@pytest.fixture
def sheet(make_sheet: MakeSheet) -> EvidenceSheet:
    return make_sheet("au12_alone", "soft", "w_fell_short")


def test_the_gate(make_sheet: MakeSheet, make_finding: MakeFinding) -> None:
    everything = {"visual": "not_found", "vocal": "not_recorded", "verbal": "switched_off"}
    assert gate(make_sheet(missing=everything)) == "no_person"
    assert gate(make_sheet()) == "no_evidence"
    assert gate(make_sheet(make_finding("au04", 0.1, 0.4))) == "no_evidence"
    poor = dict.fromkeys(("visual", "vocal", "verbal"), 0.2)
    assert gate(make_sheet("au04", "loud", "w_blames_other", reliability=poor)) == "low_quality"
    assert gate(make_sheet("au04", "w_loss", reliability={**poor, "verbal": 0.9})) is None
    assert gate(make_sheet("au04")) is None
    text_only = {"visual": "not_recorded", "vocal": "not_recorded"}
    assert gate(make_sheet("w_loss", missing=text_only)) is None


def test_a_closed_gate_makes_no_call(make_sheet: MakeSheet) -> None:
    silent = ScriptedReasoner()
    verdict = run(make_sheet(), silent)
    assert (verdict.abstain, verdict.labels, verdict.hypotheses) == ("no_evidence", (), ())
    assert verdict.explanation[0].startswith("No emotion is named: too little")
    with pytest.raises(UsageError):
        run(make_sheet("au04"), silent)


@pytest.mark.parametrize("mode", ["one", "steps"])
def test_a_scripted_text_becomes_a_verdict(mode: str, sheet: EvidenceSheet) -> None:
    verdict = run(sheet, ScriptedReasoner(TEXT), mode=mode)  # type: ignore[arg-type]
    assert verdict.winner == 1
    assert [(x.word, x.cluster, x.confidence) for x in verdict.labels] == [("disappointed", "disappointment", 0.71)]
    assert verdict.labels[0].observation_ids == ("T1", "A1")
    assert verdict.confidence_basis == "none"
    assert verdict.distribution is None
    assert verdict.conflict is not None
    assert verdict.verifications[1].contradicting == ("A1", "T1")
    assert verdict.verifications[0].phi == 1.0
    weights = [sheet.weight(o) for o in sheet.observations]
    assert verdict.verifications[1].phi == pytest.approx(weights[0] / sum(weights), abs=0.01)
    assert verdict.reasoner == "scripted@1"


def test_unknown_words_are_kept_without_a_cluster(sheet: EvidenceSheet) -> None:
    verdict = run(sheet, ScriptedReasoner(TEXT.replace("<ans>disappointed", "<ans>bluish")))
    assert (verdict.labels[0].word, verdict.labels[0].cluster) == ("bluish", None)


def test_neutral_beside_another_label_is_dropped(sheet: EvidenceSheet) -> None:
    verdict = run(sheet, ScriptedReasoner(TEXT.replace("</ans>", "; neutral 0.20 [V1]</ans>")))
    assert [label.word for label in verdict.labels] == ["disappointed"]


@pytest.mark.parametrize("cites", ["", " [V2]", " [V2] [A9]"])
def test_a_label_that_stands_on_nothing_is_a_bug(cites: str, sheet: EvidenceSheet) -> None:
    with pytest.raises(UnclosedVerdict, match="disappointed"):
        run(sheet, ScriptedReasoner(TEXT.replace(" [T1] [A1]</ans>", f"{cites}</ans>")))


def test_a_citation_that_its_hypothesis_did_not_judge_as_support_does_not_hold(sheet: EvidenceSheet) -> None:
    proud = TEXT.replace("verdict: h1", "verdict: h2")
    with pytest.raises(UnclosedVerdict):
        run(sheet, ScriptedReasoner(proud))
    lent = run(sheet, ScriptedReasoner(proud.replace("verdict: h2", "verdict: h2, h1")))
    assert lent.winner == 2
    assert lent.labels[0].observation_ids == ("T1", "A1")


def test_an_abstention_in_text_is_kept(sheet: EvidenceSheet) -> None:
    text = TEXT.replace("disappointed 0.71 [T1] [A1]", "abstain: low_margin")
    verdict = run(sheet, ScriptedReasoner(text))
    assert (verdict.abstain, verdict.labels) == ("low_margin", ())


def test_text_that_stays_broken_is_an_error_and_is_kept(sheet: EvidenceSheet) -> None:
    with pytest.raises(MalformedCompletion) as caught:
        run(sheet, ScriptedReasoner("<think>I think so</think>"))
    assert caught.value.raw == "<think>I think so</think>"
    assert run(sheet, ScriptedReasoner(TEXT.replace("<hyp>", "<HYP>"))).winner == 1


def test_the_number_of_hypotheses_is_checked(sheet: EvidenceSheet) -> None:
    for k in (-1, 5):
        with pytest.raises(UsageError, match="0 to 4"):
            run(sheet, EmbeddedReasoner(), k=k)


def test_the_embedded_verdict_is_a_trace_that_can_be_taught(sheet: EvidenceSheet) -> None:
    for k in range(5):
        verdict = run(sheet, EmbeddedReasoner(), k=k, abstain=False)
        trace = trace_of(verdict, sheet)
        parsed = parse(render(trace), k=k, sheet=sheet)
        assert parsed.trace == trace
        assert parsed.issues == ()
        again = run(sheet, ScriptedReasoner(render(trace)), k=k)
        assert [x.word for x in again.labels] == [x.word for x in verdict.labels]
        assert again.winner == verdict.winner


class FirstIsBest(ScriptedReasoner):
    """Says whatever comes first: what an unstable judge does."""

    def __init__(self, *texts: str) -> None:
        super().__init__(*texts)
        self.order_free = False

    def decide(
        self, sheet: EvidenceSheet, hypotheses: tuple[Hypothesis, ...], verifications: tuple[Verification, ...]
    ) -> Decision:
        return Decision(winners=(1,), answers=(), confidence=0.8, basis="none", margin=1.0, abstain="no_evidence")


def test_a_judge_that_follows_the_order_is_found_out(sheet: EvidenceSheet) -> None:
    verdict = run(sheet, FirstIsBest(TEXT), mode="steps")
    assert verdict.order_consistency == 0.5
    assert verdict.confidence == pytest.approx(0.4)
    assert verdict.abstain == "low_margin"
    assert run(sheet, FirstIsBest(TEXT), mode="steps", swap_check=False).order_consistency is None


class Repeating(ScriptedReasoner):
    """Proposes the same thing under two names."""

    def propose(self, sheet: EvidenceSheet, k: int, held: tuple[Hypothesis, ...] = ()) -> tuple[Hypothesis, ...]:
        first = super().propose(sheet, k if not held else k + len(held))[:1]
        return first * k


def test_a_hypothesis_that_is_no_rival_is_dropped(sheet: EvidenceSheet) -> None:
    verdict = run(sheet, Repeating(TEXT), mode="steps")
    assert [h.labels for h in verdict.hypotheses] == [("disappointed",)]


def test_without_abstention_the_weak_verdict_is_given(make_sheet: MakeSheet, make_finding: MakeFinding) -> None:
    weak = make_sheet(make_finding("au04", 0.6, 0.6))
    withheld, given = run(weak, EmbeddedReasoner()), run(weak, EmbeddedReasoner(), abstain=False)
    assert withheld.abstain == "low_margin"
    assert withheld.best_guess == tuple(label.word for label in given.labels)
    assert given.abstain is None
    assert run(make_sheet(), EmbeddedReasoner(), abstain=False).abstain == "no_evidence"


def test_missing_modalities_are_told(make_sheet: MakeSheet) -> None:
    verdict = run(make_sheet("au06_12", missing={"vocal": "not_recorded"}), EmbeddedReasoner())
    assert verdict.verifications[0].missing == ("vocal",)
    assert verdict.explanation[-1] == "Missing: voice (not recorded)."


def test_importing_the_protocol_reads_no_table() -> None:
    code = (
        "import emotrace.hydra.protocol; from emotrace.hydra import likelihood, confidence;"
        "print(likelihood.shipped_table.cache_info().currsize)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "0"
