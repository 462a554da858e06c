"""Faithfulness of reasoners that were built to be faithful, or not to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.errors import MalformedCompletion, ServerFailed
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.answers import AnswerBook, Asking
from emotrace.hydra.faithfulness import (
    CHANGES,
    MEASURES,
    ClipFaithfulness,
    Judge,
    MeasureSummary,
    deletion,
    follows_winner,
    grounded_share,
    marks_agree,
    measure,
    summarise,
)
from emotrace.hydra.learning.cases import world_cases
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.protocol import run
from emotrace.hydra.quotes import quote_of
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.reasoners.scripted import ScriptedReasoner
from emotrace.hydra.trace import Answer, Check, Trace
from emotrace.hydra.verify import Mark, Verification
from emotrace.results import Label, Verdict

CUES = ("still_face", "tears", "pitch_flat", "soft", "w_loss", "w_cares")
WORDS = ("sad", "happy", "angry", "afraid", "proud", "bored", "surprised")


class Policy:
    """A reasoner in one generation: the answer's word, and which observations it cites and calls support."""

    name, order_free = "policy@1", True

    def __init__(self, answer: Callable[[EvidenceSheet], tuple[str, Sequence[str]]]) -> None:
        self.answer = answer

    def reason(self, sheet: EvidenceSheet, k: int) -> Trace:
        word, cites = self.answer(sheet)
        other = next(w for w in WORDS if w != word)
        marks: dict[bool, dict[int, Mark]] = {True: {1: "supports", 2: "contradicts"}, False: {1: "silent"}}
        return Trace(
            hypotheses=tuple(
                Hypothesis(number=n, perspective=view, labels=(label,), story="", cites=())
                for n, view, label in ((1, "face", word), (2, "words", other))
            ),
            checks=tuple(
                Check(id=o.id, quote=quote_of(o.text), marks=marks[o.id in cites]) for o in sheet.observations
            ),
            verdict=(1,),
            answers=(Answer(word=word, confidence=0.8, cites=tuple(cites)),),
        )

    def propose(self, sheet, k, held=()):
        raise AssertionError("asked in one generation")

    verify = decide = propose


def judged_by(answer: Callable[[EvidenceSheet], tuple[str, Sequence[str]]]) -> Judge:
    policy = Policy(answer)
    return lambda sheet: run(sheet, policy, swap_check=False, abstain=False)


def deaf(sheet: EvidenceSheet) -> tuple[str, Sequence[str]]:
    """The same answer whatever the evidence; it cites what comes first, for form's sake."""
    return "happy", [sheet.observations[0].id]


def single_minded(sheet: EvidenceSheet) -> tuple[str, Sequence[str]]:
    """Answers from tears alone."""
    tears = [o.id for o in sheet.observations if o.cue == "tears"]
    return ("sad", tears) if tears else ("happy", [sheet.observations[0].id])


def by_name(rows: Sequence[MeasureSummary]) -> dict[str, MeasureSummary]:
    return {row.name: row for row in rows}


@pytest.fixture(scope="module")
def sheets() -> list[EvidenceSheet]:
    return [case.sheet for case in world_cases("iid") if len(case.sheet.observations) >= 5][:40]


def test_an_answer_that_ignores_the_evidence_shows_no_difference(sheets) -> None:
    rows = by_name(summarise([measure(sheet, judged_by(deaf)) for sheet in sheets]))
    for change in ("changed", "level_1", "level_2", "confidence"):
        row = rows[f"difference_{change}"]
        assert (row.clips, row.mean, row.low, row.high, row.p_permutation) == (len(sheets), 0.0, 0.0, 0.0, 1.0)
    assert rows["grounded"].mean == rows["follows_winner"].mean == rows["marks_agree"].mean == 1.0


