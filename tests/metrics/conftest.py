"""Label tables of our own for tests."""

from __future__ import annotations

import pytest

from emotrace.labels.official_tables import WheelTables


@pytest.fixture(scope="session")
def small_tables() -> WheelTables:
    """Five invented wheels over a dozen words: enough for ties, drops and words on some wheels only."""
    sectors = {"joy": ["glad", "merry"], "gloom": ["sad", "blue"], "alarm": ["scared", "tense"]}
    wheels: dict[str, dict[str, str]] = {}
    for k in range(1, 6):
        on_wheel = [sector for sector in sectors if (k, sector) != (5, "alarm")]
        kept = {sector: sectors[sector][: 2 if k % 2 else 1] for sector in on_wheel}
        wheels[f"W{k}-L1"] = {word: sector for sector, words in kept.items() for word in (sector, *words)}
        wheels[f"W{k}-L2"] = {word: word for words in kept.values() for word in words} | {
            sector: min(words) for sector, words in kept.items()
        }
    synonyms = {word: (word,) for words in sectors.values() for word in words}
    synonyms |= {"happy": ("glad", "merry"), "low": ("blue", "sad"), "afraid": ("scared",), "mixed": ("blue", "glad")}
    forms = {word: (word,) for word in synonyms} | {
        "happily": ("happy",),
        "lowly": ("low", "mixed"),
        "fearful": ("afraid",),
        "neutral": ("neutral",),
    }
    return WheelTables(forms=forms, synonyms=synonyms, wheels=wheels)
