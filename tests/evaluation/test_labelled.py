from __future__ import annotations

from pathlib import Path

import pytest

from emotrace.errors import CorpusNotFound, EmotraceError, UnknownLabel, UnreadableTable, UsageError
from emotrace.evaluation.labelled import read_labelled


def folder(tmp_path: Path, text: str, *files: str, name: str = "labels.csv") -> Path:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"sound")
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_labels_meet_the_heads_own_by_name_whatever_they_are_called(tmp_path: Path) -> None:
    text = "File,Speaker,Emotion,split\na.wav,03,Happy,dev\nb.wav,04,anger,dev\nc.wav,04,bored,train\n"
    items = read_labelled(
        folder(tmp_path, text, "a.wav", "b.wav", "c.wav"), content="path", head_scheme="emodb", only={"split": "dev"}
    )
    assert [(Path(item.content).name, item.labels, item.group) for item in items] == [
        ("a.wav", ("happiness",), "03"),
        ("b.wav", ("anger",), "04"),
    ]


def test_a_sentence_may_have_several_labels(tmp_path: Path) -> None:
    table = folder(tmp_path, "text\tlabel\nWe did it!\tjoy,pride\n", name="texts.tsv") / "texts.tsv"
    (item,) = read_labelled(table, content="text", head_scheme="goemotions")
    assert item.content == "We did it!"
    assert item.labels == ("joy", "pride")
    assert item.group is None


def test_an_unmapped_label_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownLabel, match=r"row 1.*'hungry'") as caught:
        read_labelled(folder(tmp_path, "path,label\na.wav,hungry\n", "a.wav"), content="path", head_scheme="emodb")
    assert "boredom" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("path,label\ngone.wav,anger\n", CorpusNotFound, "gone.wav is not there"),
        ("path,label\na.wav,\n", UnreadableTable, "row 1 has no label"),
        ("path,mood\na.wav,anger\n", UnreadableTable, "no column for the label"),
        ("path,label,split\na.wav,anger,train\n", UsageError, "no row is left"),
        ("path,label\na.wav,anger\n", UsageError, "no column 'split'"),
    ],
)
def test_a_table_that_cannot_be_scored_says_why(
    tmp_path: Path, text: str, error: type[EmotraceError], says: str
) -> None:
    table = folder(tmp_path, text, "a.wav") / "labels.csv"
    with pytest.raises(error, match=says):
        read_labelled(
            table,
            content="path",
            head_scheme="emodb",
            only={"split": "dev"} if "row is" in says or "'" in says else None,
        )


def test_a_folder_needs_one_table(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match="none"):
        read_labelled(tmp_path, content="path", head_scheme="emodb")
    folder(tmp_path, "path,label\na.wav,anger\n", "a.wav")
    folder(tmp_path, "file,x0,y0\na.wav,1,2\n", name="landmarks.csv")
    assert len(read_labelled(tmp_path, content="path", head_scheme="emodb")) == 1
    folder(tmp_path, "path,label\na.wav,anger\n", name="more.csv")
    with pytest.raises(CorpusNotFound, match=r"labels.csv, more.csv"):
        read_labelled(tmp_path, content="path", head_scheme="emodb")
