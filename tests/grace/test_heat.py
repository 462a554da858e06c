from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from emotrace.grace.heat import affect_heat, region_name, word_links
from emotrace.grace.language.affect_text import AffectText

TextOf = Callable[..., AffectText]
GRID = (4, 3, 3)


def plan_of(places: dict[int, list[int]], columns: int) -> np.ndarray:
    """Each column's mass lies evenly on the given tokens; the others are spread over all."""
    plan = np.full((36, columns), 1.0 / (36 * columns), np.float32)
    for column, tokens in places.items():
        plan[:, column] = 0.0
        plan[tokens, column] = 1.0 / (columns * len(tokens))
    return plan


ROWS = np.full(36, 1 / 36, np.float32)
TIMES = np.array([0.0, 0.5, 1.0, 1.5])
THERE = np.ones(4, bool)


def links(plan: np.ndarray, text: object, times: np.ndarray = TIMES) -> tuple:
    return word_links(text, plan, ROWS, grid=GRID, times_seconds=times, frame_mask=THERE)


def test_the_map_sums_to_one_and_background_words_have_no_part_in_it(text_of: TextOf) -> None:
    text = text_of("lips parted")
    plan = torch.from_numpy(plan_of({0: [9 + 7], 1: [0]}, 3))[None]
    heat = affect_heat(plan, torch.from_numpy(text.affect)[None])
    assert heat.sum().item() == pytest.approx(1.0)
    assert heat[0, 16].item() == pytest.approx(1.0)


def test_a_text_without_affect_words_gives_a_map_of_zeros() -> None:
    plan = torch.from_numpy(plan_of({}, 2))[None]
    assert affect_heat(plan, torch.zeros(1, 2)).abs().sum() == 0.0


def test_a_word_is_linked_to_its_patch_with_its_time(text_of: TextOf) -> None:
    (link,) = links(plan_of({0: [9 + 7]}, 3), text_of("lips parted"))
    assert (link.cells[0].frame, link.cells[0].row, link.cells[0].column) == (1, 2, 1)
    assert link.lift == pytest.approx(36.0, rel=1e-4)
    assert link.share == pytest.approx(1.0)
    assert link.peak_seconds == 0.5
    assert (link.aligned_span.start_seconds, link.aligned_span.end_seconds) == (0.5, 1.0)


def test_a_word_spread_evenly_is_not_linked(text_of: TextOf) -> None:
    assert links(plan_of({}, 3), text_of("lips parted")) == ()


def test_the_aligned_span_holds_half_of_the_mass(text_of: TextOf) -> None:
    plan = plan_of({0: [9, 10, 18, 27]}, 3)  # frame 1 twice, frames 2 and 3 once
    (link,) = links(plan, text_of("lips parted"))
    assert (link.aligned_span.start_seconds, link.aligned_span.end_seconds) == (0.5, 1.0)


def test_frame_numbers_stand_in_for_unknown_times(text_of: TextOf) -> None:
    (link,) = links(plan_of({0: [9 + 7]}, 3), text_of("lips parted"), np.full(4, np.nan))
    assert link.peak_seconds == 1.0


def test_at_most_eight_words_are_linked_the_most_massive_first(text_of: TextOf) -> None:
    text = text_of(*(f"phrase {number}" for number in range(12)))
    found = links(plan_of({column: [column] for column in range(12)}, 14), text)
    assert len(found) == 8
    shares = [link.share for link in found]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("row", "column", "name"),
    [(0, 7, "forehead"), (4, 2, "right brow"), (6, 11, "left eye"), (8, 7, "nose"), (10, 7, "lips"), (13, 7, "chin")],
)
def test_patches_of_an_aligned_crop_have_the_names_of_face_regions(row: int, column: int, name: str) -> None:
    assert region_name(row, column, (14, 14)) == name
