from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from emotrace.encoders.words import ROWS, WordTokenizer, row_of, rows_of_phrase


@given(st.text(max_size=80))
def test_tokens_lie_in_order_and_hold_everything_but_space(text: str) -> None:
    tokens = WordTokenizer().tokens(text)
    ends = [0, *(token.end for token in tokens)]
    for token, before in zip(tokens, ends, strict=False):
        assert before <= token.start < token.end <= len(text)
        assert 0 <= token.id < ROWS
        assert token.id == row_of(text[token.start : token.end])
    left_out = "".join(
        text[end:start] for end, start in zip(ends, [*(t.start for t in tokens), len(text)], strict=True)
    )
    assert not left_out.strip()


def test_small_and_large_letters_are_one_word() -> None:
    assert row_of("Brows") == row_of("brows")


def test_a_row_is_the_same_in_every_process_and_needs_no_torch() -> None:
    code = "import sys; from emotrace.encoders.words import row_of; print(row_of('brows'), 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == f"{row_of('brows')} False\n"


def test_a_phrase_is_its_words() -> None:
    assert rows_of_phrase("lip corners, raised!") == [row_of("lip"), row_of("corners"), row_of("raised")]
    assert rows_of_phrase("...") == []
