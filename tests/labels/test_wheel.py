from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.labels.affects import AFFECT_BY_NAME, AFFECTS
from emotrace.labels.lexicon import Lexicon, lexicon
from emotrace.labels.wheel import AFFECT_OF_MIDDLE, INNER_RING, EmotionWheel, affect_of, emotion_wheel

GOEMOTIONS = {
    "admiration": "affection", "amusement": "joy", "anger": "anger", "annoyance": "anger", "approval": "affection",
    "caring": "affection", "confusion": "surprise", "curiosity": "interest", "desire": "affection",
    "disappointment": "sadness", "disapproval": "disgust", "disgust": "disgust", "embarrassment": "shame",
    "excitement": "joy", "fear": "fear", "gratitude": "affection", "grief": "sadness", "joy": "joy",
    "love": "affection", "nervousness": "fear", "optimism": "joy", "pride": "joy", "realization": "surprise",
    "relief": "calm", "remorse": "shame", "sadness": "sadness", "surprise": "surprise", "neutral": "neutral",
}  # fmt: skip
PLUTCHIK = {
    "ecstasy": "joy", "joy": "joy", "serenity": "calm", "admiration": "affection", "trust": "affection",
    "acceptance": "affection", "terror": "fear", "fear": "fear", "apprehension": "fear", "amazement": "surprise",
    "surprise": "surprise", "distraction": "surprise", "grief": "sadness", "sadness": "sadness",
    "pensiveness": "sadness", "loathing": "disgust", "disgust": "disgust", "boredom": "sadness", "rage": "anger",
    "anger": "anger", "annoyance": "anger", "vigilance": "interest", "anticipation": "interest", "interest": "interest",
}  # fmt: skip
CORPORA = {
    "happy": "joy", "happiness": "joy", "angry": "anger", "anger": "anger", "sad": "sadness", "sadness": "sadness",
    "worried": "fear", "worry": "fear", "surprise": "surprise", "surprised": "surprise", "neutral": "neutral",
    "contempt": "disgust", "anxiety": "fear", "anxious": "fear", "helplessness": "sadness", "helpless": "sadness",
    "disappointment": "sadness", "disappointed": "sadness", "frustrated": "anger", "frustration": "anger",
    "excited": "joy", "excitement": "joy", "fearful": "fear", "fear": "fear", "disgusted": "disgust",
    "disgust": "disgust", "calm": "calm", "boredom": "sadness", "bored": "sadness", "joyful": "joy",
    "doubtful": "surprise", "shy": "shame", "proud": "joy", "grateful": "affection", "jealous": "anger",
    "serious": "interest",
}  # fmt: skip
CHINESE = {
    "高兴": "joy", "愤怒": "anger", "生气": "anger", "悲伤": "sadness", "难过": "sadness", "担心": "fear",
    "害怕": "fear", "惊讶": "surprise", "中性": "neutral", "厌恶": "disgust", "失望": "sadness", "焦虑": "fear",
    "无助": "sadness", "轻蔑": "disgust", "平静": "calm", "尴尬": "shame", "感激": "affection", "好奇": "interest",
    "羞愧": "shame",
}  # fmt: skip


@pytest.mark.parametrize(("word", "inner"), sorted((GOEMOTIONS | PLUTCHIK | CORPORA | CHINESE).items()))
def test_labels_of_the_field_land_in_their_sector(word, inner):
    assert emotion_wheel().cluster(word, 1) == inner


def test_every_word_of_the_affects_is_a_base_word_on_its_affect():
    for affect in AFFECTS:
        for word in affect.words:
            place = emotion_wheel().place(word)
            assert place is not None, word
            assert (place.base, place.middle) == (word, affect.name)
        assert emotion_wheel().cluster(affect.name, 2) == affect.name
        assert affect_of(affect.name) == affect.name


def test_rings_have_the_promised_sizes():
    wheel = emotion_wheel()
    assert wheel.inner_ring == INNER_RING
    assert len(INNER_RING) == 11
    assert {place.inner for place in wheel.places.values()} == set(INNER_RING)
    assert 36 <= len(wheel.middle_ring) <= 44
    assert set(AFFECT_BY_NAME) <= set(wheel.middle_ring) == set(AFFECT_OF_MIDDLE)


