from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import InvalidScores, UnknownChoice, UnknownLabel
from emotrace.labels.label_scheme import CHINESE, OWNER, LabelScheme
from emotrace.labels.schemes import ALSO_CALLED, scheme, schemes

NAMED = sorted(schemes())
CLOSED = [name for name in NAMED if scheme(name).labels]


@pytest.mark.parametrize("name", NAMED)
def test_every_scheme_reads_its_own_labels_in_any_case_and_names_its_source(name: str) -> None:
    each = scheme(name)
    assert each.source
    assert len(each) == len(each.labels)
    for label in each.labels:
        assert each.read_one(label.upper()) == label
        assert each.read(f" {label} ") == (label,)


@pytest.mark.parametrize("name", CLOSED)
def test_every_order_names_the_same_labels(name: str) -> None:
    each = scheme(name)
    assert each.order() == each.labels == each.order(OWNER)
    for order in each.orders:
        assert sorted(each.order(order)) == sorted(each.labels)
        assert each.order(order) != each.labels


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("dfew", "happy sad neutral angry surprise disgust fear"),
        ("mer6", "neutral angry happy sad worried surprise"),
        (
            "mafw",
            "anger disgust fear happiness neutral sadness surprise contempt anxiety helplessness disappointment",
        ),
        ("ravdess", "neutral calm happy sad angry fearful disgust surprised"),
        ("mosei-emotions", "happy sad anger surprise disgust fear"),
    ],
)
def test_the_owners_order_is_the_published_one(name: str, labels: str) -> None:
    assert scheme(name).labels == tuple(labels.split())


def test_sizes_are_the_published_ones() -> None:
    sizes = {"mafw": 11, "mafw-compound": 43, "goemotions": 28, "goemotions-ekman": 7, "affectnet-8": 8, "iemocap-6": 6}
    assert {name: len(scheme(name)) for name in sizes} == sizes


def test_one_index_is_another_class_in_another_order() -> None:
    assert scheme("ferv39k").order()[0] == "happy"
    assert scheme("ferv39k").order("alphabetical")[0] == "angry"
    assert {scheme("mafw").order(name)[0] for name in (OWNER, "dfer-clip", "t-esfl")} == {
        "anger",
        "happiness",
        "sadness",
    }


@pytest.mark.parametrize(
    ("name", "written", "label"),
    [
        ("dfew", "7", "fear"),
        ("dfew", "Happiness", "happy"),
        ("emodb", "L", "boredom"),
        ("ravdess", "05", "angry"),
        ("crema-d", "FEA", "fear"),
        ("iemocap", "xxx", "undecided"),
        ("iemocap-4", "exc", "happy"),
        ("goemotions", "27", "neutral"),
        ("affectnet-7", "6", "anger"),
        ("mer6", "anxious", "worried"),
    ],
)
def test_codes_and_other_spellings_are_read(name: str, written: str, label: str) -> None:
    assert scheme(name).read(written) == (label,)


@pytest.mark.parametrize(("name", "written"), [("dfew", "0"), ("dfew", "8"), ("mer6", "fear"), ("affectnet-7", "7")])
def test_an_unknown_label_is_refused_and_the_known_ones_are_listed(name: str, written: str) -> None:
    with pytest.raises(UnknownLabel, match=scheme(name).labels[0]):
        scheme(name).read(written)


def test_only_a_multi_label_scheme_splits_a_cell() -> None:
    assert scheme("goemotions").read("joy, anger, joy") == ("joy", "anger")
    with pytest.raises(UnknownLabel):
        scheme("dfew").read("happy, sad")


def test_an_open_scheme_takes_any_word() -> None:
    assert scheme("ov-merd").read("wistful, torn") == ("wistful", "torn")


def test_an_unknown_scheme_or_order_lists_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match=r"dfew.*mafw"):
        scheme("defw")
    with pytest.raises(UnknownChoice, match=r"owner, dfer-clip, t-esfl"):
        scheme("mafw").order("alphabetical")


def test_names_are_found_in_any_spelling() -> None:
    assert scheme("MER2025") is scheme("mer6")
    assert scheme("CREMA_D") is scheme("cremad") is scheme("crema-d")
    assert set(ALSO_CALLED.values()) <= set(schemes())


def test_a_scheme_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="permutation"):
        LabelScheme(name="x", labels=("a", "b"), concepts=("a", "b"), orders={"o": ("a",)}, source="made up")
    with pytest.raises(ValueError, match="distinct"):
        LabelScheme(name="x", labels=("a", "a"), concepts=("a", "a"), source="made up")
    with pytest.raises(ValueError, match="lower case"):
        LabelScheme(name="x", labels=("a",), concepts=("a",), written={"A1": "a"}, source="made up")


@pytest.mark.parametrize(
    ("name", "value", "label"),
    [
        ("mosi-2", 0.0, "non-negative"),
        ("mosi-2", -0.2, "negative"),
        ("mosi-2-nonzero", 0.0, None),
        ("mosi-2-nonzero", 0.2, "positive"),
        ("mosi-2-nonzero", -0.2, "negative"),
        ("mosi-3", 0.0, "neutral"),
        ("mosi-3", 1e-9, "positive"),
        ("mosi-5", -2.8, "-2"),
        ("mosi-7", 2.5, "2"),
        ("mosi-7", 3.0, "3"),
        ("mosi-7", -0.4, "0"),
        ("sims-2", 0.0, "negative"),
        ("sims-3", -0.1, "negative"),
        ("sims-3", 0.1, "neutral"),
        ("sims-5", 0.2, "weakly-positive"),
        ("sims-5", 1.0, "positive"),
    ],
)
def test_values_become_the_fields_classes(name: str, value: float, label: str | None) -> None:
    assert scheme(name).of_value(value) == label


@given(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from(["mosi-2", "mosi-3", "mosi-5", "mosi-7", "sims-5"]))
def test_a_greater_value_is_never_in_a_lower_class(one: float, two: float, name: str) -> None:
    classes = [scheme(name).labels.index(scheme(name).of_value(value) or "") for value in sorted((one, two))]
    assert classes == sorted(classes)


def test_a_scheme_without_classes_for_values_says_so() -> None:
    with pytest.raises(InvalidScores, match="dfew"):
        scheme("dfew").of_value(1.0)
    with pytest.raises(InvalidScores, match="nan"):
        scheme("mosi-7").of_value(math.nan)


def test_chinese_words_are_distinct_within_a_scheme() -> None:
    for name in CLOSED:
        words = scheme(name).forms("zh")
        assert len(set(words.values())) == len(words)
    assert scheme("mer6").forms("zh")["worried"] == CHINESE["worry"]
    assert scheme("mafw-compound").forms("en")["anger_disgust"] == "anger disgust"
    with pytest.raises(UnknownChoice, match="en, zh"):
        scheme("mer6").forms("fr")
