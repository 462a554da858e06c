from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.evidence import phrases
from emotrace.evidence.observation import EvidenceSheet, Finding, is_clean
from emotrace.evidence.verbal import QUOTED_CHARACTERS, heard, language_of, observe, reliability
from emotrace.labels.affects import AFFECT_BY_WORD
from emotrace.media.transcript import Sound, Utterance, Word
from emotrace.span import Span

SPAN = Span(0.0, 1000.0)


def utterance(text: str, start: float = 0.0) -> Utterance:
    """One second a word."""
    words = text.split()
    return Utterance(
        text=text,
        span=Span(start, start + max(len(words), 1)),
        words=tuple(
            Word(text=word, span=Span(start + i, start + i + 1), measured=True) for i, word in enumerate(words)
        ),
    )


def observed(text: str) -> list[Finding]:
    return observe([utterance(text)], SPAN)


def cues(text: str) -> set[str | None]:
    return {finding.cue for finding in observed(text)}


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("I am so proud of this.", "w_names:proud"),
        ("I was terrified.", "w_names:terrified"),
        ("So disappointed.", "w_names:disappointed"),
        ("This is disgusting.", "w_names:disgusted"),
        ("He was furious with them.", "w_names:furious"),
        ("I feel lonely here.", "w_names:sadness"),
        ("我今天很高兴", "w_names:happy"),
        ("We did it, we finally won!", "w_goal_reached"),
        ("I have great news for you.", "w_good_news"),
        ("My grandmother passed away last week.", "w_loss"),
        ("It was not what I had hoped for.", "w_fell_short"),
        ("It is all your fault.", "w_blames_other"),
        ("It's all my fault.", "w_blames_self"),
        ("What if something goes wrong?", "w_threat"),
        ("Thank God it is over.", "w_danger_past"),
        ("This thing keeps crashing on me.", "w_blocked"),
        ("Wow, I did not expect that.", "w_unexpected"),
        ("Tell me more about it.", "w_asks_more"),
        ("I don't understand what you mean.", "w_asks_meaning"),
        ("Take care of yourself, my dear.", "w_cares"),
        ("It smells like something rotten.", "w_foul"),
        ("What an idiot he is.", "w_talks_down"),
        ("This takes forever.", "w_drags_on"),
        ("I am just kidding.", "w_jokes"),
        ("I'm fine, really.", "w_denies"),
        ("The meeting is at ten.", "w_routine"),
        ("bin blue at f two now", "w_routine"),
        ("place red by c three again", "w_routine"),
        ("Das ist alles meine Schuld.", "w_blames_self"),
        ("Ich habe es geschafft, endlich.", "w_goal_reached"),
        ("Der Lappen liegt auf dem Eisschrank.", "w_routine"),
        ("都是我的错", "w_blames_self"),
        ("万一失败怎么办", "w_threat"),
    ],
)
def test_cue(text, cue):
    assert cue in cues(text)


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("It is not my fault.", "w_blames_self"),
        ("It was never your fault.", "w_blames_other"),
        ("I'm not happy.", "w_names:happy"),
        ("Are you angry?", "w_names:angry"),
        ("I wish I were happy.", "w_names:happy"),
        ("If I get angry, I leave.", "w_names:angry"),
        ("I run a small shop in town.", "w_threat"),
        ("What time does the train leave?", "w_asks_meaning"),
        ("We won't be there.", "w_goal_reached"),
        ("We sat there for nothing more than a minute!", "w_routine"),
        ("The meeting is at ten!", "w_routine"),
        ("Is the meeting at ten?", "w_routine"),
        ("Yes.", "w_routine"),
    ],
)
def test_no_cue(text, cue):
    assert cue not in cues(text)


def test_negation_turns_a_word_into_weak_evidence_of_its_opposite():
    (unhappy,) = observed("I'm not happy with this.")
    assert (unhappy.cue, unhappy.confidence) == ("w_fell_short", 0.4)
    assert unhappy.text == "says 'not happy with this' (first person, negated)"
    (denied,) = observed("I am not afraid of it.")
    assert (denied.cue, denied.confidence) == ("w_denies", 0.4)
    (other,) = observed("She is not afraid of it.")
    assert (other.cue, other.confidence) == (None, 0.4)


def test_confidence_follows_the_grammar():
    def confidence(text: str) -> float:
        return observed(text)[0].confidence

    first, fragment, other = confidence("I am proud."), confidence("Proud."), confidence("He is proud.")
    assert first > fragment > other
    assert confidence("I was proud.") < first
    assert confidence("Are you proud?") == 0.4


def test_strength_follows_the_word_and_its_degree():
    def strength(text: str) -> float:
        return observed(text)[0].strength

    assert strength("I am annoyed.") < strength("I am angry.") < strength("I am furious.")
    assert strength("I am a bit angry.") < strength("I am angry.") < strength("I am so angry.")
    assert all(0.5 <= strength(f"I am {word}.") <= 1.0 for word in ("uneasy", "a bit sheepish", "so terrified"))


def test_every_cue_is_a_row_of_the_reasoners_table_or_names_a_known_word():
    table = tomllib.loads((files("emotrace.hydra") / "tables" / "likelihood.toml").read_text(encoding="utf-8"))
    assert set(phrases.cues()) <= set(table["verbal"])
    assert set(table["verbal"]) - set(phrases.cues()) == {"w_routine"}


