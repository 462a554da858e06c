from __future__ import annotations

import csv
import random
from importlib.resources import files

import pytest

from emotrace.labels.lexicon import COLUMNS, Lexicon, fold, lexicon

ROWS = [
    ("glad", "en", "glad", "joy", "joy", "1", "0.3", "0.5"),
    ("gladly", "en", "glad", "joy", "joy", "1", "0.3", "0.5"),
    ("cross", "en", "cross", "anger", "anger", "-1", "0.4", "0.4"),
]


def table() -> list[list[str]]:
    text = (files("emotrace.labels") / "tables" / "emotrace_wheel.csv").read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))


def test_table_has_the_promised_columns_and_order():
    header, *rows = table()
    assert tuple(header) == COLUMNS
    assert [tuple(row) for row in rows] == sorted(tuple(row) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)


def test_every_value_of_the_table_is_in_range_and_to_one_decimal():
    for row in table()[1:]:
        assert row[1] in ("en", "zh"), row
        assert row[5] in ("-1", "0", "1"), row
        for number, low in ((row[6], -1.0), (row[7], 0.0)):
            assert low <= float(number) <= 1.0, row
            assert f"{float(number):.1f}" == number, row


def test_every_word_is_clean_text_of_its_language():
    for word, language, *_ in table()[1:]:
        assert word == " ".join(word.split()) == word.lower(), word
        han = all("\u4e00" <= c <= "\u9fff" for c in word)
        assert han == (language == "zh"), word


def test_size_of_the_vocabulary():
    rows = table()[1:]
    english, chinese = ([row for row in rows if row[1] == lang] for lang in ("en", "zh"))
    assert len({row[2] for row in english}) >= 600
    assert len(english) >= 3000
    assert len(chinese) >= 400


def test_order_of_rows_means_nothing():
    shuffled = list(lexicon().rows)
    random.Random(7).shuffle(shuffled)
    again = Lexicon.of(shuffled)
    assert again == lexicon()
    assert again.content_hash == lexicon().content_hash
    assert list(again.forms) == list(lexicon().forms)


def test_a_changed_value_changes_the_hash():
    changed = [(*ROWS[0][:7], "0.6"), (*ROWS[1][:7], "0.6"), ROWS[2]]
    assert Lexicon.of(changed).content_hash != Lexicon.of(ROWS).content_hash


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("gladly", "en", "cross", "anger", "anger", "-1", "0.4", "0.4"), "is a form of"),
        (("gladly", "en", "glad", "joy", "joy", "1", "0.3", "0.5"), "twice"),
        (("gladder", "en", "glad", "joy", "joy", "1", "0.3", "0.9"), "disagree"),
        (("happily", "en", "happy", "joy", "joy", "1", "0.3", "0.5"), "no forms of themselves"),
        (("sad", "en", "sad", "sadness", "sadness", "-2", "0.3", "0.5"), "valence"),
        (("sad", "en", "sad", "sadness", "sadness", "-1", "1.3", "0.5"), "valence"),
        (("triste", "fr", "triste", "sadness", "sadness", "-1", "0.3", "0.5"), "language"),
        (("sad", "en", "sad"), "a row has"),
    ],
)
def test_a_wrong_row_is_refused(extra, message):
    with pytest.raises(ValueError, match=message):
        Lexicon.of([*ROWS, extra])


def test_fold_joins_spellings():
    assert fold("Light-Hearted") == fold(" light  hearted") == "light hearted"
    assert fold("wit’s") == "wit's"
