from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from emotrace.datasets.example import Example, Target
from emotrace.datasets.frames import ExampleFrames
from emotrace.encoders.words import WordTokenizer
from emotrace.errors import DuplicateName, MissingClip, UnreadableTable
from emotrace.grace.config import GraceConfig
from emotrace.grace.corpora.describing import describe_clips, frames_of
from emotrace.grace.corpora.protocol import Fold
from emotrace.grace.corpora.text_rows import LENGTH, text_rows
from emotrace.grace.corpora.texts import Descriptions, read_descriptions, words_of
from emotrace.grace.language.affect_trace import clip_id_of
from emotrace.grace.language.narrative import Narrative
from emotrace.media.faces import Detection, OpenCVDetector
from emotrace.media.video import FrameReader
from emotrace.samples import sample_clip

TOKENIZER = WordTokenizer()
FINE = GraceConfig(labels=("happy", "sad"), encoder="tiny")


def read(path: Path, *names: str) -> Descriptions:
    return read_descriptions(path, corpus="dfew", names=names)


def said(descriptions: Descriptions) -> dict[str, str]:
    return {name: each.text for name, each in descriptions.narratives.items()}


@pytest.mark.parametrize("column", ["id", "clip_id"])
def test_lines_of_json_and_a_table_say_the_same(tmp_path: Path, column: str) -> None:
    lines = tmp_path / "texts.jsonl"
    lines.write_text(
        json.dumps({column: "00001", "text": "The brows rise."}) + "\n" + json.dumps({column: "2", "text": None})
    )
    table = tmp_path / "texts.csv"
    table.write_text(f"{column},text\n00001,The brows rise.\n2,\n")
    found = read(lines, "00001", "2", "3")
    assert said(found) == said(read(table, "00001", "2", "3")) == {"00001": "The brows rise.", "2": ""}
    assert found.source == "texts.jsonl"
    assert found.sha256 != read(table, "00001").sha256


def test_words_of_other_clips_are_left_aside_and_missing_ones_named(tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("id,text\na,The brows rise.\nz,The jaw drops.\n")
    found = read(table, "a", "b")
    assert set(found.narratives) == {"a"}
    with pytest.raises(MissingClip, match="training clips without a text: b"):
        found.demand(("a", "b"), what="training clips")


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("texts.csv", "id,text\na,x\na,y\n", DuplicateName),
        ("texts.csv", "id,label\na,happy\n", UnreadableTable),
        ("texts.csv", "id,text\nother,x\n", UnreadableTable),
        ("texts.jsonl", '{"id": "a", "text": \n', UnreadableTable),
        ("texts.jsonl", '["a", "x"]\n', UnreadableTable),
        ("texts.jsonl", "", UnreadableTable),
    ],
)
def test_a_file_that_is_no_list_of_texts_is_refused(
    tmp_path: Path, name: str, content: str, error: type[Exception]
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(error):
        read(tmp_path / name, "a")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTable, match=r"nowhere.jsonl"):
        read(tmp_path / "nowhere.jsonl", "a")


def test_words_follow_the_configuration() -> None:
    text = Narrative.of_text("A happy man in a red shirt raises his brows.")
    fine, coarse = (
        words_of(text, TOKENIZER, FINE),
        words_of(text, TOKENIZER, FINE.model_copy(update={"text": "coarse"})),
    )
    assert [phrase.action_unit for phrase in fine.phrases] != []
    assert "happy" not in " ".join(phrase.text for phrase in fine.phrases)
    assert "happy" in " ".join(phrase.text for phrase in coarse.phrases)
    described = Descriptions(narratives={"a": text}, source="x")
    assert described.affect_texts(TOKENIZER, FINE.model_copy(update={"text": "none"})) == {}
    assert described.affect_texts(TOKENIZER, FINE)["a"].phrases == fine.phrases


# ---- described by the embedded observers


