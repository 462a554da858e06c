"""The main job with GRACE: what it adds to a result, that it repeats itself, and what it does without a face."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

import emotrace
from emotrace.errors import CheckpointMismatch, ModelNotFound, UsageError
from emotrace.export import to_csv, to_jsonl
from emotrace.grace.config import DISCLAIMER
from emotrace.grace.video.observed import LOCATED, READING
from emotrace.grace.video.system import GraceSystem
from emotrace.labels.vocabulary import emotion_words_in
from emotrace.media.video import FrameReader
from emotrace.report import render
from emotrace.results import Analysis, json_schema
from emotrace.samples import sample_clip
from emotrace.testing.analysis import synthetic_analysis
from emotrace.testing.synthetic import write_clip

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def system(grace_weights: Path) -> GraceSystem:
    return GraceSystem.load(grace_weights)


def sheets(analysis: Analysis) -> list[emotrace.EvidenceSheet]:
    return [segment.sheet for person in analysis.persons for segment in (*person.segments, person.overall)]


def test_everybody_who_is_seen_is_read_from_the_first_picture_to_the_last(read_talk: Analysis) -> None:
    (person,) = read_talk.persons
    first, last = person.expressions[0], person.expressions[-1]
    assert first.span.start_seconds == pytest.approx(person.presence[0].start_seconds, abs=0.13)
    assert last.span.end_seconds == pytest.approx(person.presence[-1].end_seconds, abs=0.13)
    assert all(len(each.frames) == 16 for each in person.expressions)
    starts = np.array([each.span.start_seconds for each in person.expressions])
    assert (np.diff(starts) <= 1.05).all()


def test_the_written_heat_is_a_distribution_over_patches(read_talk: Analysis) -> None:
    written = json.loads(read_talk.to_json())
    windows = [each for person in written["persons"] for each in person["expressions"]]
    assert windows
    for window in windows:
        heat = np.array(window["heat"], float)
        assert heat.ndim == 3
        assert heat.min() >= 0.0
        assert heat.sum() == pytest.approx(1.0 if window["heat_source"] != "none" else 0.0, abs=1e-3)
        assert sum(window["distribution"].values()) == pytest.approx(1.0, abs=1e-3)
    assert len(json.dumps(windows)) / len(windows) < 100_000


def test_a_result_with_maps_survives_json_and_follows_the_schema(read_talk: Analysis) -> None:
    text = read_talk.to_json()
    assert Analysis.from_json(text) == read_talk
    assert Analysis.from_json(text).to_json() == text
    jsonschema.validate(json.loads(text), json_schema())


def test_a_result_from_before_there_were_maps_is_still_read() -> None:
    old = json.loads(synthetic_analysis().to_json())
    for person in old["persons"]:
        del person["expressions"]
    assert Analysis.from_json(json.dumps(old)) == synthetic_analysis()


def test_no_observation_of_grace_names_an_emotion(read_talk: Analysis) -> None:
    mine = [o for sheet in sheets(read_talk) for o in sheet.observations if o.source.startswith("grace/")]
    assert mine
    assert not [o.text for o in mine if emotion_words_in(o.text)]
    assert {o.modality for o in mine} == {"visual"}


def test_every_sheet_of_a_seen_face_has_one_reading(read_talk: Analysis, grace_weights: Path) -> None:
    labels = GraceSystem.load(grace_weights).model.config.labels
    for sheet in sheets(read_talk):
        (reading,) = [o for o in sheet.observations if o.source.startswith("grace/") and o.scores is not None]
        assert reading.cue == READING
        assert reading.scores is not None
        assert tuple(reading.scores) == labels
        assert reading.scheme == "dfew"
        assert sum(reading.scores.values()) == pytest.approx(1.0, abs=1e-3)


def test_the_links_on_a_sheet_are_those_of_the_windows(read_talk: Analysis) -> None:
    words = {word.text for each in read_talk.persons[0].expressions for word in each.words}
    typical = {word.text for each in read_talk.persons[0].expressions for word in each.typical_words}
    linked = [o for sheet in sheets(read_talk) for o in sheet.observations if (o.cue or "").startswith(LOCATED)]
    assert {o.text.partition(" (matched")[0] for o in linked} <= words
    assert all(word in words for word in typical & {o.text.partition(" (matched")[0] for o in linked})


def test_words_are_read_from_what_was_measured_and_never_from_grace_itself(read_talk: Analysis) -> None:
    sources = {word.read_from for each in read_talk.persons[0].expressions for word in each.words}
    assert sources
    assert not any(text is None or "matched at" in text for text in sources)


def test_provenance_names_weights_data_licence_mode_and_seed(read_talk: Analysis, system: GraceSystem) -> None:
    (record,) = [model for model in read_talk.provenance.models if model.name == "grace"]
    assert record.sha256 == system.weights.weights_sha256
    assert "drawn faces" in record.origin
    assert "made for the test" in record.licence
    settings = read_talk.provenance.settings["grace"]
    assert settings["disclaimer"] == DISCLAIMER
    assert settings["text_mode"] == "train_only"
    assert settings["training_seed"] == 0
    assert settings["class_words"] is True
    assert "torch" in read_talk.provenance.packages


def test_exports_read_such_a_result(read_talk: Analysis) -> None:
    assert to_csv(read_talk).count("\r\n") > 3
    lines = [json.loads(line) for line in to_jsonl(read_talk).splitlines()]
    assert any(o["scores"] for line in lines for o in line["observations"])


def test_the_report_of_a_whole_run_is_small(read_talk: Analysis) -> None:
    page = render(read_talk, media=sample_clip())
    assert len(page.encode()) < 5_000_000
    assert 'class="heat"' in page


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return next(iter(FrameReader(sample_clip()))).image[..., ::-1]


def test_a_photograph_is_read_as_one_picture(face: np.ndarray, system: GraceSystem, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), face)
    once, again = (emotrace.analyze(photo, systems=[system]) for _ in range(2))
    (expression,) = once.persons[0].expressions
    assert len(expression.frames) == 1
    assert expression.frames_missing == 15
    assert not expression.motion.steps.any()
    assert expression.heat_source in ("transport", "none")
    assert once.to_json() == again.to_json()


def test_without_a_face_there_is_no_person_and_no_map(system: GraceSystem, tmp_path: Path) -> None:
    analysis = emotrace.analyze(write_clip(tmp_path / "bars.mp4"), systems=[system])
    assert analysis.verdict.abstain == "no_person"
    assert analysis.persons == ()
    assert "grace" in analysis.provenance.settings


def test_a_voice_that_nobody_is_seen_with_has_no_map(system: GraceSystem) -> None:
    analysis = emotrace.analyze(sample_clip(), systems=[system], use_video=False)
    assert [person.expressions for person in analysis.persons] == [()]
    assert not any(o.source.startswith("grace/") for sheet in sheets(analysis) for o in sheet.observations)


def test_without_a_system_nothing_changes(read_talk: Analysis) -> None:
    plain = emotrace.analyze(sample_clip())
    assert all(person.expressions == () for person in plain.persons)
    assert [o for o in plain.persons[0].overall.sheet.observations if o.source.startswith("grace/")] == []
    assert plain.persons[0].boxes == read_talk.persons[0].boxes


def test_two_systems_of_one_name_are_refused(system: GraceSystem) -> None:
    with pytest.raises(UsageError, match="one name"):
        emotrace.analyze(sample_clip(), systems=[system, system])


def test_weights_may_be_named_by_folder_or_file(grace_weights: Path, system: GraceSystem) -> None:
    assert GraceSystem.load(grace_weights / "weights.safetensors").source == system.source


def test_weights_that_are_none_are_typed_errors(grace_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        GraceSystem.load(tmp_path / "nowhere")
    config: dict[str, Any] = json.loads((grace_weights / "config.json").read_text())
    config["labels"] = config["labels"][::-1]
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps(config))
    (other / "weights.safetensors").write_bytes((grace_weights / "weights.safetensors").read_bytes())
    with pytest.raises(CheckpointMismatch, match="labels"):
        GraceSystem.load(other)
