from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import UsageError
from emotrace.labels.schemes import scheme, schemes
from emotrace.labels.vocabulary import emotion_words_in, vocabulary
from emotrace.priors.trace_views import LEAK, VIEWS, VerdictWords, leak_sentence, shuffled_order

WORDS = VerdictWords.of(scheme("mer6"))
ENGLISH = "Lip corners rise at 1.2 s; she looks HAPPY and let down, hardly neutral, not at all worriedly."
CHINESE = "嘴角上扬，语气高兴，但后来有些担心。"


def test_every_emotion_word_and_every_label_is_hidden() -> None:
    masked = WORDS.masked(ENGLISH, "[MASK]")
    assert masked == "Lip corners rise at 1.2 s; she looks [MASK] and [MASK], hardly [MASK], not at all [MASK]."
    assert WORDS.masked(CHINESE, "[MASK]") == "嘴角上扬，语气[MASK]，但后来有些[MASK]。"


def test_verdict_is_what_masking_hides() -> None:
    assert WORDS.verdict(ENGLISH) == "HAPPY let down neutral worriedly"
    assert WORDS.verdict(CHINESE) == "高兴 担心"
    assert WORDS.verdict("The pitch falls by three semitones.") == ""


@pytest.mark.parametrize("name", sorted(name for name, each in schemes().items() if each.labels))
def test_no_label_of_any_scheme_stays(name: str) -> None:
    words = VerdictWords.of(schemes()[name])
    for language in ("en", "zh"):
        for form in schemes()[name].forms(language).values():
            assert form not in words.masked(f"the face is {form}, 他 {form}", "[MASK]")


def test_labels_inside_other_words_stay() -> None:
    assert WORDS.masked("The ambassador was crusading.", "[MASK]") == "The ambassador was crusading."


@given(st.lists(st.sampled_from([*sorted(vocabulary().forms)[::37], "the", "brow", "，", "rises", "。"]), max_size=12))
def test_masking_leaves_no_emotion_word_and_splits_the_text(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert not emotion_words_in(WORDS.masked(text, "[MASK]"))
    places = WORDS.places(text)
    assert all(start < stop for start, stop in places)
    assert all(before[1] <= after[0] for before, after in pairwise(places))


@given(st.lists(st.sampled_from("abc"), min_size=6, max_size=40).filter(lambda g: min(map(g.count, set(g))) > 1))
def test_nobody_keeps_its_own_trace_and_everybody_gets_one_of_its_fold(groups: list[str]) -> None:
    order = shuffled_order(groups, 3)
    assert sorted(order.tolist()) == list(range(len(groups)))
    assert (order != np.arange(len(groups))).all()
    assert [groups[other] for other in order] == groups
    assert np.array_equal(order, shuffled_order(groups, 3))


def test_a_fold_of_one_clip_cannot_be_shuffled() -> None:
    with pytest.raises(UsageError, match="'b' has one clip"):
        shuffled_order(["a", "a", "b"], 0)


@pytest.mark.parametrize(
    ("full", "verdict", "none", "said"),
    [(0.80, 0.79, 0.70, LEAK), (0.80, 0.788, 0.70, None), (0.70, 0.70, 0.70, None), (0.69, 0.70, 0.70, None)],
)
def test_a_gain_that_the_verdict_explains_is_said(full: float, verdict: float, none: float, said: str | None) -> None:
    assert leak_sentence({"full": full, "verdict": verdict, "none": none}) == said


def test_there_are_five_views() -> None:
    assert VIEWS == ("full", "masked", "verdict", "shuffled", "none")
