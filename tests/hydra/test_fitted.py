from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import EvidenceError
from emotrace.evidence import verbal, vocal
from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.hydra.fitted import BELIEF_CUES, Counts, load_fitted, shipped_fitted
from emotrace.hydra.likelihood import compiled, shipped_table
from emotrace.hydra.scoring import score
from emotrace.labels.affects import AFFECT_NAMES
from emotrace.span import Span

TABLE = shipped_table()
ROW = TABLE.index["pitch_high"]
BY_HAND = TABLE.ratios[:, ROW]


def counts(**met: int) -> Counts:
    units = dict.fromkeys(("joy", "anger", "sadness", "neutral"), 1000)
    return Counts(observer="vocal@1", corpus="made up", part="all", units=units, cues={"pitch_high": met})


def ratio(ratios: np.ndarray, affect: str) -> float:
    return float(ratios[AFFECT_NAMES.index(affect)])


def test_many_counts_outvote_the_hand_made_levels() -> None:
    ratios = counts(joy=50, anger=50, sadness=500).ratios("pitch_high", BY_HAND)
    assert ratios is not None
    assert ratio(BY_HAND, "sadness") < ratio(BY_HAND, "joy")
    assert ratio(ratios, "sadness") / ratio(ratios, "joy") == pytest.approx(10.0, rel=0.25)


def test_few_counts_do_not() -> None:
    assert counts(joy=2, sadness=7).ratios("pitch_high", BY_HAND) is None
    ratios = counts(joy=5, anger=0, sadness=6).ratios("pitch_high", BY_HAND)
    assert ratios is not None
    assert ratio(ratios, "joy") > ratio(ratios, "sadness") > ratio(BY_HAND, "sadness")


@given(st.fixed_dictionaries({affect: st.integers(0, 1000) for affect in ("joy", "anger", "sadness", "neutral")}))
def test_ratios_stay_positive_and_keep_their_scale_and_what_has_no_data(met: dict[str, int]) -> None:
    ratios = counts(**met).ratios("pitch_high", BY_HAND)
    if ratios is None:
        assert sum(met.values()) - met["neutral"] < 10
        return
    measured = [AFFECT_NAMES.index(affect) for affect in ("joy", "anger", "sadness")]
    assert ratios[measured].mean() == pytest.approx(BY_HAND[measured].mean())
    assert (ratios > 0.0).all()
    rest = np.setdiff1d(np.arange(len(AFFECT_NAMES)), measured)
    np.testing.assert_array_equal(ratios[rest], BY_HAND[rest])


def test_an_affect_of_few_units_has_no_data() -> None:
    few = Counts(observer="vocal@1", corpus="", part="", units={"joy": 29, "anger": 30}, cues={})
    assert few.measured() == ("anger",)


def test_the_shipped_counts_are_those_of_the_observers_as_they_are_now() -> None:
    shipped = shipped_fitted().observers
    assert set(shipped) == {verbal.SOURCE, vocal.SOURCE}
    assert {cue for each in shipped.values() for cue in each.cues} <= set(TABLE.index)
    assert shipped[vocal.SOURCE].units["anger"] == 72  # EmoDB's train speakers
    assert BELIEF_CUES > 0.0


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"units": {"joyous": 3}, "cues": {}}, "no affects"),
        ({"units": {"joy": 3}, "cues": {"loud": {"joy": 4}}}, "more units"),
    ],
)
def test_impossible_counts_are_refused(record: dict[str, object], says: str) -> None:
    whole = {"observer": "vocal@1", "corpus": "", "part": "", **record}
    with pytest.raises(EvidenceError, match=says):
        load_fitted(json.dumps({"observers": [whole], "readings": []}))


def sheet(source: str) -> EvidenceSheet:
    span = Span(0.0, 2.0)
    finding = Finding(
        modality="vocal", span=span, text="pitch rises", strength=1.0, confidence=0.9, source=source, cue="pitch_high"
    )
    return EvidenceSheet.of([finding], clip_id="0" * 64, person="P1", span=span, missing={}, reliability={})


def test_counts_speak_for_their_observer_alone() -> None:
    by_counts, by_hand = (score(sheet(source)).columns[0] for source in (vocal.SOURCE, "somebody@1"))
    assert by_counts.fitted
    assert not by_hand.fitted
    np.testing.assert_array_equal(by_hand.ratios, compiled().affect_ratios[:, ROW])
    assert not np.allclose(by_counts.ratios, by_hand.ratios)


def test_scores_of_one_affect_agree_with_the_columns_ratio() -> None:
    scores = score(sheet(vocal.SOURCE))
    column = scores.columns[0]
    joy = AFFECT_NAMES.index("joy")
    assert scores.score((joy,)) == pytest.approx(column.weight * np.log(column.ratios[joy]))