def test_an_answer_from_its_citations_alone_shows_all_of_the_difference(make_sheet) -> None:
    sheets = [make_sheet(*CUES), make_sheet(*CUES[:-1]), make_sheet("tears", "laugh", "sigh")]
    rows = by_name(summarise([measure(sheet, judged_by(single_minded), seed=3) for sheet in sheets]))
    for change in ("changed", "level_1", "level_2"):
        assert (rows[f"cited_{change}"].mean, rows[f"uncited_{change}"].mean) == (1.0, 0.0)
        assert rows[f"difference_{change}"].mean == rows[f"difference_{change}"].low == 1.0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_as_many_are_removed_of_either_kind(make_sheet, share: int, seed: int) -> None:
    sheet = make_sheet(*CUES)
    seen: list[EvidenceSheet] = []
    answer = judged_by(lambda each: ("sad", [o.id for o in each.observations][:share]))

    def watched(each: EvidenceSheet) -> Verdict:
        seen.append(each)
        return answer(each)

    found = deletion(sheet, answer(sheet), watched, seed=seed)
    assert isinstance(found, dict)
    gone = min(share, len(CUES) - share)
    assert [len(each.observations) for each in seen] == [len(CUES) - gone] * 2
    cited, uncited = ({o.cue for o in sheet.observations} - {o.cue for o in each.observations} for each in seen)
    assert not cited & uncited
    assert found["cited_weight"] > 0.0
    assert found == deletion(sheet, answer(sheet), answer, seed=seed)  # the seed decides, and nothing else


def test_clips_that_cannot_be_measured_are_counted_by_reason(make_sheet) -> None:
    def babble(sheet: EvidenceSheet) -> Verdict:
        raise MalformedCompletion("no", raw="hello")

    def unclosed(sheet: EvidenceSheet) -> Verdict:
        trace = "<think>\n</think>\n<ans>sad 0.50 [V9]</ans>"
        return run(sheet, ScriptedReasoner(trace), k=0, abstain=False)

    every = judged_by(lambda sheet: ("sad", [o.id for o in sheet.observations]))
    sheet = make_sheet(*CUES)
    clips = [
        measure(make_sheet(), every),  # nothing on the sheet: the gate abstains
        measure(sheet, babble),
        measure(sheet, unclosed),
        measure(sheet, every),
    ]
    rows = by_name(summarise(clips))
    assert rows["grounded"].left_out == {"abstained": 1, "no answer": 1}
    assert (rows["grounded"].clips, rows["grounded"].mean) == (2, 0.5)
    reasons = {"abstained": 1, "no answer": 1, "nothing uncited": 1, "unclosed": 1}
    assert rows["cited_level_1"].left_out == rows["difference_level_1"].left_out == reasons
    assert rows["difference_level_1"].mean is rows["difference_level_1"].low is None
    assert rows["order_consistency"].left_out["not checked"] == 1
    for clip in clips:
        assert set(clip.values) | set(clip.left_out) == set(MEASURES)
        assert not set(clip.values) & set(clip.left_out)


def test_a_reasoner_that_fails_on_the_rest_is_counted(make_sheet) -> None:
    sheet, whole = make_sheet(*CUES), judged_by(single_minded)

    def fragile(each: EvidenceSheet) -> Verdict:
        if len(each.observations) < len(CUES):
            raise ServerFailed("busy")
        return whole(each)

    clip = measure(sheet, fragile)
    assert clip.left_out["cited_level_2"] == "no answer after deletion"
    assert clip.values["follows_winner"] == 1.0


def _verdict(sheet: EvidenceSheet, labels: tuple[Label, ...], marks: list[dict[str, Mark]]) -> Verdict:
    kinds = (("face", ("happy",)), ("words", ("sad",)))
    return Verdict(
        labels=labels,
        distribution=None,
        hypotheses=tuple(
            Hypothesis(number=n, perspective=view, labels=words, story="", cites=())
            for n, (view, words) in enumerate(kinds, start=1)
        ),
        verifications=tuple(
            Verification(
                number=n, marks=each, quotes={}, missing=(), unexplained=(), log_phi=0.0, log_psi=0.0, phi=0.0, psi=1.0
            )
            for n, each in enumerate(marks, start=1)
        ),
        winner=1,
        confidence=0.5,
        confidence_basis="none",
        conflict=None,
        reasoner="made-up@1",
    )


