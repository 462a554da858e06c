from __future__ import annotations

import itertools

import pytest

from emotrace.errors import LossyLabelMap, UnknownLabel
from emotrace.labels.mapping import map_labels
from emotrace.labels.schemes import scheme, schemes

CLOSED = [name for name, each in schemes().items() if each.labels and not each.bins]
PAIRS = list(itertools.product(CLOSED, CLOSED))


@pytest.mark.parametrize("name", CLOSED)
def test_a_scheme_maps_onto_itself_by_the_identity(name: str) -> None:
    label_map = map_labels(name, name)
    assert not label_map.lossy
    assert not label_map.losses
    assert not label_map.unreached
    assert label_map.apply_all(scheme(name).labels) == scheme(name).labels


def test_nothing_is_lost_in_silence() -> None:
    for source, target in PAIRS:
        label_map = map_labels(source, target)
        becomes = [step.becomes for step in label_map.steps]
        reached = [label for label in becomes if label is not None]
        assert [step.label for step in label_map.steps] == list(scheme(source).labels)
        assert set(reached) <= set(scheme(target).labels)
        loses = None in becomes or len(set(reached)) < len(reached)
        if loses:
            assert label_map.lossy, (source, target)
        for step in label_map.steps:
            assert (step.kind == "dropped") == (step.becomes is None)
            assert (step.label in label_map.losses) or step.kind == "same"
        assert set(label_map.unreached) == set(scheme(target).labels) - set(reached)


def test_a_map_without_loss_can_be_undone() -> None:
    exact = [(source, target) for source, target in PAIRS if not map_labels(source, target).lossy]
    assert ("dfew", "ferv39k") in exact
    assert ("dfew", "meld") in exact
    for source, target in exact:
        back = map_labels(target, source)
        for label in scheme(source).labels:
            there = map_labels(source, target).apply(label)
            assert there is not None
            assert back.apply(there, allow_loss=True) == label


def test_exact_maps_compose() -> None:
    exact = {(source, target) for source, target in PAIRS if not map_labels(source, target).lossy}
    checked = 0
    for (source, middle), (also, target) in itertools.product(exact, exact):
        if middle == also:
            composed = map_labels(source, middle).then(map_labels(middle, target))
            assert composed.steps == map_labels(source, target).steps
            checked += 1
    assert checked > 20


def test_a_loss_on_the_way_stays_a_loss() -> None:
    composed = map_labels("mafw", "dfew").then(map_labels("dfew", "mafw"))
    assert composed.lossy
    assert composed.apply("helplessness", allow_loss=True) is None
    assert composed.apply("contempt", allow_loss=True) == "disgust"
    assert composed.apply("anger", allow_loss=True) == "anger"
    with pytest.raises(UnknownLabel, match="cannot go on"):
        map_labels("mafw", "dfew").then(map_labels("mafw", "dfew"))


def test_a_lossy_map_must_be_allowed_and_says_what_it_loses() -> None:
    label_map = map_labels("mer6", "dfew")
    with pytest.raises(LossyLabelMap, match="worried into fear"):
        label_map.apply("happy")
    assert label_map.apply("worried", allow_loss=True) == "fear"
    assert label_map.unreached == ("disgust",)


def test_owners_groupings_win_over_canonical_words() -> None:
    four = map_labels("iemocap", "iemocap-4")
    assert four.apply("excited", allow_loss=True) == "happy"
    assert four.apply("frustrated", allow_loss=True) is None
    ekman = map_labels("goemotions", "goemotions-ekman")
    assert ekman.apply("remorse", allow_loss=True) == "sadness"
    assert ekman.apply("curiosity", allow_loss=True) == "surprise"
    assert {step.kind for step in ekman.steps if step.label in scheme("goemotions-ekman").labels} == {"same"}
    assert map_labels("wheel-affects", "wheel-sectors").apply("boredom", allow_loss=True) == "sadness"


def test_a_map_goes_by_name_and_never_by_index() -> None:
    label_map = map_labels("dfew", "mer6")
    assert label_map.apply("happy", allow_loss=True) == "happy"
    assert scheme("dfew").labels.index("happy") != scheme("mer6").labels.index("happy")


def test_values_are_not_mapped_as_labels() -> None:
    label_map = map_labels("mosi", "mosi-7")
    assert label_map.lossy
    assert "7 classes" in label_map.losses


def test_an_open_vocabulary_maps_word_by_word() -> None:
    label_map = map_labels("ov-merd", "mer6")
    with pytest.raises(LossyLabelMap):
        label_map.apply("anger")
    assert label_map.apply("anger", allow_loss=True) == "angry"
    assert label_map.apply("wistful", allow_loss=True) is None
    assert map_labels("mer6", "ov-merd").apply("worried") == "worry"


def test_a_label_of_another_scheme_is_refused() -> None:
    with pytest.raises(UnknownLabel, match="happiness"):
        map_labels("dfew", "meld").apply("happiness")
