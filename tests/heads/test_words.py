"""The words head: what it reads, what carried it, and that the shipped file is the one of its card."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import UnknownChoice, UnreadableCheckpoint
from emotrace.files import sha256_of
from emotrace.heads.words import EMOTIONS, WordsHead
from emotrace.heads.words_features import features, tokenise
from emotrace.models import resolve, weights

CARD = Path(__file__).resolve().parents[2] / "docs" / "cards" / "text.md"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

GOLDEN: dict[str, tuple[str, float]] = {
    "Thank you so much, I really appreciate it!": ("gratitude", 0.980232),
    "I'm so sorry, please forgive me.": ("sadness", 0.751828),
    "lol that is hilarious 😂": ("amusement", 0.807591),
    "I am not happy about this": ("sadness", 0.542388),
    "SOOOO excited for tomorrow!!!": ("excitement", 0.623417),
    "What is the name of that song?": ("neutral", 0.516602),
}


@pytest.fixture(scope="module")
def head() -> WordsHead:
    return WordsHead()


def probability(head: WordsHead, sentence: str, emotion: str) -> float:
    return float(head.read([sentence]).probabilities[0, EMOTIONS.index(emotion)])


def test_shipped_file_is_the_one_of_the_card_and_small() -> None:
    path = resolve("text")
    stated = re.search(r"SHA-256 of the weights: `([0-9a-f]{64})`", CARD.read_text(encoding="utf-8"))
    assert stated is not None
    assert stated.group(1) == sha256_of(path) == weights("text").sha256
    assert path.stat().st_size == weights("text").bytes < 8_000_000


@pytest.mark.parametrize("sentence", GOLDEN)
def test_golden_probabilities(head: WordsHead, sentence: str) -> None:
    emotion, expected = GOLDEN[sentence]
    reading = head.read([sentence])
    assert EMOTIONS[int(reading.probabilities[0].argmax())] == emotion
    assert probability(head, sentence, emotion) == pytest.approx(expected, abs=1e-4)


def test_plain_sentences_are_decided(head: WordsHead) -> None:
    said = {
        "Thank you so much, I really appreciate it!": "gratitude",
        "I'm so sorry, please forgive me.": "remorse",
        "lol that is hilarious": "amusement",
        "I love you with all my heart": "love",
        "I was so scared and terrified that night": "fear",
    }
    decided = head.read(list(said)).decided
    assert [bool(row[EMOTIONS.index(name)]) for row, name in zip(decided, said.values(), strict=True)] == [True] * 5


def test_denied_joy_is_not_joy(head: WordsHead) -> None:
    for said, denied in (("I am happy", "I am not happy"), ("I'm so glad", "I'm not glad at all")):
        assert probability(head, denied, "joy") < min(0.5, probability(head, said, "joy"))


@settings(max_examples=40, deadline=None)
@given(sentence=st.text(max_size=80), emotion=st.sampled_from(EMOTIONS))
def test_any_text_is_read_and_its_contributions_are_its_logit(sentence: str, emotion: str) -> None:
    head = shipped()
    reading = head.read([sentence])
    p = reading.probabilities[0].astype(np.float64)
    assert np.all((p > 0) & (p < 1))
    assert 0.0 <= reading.known[0] <= 1.0
    parts = head.contributions(sentence, emotion)
    logit = head.bias(emotion) + sum(part.log_odds for part in parts)
    k = EMOTIONS.index(emotion)
    assert head.ceilings[k] / (1 + math.exp(-logit)) == pytest.approx(p[k], abs=1e-6)
    assert [part.log_odds for part in parts] == sorted((part.log_odds for part in parts), reverse=True)
    spans = sorted((part.start, part.end) for part in parts)
    assert all(0 <= start < end <= len(sentence) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


_HEADS: list[WordsHead] = []


def shipped() -> WordsHead:
    if not _HEADS:
        _HEADS.append(WordsHead())
    return _HEADS[0]


def test_strongest_word_carries_the_decision(head: WordsHead) -> None:
    sentence = "Well, thanks for the ride home yesterday"
    strongest = head.contributions(sentence, "gratitude")[0]
    assert sentence[strongest.start : strongest.end] == "thanks"
    without = sentence[: strongest.start] + sentence[strongest.end :]
    assert probability(head, without, "gratitude") < 0.5 * probability(head, sentence, "gratitude")


def test_a_sentence_reads_the_same_alone_and_among_others(head: WordsHead) -> None:
    sentences = ["What a beautiful day!", "", "I hate this so much", "Why would anybody do that?"]
    together = head.read(sentences).probabilities
    alone = np.concatenate([head.read([sentence]).probabilities for sentence in sentences])
    np.testing.assert_array_equal(together, alone)
    assert head.read([]).probabilities.shape == (0, 28)


@pytest.mark.parametrize("sentence", ["", "  \n\t", "\ud800\x00", "\u200d\ufe0f"])
def test_nothing_to_read_decides_nothing(head: WordsHead, sentence: str) -> None:
    reading = head.read([sentence])
    assert not reading.decided.any()
    assert reading.known[0] == 0.0


def test_other_scripts_are_hardly_known(head: WordsHead) -> None:
    known = head.read(
        ["I would like to see you again", "Я очень рад тебя видеть", "今日はとても嬉しい", "Αγαπητέ μου φίλε"]
    ).known
    assert known[0] == 1.0
    assert known[1:].max() == 0.0


def test_a_wall_of_text_is_read_within_bounds(head: WordsHead) -> None:
    assert head.read(["a" * 100_000, "😂" * 100_000, "I am happy. " * 9_000]).probabilities.shape == (3, 28)


def test_spelling_variants_meet() -> None:
    assert [token.key for token in tokenise("SOOOO Happy don\u2019t 👍🏽 :) 12.5")] == [
        "soo",
        "happy",
        "don't",
        "👍",
        ":)",
        "0",
    ]
    assert tokenise("I don\u2019t")[1].end == 7


def test_features_are_the_same_in_another_process() -> None:
    code = (
        "from emotrace.heads.words_features import features, tokenise;"
        "print(sum(name for name, _ in features(tokenise('never say this is good'))))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(there) == sum(name for name, _ in features(tokenise("never say this is good")))


def test_unknown_emotion_lists_the_known_ones(head: WordsHead) -> None:
    with pytest.raises(UnknownChoice, match="no label of the words head"):
        head.contributions("fine", "happiness")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(UnreadableCheckpoint):
        WordsHead(tmp_path / "other.npz")


def test_scores_hold_on_real_comments(head: WordsHead) -> None:
    file = SHARED / "text_goemotions" / "dev.tsv"
    if not file.is_file():
        pytest.skip("needs GoEmotions beside the repository")
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[:400]]
    truth = np.zeros((len(rows), 28), bool)
    for i, row in enumerate(rows):
        truth[i, [int(code) for code in row[1].split(",")]] = True
    decided = head.read([row[0] for row in rows]).decided
    micro = 2 * (decided & truth).sum() / (decided.sum() + truth.sum())
    assert micro > 0.48
