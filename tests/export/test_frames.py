"""One row per person and sampled frame, in pixels and degrees, under names that py-feat and OpenFace users know."""

from __future__ import annotations

import io
from collections.abc import Callable

import pandas
import pytest

from emotrace.export import to_frames
from emotrace.results import Analysis
from emotrace.testing.analysis import synthetic_analysis

FIRST = ["input", "frame", "timestamp", "face_id", "person", "success"]
RECTANGLE = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight"]


def read(text: str) -> pandas.DataFrame:
    return pandas.read_csv(io.StringIO(text))


def test_rows_hold_what_was_measured(with_frames: Callable[..., Analysis]) -> None:
    analysis = with_frames(synthetic_analysis(persons=2, unseen_voice=True))
    table = read(to_frames(analysis))
    assert list(table.columns) == [
        *FIRST, *RECTANGLE, "Pitch", "Roll", "Yaw", "AU01", "AU04", "AU12", "eye_opening", "mouth_opening", "quality",
    ]  # fmt: skip
    for number, person in enumerate(analysis.persons[:2]):
        rows = table[table.person == person.id]
        assert set(rows.face_id) == {number}
        assert list(rows.frame) == list(range(len(person.boxes)))
        assert person.frames is not None
        assert list(rows.timestamp) == list(person.frames.times_seconds)
        for column, values in (
            ("Pitch", person.frames.pitch_degrees),
            ("Yaw", person.frames.yaw_degrees),
            ("AU12", person.frames.units["AU12"]),
            ("quality", person.frames.quality),
        ):
            assert [None if pandas.isna(value) else value for value in rows[column]] == list(values)
        assert list(rows.FaceRectX) == [pytest.approx(640 * box.x, abs=0.01) for box in person.boxes]
        assert list(rows.FaceRectHeight) == [pytest.approx(360 * box.height, abs=0.01) for box in person.boxes]


def test_results_without_measurements_keep_the_place_of_the_face() -> None:
    table = read(to_frames(synthetic_analysis()))
    assert list(table.columns) == [*FIRST, *RECTANGLE, *table.columns[10:]]
    assert set(table.success) == {0}
    assert table.Pitch.isna().all()
    assert len(table) == 49


def test_units_of_several_results_share_columns(with_frames: Callable[..., Analysis]) -> None:
    one = with_frames(synthetic_analysis(name="1.mp4"), units=("AU12",))
    two = with_frames(synthetic_analysis(name="2.mp4"), units=("AU06",))
    table = read(to_frames([one, two]))
    assert list(table.columns[13:15]) == ["AU06", "AU12"]
    assert table[table.input == "1.mp4"].AU06.isna().all()
    assert table[table.input == "1.mp4"].AU12.notna().any()


def test_a_slow_video_keeps_the_number_of_the_sampling_instant() -> None:
    analysis = synthetic_analysis()
    (person,) = analysis.persons
    boxes = tuple(person.boxes[0].model_copy(update={"time_seconds": time}) for time in (0.0, 0.167, 0.333, 0.4, 0.999))
    moved = person.model_copy(update={"boxes": boxes})
    table = read(to_frames(analysis.model_copy(update={"persons": (moved,)})))
    assert list(table.frame) == [0, 1, 2, 2, 5]


def test_nobody_is_a_header_alone() -> None:
    assert to_frames(synthetic_analysis(persons=0)).count("\n") == 1