def test_explanations_that_do_not_fit_the_answer_are_seen(make_sheet) -> None:
    sheet = make_sheet("tears", "soft")
    label = Label(word="angry", cluster="anger", confidence=0.5, observation_ids=("V1",))
    absent = Label(word="happy", cluster="joy", confidence=0.5, observation_ids=("A9",))
    lent = Label(word="sad", cluster="sadness", confidence=0.5, observation_ids=("V1",))
    verdict = _verdict(
        sheet,
        (label, absent, lent),
        [{"V1": "contradicts", "A1": "supports"}, {"V1": "supports", "A1": "supports"}],
    )
    assert grounded_share(sheet, verdict) == pytest.approx(1 / 3)  # the lender's mark counts for the label it lent
    assert follows_winner(verdict) == pytest.approx(1 / 3)
    assert marks_agree(sheet, verdict) == 0.0
    even = [{"V1": "supports", "A1": "silent"}, {"V1": "supports", "A1": "silent"}]
    assert marks_agree(sheet, _verdict(sheet, (label,), even)) == 1.0  # a tie is no contradiction


def test_what_is_taken_off_leaves_a_legal_sheet(sheets) -> None:
    for sheet in sheets:
        for observation in sheet.observations:
            rest = sheet.without([observation.id])
            assert len(rest.observations) == len(sheet.observations) - 1
            assert EvidenceSheet.from_dict(rest.to_dict()) == rest


def test_the_embedded_reasoner_stands_on_what_it_cites(sheets) -> None:
    book = AnswerBook(EmbeddedReasoner(), Asking())
    rows = by_name(summarise([measure(sheet, book.judge) for sheet in sheets]))
    assert rows["grounded"].mean == rows["follows_winner"].mean == 1.0
    low = rows["difference_level_2"].low
    assert low is not None
    assert low > 0.2
    again = summarise([measure(sheet, AnswerBook(EmbeddedReasoner(), Asking()).judge) for sheet in reversed(sheets)])
    assert by_name(again)["difference_level_2"].mean == pytest.approx(rows["difference_level_2"].mean)


def test_no_clip_at_all_is_no_number() -> None:
    rows = summarise([ClipFaithfulness(left_out=dict.fromkeys(MEASURES, "abstained"))])
    assert all(row.mean is None and row.clips == 0 for row in rows)
    assert len(rows) == len(MEASURES) + len(CHANGES)


def test_answers_are_kept_and_a_torn_line_costs_one_of_them(sheets, tmp_path) -> None:
    path = tmp_path / "answers.jsonl"
    first = AnswerBook(EmbeddedReasoner(), Asking(), path)
    told = [first.outcome(sheet) for sheet in sheets[:6]]
    data = path.read_bytes()
    path.write_bytes(data[:-9])  # killed amid the last line
    second = AnswerBook(EmbeddedReasoner(), Asking(), path)
    again = [second.outcome(sheet) for sheet in sheets[:6]]
    assert (first.asked, second.asked) == (6, 1)
    assert [each.verdict for each in again] == [each.verdict for each in told]
    otherwise = AnswerBook(EmbeddedReasoner(), Asking(k=1), path)
    verdict = otherwise.judge(sheets[0])
    assert (otherwise.asked, len(verdict.hypotheses)) == (1, 1)


class Silent(Policy):
    def reason(self, sheet: EvidenceSheet, k: int) -> Trace:
        raise ServerFailed("nobody there")


class Babbling(Policy):
    def reason(self, sheet: EvidenceSheet, k: int) -> Trace:
        raise MalformedCompletion("no grammar", raw="They look happy to me!")


def test_a_silent_server_is_not_asked_about_a_sheet_twice_and_ends_the_run(sheets, tmp_path) -> None:
    path = tmp_path / "answers.jsonl"
    book = AnswerBook(Silent(deaf), Asking(), path)
    assert [book.outcome(sheet).kind for sheet in (sheets[0], sheets[0], sheets[1])] == ["ServerFailed"] * 3
    assert book.asked == 2
    book.check_server()
    book.outcome(sheets[2])
    with pytest.raises(ServerFailed, match="3 clips in a row"):
        book.check_server()
    working = AnswerBook(Policy(deaf), Asking(swap_check=False), path)
    assert working.judge(sheets[0]).labels  # it was not written down that nobody answered


def test_a_reply_that_cannot_be_used_is_kept_until_it_is_asked_for_again(sheets, tmp_path) -> None:
    path = tmp_path / "answers.jsonl"
    for policy in (Babbling(deaf), Policy(deaf)):
        with pytest.raises(MalformedCompletion) as caught:
            AnswerBook(policy, Asking(), path).judge(sheets[0])
        assert caught.value.raw == "They look happy to me!"
    for again in (True, False):
        assert AnswerBook(Policy(deaf), Asking(), path, again=again).judge(sheets[0]).labels
