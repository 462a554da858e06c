from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotrace.datasets.example import Example, Target
from emotrace.datasets.frames import ExampleFrames
from emotrace.encoders.registry import build_encoder
from emotrace.errors import DuplicateName, EmptyMedia, MediaNotFound, UsageError
from emotrace.grace.checkpoints import save_grace
from emotrace.grace.config import GraceConfig
from emotrace.grace.corpora.answers import ClipAnswer, answer_clips, answer_video, as_csv
from emotrace.grace.corpora.asking import answers_for, clips_at, clips_of, words_for
from emotrace.grace.model import Grace
from emotrace.grace.video.system import GraceSystem
from emotrace.labels.schemes import scheme
from emotrace.media.faces import OpenCVDetector
from emotrace.metrics.answer_files import read_answers
from emotrace.metrics.evaluation import evaluate
from emotrace.metrics.protocols import PROTOCOLS
from emotrace.metrics.scored import Settings
from emotrace.samples import sample_clip
from emotrace.testing.miniature import layout_of, write
from emotrace.testing.synthetic import Bars, Tone, write_clip

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = Bars(frame_times_seconds=tuple(number / 25 for number in range(20)))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> GraceSystem:
    config = GraceConfig(
        labels=scheme("dfew").labels, encoder="tiny", adaptation="full", frames=4, token_pool=2, rigid="off"
    )
    model = Grace(config, *build_encoder("tiny", adaptation="full"))
    return GraceSystem.load(save_grace(model, tmp_path_factory.mktemp("weights") / "last"))


