from __future__ import annotations

import math
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import InvalidScores
from emotrace.labels.label_table import INNER, MIDDLE, OwnTable
from emotrace.labels.official_tables import LEVEL_1, LEVEL_2, TARGETS, WheelTables
from emotrace.metrics.clip_scorer import ClipScorer
from emotrace.metrics.guessing import constant_answers
from emotrace.metrics.hits import hit_or_not, hit_rate
from emotrace.metrics.label_masks import LabelMasks, parse_labels
from emotrace.metrics.open_vocabulary import SetScorer
from emotrace.metrics.protocols import PROTOCOLS
from emotrace.metrics.stored_groups import grouped_sets
from emotrace.metrics.two_classes import polarity, preference, sentiment

WORDS = ["happily", "low", "lowly", "fearful", "mixed", "blue", "glad", "merry", "neutral", "unheard of", "tense"]
label_sets = st.lists(st.sampled_from(WORDS), max_size=5)
corpora = st.lists(st.tuples(label_sets, label_sets), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("['Happy', 'at ease']", ["happy", "at ease"]),
        ('["a","b"]', ["a", "b"]),
        ("happy, sad ,", ["happy", "sad"]),
        ("[happy", ["happy"]),
        ("happy]", ["happy"]),
        ("[[happy]]", ["[happy]"]),
        ("[", []),
        ("]", []),
        ("[]", []),
        ("", []),
        (None, []),
        (math.nan, []),
        ("it's", ["it", "s"]),
        ("a; b/c、d\ne", ["a; b/c、d\ne"]),
        (["a, b", " C "], ["a, b", "c"]),
        (np.array(["x", "y"]), ["x", "y"]),
        (" [a]", ["[a"]),
        ("['[a']", ["[a"]),
        ("['a', 'b']", ["a", "b"]),
        ("'a']", ["a"]),
        ("['a", ["a"]),
    ],
)
def test_label_strings_are_split_as_the_field_splits_them(answer, labels: list[str], small_tables) -> None:
    assert parse_labels(answer) == labels
    # The joined pass over a whole corpus splits as one answer is split.
    for place, answers in (
        (0, [answer]),
        (0, [answer, "x"]),
        (1, ["'y'", answer, ""]),
        (1, ["['y']", answer, "['z']"]),
    ):
        assert encoded_labels(small_tables, answers)[place] == labels


def encoded_labels(table: WheelTables, answers: list) -> list[list[str]]:
    """The labels of each answer, read back from their numbers."""
    masks = LabelMasks(table, LEVEL_1)
    encoded = masks.encode(answers)
    names = ["", *masks.labels, *encoded.unknown]
    return [[names[number] for number in part[1:]] for part in np.split(encoded.ids, encoded.starts[1:])]


@given(st.lists(st.text("[]'\", aB;\x00\x02\n", max_size=12), min_size=1, max_size=6))
def test_any_strings_are_split_together_as_each_is_alone(small_tables, answers: list[str]) -> None:
    alone = [[label.replace("\x00", "\x01").replace("\x02", "\x01") for label in parse_labels(a)] for a in answers]
    assert encoded_labels(small_tables, answers) == alone
    encoded = LabelMasks(small_tables, LEVEL_1).encode(answers)
    assert encoded.malformed == sum(";" in a or a.count("[") != a.count("]") for a in answers)


def test_a_number_is_no_answer() -> None:
    with pytest.raises(InvalidScores, match="got 3"):
        parse_labels(3)


def test_malformed_strings_are_counted_and_scored(small_tables) -> None:
    score = SetScorer(small_tables, PROTOCOLS["mer2026"]).score(["glad"] * 4, ["[glad", "glad; sad", "[", "['glad']"])
    assert score.answers.malformed == 3
    assert score.answers.empty == 1


def direct(
    table: WheelTables, targets: tuple[str, ...], truth: list, answers: list
) -> list[tuple[float, float, float, int]]:
    """Sections 6.3 and 6.4 of the definition, word for word and one label at a time."""

    def place(label: str, target: str) -> str | None:
        words = sorted(table.forms.get(label, ()))
        if not words:
            return None
        if target == "case1":
            return words[0]
        if target == "case2":
            return sorted(table.synonyms.get(words[0], ()))[0] if table.synonyms.get(words[0]) else None
        tried = sorted(wheel_word for word in words for wheel_word in table.synonyms.get(word, ()))
        return next((table.wheels[target][word] for word in tried if word in table.wheels[target]), None)

    rows = []
    for target in targets:
        precisions, recalls = [], []
        for true_labels, own_labels in zip(truth, answers, strict=True):
            t = {p for label in parse_labels(true_labels) if (p := place(label, target)) is not None}
            a = {p for label in parse_labels(own_labels) if (p := place(label, target)) is not None}
            if t:
                precisions.append(len(t & a) / len(a) if a else 0.0)
                recalls.append(len(t & a) / len(t) if a else 0.0)
        p, r = (fmean(each) if each else math.nan for each in (precisions, recalls))
        rows.append((p, r, 2 * p * r / (p + r) if p + r else math.nan, len(precisions)))
    return rows


