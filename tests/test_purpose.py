from __future__ import annotations

import pytest

from emotrace.errors import PurposeRefused, UsageError
from emotrace.purpose import PURPOSES, check_purpose


@pytest.mark.parametrize("purpose", PURPOSES)
def test_served_purposes_are_kept_as_they_are(purpose: str) -> None:
    assert check_purpose(purpose) == purpose


@pytest.mark.parametrize("purpose", ["workplace", "education", " Workplace "])
def test_prohibited_purposes_are_refused_with_the_article(purpose: str) -> None:
    with pytest.raises(PurposeRefused, match=r"article 5\(1\)\(f\) of the EU AI Act"):
        check_purpose(purpose)


def test_an_unknown_purpose_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"research, medical"):
        check_purpose("fun")
