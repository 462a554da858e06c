"""What was measured of each face, frame by frame, under names of py-feat and OpenFace where they mean the same."""

from __future__ import annotations

import math
from collections.abc import Iterator

from emotrace.export.tables import Analyses, Row, delimited, each
from emotrace.results import Analysis, FaceBox, FaceFrames

COLUMNS: dict[str, str] = {
    "input": "name of the analysed file (py-feat)",
    "frame": "number of the sampling instant, from 0: ceil(timestamp x sampling rate) (py-feat counts from 0 too)",
    "timestamp": "seconds from the start of the file (OpenFace)",
    "face_id": "number of the person within the file, from 0 (OpenFace)",
    "person": "the same person as P1, P2, ...",
    "success": "1 where the face could be measured, 0 where it was only found (OpenFace)",
    "FaceRectX": "left edge of the face, in pixels of the upright picture (py-feat)",
    "FaceRectY": "top edge of the face, in pixels (py-feat)",
    "FaceRectWidth": "width of the face, in pixels (py-feat)",
    "FaceRectHeight": "height of the face, in pixels (py-feat)",
    "Pitch": "degrees, positive looks down; OpenFace's pose_Rx is Pitch x pi/180",
    "Roll": "degrees, positive leans clockwise in the picture; OpenFace's pose_Rz is Roll x pi/180",
    "Yaw": "degrees, positive turns to the viewer's right; OpenFace's pose_Ry is -Yaw x pi/180",
    "eye_opening": "mean distance between the lids over the width of the eye",
    "mouth_opening": "distance between the inner lips over the width of the mouth",
    "quality": "how far the crop is a face that can be measured, 0..1",
}
"""The columns that are always there; one per action unit (AU01, ..., 0..1) stands between Yaw and eye_opening."""


def to_frames(analyses: Analyses) -> str:
    """Results as one CSV table with a row per person and sampled frame, in order of person and time.

    The action units are those that any of the results holds. A cell is empty where nothing was measured. Results
    from before these measurements, and people whose face could not be measured, give rows with the place of the face.
    """
    rows = [row for analysis in each(analyses) for row in frame_rows(analysis)]
    units = sorted({column for row in rows for column in row} - COLUMNS.keys())
    fixed = list(COLUMNS)
    before_units = fixed.index("Yaw") + 1
    return delimited([*fixed[:before_units], *units, *fixed[before_units:]], rows)


def frame_rows(analysis: Analysis) -> Iterator[Row]:
    """The rows of one result, before they are written."""
    for number, person in enumerate(analysis.persons):
        measured = _measured(person.frames)
        boxes = {round(box.time_seconds, 3): _rectangle(box, analysis) for box in person.boxes}
        for time in sorted(measured.keys() | boxes.keys()):
            values = measured.get(time, {})
            yield {
                "input": analysis.source.name,
                "frame": _instant(time, analysis),
                "timestamp": time,
                "face_id": number,
                "person": person.id,
                "success": int(any(values.get(column) is not None for column in values if column != "quality")),
                **boxes.get(time, {}),
                **values,
            }


def _measured(frames: FaceFrames | None) -> dict[float, Row]:
    """Time in seconds -> what was measured then."""
    if frames is None:
        return {}
    columns = {
        "Pitch": frames.pitch_degrees,
        "Roll": frames.roll_degrees,
        "Yaw": frames.yaw_degrees,
        **dict(sorted(frames.units.items())),
        "eye_opening": frames.eye_opening,
        "mouth_opening": frames.mouth_opening,
        "quality": frames.quality,
    }
    times = (round(time, 3) for time in frames.times_seconds)
    return {
        time: dict(zip(columns, values, strict=True)) for time, *values in zip(times, *columns.values(), strict=True)
    }


def _rectangle(box: FaceBox, analysis: Analysis) -> Row:
    video = analysis.source.video
    if video is None:
        return {}
    return {
        "FaceRectX": round(box.x * video.width, 2),
        "FaceRectY": round(box.y * video.height, 2),
        "FaceRectWidth": round(box.width * video.width, 2),
        "FaceRectHeight": round(box.height * video.height, 2),
    }


def _instant(time_seconds: float, analysis: Analysis) -> int | None:
    """A sampled picture is the one on show at a sampling instant, so it began at that instant or shortly before."""
    video = analysis.source.video
    return None if video is None else math.ceil((time_seconds - 0.001) * video.sampling_rate_hz)
