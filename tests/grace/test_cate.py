"""From a sheet to weighed words: what is written, what is kept, how it is weighed, and what no text can break."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.encoders.interface import Token
from emotrace.errors import InvalidObservation, UsageError
from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.grace.cate import Narrative, Sentence, narrate, refine, swap_sides
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.columns import BACKGROUND
from emotrace.labels.vocabulary import emotion_words_in
from emotrace.span import Span


@dataclass
class Words:
    """A tokenizer of words and marks, each cut into pieces of at most `piece` letters."""

    name: str = "words"
    budget: int = 77
    piece: int = 100
    asked: list[str] = field(default_factory=list)

    def tokens(self, text: str) -> list[Token]:
        self.asked.append(text)
        found = []
        for match in re.finditer(r"\w+|[^\w\s]", text):
            for start in range(match.start(), match.end(), self.piece):
                end = min(start + self.piece, match.end())
                found.append(Token(id=hash(text[start:end]) % 1000, start=start, end=end))
        return found


def seen(text: str, start: float, end: float, *, strength: float = 0.5, confidence: float = 0.8) -> Finding:
    return Finding(
        modality="visual",
        span=Span(start, end),
        text=text,
        strength=strength,
        confidence=confidence,
        source="test@1",
    )


def sheet(*findings: Finding) -> EvidenceSheet:
    return EvidenceSheet.of(findings, clip_id="0" * 64, span=Span(0.0, 10.0))


def phrases(text: AffectText) -> list[str]:
    return [phrase.text for phrase in text.phrases]


def of(text: str, **options: object) -> AffectText:
    return refine(Narrative.of_text(text), Words(), **options)  # type: ignore[arg-type]


# --- coarse ---------------------------------------------------------------------------------------------------------


def test_a_sheet_is_narrated_in_order_of_time_with_strengths() -> None:
    narrative = narrate(
        sheet(
            seen("the lips press together", 3.0, 4.0, strength=0.2),
            seen("inner brows rise", 0.4, 1.2, strength=0.9),
            seen("brows lower slightly", 2.0, 2.5, strength=0.9),
        )
    )
    assert narrative.text == (
        "0.4-1.2 s: inner brows rise, strong. 2.0-2.5 s: brows lower slightly. "
        "3.0-4.0 s: the lips press together, slight."
    )
    assert [sentence.observation_ids for sentence in narrative.sentences] == [("V1",), ("V2",), ("V3",)]


def test_readings_voice_and_words_are_not_narrated() -> None:
    reading = Finding(
        modality="visual",
        span=Span(0.0, 1.0),
        text="looks happy to the model",
        strength=1.0,
        confidence=1.0,
        source="head@1",
        scores={"happy": 1.0},
        scheme="dfew",
    )
    voice = Finding(
        modality="vocal", span=Span(0.0, 1.0), text="pitch rises", strength=1.0, confidence=1.0, source="vocal@1"
    )
    assert narrate(sheet(reading, voice)).sentences == ()
    assert narrate(sheet()).text == ""


# --- fine -----------------------------------------------------------------------------------------------------------


def test_phrases_are_canonical_and_know_where_they_come_from() -> None:
    text = refine(
        narrate(sheet(seen("inner brows rise", 0.4, 1.2, strength=0.9), seen("she smiles", 2.0, 4.0))), Words()
    )
    brows, lips = text.phrases
    assert (brows.text, lips.text) == ("inner brows raised strongly", "lip corners pulled up moderately")
    assert (brows.region, brows.action, brows.action_unit, brows.intensity) == (
        "inner brows",
        "raised",
        "AU1",
        "strongly",
    )
    assert (brows.span, brows.observation_ids, brows.confidence) == (Span(0.4, 1.2), ("V1",), 0.8)
    assert text.source == "evidence"
    assert text.background == BACKGROUND


def test_weights_follow_action_region_manner_and_the_last_word() -> None:
    text = of("The inner brows rise strongly from the start.")
    (phrase,) = text.phrases
    assert phrase.text == "inner brows raised strongly from the start"
    words = [phrase.text.split()[place] for place in text.positions]
    assert words == ["inner", "brows", "raised", "strongly", "start"]  # "from" and "the" own no column
    np.testing.assert_allclose(text.affect[:5], [0.7, 0.7, 1.0, 0.5, 1.0])
    assert (text.affect[5:] == 0.0).all()


def test_a_phrase_is_multiplied_by_confidence_and_root_of_strength() -> None:
    sentence = Sentence(text="the lips part", strength=0.25, confidence=0.6)
    text = refine(Narrative(sentences=(sentence,)), Words())
    np.testing.assert_allclose(text.affect[:2], [0.7 * 0.6 * 0.5, 0.6 * 0.5], rtol=1e-6)


def test_a_word_of_intensity_bounds_the_strength() -> None:
    slight, plain = of("The lips part slightly.").phrases[0], of("The lips part.").phrases[0]
    assert slight.strength == pytest.approx(1 / 3)
    assert plain.strength == 1.0


def test_the_marginal_is_half_background_and_half_affect() -> None:
    text = of("The lips part. The jaw drops.")
    count = len(text.affect) - len(BACKGROUND)
    assert text.marginal.sum() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(text.marginal[count:], 0.5 / 8, rtol=1e-6)
    np.testing.assert_allclose(text.marginal[:count], 0.5 * text.affect[:count] / text.affect[:count].sum(), rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_any_background_mass_in_0_to_1(share: float) -> None:
    text = of("The lips part.", background_mass=share)
    assert text.marginal[-len(BACKGROUND) :].sum() == pytest.approx(share, abs=1e-6)
    assert text.marginal.sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_another_background_mass_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="background"):
        of("The lips part.", background_mass=share)


@pytest.mark.parametrize("text", ["", "   \n", "A man in a red shirt.", "The face is at rest.", "她很高兴", "#!?"])
@pytest.mark.parametrize("units", ["token", "phrase"])
def test_without_a_movement_there_is_background_alone(text: str, units: str) -> None:
    found = of(text, units=units)
    assert found.is_empty
    assert found.token_ids == found.positions == ()
    assert found.column_count == len(BACKGROUND)
    np.testing.assert_allclose(found.marginal, 1 / len(BACKGROUND))
    assert (found.affect == 0.0).all()


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_strength_and_confidence_are_checked_once(wrong: float) -> None:
    with pytest.raises(InvalidObservation, match="strength"):
        Sentence(text="the lips part", strength=wrong)
    with pytest.raises(InvalidObservation, match="confidence"):
        Sentence(text="the lips part", confidence=wrong)


def test_no_weight_no_phrase() -> None:
    doubtful = Sentence(text="the lips part", confidence=0.0)
    text = refine(Narrative(sentences=(doubtful,)), Words())
    assert text.is_empty
    assert text.dropped == (("the lips part", "no weight"),)


def test_phrase_units_have_one_column_each() -> None:
    text = of("The lips part slightly. The jaw drops.", units="phrase")
    assert text.units == "phrase"
    assert [phrase.columns for phrase in text.phrases] == [slice(0, 1), slice(1, 2)]
    np.testing.assert_allclose(text.affect[:2], [np.sqrt(1 / 3), 1.0], rtol=1e-6)
    assert text.token_ids == ()


@pytest.mark.parametrize("piece", [1, 3, 100])
def test_weights_find_their_words_however_a_tokenizer_cuts_them(piece: int) -> None:
    tokenizer = Words(piece=piece, budget=400)
    text = refine(Narrative.of_text("The lips are pressed together. The jaw drops slightly."), tokenizer)
    joined = ", ".join(phrases(text))
    tokens = tokenizer.tokens(joined)
    assert text.token_ids == tuple(token.id for token in tokens)
    letters = "".join(joined[tokens[place].start : tokens[place].end] for place in text.positions)
    assert letters == joined.replace(",", "").replace(" ", "")
    for phrase in text.phrases:
        owned = [tokens[place] for place in text.positions[phrase.columns]]
        assert "".join(joined[t.start : t.end] for t in owned) == phrase.text.replace(" ", "")
        own = text.affect[phrase.columns]
        assert own[-1] == own.max()
    assert [p.columns.start for p in text.phrases][1:] == [p.columns.stop for p in text.phrases][:-1]


def test_only_whole_phrases_are_packed_the_weightiest_first() -> None:
    narrative = Narrative(
        sentences=(
            Sentence(text="the jaw drops", span=Span(0.0, 0.2), strength=0.5),
            Sentence(text="inner brows rise", span=Span(1.0, 3.0), strength=0.9),
            Sentence(text="the lips part", span=Span(4.0, 6.0), strength=0.9, confidence=0.9),
        )
    )
    text = refine(narrative, Words(budget=2 + 6))
    assert phrases(text) == ["inner brows raised", "lips parted"]  # in order of time, 3 + comma + 2 tokens
    assert text.overflow == 1
    assert len(text.token_ids) == 6
    assert refine(narrative, Words(budget=2)).is_empty
    assert refine(narrative, Words(budget=2)).overflow == 3


def test_a_long_description_stays_within_the_budget() -> None:
    units = [f"AU{n}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28)]
    for kind, fine in itertools.product(("token", "phrase"), (True, False)):
        tokenizer = Words()
        text = refine(Narrative.of_text("; ".join(units * 20) + "."), tokenizer, units=kind, fine=fine)  # type: ignore[arg-type]
        assert len(text.token_ids) <= 75
        assert text.column_count <= 75 + len(BACKGROUND)
        assert all(len(tokenizer.tokens(phrase.text)) <= 75 for phrase in text.phrases)
        assert not text.is_empty


def test_two_reports_of_one_event_are_one_phrase_and_two_events_are_two() -> None:
    narrative = Narrative(
        sentences=(
            Sentence(text="she smiles", span=Span(0.0, 1.0), confidence=0.5, observation_ids=("V1",)),
            Sentence(text="the lip corners rise", span=Span(1.2, 2.0), confidence=0.9, observation_ids=("V2",)),
            Sentence(text="she smiles again", span=Span(7.0, 8.0), observation_ids=("V3",)),
        )
    )
    first, second = refine(narrative, Words()).phrases
    assert (first.span, first.confidence, first.observation_ids) == (Span(0.0, 2.0), 0.9, ("V1", "V2"))
    assert second.observation_ids == ("V3",)


# --- options --------------------------------------------------------------------------------------------------------


def test_emotion_words_are_stripped_or_kept_as_phrases_of_their_own() -> None:
    description = "An angry man frowns. He looks furious."
    assert phrases(of(description)) == ["brows lowered and drawn together"]
    kept = of(description, emotion_words="keep")
    assert phrases(kept)[0] == "brows lowered and drawn together"
    assert [word for phrase in phrases(kept)[1:] for word in emotion_words_in(phrase)] == ["angry", "furious"]


def test_sides_are_dropped_kept_or_swapped() -> None:
    description = "The left lip corner is pulled up."
    assert phrases(of(description)) == ["lip corners pulled up on one side"]
    assert phrases(of(description, side_words="keep")) == ["lip corners pulled up on the left"]
    assert phrases(of(description, side_words="swap")) == ["lip corners pulled up on the right"]
    assert phrases(of("One brow rises.", side_words="swap")) == ["brows raised on one side"]


def test_a_flipped_picture_and_a_flipped_text_say_the_same() -> None:
    description = "The left brow rises. AU R14."
    assert of(description).phrases == of(swap_sides("The left brow rises. AU L14.")).phrases
    assert of(description, side_words="swap").phrases == of("The right brow rises. AU L14.", side_words="keep").phrases
    assert swap_sides(swap_sides("LEFT, Right and left")) == "LEFT, Right and left"


def test_the_coarse_arm_leaves_the_sentences_as_they_stand() -> None:
    description = "An angry man, in a red shirt, raises his left brow. The camera zooms in."
    text = of(description, fine=False)
    assert phrases(text) == [description]
    count = len(text.affect) - len(BACKGROUND)
    assert (text.affect[:count] == 1.0).all()
    assert count == len(re.findall(r"\w+", description))  # every word, no mark
    assert phrases(of(description, fine=False, side_words="swap")) == [description.replace("left", "right")]


def test_the_coarse_arm_is_cut_where_the_budget_ends() -> None:
    narrative = Narrative(sentences=tuple(Sentence(text=f"sentence {n} has five words") for n in range(4)))
    text = refine(narrative, Words(budget=2 + 10), fine=False)
    assert phrases(text) == ["sentence 0 has five words", "sentence 1 has five"]
    assert text.overflow == 3
    assert refine(narrative, Words(budget=2), fine=False).is_empty


# --- laws -----------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.text(max_size=60), st.sampled_from(["AU4", "the lips part", "she smiles sadly", "AU1+2", "眉"])
            ),
            st.floats(0.0, 1.0),
            st.floats(0.0, 1.0),
        ),
        max_size=8,
    ),
    st.sampled_from(["token", "phrase"]),
    st.booleans(),
    st.integers(2, 80),
)
@settings(max_examples=120, deadline=None)
def test_whatever_the_text_the_columns_hold_together(
    told: list[tuple[str, float, float]], units: str, fine: bool, budget: int
) -> None:
    narrative = Narrative(sentences=tuple(Sentence(text=t, strength=s, confidence=c) for t, s, c in told))
    tokenizer = Words(budget=budget)
    text = refine(narrative, tokenizer, units=units, fine=fine)  # type: ignore[arg-type]
    assert len(text.affect) == len(text.marginal)
    assert text.marginal.sum() == pytest.approx(1.0, abs=1e-5)
    assert (text.marginal >= 0).all()
    assert ((text.affect >= 0) & (text.affect <= 1)).all()
    assert len(text.token_ids) <= max(0, budget - 2)
    owned = [place for phrase in text.phrases for place in range(phrase.columns.start, phrase.columns.stop)]
    assert owned == list(range(len(text.affect) - len(BACKGROUND)))
    if units == "token":
        assert len(owned) == len(text.positions)
    if fine:
        assert not emotion_words_in(" ".join(phrases(text)))
    again = refine(narrative, Words(budget=budget), units=units, fine=fine)  # type: ignore[arg-type]
    assert again.phrases == text.phrases
    assert (again.affect == text.affect).all()


def test_no_torch_is_needed() -> None:
    modules = "emotrace.grace.cate, emotrace.grace.language.bank, emotrace.grace.language.affect_trace"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
