from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emotrace.encoders.text import SentenceEncoder, sentence_encoder
from emotrace.encoders.text_hashed import WIDTH, HashedText

ENCODER = HashedText()


def test_it_is_a_sentence_encoder() -> None:
    assert isinstance(sentence_encoder("hashed"), SentenceEncoder)


def test_one_word_is_one_number_and_three_characters_are_six() -> None:
    assert np.count_nonzero(ENCODER.encode(["smile"])[0]) == 1
    assert np.count_nonzero(ENCODER.encode(["lip corners"])[0]) == 3
    assert np.count_nonzero(ENCODER.encode(["声音低"])[0]) == 6


def test_counts_enter_by_their_square_root() -> None:
    (vector,) = ENCODER.encode(["up. 低 up. 低 up. 低 up"])  # Chinese keeps the words apart: no word 2-grams
    weights = np.sort(np.abs(vector[vector != 0.0]))
    np.testing.assert_allclose(weights**2, np.array([3, 4]) / 7, rtol=1e-6)


def test_likeness_follows_shared_words_and_characters() -> None:
    near, far = ENCODER.encode(["the pitch rises at the end", "brows move together"])
    (read,) = ENCODER.encode(["the pitch rises, at the end it falls"])
    assert read @ near > 0.6 > 0.2 > read @ far
    one, two, other = ENCODER.encode(["嘴角上扬", "嘴角微微上扬", "语速很快"])
    assert one @ two > 0.4 > 0.1 > one @ other


def test_tokens_are_words_and_characters_in_order() -> None:
    rows = ENCODER.encode_tokens("He said 你好, twice")
    assert rows.shape == (5, WIDTH)
    assert np.array_equal(rows[0], ENCODER.encode(["He"])[0])


def test_nothing_said_is_zero() -> None:
    assert not ENCODER.encode(["", " ... !"]).any()
    assert ENCODER.encode_tokens("...").shape == (0, WIDTH)
    assert ENCODER.encode([]).shape == (0, WIDTH)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_a_text_does_not_depend_on_its_company_and_has_length_one_or_none(texts: list[str]) -> None:
    together = ENCODER.encode(texts)
    alone = np.concatenate([ENCODER.encode([text]) for text in texts])
    assert np.array_equal(together, alone)
    lengths = np.linalg.norm(together, axis=1)
    assert np.all((np.abs(lengths - 1.0) < 1e-5) | (lengths == 0.0))


def test_another_process_gives_the_same_bytes() -> None:
    code = (
        "from emotrace.encoders.text_hashed import HashedText; import hashlib, sys;"
        "print(hashlib.sha256(HashedText().encode(['Brows rise. 眉毛上扬']).tobytes()).hexdigest(),"
        "'torch' in sys.modules)"
    )
    run = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert run[0] == run[1]
    assert run[0].endswith("False\n")