def test_the_affect_of_a_middle_name_lies_in_the_same_inner_ring():
    wheel = emotion_wheel()
    inner_of = {place.middle: place.inner for place in wheel.places.values()}
    for middle, affect in AFFECT_OF_MIDDLE.items():
        assert affect is None or inner_of[middle] == inner_of[affect], middle


def test_every_label_of_every_shipped_scheme_has_a_place_or_is_no_emotion():
    schemes = pytest.importorskip("emotrace.labels.schemes")
    for name in ("mer6", "dfew", "mafw", "ferv39k", "goemotions"):
        labels = schemes.scheme(name).labels
        strays = [str(getattr(label, "name", label)) for label in labels]
        assert [label for label in strays if emotion_wheel().place(label) is None] == []


def test_order_of_rows_means_nothing():
    rows = list(lexicon().rows)
    random.Random(3).shuffle(rows)
    assert EmotionWheel.of(Lexicon.of(rows)) == emotion_wheel()


def test_name_is_the_version_and_the_hash():
    wheel = emotion_wheel()
    assert wheel.name == f"emotrace-wheel/1:{lexicon().content_hash[:8]}"


def test_a_middle_name_on_two_inner_names_is_refused():
    rows = [
        ("glad", "en", "glad", "joy", "joy", "1", "0.0", "0.5"),
        ("fond", "en", "fond", "joy", "affection", "1", "0.0", "0.5"),
    ]
    with pytest.raises(ValueError, match="inner ring"):
        EmotionWheel.of(Lexicon.of(rows))
    with pytest.raises(ValueError, match="inner ring"):
        EmotionWheel.of(Lexicon.of([("odd", "en", "odd", "odd", "oddity", "1", "0.0", "0.5")]))


def test_distance_has_three_steps():
    wheel = emotion_wheel()
    assert wheel.distance("happy", "Delighted") == 0.0
    assert wheel.distance("happy", "proud") == 0.5
    assert wheel.distance("happy", "angry") == 1.0
    assert wheel.distance("zorb", "ZORB") == 0.0
    assert wheel.distance("zorb", "happy") == 1.0


WORDS = st.sampled_from(sorted(lexicon().forms)) | st.sampled_from(["zorb", "flim", ""])


@given(WORDS, WORDS, WORDS)
def test_distance_is_an_ultrametric(a, b, c):
    wheel = emotion_wheel()
    assert wheel.distance(a, b) == wheel.distance(b, a)
    assert wheel.distance(a, a) == 0.0
    assert wheel.distance(a, c) <= max(wheel.distance(a, b), wheel.distance(b, c))


@given(st.lists(WORDS, max_size=5), st.lists(WORDS, max_size=5), st.sampled_from([1, 2]))
def test_jaccard_is_symmetric_and_sees_no_order_repeats_or_case(a, b, level):
    wheel = emotion_wheel()
    value = wheel.jaccard(a, b, level)
    assert 0.0 <= value <= 1.0
    assert value == wheel.jaccard([word.upper() for word in b] * 2, reversed(a), level)
    assert wheel.jaccard(a, a, level) == 1.0


def test_jaccard_counts_clusters_and_unknown_words_apart():
    wheel = emotion_wheel()
    assert wheel.jaccard(["happy", "glad"], ["delighted"], 2) == 1.0
    assert wheel.jaccard(["happy"], ["proud"], 2) == 0.0
    assert wheel.jaccard(["happy"], ["proud"], 1) == 1.0
    assert wheel.jaccard(["zorb"], ["flim"], 1) == 0.0
    assert wheel.jaccard([], [], 1) == 1.0
    assert wheel.jaccard([], ["happy"], 1) == 0.0


def test_loading_is_fast_and_needs_no_numpy():
    code = (
        "import sys, time; import emotrace.labels.wheel as w; t = time.process_time(); w.emotion_wheel();"
        "print(time.process_time() - t, 'numpy' in sys.modules)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds = [float(run.stdout.split()[0]) for run in runs]
    assert all(run.stdout.split()[1] == "False" for run in runs)
    assert min(seconds) < 0.15  # about 0.03 on an idle core; this fails on a load that grew, not on a busy machine
