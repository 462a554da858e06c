from __future__ import annotations

from collections.abc import Callable

import pytest

from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.hydra.decide import choose_word, conflict

MakeFinding = Callable[..., Finding]
MakeSheet = Callable[..., EvidenceSheet]


@pytest.mark.parametrize(("strength", "word"), [(0.0, "pleased"), (0.3, "cheerful"), (0.55, "happy"), (1.0, "elated")])
def test_the_word_follows_what_was_measured(
    strength: float, word: str, make_sheet: MakeSheet, make_finding: MakeFinding
) -> None:
    assert choose_word("joy", make_sheet(make_finding("au06_12", strength)).observations) == word


def test_words_said_tell_no_intensity(make_sheet: MakeSheet) -> None:
    assert choose_word("pride", make_sheet("w_goal_reached").observations) == "proud"
    assert choose_word("disappointment", make_sheet("w_names:dejected").observations) == "dejected"
    assert choose_word("disappointment", make_sheet("w_names:sad").observations) == "disappointed"


def test_grieving_needs_a_loss(make_sheet: MakeSheet, make_finding: MakeFinding) -> None:
    tears = make_finding("tears", 1.0)
    assert choose_word("sadness", make_sheet(tears).observations) == "sad"
    assert choose_word("sadness", make_sheet(tears, "w_loss").observations) == "grieving"


def test_conflict() -> None:
    assert conflict({"visual": ("joy",)}) is None
    assert conflict({"visual": ("joy",), "vocal": ("joy",)}) == 0.0
    assert conflict({"visual": ("joy",), "vocal": ("sadness",)}) == 1.0
    assert conflict({"visual": ("sadness",), "vocal": ("shame",)}) == 0.5
    three = conflict({"visual": ("joy",), "vocal": ("joy", "pride"), "verbal": ("anger",)})
    assert three == pytest.approx(1.0 - (0.5 + 0.0 + 0.0 + 1.0 + 0.0 + 0.0) / 6.0)
