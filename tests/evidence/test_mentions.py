from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.evidence.clauses import clauses_of, tokens_of
from emotrace.evidence.mentions import mentions

NEGATED = """
I'm not happy
I am not at all happy
I'm not really that happy
I wasn't happy with it
I do not feel happy
I don't think I'm happy
I don't believe I am proud of that
she isn't proud
they weren't excited
I'm no longer afraid
he left without fear
hardly glad
I was barely interested
I rarely feel sad
I never feel sad
I have never been sad
never afraid
nobody was happy
nothing to fear
neither happy nor relieved
nor proud of it
I can't be happy
cannot be happy
I cant be happy
isnt sad
I dont feel angry
it's not sad
that's not funny
this isn't disgusting
don't worry
do not be afraid
please don't be sad
stop worrying
I've stopped being angry
he quit worrying
far from happy
anything but pleased
free of fear
my fear is gone
sad no more
no joy in it
with no hope
lack of joy
less happy than before
not happy and not sad
he was not angry or sad
I’m not angry
scarcely amused
seldom bored
我不害怕
他没有生气
我并不难过
别担心
""".strip().splitlines()

NOT_NEGATED = """
I'm happy
I have never been so happy
I've never been happier
never felt more proud
I couldn't be happier
I could not be more proud
nothing makes me happier
not only happy
not just sad
I'm not sure, I'm happy
I don't know why I'm so sad
I do not understand why he is angry
isn't it wonderful
don't you love it
aren't you proud
wasn't she angry
can't help loving it
no doubt he is angry
no wonder she is sad
not good, but I'm happy
I didn't win, I'm sad
I am happy, not rich
no, I'm angry
I can't wait, I'm excited
not because of you, I am sad
I didn't go and I am happy
it was not easy but we are proud
I'm happy no one came
我很高兴
我非常生气
""".strip().splitlines()


@pytest.mark.parametrize("text", NEGATED)
def test_negated(text):
    found = mentions(text)
    assert found
    assert all(m.negated for m in found), [(m.base.word, m.negated) for m in found]


@pytest.mark.parametrize("text", NOT_NEGATED)
def test_not_negated(text):
    found = mentions(text)
    assert found
    assert not any(m.negated for m in found), [(m.base.word, m.negated) for m in found]


def test_the_tables_are_long_enough():
    assert len(NEGATED) + len(NOT_NEGATED) >= 60


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("I'm happy", 0),
        ("I'm so happy", 1),
        ("I am extremely happy", 1),
        ("I'm really very happy", 1),
        ("I'm happy!", 1),
        ("I'm HAPPY today", 1),
        ("I'm haaaappy", 1),
        ("I'm sooooo sad", 1),
        ("I have never been so happy", 1),
        ("I'm a bit sad", -1),
        ("I'm slightly annoyed", -1),
        ("I'm kind of sad", -1),
        ("kinda sad", -1),
        ("a little worried", -1),
        ("有点担心", -1),
        ("我很高兴", 1),
        ("非常生气", 1),
        ("I AM SAD TODAY", 0),
    ],
)
def test_degree(text, degree):
    assert [m.degree for m in mentions(text)] == [degree]


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("I am proud", "first"),
        ("We were so scared", "first"),
        ("it makes me angry", "first"),
        ("my fear grew", "first"),
        ("my brother is sad", "other"),
        ("he was proud", "other"),
        ("are you angry?", "other"),
        ("I think he is angry", "other"),
        ("you make me sad", "first"),
        ("this is sad", "other"),
        ("So proud!", "unsaid"),
        ("我很高兴", "first"),
        ("他很高兴", "other"),
        ("很高兴", "unsaid"),
    ],
)
def test_person(text, person):
    assert [m.person for m in mentions(text)] == [person]


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("I am sad", "statement"),
        ("I was sad", "past"),
        ("are you sad?", "question"),
        ("is he angry?", "question"),
        ("why am I so sad?", "statement"),
        ("am I sad?", "question"),
        ("if I get angry", "condition"),
        ("I would be happy", "condition"),
        ("I wish I were happy", "wish"),
        ("I want to be happy", "wish"),
        ("如果我生气", "condition"),
        ("你生气了吗", "question"),
        ("我希望快乐起来", "wish"),
    ],
)
def test_mood(text, mood):
    assert mood in [m.mood for m in mentions(text)]


@pytest.mark.parametrize(
    "text",
    [
        "please sit down",
        "happy birthday to you",
        "I'm afraid so",
        "the car moved down the road",
        "I mean it",
        "what kind of music",
        "stay close and keep still",
        "thank god",
        "no interest rates",
        "he cried",
        "the tension of the rope",
        "I lost my keys",
        "seriously, go home",
    ],
)
def test_everyday_uses_are_no_mentions(text):
    assert mentions(text) == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("I feel down", "down"),
        ("I felt moved", "moved"),
        ("I was deeply touched", "touched"),
        ("I cried", "crying"),
        ("it made me laugh", "laughing"),
        ("I feel lost", "lost"),
        ("I am serious", "serious"),
        ("I'm soooo happyyyy", "happy"),
        ("angryyyy", "angry"),
    ],
)
def test_frames_that_make_an_everyday_word_a_mention(text, word):
    assert [m.base.word for m in mentions(text)] == [word]


def test_places_point_into_the_text_as_it_was_written():
    text = "well I'm sooooo happyyyy now"
    (mention,) = mentions(text)
    assert text[mention.start : mention.end] == "happyyyy"
    assert text[mention.from_start : mention.end] == "sooooo happyyyy"


def test_contractions_are_written_out():
    assert [t.text for t in tokens_of("I can't, she won't; it's Bob’s dont")] == [
        "i", "can", "not", ",", "she", "will", "not", ";", "it", "is", "bob", "'s", "do", "not",
    ]  # fmt: skip


def test_clauses_know_how_their_sentence_ends():
    clauses = clauses_of("Well, I did! Did you? Yes")
    assert [(" ".join(t.text for t in c.tokens), c.sentence_end) for c in clauses] == [
        ("well", "!"),
        ("i did", "!"),
        ("did you", "?"),
        ("yes", ""),
    ]


@given(st.text(max_size=120))
def test_any_text_is_read_and_places_are_in_order(text):
    for mention in mentions(text):
        assert 0 <= mention.from_start <= mention.start < mention.end <= len(text)


TELLING = ["I", "not", "never", "so", "happy", "sad", "you", "he", "if", "wish", "but", "a", "bit", "soooo"]
TELLING += ["!", "?", ",", ".", "我", "不", "高兴"]


@given(st.lists(st.sampled_from(TELLING), max_size=14))
def test_any_order_of_telling_words_is_read(words):
    text = " ".join(words)
    assert mentions(text) == mentions(text)
    for mention in mentions(text):
        assert 0 <= mention.from_start <= mention.start < mention.end <= len(text)