class Spy:
    """A detector that keeps what it is shown."""

    name = "opencv"

    def __init__(self) -> None:
        self.detector, self.shown = OpenCVDetector(), []

    def detect(self, image: Any) -> tuple[Detection, ...]:
        self.shown.append(image)
        return self.detector.detect(image)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The face of the sample clip as corpora hold faces: square pictures, 25 a second, in a folder."""
    folder = tmp_path_factory.mktemp("Clip") / "00001"
    folder.mkdir()
    for number, frame in enumerate(FrameReader(sample_clip(), rate_hz=25.0)):
        if 150 <= number < 250:
            side = min(frame.image.shape[:2])
            left = (frame.image.shape[1] - side) // 2
            square = cv2.resize(frame.image[:side, left : left + side], (160, 160), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / f"{number - 149}.jpg"), cv2.cvtColor(square, cv2.COLOR_RGB2BGR))
    return folder


def clip(media: Path, name: str = "00001", label: str = "happy") -> Example:
    return Example(id=name, media=media, target=Target(labels=(label,)), split="set_1/train")


def described(clips: Sequence[Example], cache: Path, detector: Spy | None = None) -> Descriptions:
    return describe_clips(
        clips, corpus="dfew", cache=cache, detector=detector or Spy(), tokenizer=TOKENIZER, config=FINE
    )


def lines_of(cache: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cache.read_text().splitlines()]


def test_the_observers_say_what_a_face_crop_shows_and_a_clip_is_looked_at_once(crops: Path, tmp_path: Path) -> None:
    still = tmp_path / "00002"
    still.mkdir()
    for number in range(1, 8):
        cv2.imwrite(str(still / f"{number}.png"), np.full((16, 16), 90, np.uint8))
    clips, cache = [clip(crops), clip(still, "00002")], tmp_path / "texts.jsonl"
    first = described(clips, cache)
    assert "lip corners" in first.narratives["00001"].text
    assert first.narratives["00002"].text == ""
    words = first.affect_texts(TOKENIZER, FINE)
    assert any(phrase.action_unit == "AU12" for phrase in words["00001"].phrases)
    assert words["00002"].is_empty
    spy = Spy()
    assert described(clips, cache, spy).narratives == first.narratives
    assert spy.shown == []
    from_file = read(cache, "00001", "00002")
    assert from_file.narratives == first.narratives


def test_a_killed_run_goes_on_with_the_clips_that_are_left(crops: Path, tmp_path: Path) -> None:
    other = shutil.copytree(crops, tmp_path / "00002")
    cache, spy = tmp_path / "texts.jsonl", Spy()
    described([clip(crops)], cache)
    whole = cache.read_bytes()
    cache.write_bytes(whole + whole[:50])
    described([clip(crops), clip(other, "00002")], cache, spy)
    assert spy.shown
    assert [line["clip_id"] for line in lines_of(cache)] == [clip_id_of("dfew", name) for name in ("00001", "00002")]
    assert cache.read_bytes().startswith(whole)


def test_names_labels_and_folders_reach_neither_the_observers_nor_the_cache(crops: Path, tmp_path: Path) -> None:
    told = shutil.copytree(crops, tmp_path / "Crime" / "Angry" / "angry_0012")
    plain, loud = tmp_path / "plain.jsonl", tmp_path / "loud.jsonl"
    spy = Spy()
    described([clip(crops)], plain)
    described([clip(told, "Crime/Angry/0012", "angry")], loud, spy)
    (a,), (b,) = lines_of(plain), lines_of(loud)
    assert a.pop("clip_id") != b.pop("clip_id")
    assert a == b
    assert all(type(picture) is np.ndarray for picture in spy.shown)
    assert not any(word in loud.read_text() for word in ("Angry", "angry", "0012", "Crime", "dfew", "set_1"))


def test_pictures_come_five_a_second_with_the_files_own_times_or_at_25_a_second(crops: Path) -> None:
    folder = list(frames_of(ExampleFrames([clip(crops)]), "00001"))
    assert [frame.time_seconds for frame in folder] == pytest.approx(np.arange(20) * 0.2)
    video = list(frames_of(ExampleFrames([clip(sample_clip(), "v")]), "v"))
    wanted = list(FrameReader(sample_clip(), rate_hz=5.0))
    assert len(video) == pytest.approx(len(wanted), abs=1)
    assert all(abs(frame.time_seconds * 5 - round(frame.time_seconds * 5)) < 0.25 for frame in video)


# ---- what the words alone tell


def fold_of(labels: Sequence[str]) -> Fold:
    clips = tuple(
        Example(id=str(number), media=Path("x"), target=Target(labels=(label,)), split="all")
        for number, label in enumerate(labels)
    )
    return Fold(name="1", train=clips[: len(clips) // 2], test=clips[len(clips) // 2 :])


def test_words_that_tell_the_label_are_found_out() -> None:
    labels = ("happy", "sad") * 12
    told = {"happy": "The lip corners rise strongly.", "sad": "The inner brows rise."}
    telling = Descriptions(
        narratives={str(n): Narrative.of_text(told[label]) for n, label in enumerate(labels)}, source="x"
    )
    rows = text_rows([fold_of(labels)], telling, TOKENIZER, FINE)
    assert rows.uar["fine"] == rows.uar["coarse"] == rows.uar[LENGTH] == 1.0
    assert rows.decide(model_uar=1.0)
    mute = Descriptions(narratives={str(n): Narrative.of_text("A face.") for n in range(len(labels))}, source="x")
    silent = text_rows([fold_of(labels)], mute, TOKENIZER, FINE)
    assert silent.uar["fine"] == pytest.approx(0.5)
    assert not silent.decide(model_uar=0.6)
