"""A face stays hidden between its samples, over short gaps, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.report.redact import FaceCover
from emotrace.results import FaceBox


def cover_of(*samples: tuple[float, float]) -> FaceCover:
    """A face of a fifth of the picture at (time, x)."""
    track = tuple(FaceBox(time_seconds=t, x=x, y=0.4, width=0.2, height=0.2) for t, x in samples)
    return FaceCover(tracks=(track,), strays=())


def holds(area: tuple[float, float, float, float], x: float) -> bool:
    return area[0] <= x and x + 0.2 <= area[2] and area[1] <= 0.4 and area[3] >= 0.6


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.8), st.floats(0.0, 0.8))
def test_wherever_the_face_is_on_its_way_it_is_hidden(share: float, start: float, end: float) -> None:
    cover = cover_of((1.0, start), (1.2, end))
    (area,) = cover.areas(1.0 + 0.2 * share)
    assert holds(area, start + share * (end - start))


@pytest.mark.parametrize("time_seconds", [0.1, 0.99, 2.9, 4.0, 4.9])
def test_it_is_held_before_after_and_over_a_gap(time_seconds: float) -> None:
    assert cover_of((1.0, 0.3), (3.0, 0.3), (4.0, 0.3)).areas(time_seconds)


def test_long_after_the_last_sample_nothing_is_hidden() -> None:
    assert cover_of((1.0, 0.3)).areas(2.5) == ()
    assert cover_of((1.0, 0.3), (9.0, 0.3)).areas(5.0) == ()


def test_a_stray_face_is_hidden_around_its_sample() -> None:
    stray = FaceBox(time_seconds=2.0, x=0.1, y=0.1, width=0.2, height=0.2)
    cover = FaceCover(tracks=(), strays=(stray,))
    assert cover
    assert [bool(cover.areas(t)) for t in (1.4, 1.6, 2.0, 2.4, 2.6)] == [False, True, True, True, False]


def test_no_face_is_no_cover() -> None:
    assert not FaceCover(tracks=(), strays=())


def test_hiding_takes_the_detail_and_leaves_the_rest() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    hidden = noise.copy()
    cover_of((1.0, 0.4)).hide(hidden, 1.0)
    changed = np.any(hidden != noise, axis=2)
    inside = hidden[66:134, 99:201]
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= 25
    assert changed[80:120, 120:180].mean() > 0.95
    assert not changed[:60].any()
    assert not changed[:, :90].any()


def test_a_box_beyond_the_edge_is_cut() -> None:
    picture = np.zeros((50, 50, 3), np.uint8)
    cover_of((0.0, 0.95)).hide(picture, 0.0)
    cover_of((0.0, 1.5)).hide(picture, 0.0)
