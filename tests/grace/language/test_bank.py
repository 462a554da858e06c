"""The class bank: every class of the corpora, each of the same weight, in the words of `refine`."""

from __future__ import annotations

import numpy as np
import pytest

from emotrace.errors import UnknownChoice, UsageError
from emotrace.grace.language.bank import class_bank, class_of, known_classes
from emotrace.grace.language.columns import BACKGROUND
from emotrace.grace.language.lexicon import affect_lexicon
from emotrace.labels.schemes import scheme
from emotrace.labels.vocabulary import emotion_words_in

PROTOTYPES = {  # the usual ones [field]
    "happiness": {6, 12},
    "sadness": {1, 4, 15},
    "anger": {4, 5, 7, 23},
    "surprise": {1, 2, 5, 26},
    "disgust": {9, 15, 16},
    "fear": {1, 2, 4, 5, 7, 20, 26},
    "contempt": {12, 14},
    "neutral": set[int](),
}


@pytest.mark.parametrize("name", ["dfew", "ferv39k", "mafw", "mer6", "meld", "affectnet-8"])
def test_every_corpus_of_faces_finds_its_classes(name: str) -> None:
    labels = scheme(name).labels
    bank = class_bank(labels)
    assert [label for label, _ in bank.class_columns] == list(labels)
    assert (bank.units, bank.source, bank.token_ids) == ("phrase", "class_bank", ())
    assert bank.column_count == len(bank.phrases) + len(BACKGROUND)


def test_the_spelling_does_not_matter_and_the_order_is_the_callers() -> None:
    one, other = class_bank(["Happy", "sad", "worried"]), class_bank(["sadness", "anxiety", "joy"])
    assert {p.text for p in one.phrases} == {p.text for p in other.phrases}
    assert [p.text for p in one.phrases[one.class_columns[1][1]]] == [
        p.text for p in other.phrases[other.class_columns[0][1]]
    ]


def test_all_classes_share_the_marginal_alike() -> None:
    bank = class_bank(scheme("mafw").labels)
    shares = [float(bank.marginal[columns].sum()) for _, columns in bank.class_columns]
    np.testing.assert_allclose(shares, 0.5 / 11, rtol=1e-5)
    assert bank.marginal.sum() == pytest.approx(1.0, abs=1e-6)
    assert (bank.affect[: len(bank.phrases)] == 1.0).all()


@pytest.mark.parametrize("name", PROTOTYPES)
def test_prototypes_are_the_usual_ones_and_their_units_are_described(name: str) -> None:
    looks = known_classes()[name]
    units = {f"AU{number}" for number in PROTOTYPES[name]}
    assert looks.prototype is not None
    assert set(looks.prototype) == units
    assert units <= {each.phrase.action_unit for each in looks.phrases}


def test_what_has_no_prototype_says_so() -> None:
    without = {name for name, looks in known_classes().items() if looks.prototype is None}
    assert without == {"anxiety", "helplessness", "disappointment"}


def test_phrases_are_written_in_the_words_of_refine() -> None:
    units = affect_lexicon().units
    for name, looks in known_classes().items():
        texts = [each.phrase.text for each in looks.phrases]
        assert 5 <= len(texts) <= 8
        assert len(set(texts)) == len(texts)
        assert not emotion_words_in("; ".join(texts))
        for each in looks.phrases:
            known = f"{each.phrase.region} / {each.phrase.action}" in units
            assert known or (name == "neutral" and each.phrase.action == "at rest"), each.phrase.text


def test_no_two_classes_look_alike() -> None:
    looks = [frozenset(each.phrase.text for each in looks.phrases) for looks in known_classes().values()]
    assert len(set(looks)) == len(looks)


def test_other_labels_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match=r"'calm'.*anger, disgust"):
        class_bank(["happy", "calm"])
    with pytest.raises(UnknownChoice):
        class_of("3")
    with pytest.raises(UsageError, match="one expression"):
        class_bank(["happy", "joy"])
    with pytest.raises(UsageError, match="background"):
        class_bank(["happy"], background_mass=2.0)
