from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from emotrace.datasets.corpus import Corpus
from emotrace.datasets.leaks import OlderTest
from emotrace.errors import LeakError, UnreadableTable, UsageError
from emotrace.files import sha256_of
from emotrace.hydra.coldstart.sources import Source, from_corpus, from_file, from_world
from emotrace.hydra.learning.cases import Case, Frame, write_cases
from emotrace.testing.layout import Row
from emotrace.testing.miniature import layout_of, write

SENTINEL = "xyzzyish"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Three clips whose labels and names hold a word that nothing else holds."""
    layout = layout_of("ov-merd")
    rows = [Row(name=f"{SENTINEL}_{n:08d}", split="all", label=f"['relieved', '{SENTINEL}']") for n in range(3)]
    return write(layout, tmp_path_factory.mktemp("ovmerd"), rows)


def observed(corpus: Corpus, sheets: Path, **chosen: object) -> Source:
    return from_corpus(corpus, split=None, sheets=sheets, **chosen)  # type: ignore[arg-type]


def test_sheets_of_a_corpus_are_blind_to_its_labels_and_names(corpus: Corpus, tmp_path: Path) -> None:
    source = observed(corpus, tmp_path / "sheets.jsonl")
    assert [case.gold for case in source.cases] == [("relieved", SENTINEL)] * 3
    assert SENTINEL not in json.dumps([case.sheet.to_dict() for case in source.cases])
    assert SENTINEL not in (tmp_path / "sheets.jsonl").read_text(encoding="utf-8")
    assert [case.clip_id for case in source.cases] == [sha256_of(e.media) for e in corpus.examples()]
    assert source.left_out == {"not on disk": 0, "no label": 0, "unreadable": 0}


def test_a_second_run_watches_no_clip_twice(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = observed(corpus, tmp_path / "sheets.jsonl", first=2)
    assert len(first.cases) == 2
    whole = observed(corpus, tmp_path / "sheets.jsonl")
    monkeypatch.setattr("emotrace.hydra.clip_cases.observe", None)
    assert observed(corpus, tmp_path / "sheets.jsonl") == whole
    assert whole.cases[:2] == first.cases


def test_a_clip_of_an_older_test_stops_the_build_by_name_and_by_bytes(corpus: Corpus, tmp_path: Path) -> None:
    media = next(corpus.examples()).media
    twin = tmp_path / "renamed.mp4"
    twin.write_bytes(media.read_bytes())
    for test in (OlderTest(names=frozenset({media.stem})), OlderTest(names=frozenset(), media=(twin,))):
        with pytest.raises(LeakError):
            observed(corpus, tmp_path / "sheets.jsonl", older=[test])
    assert not (tmp_path / "sheets.jsonl").exists()


def test_clips_that_are_gone_damaged_or_unlabelled_are_counted(tmp_path: Path) -> None:
    rows = [Row(name=f"clip_{n}", split="all", label="['relieved']") for n in range(3)]
    corpus = write(layout_of("ov-merd"), tmp_path / "corpus", rows)
    gone, damaged, whole = (example.media for example in corpus.examples())
    gone.unlink()
    damaged.write_bytes(b"no video")
    source = observed(corpus, tmp_path / "sheets.jsonl")
    assert source.left_out == {"not on disk": 1, "no label": 0, "unreadable": 1}
    assert [case.clip_id for case in source.cases] == [sha256_of(whole)]


def test_folders_of_frames_have_nothing_to_hear(tmp_path: Path) -> None:
    corpus = write(layout_of("dfew"), tmp_path / "dfew")
    with pytest.raises(UsageError, match="no files of their own"):
        observed(corpus, tmp_path / "sheets.jsonl")


def test_a_file_of_cases_and_its_frames(joyful_cases: tuple[Case, ...], tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    write_cases(path, [replace(joyful_cases[0], frames=(Frame(path="a/1.jpg", seconds=0.5),)), joyful_cases[1]])
    source = from_file(path)
    assert source.cases[0].frames[0].path == str(tmp_path / "a" / "1.jpg")
    assert source.cases[1] == joyful_cases[1]
    assert source.sha256 == sha256_of(path)
    assert source.first(1).cases == source.cases[:1]


@pytest.mark.parametrize("damage", ['{"sheet": 1}', "no json", '{"sheet": {}, "gold": []}'])
def test_a_damaged_line_is_named(damage: str, joyful_cases: tuple[Case, ...], tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    write_cases(path, joyful_cases[:1])
    path.write_text(path.read_text(encoding="utf-8") + damage + "\n", encoding="utf-8")
    with pytest.raises(UnreadableTable, match="line 2"):
        from_file(path)


@pytest.mark.parametrize("split", ["iid", "dev", "pairs", "moon"])
def test_the_worlds_tests_are_not_taught(split: str) -> None:
    with pytest.raises(UsageError, match="train or rl"):
        from_world(split)
