"""The main job on generated clips, and on the real ones where they are."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

import emotrace
from emotrace.errors import EmotraceError, EmptyMedia, MediaTooLong, PurposeRefused, UnreadableMedia, UnwritableOutput
from emotrace.files import make_folder, write_atomically
from emotrace.progress import Watch
from emotrace.results import Analysis
from emotrace.samples import sample_clip
from emotrace.testing.synthetic import write_clip


@pytest.fixture(scope="module")
def talk() -> Analysis:
    return emotrace.analyze(sample_clip())


def verdicts(analysis: Analysis) -> list[emotrace.Verdict]:
    inner = [segment.verdict for person in analysis.persons for segment in (*person.segments, person.overall)]
    return [analysis.verdict, *inner]


def check_closed(analysis: Analysis) -> None:
    """Every label cites observations of its own sheet; a verdict has labels or a reason for having none."""
    for person in analysis.persons:
        for segment in (*person.segments, person.overall):
            assert (segment.verdict.abstain is None) == bool(segment.verdict.labels)
            assert segment.sheet.clip_id == analysis.source.sha256
            for label in segment.verdict.labels:
                assert label.observation_ids
                assert all(id in segment.sheet for id in label.observation_ids)


def test_the_sample_has_one_person_who_is_seen_and_heard(talk: Analysis) -> None:
    assert [(person.id, person.seen, person.heard) for person in talk.persons] == [("P1", True, True)]
    assert [segment.kind for segment in talk.persons[0].segments] == ["utterance"] * 3
    assert talk.missing == {}
    assert talk.main_person == "P1"
    assert talk.verdict == talk.persons[0].overall.verdict
    check_closed(talk)


def test_all_three_modalities_are_observed_and_the_verdict_says_perceived(talk: Analysis) -> None:
    assert {o.modality for o in talk.persons[0].overall.sheet.observations} == {"visual", "vocal", "verbal"}
    assert any("Perceived as" in sentence for verdict in verdicts(talk) for sentence in verdict.explanation)
    assert not any("feels" in sentence for verdict in verdicts(talk) for sentence in verdict.explanation)


def test_the_same_bytes_give_the_same_result_wherever_they_lie(talk: Analysis, tmp_path: Path) -> None:
    for name in ("talk.mp4", "talk.srt"):
        shutil.copy(sample_clip().with_name(name), tmp_path / name)
    assert emotrace.analyze(tmp_path / "talk.mp4").to_json() == talk.to_json()


def test_a_result_survives_json(talk: Analysis) -> None:
    assert Analysis.from_json(talk.to_json()) == talk


def test_provenance_names_versions_models_and_settings(talk: Analysis) -> None:
    provenance = talk.provenance
    assert provenance.emotrace == emotrace.__version__
    assert {"numpy", "av", "opencv-python-headless"} <= set(provenance.packages)
    assert {model.name for model in provenance.models} >= {"smile", "align", "table:likelihood", "table:phrases"}
    assert all(len(model.sha256) == 64 and model.licence for model in provenance.models)
    assert provenance.settings["k"] == 2
    assert talk.source.sha256 == hashlib.sha256(sample_clip().read_bytes()).hexdigest()


def test_a_watch_gets_the_stage_times_and_the_progress() -> None:
    seen: list[tuple[str, float]] = []
    watch = Watch(lambda stage, share: seen.append((stage, share)))
    emotrace.analyze(sample_clip(), watch=watch)
    assert {"find faces", "measure voice", "reason"} <= set(watch.seconds)
    assert {stage for stage, _ in seen} >= {"watching", "listening", "reasoning"}
    assert all(0.0 <= share <= 1.0 for _, share in seen)


def test_switched_off_is_not_the_same_as_not_recorded(talk: Analysis) -> None:
    blind = emotrace.analyze(sample_clip(), use_video=False)
    assert blind.missing == {"visual": "switched_off"}
    assert [person.id for person in blind.persons] == ["voice"]
    deaf = emotrace.analyze(sample_clip(), use_audio=False)
    assert deaf.missing["vocal"] == "switched_off"
    assert deaf.persons[0].heard, "the words still belong to somebody"
    check_closed(blind)
    check_closed(deaf)


def test_bars_and_a_tone_hold_nobody(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "bars.mp4")
    analysis = emotrace.analyze(clip)
    assert analysis.persons == ()
    assert analysis.verdict.abstain == "no_person"
    assert analysis.abstained
    assert analysis.missing == {"visual": "not_found", "vocal": "not_found", "verbal": "not_recorded"}
    assert {note.code for note in analysis.notes} == {"no_face", "no_speech"}


def test_words_alone_are_somebody_s(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "bars.mp4", sounds=())
    analysis = emotrace.analyze(clip, text="I am so happy that we won!")
    assert [person.id for person in analysis.persons] == ["voice"]
    assert analysis.verdict.labels[0].cluster in {"joy", "pride"}
    assert "perceived" not in analysis.persons[0].overall.sheet.observations[0].text


def test_bad_input_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("just text\n" * 50)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(UnreadableMedia, match=r"text\.mp4"):
        emotrace.analyze(tmp_path / "text.mp4")
    with pytest.raises(EmptyMedia, match=r"empty\.mp4"):
        emotrace.analyze(tmp_path / "empty.mp4")
    with pytest.raises(MediaTooLong, match="max-duration"):
        emotrace.analyze(sample_clip(), max_duration_seconds=3.0)
    with pytest.raises(PurposeRefused):
        emotrace.analyze(sample_clip(), purpose="education")


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "x")
    with pytest.raises(UnwritableOutput, match="cannot be made"):
        make_folder(tmp_path / "file" / "below")


REAL = {
    "pyfeat_single_face.mp4": 1,
    "pyfeat_no_face.mp4": 0,
    "pyfeat_noface_face.mov": 1,
    "grid_bbaf2n.mpg": 1,
    "grid_lbax4n.mpg": 1,
    "grid_lwbsza.mpg": 1,
    "grid_swiz3n.mpg": 1,
    "pexels_neutral.jpeg": 1,
    "odd/portrait_rotated.mp4": 1,
    "odd/variable_frame_rate.mp4": 1,
    "odd/three_faces.mp4": 3,
    "odd/truncated_index_first.mp4": 1,
}


@pytest.mark.parametrize("name", REAL)
def test_real_clips_have_the_people_a_viewer_counts(name: str, shared_media: Path) -> None:
    analysis = emotrace.analyze(shared_media / name)
    assert sum(person.seen for person in analysis.persons) == REAL[name]
    assert Analysis.from_json(analysis.to_json()) == analysis
    check_closed(analysis)


@pytest.mark.parametrize("name", ["bbaf2n", "lbax4n", "lwbsza", "swiz3n"])
def test_neutral_talkers_are_given_no_strong_emotion(name: str, shared_media: Path) -> None:
    for verdict in verdicts(emotrace.analyze(shared_media / f"grid_{name}.mpg")):
        assert verdict.abstain is not None or {label.cluster for label in verdict.labels} <= {"neutral", "calm"}


def test_a_smile_is_cited_for_what_a_viewer_perceives_in_it(shared_media: Path) -> None:
    person = emotrace.analyze(shared_media / "pyfeat_single_face.mp4").persons[0]
    label = person.overall.verdict.labels[0]
    assert label.cluster in {"joy", "amusement"}
    assert any("lip corners rise" in person.overall.sheet[id].text for id in label.observation_ids)


def test_the_voice_goes_to_the_mouth_that_moves_with_it(shared_media: Path) -> None:
    people = emotrace.analyze(shared_media / "odd" / "three_faces.mp4").persons
    heard = [person for person in people if person.heard]
    assert len(heard) == 1
    middle = sum(box.x + box.width / 2 for box in heard[0].boxes) / len(heard[0].boxes)
    assert 424 / 1272 < middle < 847 / 1272


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(shared_media: Path) -> None:
    analysis = emotrace.analyze(shared_media / "odd" / "truncated_index_first.mp4")
    assert analysis.source.duration_seconds == pytest.approx(9.6, abs=0.3)
    assert "picture_cut_short" in {note.code for note in analysis.notes}


@pytest.mark.parametrize("name", ["empty.mp4", "not_a_video.mp4", "truncated.mp4"])
def test_broken_files_are_typed_errors(name: str, shared_media: Path) -> None:
    with pytest.raises(EmotraceError, match=name):
        emotrace.analyze(shared_media / "odd" / name)
