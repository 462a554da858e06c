"""A quote that is not in its observation is never shown as evidence."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from emotrace.hydra.quotes import is_found_above, quote_of, share_found, true_quote

TEXT = "lip corners are raised from 0.6 to 3.8 s and the eye region looks narrowed"


def test_a_true_quote_stays_and_an_invented_one_gives_way_to_the_observation() -> None:
    assert true_quote("the eye region looks narrowed", TEXT) == "the eye region looks narrowed"
    assert true_quote("Lip corners are raised", TEXT) == "Lip corners are raised", "roughly is enough"
    assert true_quote("inner brows pinch together", TEXT) == quote_of(TEXT) == "lip corners are raised from 0.6 to 3.8"
    assert true_quote(None, TEXT) == quote_of(TEXT)


def test_shares_lie_in_0_to_1() -> None:
    for quote in ("", "a", "lip", "zzzz", TEXT, TEXT * 2):
        assert 0.0 <= share_found(quote, TEXT) <= 1.0


@given(*[st.text("abc ", max_size=12)] * 3)
def test_whether_more_is_found_in_another_text_is_told_without_counting_all(quote: str, text: str, other: str) -> None:
    share = share_found(quote, text)
    assume(share < 1.0)
    assert is_found_above(share, quote, other) == (share_found(quote, other) > share)
