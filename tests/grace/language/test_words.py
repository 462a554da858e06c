from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.encoders.tiny import WordTable
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.bank import class_bank
from emotrace.grace.language.words import drop_phrases, embed, of_label, repeated, speaking

TextOf = Callable[..., AffectText]
LABELS = ("happiness", "sadness", "anger")


def test_a_shorter_text_is_padded_with_columns_that_have_no_mass(text_of: TextOf) -> None:
    long, short = text_of("inner brows raised", "lips parted"), text_of("lids tightened")
    columns = embed([long, short], WordTable())
    assert columns.features.shape == (2, 4, 64)
    assert columns.marginal[1, 3:].tolist() == [0.0]
    assert columns.features[1, 3:].abs().sum() == 0.0
    torch.testing.assert_close(columns.marginal.sum(dim=1), torch.ones(2))


def test_a_text_has_the_same_columns_alone_and_in_a_batch(text_of: TextOf) -> None:
    table = WordTable()
    long, short = text_of("inner brows raised", "lips parted"), text_of("lids tightened")
    together, alone = embed([long, short], table), embed([short], table)
    torch.testing.assert_close(together.features[1, :3], alone.features[0])


def test_a_text_without_a_phrase_is_background_alone(text_of: TextOf) -> None:
    columns = embed([text_of(), text_of("lips parted")], WordTable())
    assert columns.has_affect.tolist() == [False, True]
    assert columns.pooled()[0].abs().sum() == 0.0
    assert torch.isfinite(columns.pooled()).all()


@given(share=st.floats(0.0, 1.0), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_dropping_phrases_keeps_the_mass_of_words_and_background(share: float, seed: int, text_of: TextOf) -> None:
    text = text_of("inner brows raised", "lips parted", "nose wrinkled")
    dropped = drop_phrases(text, share, np.random.default_rng(seed))
    assert dropped.affect.any()
    np.testing.assert_allclose(dropped.marginal[-2:], text.marginal[-2:], rtol=1e-5)
    np.testing.assert_allclose(dropped.marginal.sum(), 1.0, rtol=1e-5)
    assert ((dropped.affect == 0) | (dropped.affect == text.affect)).all()


def test_silencing_every_phrase_gives_all_mass_to_the_background(text_of: TextOf) -> None:
    silent = speaking(text_of("lips parted"), [])
    assert silent.is_empty
    np.testing.assert_allclose(silent.marginal, [0.0, 0.5, 0.5])


@pytest.mark.parametrize("label", LABELS)
def test_one_class_of_the_bank_speaks_alone(label: str) -> None:
    bank = class_bank(LABELS)
    own = of_label(bank, label)
    columns = dict(bank.class_columns)[label]
    assert own.affect[columns].all()
    assert own.affect.sum() == pytest.approx(bank.affect[columns].sum())
    assert own.marginal.sum() == pytest.approx(1.0, abs=1e-5)


def test_repeated_columns_are_not_copied(text_of: TextOf) -> None:
    one = embed([text_of("lips parted")], WordTable())
    assert repeated(one, 5).features.data_ptr() == one.features.data_ptr()