@settings(max_examples=150, deadline=None)
@given(corpora)
def test_the_fast_scorer_is_the_definition(small_tables, corpus) -> None:
    truth, answers = [t for t, _ in corpus], [a for _, a in corpus]
    score = SetScorer(small_tables, PROTOCOLS["ovmer-12"]).score(truth, answers)
    for target, (p, r, f, scored) in zip(score.targets, direct(small_tables, TARGETS, truth, answers), strict=True):
        assert target.scored == scored
        for mine, other in ((target.precision, p), (target.recall, r), (target.f, f)):
            assert mine == pytest.approx(other, abs=1e-12, nan_ok=True)


def test_the_fast_scorer_is_the_definition_on_the_official_tables(official_folder) -> None:
    table = WheelTables.load(official_folder, version="v1")
    generator = np.random.default_rng(0)
    forms = np.array([*table.forms, *(f"unknown{i}" for i in range(500))])
    truth, answers = ([list(generator.choice(forms, generator.integers(0, 6))) for _ in range(5_000)] for _ in "ta")
    score = SetScorer(table, PROTOCOLS["ovmer-12"]).score(truth, answers)
    for target, (p, r, f, scored) in zip(score.targets, direct(table, TARGETS, truth, answers), strict=True):
        assert target.scored == scored
        assert (target.precision, target.recall, target.f) == pytest.approx((p, r, f), abs=1e-12)


@given(corpora, st.randoms())
def test_order_repeats_case_and_unknown_labels_never_change_a_score(small_tables, corpus, random) -> None:
    scorer = SetScorer(small_tables, PROTOCOLS["mer2025"], zero_division="zero")
    plain = scorer.score([t for t, _ in corpus], [a for _, a in corpus])

    def disturbed(labels: list[str]) -> list[str]:
        more = [*labels, *random.choices(labels, k=2), "never heard"] if labels else ["never heard"]
        return [label.upper() if random.random() < 0.5 else f" {label}" for label in random.sample(more, len(more))]

    shuffled = random.sample(corpus, len(corpus))
    other = scorer.score([disturbed(t) for t, _ in shuffled], [disturbed(a) for _, a in shuffled])
    assert other.average == pytest.approx(plain.average, abs=1e-12)
    assert other.precision == pytest.approx(plain.precision, abs=1e-12)


@given(st.lists(st.sampled_from(["happily", "low", "sad", "glad"]), min_size=1, max_size=4))
def test_a_perfect_answer_scores_one(small_tables, labels: list[str]) -> None:
    for name in ("ovmer-12", "mer2025", "mer2026", "unibench"):
        assert SetScorer(small_tables, PROTOCOLS[name]).score([labels], [labels]).average == pytest.approx(1.0)
    assert ClipScorer(small_tables, LEVEL_1).score(labels, labels) == pytest.approx((1.0, 1.0, 1.0))


def test_zero_rules(small_tables) -> None:
    nan = SetScorer(small_tables, PROTOCOLS["unibench"]).score(["glad"], ["sad"])
    assert math.isnan(nan.average)
    assert (nan.average_with_zero, nan.precision, nan.recall) == (0.0, 0.0, 0.0)
    assert nan.undefined.startswith("0/0 on W1-L1")
    zero = SetScorer(small_tables, PROTOCOLS["mer2026"]).score(["glad"], ["sad"])
    assert (zero.average, zero.undefined) == (0.0, "")
    unscored = SetScorer(small_tables, PROTOCOLS["unibench"]).score(["neutral"], ["neutral"])
    assert math.isnan(unscored.precision)
    assert "no clip is scored on W1-L1" in unscored.undefined


def test_another_table_or_zero_rule_turns_the_name_into_custom(small_tables) -> None:
    assert small_tables.name.startswith("custom:")
    assert SetScorer(small_tables, PROTOCOLS["mer2026"]).name.startswith("custom(mer2026, tables custom:")
    own = OwnTable.shipped()
    assert SetScorer(own, PROTOCOLS["emotrace-wheel"]).name == "emotrace-wheel"
    assert SetScorer(own, PROTOCOLS["emotrace-wheel"], zero_division="nan").name.startswith("custom(")


def test_the_own_wheel_counts_neutral(small_tables) -> None:
    table = OwnTable.shipped()
    assert set(table.clusters) == {INNER, MIDDLE}
    score = SetScorer(table, PROTOCOLS["emotrace-wheel"]).score(
        ["Neutral", "Light-Hearted"], ["neutral", "light hearted"]
    )
    assert score.average == 1.0
    assert all(target.scored == 2 for target in score.targets)


def test_label_counts(small_tables) -> None:
    score = SetScorer(small_tables, PROTOCOLS["mer2026"]).score(["glad, glad", "neutral"], ["oops, oops, glad, hm", ""])
    assert score.truth.given == 1.5
    assert score.truth.empty_after_mapping == 1
    assert (score.answers.unknown_uses, score.answers.unknown_words, score.answers.empty) == (3, 2, 1)
    assert score.answers.unknown_top == (("oops", 2), ("hm", 1))
    assert score.truth.off_target_uses["W1-L1"] == 1


