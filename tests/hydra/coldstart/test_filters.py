from __future__ import annotations

from collections.abc import Callable

import pytest

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.coldstart.filters import ORDER, Filter, Judge, LevelOne, Limits, estimated_tokens
from emotrace.hydra.learning.cases import Case

MakeSheet = Callable[..., EvidenceSheet]
GOOD = """<hyp>
h1 face: joyful | wins the gold medal [V1]
h2 words: disappointed | a near miss [T1]
</hyp>
<think>
[V1] "one thing noted at 1.00 s" h1+ h2-
[A1] "one thing noted at 1.00 s" h1~ h2+
[T1] "one thing noted at 1.00 s" h1- h2+
verdict: h1
</think>
<ans>joyful 0.60 [V1]</ans>"""


@pytest.fixture
def case(make_sheet: MakeSheet) -> Case:
    return Case(sheet=make_sheet("au06_12", "pitch_low", "w_fell_short"), gold=("delighted",))


def test_a_good_trajectory_passes_every_filter(case: Case) -> None:
    assert Judge(k=2).unfit_case(case) is None
    assert Judge(k=2).fault(GOOD, case) is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("</ans>", "", Filter.EXACT),
        ("h2 words: disappointed | a near miss [T1]\n", "", Filter.EXACT),
        ("medal [V1]", "medal [V1] [A1] [T1] [V1]", Filter.CAPPED),
        ("medal [V1]", "medal [V9]", Filter.CAPPED),
        ("verdict", '[V1] "one thing noted at 1.00 s" h1+ h2-\nverdict', Filter.CAPPED),
        ("joyful 0.60 [V1]</ans>", "joyful 0.60 [V1]; neutral [V1]</ans>", Filter.CAPPED),
        ("joyful 0.60 [V1]</ans>", "; ".join(["joyful [V1]"] * 7) + "</ans>", Filter.CAPPED),
        ("joyful 0.60 [V1]</ans>", "abstain: low_margin</ans>", Filter.DECIDED),
        ("joyful 0.60 [V1]", "joyful 0.60 [T1]", Filter.CLOSED),
        ("joyful 0.60 [V1]", "joyful 0.60", Filter.CLOSED),
        ('"one thing noted at 1.00 s"', '"the mouth is seen to twitch"', Filter.QUOTED),
        ('"one thing noted at 1.00 s"', '"one thing"', Filter.QUOTED),
        ("joyful 0.60 [V1]", "angry 0.60 [V1]", Filter.AGREES),
        ("joyful 0.60 [V1]", "; ".join(f"{w} [V1]" for w in ("joyful", "angry", "sad", "calm")), Filter.AGREES),
        ("a near miss", "contradicts the ground truth", Filter.UNTOLD),
        ("verdict", "- as Annotators say\nverdict", Filter.UNTOLD),
    ],
)
def test_each_fault_is_found_by_its_filter(old: str, new: str, fault: Filter, case: Case) -> None:
    assert old in GOOD
    assert Judge(k=2).fault(GOOD.replace(old, new), case) is fault


def test_what_a_speaker_says_is_no_leak_but_a_teachers_quote_of_nothing_is(make_sheet: MakeSheet) -> None:
    sheet = make_sheet("au06_12", "pitch_low", "w_fell_short")
    observations = list(sheet.to_dict()["observations"])
    observations[2] = {**observations[2], "text": "says 'I read the label on the jar twice'"}
    said = EvidenceSheet.from_dict({**sheet.to_dict(), "observations": observations})
    line, copied = '[T1] "one thing noted at 1.00 s"', '[T1] "says \'I read the label on"'
    case = Case(sheet=said, gold=("happy",))
    assert Judge(k=2).fault(GOOD.replace(line, copied), case) is None
    judge = Judge(k=2, limits=Limits(least_evidence=0.0))
    assert judge.fault(GOOD.replace(line, '[T1] "the label is happy"'), case) is Filter.UNTOLD


def test_a_reply_that_could_not_be_used_and_one_that_is_too_long(case: Case) -> None:
    assert Judge(k=2).fault(None, case) is Filter.ANSWERED
    exact = estimated_tokens(GOOD)
    assert Judge(k=2, limits=Limits(most_tokens=exact)).fault(GOOD, case) is None
    assert Judge(k=2, limits=Limits(most_tokens=exact - 1)).fault(GOOD, case) is Filter.SHORT
    assert Judge(k=2, limits=Limits(length=lambda text: 2000)).fault(GOOD, case) is Filter.SHORT


def test_a_case_without_evidence_or_without_a_known_label_is_not_asked_about(case: Case, make_sheet: MakeSheet) -> None:
    judge = Judge(k=2)
    assert judge.unfit_case(Case(sheet=make_sheet(), gold=("happy",))) is Filter.OBSERVED
    assert judge.unfit_case(Case(sheet=case.sheet, gold=("xyzzy",))) is Filter.LABELLED
    assert judge.unfit_case(Case(sheet=case.sheet, gold=())) is Filter.LABELLED


def test_agreement_is_the_f_of_level_one() -> None:
    agreement = LevelOne().agreement
    assert agreement(["delighted"], ["happy"]) == 1.0
    assert agreement(["delighted", "furious"], ["happy"]) == pytest.approx(2 / 3)
    assert agreement(["furious"], ["happy"]) == 0.0
    assert agreement(["happy"], ["xyzzy"]) == 0.0


def test_filters_are_asked_in_the_order_of_their_definition() -> None:
    assert [str(filter) for filter in ORDER[:3]] == ["observed", "labelled", "new"]
    assert ORDER[-1] is Filter.BALANCED
