from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.labels.affects import AFFECTS
from emotrace.labels.lexicon import lexicon
from emotrace.labels.vocabulary import EVERYDAY, emotion_words_in, vocabulary

MEASUREMENTS = """
lip corners rise (AU12) from 1.2 s to 2.0 s while the cheeks stay still
the head tilts down and stays steady
mouth opens to 0.42 of its range, then closes
brows move up, eyes open wide
pitch is low and flat, 2.1 semitones under the speaker's median
voice is soft and breathy, with long pauses
loud, bright and tense voice, harsh at the end
even voice: pitch and loudness barely change
speech is fast; jitter 1.8 %
the face is still for 4.2 s
warm colours, cold light, cool background
gaze moves down and away
pitch falls at the end, level stays high
sighs twice; the shoulders drop
laughs for 0.8 s, then smiles
says nothing for 3.1 s (long pause)
the voice trembles, 6 Hz
mouth relaxed, jaw lowered
blinks at a steady rate, 14 a minute
confidence of the tracker falls to 0.4
""".strip().splitlines()


@pytest.mark.parametrize("text", MEASUREMENTS)
def test_a_measurement_names_no_emotion(text):
    assert emotion_words_in(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("she looks HAPPY", ["happy"]),
        ("an angry, fearful face", ["angry", "fearful"]),
        ("he seems let down and fed up", ["let down", "fed up"]),
        ("let-down by it", ["let-down"]),
        ("sadly, he left", ["sadly"]),
        ("it is a joy", ["joy"]),
        ("worried-looking brows", ["worried"]),
        ("anger's signs", ["anger"]),
        ("看起来很高兴", ["高兴"]),
        ("unhappy", ["unhappy"]),
        ("let it down", []),
        ("let, down", []),
        ("madrid, sadducee, joystick", []),
        ("", []),
    ],
)
def test_emotion_words_are_found_whole_in_order_and_longest(text, words):
    assert emotion_words_in(text) == words


def test_every_word_of_the_affects_is_refused_but_for_homographs():
    words = [word for affect in AFFECTS for word in (*affect.words, affect.name)]
    assert {word for word in words if emotion_words_in(f"looks {word} here") != [word]} == {"content", "eased"}


def test_everyday_words_keep_their_place_on_the_wheel():
    assert [word for word in sorted(EVERYDAY) if not vocabulary().is_known(word)] == []


def test_canonical_and_lookup():
    known = vocabulary()
    assert known.canonical("Happiest") == "happy"
    assert known.canonical("worries") == "worried"
    assert known.canonical("let  down") == "let down"
    assert known.canonical("快乐") == "happy"
    assert known.canonical("tables") is None
    assert not known.is_known("")
    furious, annoyed = known.lookup("furious"), known.lookup("annoyed")
    assert furious is not None
    assert annoyed is not None
    assert furious.valence == annoyed.valence == -1
    assert furious.arousal > annoyed.arousal
    assert furious.intensity > annoyed.intensity


def test_canonical_words_of_an_affect_grow_in_intensity():
    for affect in AFFECTS:
        levels = [vocabulary().forms[word].intensity for word in affect.words]
        assert levels == sorted(levels), affect.name
        assert len(set(levels)) == len(levels), affect.name


def test_chinese_takes_the_longest_form_and_no_single_character_inside_a_word():
    assert [f.form for f in vocabulary().find("他兴高采烈，我很怕，可爱")] == ["兴高采烈", "怕"]
    assert [f.form for f in vocabulary().find("不高兴")] == ["不高兴"]


@given(st.text(max_size=80))
def test_find_gives_spans_of_the_text_in_order(text):
    end = 0
    for found in vocabulary().find(text):
        assert end <= found.start < found.end <= len(text)
        assert text[found.start : found.end] == found.form
        end = found.end


@given(st.lists(st.sampled_from(sorted(f for f in lexicon().forms if f.isascii())), min_size=1, max_size=4))
def test_every_known_form_is_found(forms):
    text = ". ".join(forms)
    assert [vocabulary().canonical(found.form) for found in vocabulary().find(text)] == [
        vocabulary().canonical(form) for form in forms
    ]


def test_a_question_takes_microseconds():
    code = (
        "import timeit; from emotrace.labels.vocabulary import _emotion_words_in as ask;"
        "text = 'lip corners rise (AU12) from 1.2 s to 2.0 s while the cheeks stay still and the head moves down';"
        "ask(text); print(min(timeit.repeat(lambda: ask.__wrapped__(text), number=200, repeat=20)) / 200)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 40e-6  # about 6 µs; room for a busy machine
