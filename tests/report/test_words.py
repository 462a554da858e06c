"""The fixed sentences say what the numbers say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.report import words
from emotrace.results import Verdict
from emotrace.testing.analysis import synthetic_analysis


@given(st.floats(0.0, 86_400.0))
def test_a_time_reads_back_to_a_tenth(seconds: float) -> None:
    minutes, _, rest = words.clock(seconds).rpartition(":")
    assert float(rest) < 60.0
    assert 60 * int(minutes or 0) + float(rest) == pytest.approx(seconds, abs=0.0501)


@given(st.dictionaries(st.sampled_from(["joy", "fear", "anger", "shame", "pride", "x"]), st.floats(0, 1), min_size=1))
def test_shares_lose_nothing_and_are_ranked(distribution: dict[str, float]) -> None:
    rows = words.shares(distribution)
    assert sum(share for _, share in rows) == pytest.approx(sum(distribution.values()))
    named = [share for name, share in rows if name in distribution]
    assert named == sorted(named, reverse=True)


@pytest.mark.parametrize(
    ("basis", "says"),
    [
        ("none", "not calibrated"),
        ("simulated", "not on people"),
        ("fitted:lab-7", "labelled clips (lab-7)"),
    ],
)
def test_the_basis_of_a_confidence_is_put_into_words(basis: str, says: str) -> None:
    assert says in words.basis(basis)


def test_conflict_names_what_each_modality_says_alone() -> None:
    verdict = synthetic_analysis().verdict
    text = words.conflict(
        verdict.model_copy(update={"conflict": 0.95, "modality_readings": {"visual": ("joy",), "vocal": ("sadness",)}})
    )
    assert (
        text == "Face, voice and words point to different emotions. Read alone: the face as joy; the voice as sadness."
    )


def test_conflict_that_was_not_measured_is_not_called_agreement() -> None:
    verdict = synthetic_analysis().verdict.model_copy(update={"conflict": None})
    assert "cannot be compared" in words.conflict(verdict)


def test_what_neither_explains_is_what_all_leave_open() -> None:
    verdict: Verdict = synthetic_analysis().verdict
    open_to_all = set(words.unexplained_by_all(verdict.verifications))
    assert open_to_all == set(verdict.verifications[0].unexplained) & set(verdict.verifications[1].unexplained)
    assert words.unexplained_by_all(()) == ()


def test_a_quotation_shows_that_the_observation_goes_on() -> None:
    assert words.quoted("lip corners rise", "lip corners rise from 1.2 s") == "lip corners rise …"
    assert words.quoted("says 'no'", "says 'no'") == "says 'no'"
    assert words.quoted("", "says 'no'") == ""