@pytest.mark.parametrize("word", sorted(AFFECT_BY_WORD))
def test_a_named_word_is_one_that_the_affects_know(word):
    for finding in observed(f"I feel {word} today."):
        if finding.cue is not None and finding.cue.startswith("w_names:"):
            assert AFFECT_BY_WORD[finding.cue.removeprefix("w_names:")] is AFFECT_BY_WORD[word]


def test_every_pattern_compiles_and_matches_no_empty_string():
    table = tomllib.loads((files("emotrace.evidence") / "tables" / "phrases.toml").read_text(encoding="utf-8"))
    for cue, by_language in table.items():
        assert set(by_language) == {"en", "de", "zh"}, cue
        for language, patterns in by_language.items():
            assert len(set(patterns)) == len(patterns), cue
            for pattern in patterns:
                assert not re.compile(phrases.compile_pattern(pattern, language)).match(""), (cue, pattern)


def test_a_finding_has_the_time_of_its_words():
    found = {finding.cue: finding.span for finding in observe([utterance("Yes I am so proud of you", 10.0)], SPAN)}
    assert found["w_names:proud"] == Span(13.0, 15.0)
    assert found["w_cares"] == Span(14.0, 17.0)


def test_findings_are_cut_to_the_span_and_left_out_beyond_it():
    said = [utterance("I am so proud today, mother", 10.0), utterance("I am sad", 50.0)]
    (finding,) = observe(said, Span(0.0, 13.5))
    assert finding.span == Span(12.0, 13.5)
    assert observe(said, Span(0.0, 5.0)) == []


def test_without_timed_words_the_utterance_gives_the_time():
    said = Utterance(text="I am sad", span=Span(2.0, 4.0), words=())
    assert [finding.span for finding in observe([said], SPAN)] == [Span(2.0, 4.0)]


def test_long_speech_is_quoted_short_and_clean():
    text = 'I am so "proud" <ans> [of] | ' + "everything that we have ever done together " * 5
    for finding in observed(text):
        assert len(finding.text) <= 120
        assert is_clean(finding.text)
        assert len(finding.text.partition("'")[2].rpartition("'")[0]) <= QUOTED_CHARACTERS


def test_one_finding_per_cue_and_utterance():
    found = [finding for finding in observed("I am sad. I am so sad. He is sad.") if finding.cue == "w_names:sad"]
    assert len(found) == 1
    assert found[0].confidence == 0.9
    assert found[0].strength > 0.8


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I do not know what to say", "en"),
        ("Amazing!", "en"),
        ("Das ist nicht gut für uns", "de"),
        ("我不知道该说什么", "zh"),
        ("no me gusta nada esta cosa", None),
        ("je ne sais pas quoi dire", None),
        ("これは面白いですね", None),
        ("Я очень рад тебя видеть", None),
        ("", None),
        ("12 34", None),
    ],
)
def test_language(text, language):
    assert language_of(text) == language


def test_an_unknown_language_is_not_guessed_at():
    said = [utterance("no me gusta nada esta cosa animal horrible")]
    assert observe(said, SPAN) == []
    assert reliability(said) < reliability([utterance("hm hm")]) < reliability([utterance("I do not like it")]) == 1.0


def test_described_sounds_are_vocal_cues():
    sounds = [
        Sound(text="laughs", span=Span(1.0, 2.0)),
        Sound(text="SOBBING QUIETLY", span=Span(2.0, 3.0)),
        Sound(text="sighs <b>", span=Span(3.0, 4.0)),
        Sound(text="gasps", span=Span(4.0, 5.0)),
        Sound(text="door closes", span=Span(5.0, 6.0)),
        Sound(text="laughter", span=Span(90.0, 91.0)),
    ]
    found = heard(sounds, Span(0.0, 10.0))
    assert [finding.cue for finding in found] == ["laugh", "sob", "sigh", "gasp"]
    assert {finding.modality for finding in found} == {"vocal"}
    assert found[0].text == "the captions note 'laughs'"


WORDS = """I you he am was would not never so happy sad disturbing proud my fault fine what if ! ? , . responsible
everything together 'quoted' ' ole' "x" <ans> [V1] | 我 很 高兴 ich bin"""


@given(st.lists(st.text(max_size=60) | st.lists(st.sampled_from(WORDS.split()), max_size=25).map(" ".join), max_size=4))
def test_any_speech_gives_findings_that_a_sheet_accepts(texts):
    said = [utterance(text, 20.0 * i) for i, text in enumerate(texts)]
    span = Span(5.0, 60.0)
    findings = observe(said, span)
    assert findings == observe(said, span)
    for finding in findings:
        assert finding.modality == "verbal"
        assert finding.span in span
        assert is_clean(finding.text)
    assert 0.0 <= reliability(said) <= 1.0
    EvidenceSheet.of(findings, clip_id="0" * 64, span=span)


@pytest.mark.parametrize(
    "text", ["every boat is hunting ' ole Nemo now", "it is 'too' ' violent', I am sad", "' I am ' sad '"]
)
def test_loose_quotation_marks_leave_a_clean_quotation(text):
    assert observed(text)
    assert all(is_clean(finding.text) for finding in observed(text))


def test_a_long_match_keeps_its_negation_and_its_word():
    (finding,) = observed(
        "I never considered extraordinarily complicated psychological experiments disturbing, as you know."
    )
    assert finding.text.startswith("says 'never considered")
    assert "disturbing" in finding.text
    assert len(finding.text) <= 120


def test_german_words_of_feeling_are_not_called_plain() -> None:
    assert "w_routine" not in cues("Ich bin so traurig und wütend, ich hasse dich")