@settings(deadline=None)
@given(corpora)
def test_the_clip_scorer_is_its_definition(small_tables, corpus) -> None:
    clips = ClipScorer(small_tables, (*LEVEL_1, *LEVEL_2))
    for truth, answer in corpus:
        rows = direct(small_tables, clips.targets, [truth], [answer])
        scored = [(p, r) for p, r, _, count in rows if count]
        got = clips.score(", ".join(truth), ", ".join(answer))
        if not scored:
            assert got is None
            continue
        assert got is not None
        f = fmean(2 * p * r / (p + r) if p + r else 0.0 for p, r in scored)
        assert got == pytest.approx((f, fmean(p for p, _ in scored), fmean(r for _, r in scored)))


def test_a_full_cache_still_scores(small_tables) -> None:
    clips = ClipScorer(small_tables, LEVEL_1, cache_size=0)
    assert clips.score("  GLAD ", "glad") == (1.0, 1.0, 1.0)


def test_constant_answers(small_tables) -> None:
    scorer = SetScorer(small_tables, PROTOCOLS["mer2026"])
    truth = ["glad", "merry", "glad", "blue"]
    constants = {constant.name: constant for constant in constant_answers(scorer, truth)}
    assert constants["most frequent truth label"].labels == ("glad",)
    best_one = constants["oracle constant of 1"]
    every_single = [scorer.score(truth, [label] * 4).average_with_zero for label in ("glad", "merry", "blue")]
    assert best_one.average == pytest.approx(max(every_single))
    larger = [constant.average for name, constant in constants.items() if name.startswith("oracle")]
    assert larger == sorted(larger)
    assert constant_answers(scorer, ["", ""]) == ()


def test_lengths_are_checked(small_tables) -> None:
    with pytest.raises(InvalidScores, match="1 truths and 2 answers"):
        SetScorer(small_tables, PROTOCOLS["mer2026"]).score(["a"], ["a", "b"])
    with pytest.raises(InvalidScores, match="scores no label sets"):
        SetScorer(small_tables, PROTOCOLS["mer2024"])


def test_hit_rate(small_tables) -> None:
    result = hit_rate(["glad", "blue", "neutral"], ["merry, sad", "", "glad"], table=small_tables)
    # Wheels 1, 3 and 5 know merry and blue; 2 and 4 know only the first word of a sector.
    assert result.scored == {"W1-L1": 2, "W2-L1": 1, "W3-L1": 2, "W4-L1": 1, "W5-L1": 2}
    assert result.hit_rate == pytest.approx(fmean([1 / 2, 0.0, 1 / 2, 0.0, 1 / 2]))
    assert result.mscore == pytest.approx(result.hit_rate / 2)
    assert result.note.endswith("not scored: 1 of 3.")
    assert result.summed().value == pytest.approx(result.hit_rate)
    with pytest.raises(InvalidScores, match=r"row 2 \('a, b'\)"):
        hit_rate(["glad", "a, b"], ["", ""], table=small_tables)


@pytest.mark.parametrize(
    ("truth", "answer", "hit"),
    [
        ("glad", "merry", True),
        ("glad", "sad", False),
        ("", "neutral", True),
        ("neutral", "glad", False),
        ("", "", True),
    ],
)
def test_hit_or_not(small_tables, truth: str, answer: str, hit: bool) -> None:
    assert hit_or_not(truth, answer, table=small_tables) is hit


def test_sentiment_counts_neutral_as_negative() -> None:
    result = sentiment(np.array([1.0, -2.0, 0.0, -0.5]), ["Positive", "neutral", "positive", "what"], engine="base")
    assert (result.accuracy, result.waf, result.clips, result.left_out, result.other_answers) == (1.0, 1.0, 3, 1, 1)


def test_polarity_and_preference() -> None:
    assert [polarity(x) for x in ("happy", "sad, angry, happy", "nonsense")] == ["positive", "negative", "neutral"]
    assert preference(["a1", "a2"], ["a1", "a1"], engine="base").accuracy == 0.5
    with pytest.raises(InvalidScores, match="two descriptions"):
        preference(["a", "b", "c"], ["a", "b", "c"])


def test_stored_groups() -> None:
    truth = {"x": "['happy', 'joyful']", "y": "['sad']", "z": "['calm']"}
    answers = {"x": "['glad', 'angry']", "y": "[]", "z": "['calm']"}
    groups = {"x": "[['happy', 'glad', 'joyful'], ['angry']]", "y": "[['sad']]"}
    score = grouped_sets(truth, answers, groups)
    assert (score.precision, score.recall, score.score, score.clips) == (0.25, 0.5, 0.375, 2)
    assert score.summed().value == 0.375
    with pytest.raises(InvalidScores, match="no true label"):
        grouped_sets({"x": "[]"}, {"x": "['a']"}, {"x": "[]"})
    with pytest.raises(InvalidScores, match="in brackets"):
        grouped_sets({"x": "['a']"}, {"x": "a"}, {"x": "[]"})
