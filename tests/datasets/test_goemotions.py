from __future__ import annotations

from pathlib import Path

import pytest

from emotrace.datasets.goemotions import EMOTIONS, Comment, read_goemotions, with_one_emotion
from emotrace.errors import CorpusNotFound, DuplicateName, UnreadableTable

TRAIN = "So glad, thanks!\t15,17\tca1\nOh no \u0085 why\t25\tca2\nIt is Monday.\t27\tca3\n"
DEV = "Sad and ordinary\t25,27\tcb1\r\nWow\t26\tcb2\r\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "train.tsv").write_bytes(TRAIN.encode())
    (tmp_path / "dev.tsv").write_bytes(DEV.encode())
    return tmp_path


def test_comments_come_with_their_labels_in_the_owners_order(corpus: Path) -> None:
    comments = read_goemotions(corpus)
    assert [comment.id for comment in comments] == ["ca1", "ca2", "ca3", "cb1", "cb2"]
    assert comments[0] == Comment(id="ca1", text="So glad, thanks!", labels=("gratitude", "joy"), part="train")
    assert comments[1].text == "Oh no \u0085 why"


def test_one_emotion_means_one_label_that_is_not_neutral(corpus: Path) -> None:
    assert [comment.id for comment in with_one_emotion(read_goemotions(corpus))] == ["ca2", "cb2"]
    assert len(EMOTIONS) == 27


def test_the_test_list_is_never_opened(corpus: Path) -> None:
    (corpus / "test.tsv").write_text("not a comment")
    assert len(read_goemotions(corpus)) == 5


@pytest.mark.parametrize(
    "line",
    ["one field", "text\t3", "text\t28\tx", "text\t-1\tx", "text\t\tx", "text\t1,joy\tx", "text\t3\t ", "a\tb\t3\tx"],
)
def test_a_damaged_line_is_named(corpus: Path, line: str) -> None:
    (corpus / "train.tsv").write_text(f"fine\t3\tca1\n{line}\n")
    with pytest.raises(UnreadableTable, match=r"train\.tsv: comment 2"):
        read_goemotions(corpus)


def test_a_comment_in_both_lists_is_refused(corpus: Path) -> None:
    (corpus / "dev.tsv").write_text("So glad, thanks!\t15\tca1\n")
    with pytest.raises(DuplicateName, match="ca1"):
        read_goemotions(corpus)


def test_a_missing_list_is_named(corpus: Path) -> None:
    (corpus / "dev.tsv").unlink()
    with pytest.raises(CorpusNotFound, match=r"dev\.tsv"):
        read_goemotions(corpus)


def test_the_real_corpus_where_it_is() -> None:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "text_goemotions"
    if not folder.is_dir():
        pytest.skip("needs GoEmotions beside the repository")
    chosen = with_one_emotion(read_goemotions(folder))
    counts = [sum(comment.labels == (emotion,) for comment in chosen) for emotion in EMOTIONS]
    assert len(chosen) in (26_441, 26_244)  # the owners' files, and a copy without double comments
    assert (max(counts), min(counts)) == (3022, 45)