def pictures(folder: Path, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        picture = np.full((20, 20, 3), 20 * number, np.uint8)
        picture[number, number] = 255
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def ask(system: GraceSystem, clips: list[Example], crop: bool = True) -> list[ClipAnswer]:
    return answers_for(system, clips, crop=crop, detector=OpenCVDetector(), workers=0)


def test_a_path_is_a_file_a_folder_of_pictures_or_a_folder_of_either(tmp_path: Path) -> None:
    pictures(tmp_path / "clips" / "00002")
    pictures(tmp_path / "clips" / "00001")
    write_clip(tmp_path / "clips" / "talk.mp4", pictures=(SHORT,), sounds=())
    (tmp_path / "clips" / "notes.txt").write_text("x")
    assert [clip.id for clip in clips_at([tmp_path / "clips"])] == ["00001", "00002", "talk"]
    assert [clip.id for clip in clips_at([tmp_path / "clips" / "talk.mp4", tmp_path / "clips" / "00002"])] == [
        "talk",
        "00002",
    ]


def test_paths_that_name_no_clip_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "a" / "1")
    pictures(tmp_path / "b" / "1")
    with pytest.raises(MediaNotFound):
        clips_at([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptyMedia):
        clips_at([tmp_path / "empty"])
    with pytest.raises(DuplicateName, match="1"):
        clips_at([tmp_path / "a", tmp_path / "b"])


def test_clips_in_a_batch_get_the_answers_that_they_get_alone(system: GraceSystem, tmp_path: Path) -> None:
    clips = [
        Example(id=str(n), media=pictures(tmp_path / str(n), n + 1), target=Target(), split="all") for n in range(5)
    ]
    keys = [clip.id for clip in clips]
    together = list(answer_clips(system.model, ExampleFrames(clips), keys, batch_size=3, workers=2))
    assert [answer.name for answer in together] == keys
    assert [answer.frames for answer in together] == [1, 2, 3, 4, 4]
    for key, answer in zip(keys, together, strict=True):
        (alone,) = answer_clips(system.model, ExampleFrames(clips), [key], workers=0)
        assert answer.distribution is not None
        assert alone.distribution is not None
        assert answer.distribution == pytest.approx(alone.distribution, abs=1e-5)
        assert sum(answer.distribution.values()) == pytest.approx(1.0)
        assert answer.label == max(answer.distribution, key=lambda label: alone.distribution[label])


def test_every_clip_gets_an_answer_or_the_reason_why_not(system: GraceSystem, tmp_path: Path) -> None:
    pictures(tmp_path / "good")
    for picture in pictures(tmp_path / "broken").iterdir():
        picture.write_bytes(b"no picture")
    write_clip(tmp_path / "bars.mp4", pictures=(SHORT,), sounds=())
    write_clip(tmp_path / "sound.m4a", pictures=(), sounds=(Tone(duration_seconds=0.5),))
    (tmp_path / "text.mp4").write_text("no video")
    paths = [tmp_path / name for name in ("good", "broken", "bars.mp4", "sound.m4a", "text.mp4")]
    found = ask(system, clips_at(paths))
    assert [answer.name for answer in found] == ["good", "broken", "bars", "sound", "text"]
    assert [answer.reason for answer in found] == [None, "unreadable", "no_person", "no_frames", "unreadable"]
    assert [answer.frames for answer in found] == [4, 0, 0, 0, 0]


def test_in_a_video_the_face_is_found_and_followed(system: GraceSystem) -> None:
    answer = answer_video(system, sample_clip(), name="talk", detector=OpenCVDetector())
    assert answer.reason is None
    assert answer.distribution is not None
    assert sum(answer.distribution.values()) == pytest.approx(1.0, abs=1e-3)
    assert 75 <= answer.frames <= 85  # 10.5 s at 8 pictures a second


def test_the_table_can_be_scored_with_its_truth_and_its_reasons(system: GraceSystem, tmp_path: Path) -> None:
    labels = system.model.config.labels
    sure = dict.fromkeys(labels, 0.0) | {"happy": 1.0}
    answers = [
        ClipAnswer(name="a", distribution=sure, frames=4),
        ClipAnswer(name="b", distribution=sure, frames=4),
        ClipAnswer(name="c", distribution=None, frames=0, reason="unreadable"),
    ]
    table = tmp_path / "answers.csv"
    table.write_text(as_csv(answers, labels, {"a": "happy", "b": "sad", "c": "happy"}))
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "name",
        "label",
        "prediction",
        *(f"prob_{label}" for label in labels),
        "frames",
        "abstained",
    ]
    assert rows[2]["prediction"] == ""
    own = read_answers(table)
    scored = evaluate(PROTOCOLS["dfer"], own, own, settings=Settings(scheme="dfew", rounds=0, engine="base"))
    assert scored.report.scores["war"].value == pytest.approx(1 / 3)
    assert scored.report.clips.reasons == {"unreadable": 1}
    whole = tmp_path / "whole.csv"
    whole.write_text(as_csv(answers[:2], labels, {"a": "happy", "b": "sad"}))
    own = read_answers(whole)
    scored = evaluate(PROTOCOLS["dfer"], own, own, settings=Settings(scheme="dfew", rounds=0, engine="base"))
    assert scored.report.scores["ece"].value == pytest.approx(0.5)


def test_a_corpus_of_other_labels_is_refused_with_both(system: GraceSystem, tmp_path: Path) -> None:
    write(layout_of("mafw"), tmp_path / "mafw")
    with pytest.raises(UsageError, match=r"helplessness.*weights happy"):
        clips_of("mafw", tmp_path / "mafw", fold="1", part="test", labels=system.model.config.labels, options={})


def test_the_lists_of_a_fold_are_asked_as_they_are(system: GraceSystem, tmp_path: Path) -> None:
    write(layout_of("dfew"), tmp_path / "dfew")
    labels = system.model.config.labels
    test = clips_of("dfew", tmp_path / "dfew", fold="2", part="test", labels=labels, options={})
    train = clips_of("dfew", tmp_path / "dfew", fold="2", part="train", labels=labels, options={})
    assert (len(test), len(train)) == (2, 8)
    assert [answer.frames for answer in ask(system, test, crop=False)] == [4, 4]
    with pytest.raises(UsageError, match="one fold"):
        clips_of("dfew", tmp_path / "dfew", fold="all", part="test", labels=labels, options={})


def test_texts_are_for_weights_that_read_them(system: GraceSystem, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("id,text\na,The brows rise.\n")
    with pytest.raises(UsageError, match="train_only"):
        words_for(system, tmp_path / "texts.csv", corpus="dfew", names=["a"])
