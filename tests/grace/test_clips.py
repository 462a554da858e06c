from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import affine_grid, grid_sample
from torch.utils.data import DataLoader

from emotrace.datasets.frames import Picture
from emotrace.errors import EmptyMedia, UnreadableMedia, UsageError
from emotrace.grace.clips import ClipBatch, load, reordered, sample_indices
from emotrace.grace.views import AUGMENTATIONS, NO_AUGMENTATION, Augmentation, View, draw_view, warp

DFEW = AUGMENTATIONS["dfew"]


def smooth(seed: int, size: int = 24, *, channels: int = 3) -> np.ndarray:
    """A picture without hard edges, so that two ways of resampling it can be compared."""
    noise = np.random.default_rng(seed).uniform(0, 255, (size, size, channels)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2.5, borderType=cv2.BORDER_REPLICATE)
    return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8).reshape(size, size, channels)


class Clips:
    """Clips in memory. A clip is a list of pictures; None is one that cannot be read."""

    def __init__(self, **clips: Sequence[Picture | None]) -> None:
        self.clips = clips
        self.asked: list[list[int]] = []

    def frame_count(self, key: str) -> int:
        return len(self.clips[key])

    def read(self, key: str, indices: Sequence[int]) -> list[Picture | None]:
        self.asked.append(list(indices))
        return [self.clips[key][index] for index in indices]

    def times_seconds(self, key: str, indices: Sequence[int]) -> list[float]:
        return [index / 25 for index in indices]


def numbered(count: int, size: int = 8) -> list[np.ndarray]:
    """Frame k is grey k throughout."""
    return [np.full((size, size), index, dtype=np.uint8) for index in range(count)]


def numbers(batch: ClipBatch, clip: int = 0) -> list[int]:
    return [round(float(frame.mean()) * 255) for frame in batch.frames[clip]]


@given(st.integers(1, 300), st.integers(1, 40))
def test_testing_takes_the_middle_frame_of_each_segment(count: int, frames: int) -> None:
    indices, mask = sample_indices(count, frames, None)
    if count >= frames:
        assert indices.tolist() == [math.floor((place + 0.5) * count / frames) for place in range(frames)]
        assert mask.all()
    else:
        assert indices.tolist() == list(range(count)) + [count - 1] * (frames - count)
        assert mask.tolist() == [place < count for place in range(frames)]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 2**32))
def test_training_takes_one_frame_of_each_segment_and_none_twice(count: int, frames: int, seed: int) -> None:
    indices, mask = sample_indices(count, frames, np.random.default_rng(seed))
    real = indices[mask]
    assert len(real) == min(count, frames)
    assert (np.diff(real) > 0).all()
    assert indices.max() < count
    if count >= frames:
        assert all(
            place * count // frames <= index < -(-(place + 1) * count // frames) for place, index in enumerate(real)
        )


def test_every_frame_is_drawn_sooner_or_later_about_equally_often() -> None:
    rng = np.random.default_rng(0)
    seen = np.bincount(np.concatenate([sample_indices(40, 16, rng)[0] for _ in range(4000)]), minlength=40)
    # segments hold two or three frames: a frame of a longer one comes less often
    assert 1200 < seen.min() <= seen.max() < 2200


@pytest.mark.parametrize(
    ("order", "expected"), [("forward", [0, 1, 2, 3]), ("reversed", [3, 2, 1, 0]), ("first", [0, 0, 0, 0])]
)
def test_the_order_of_a_short_clip_changes_before_its_mask(order: str, expected: list[int]) -> None:
    batch = load(Clips(a=numbered(4)), ["a"], frames=6, pixels=8, order=order)
    assert numbers(batch)[:4] == expected
    assert batch.frame_mask.tolist() == [[True] * 4 + [False] * 2]
    assert batch.frame_times_seconds[0].tolist() == pytest.approx([0, 0.04, 0.08, 0.12, 0.12, 0.12])


def test_a_shuffle_keeps_the_frames_and_is_the_same_each_time() -> None:
    source = Clips(a=numbered(40), b=numbered(40))
    first = load(source, ["a", "b"], pixels=8, order="shuffled")
    assert sorted(numbers(first)) == numbers(load(source, ["a"], pixels=8))
    assert numbers(first) != sorted(numbers(first))
    assert numbers(first, 0) != numbers(first, 1)
    assert torch.equal(first.frames, load(source, ["a", "b"], pixels=8, epoch=7, order="shuffled").frames)
    assert numbers(load(source, ["a"], pixels=8, run_seed=1, order="shuffled")) != numbers(first)
    with pytest.raises(UsageError, match="shuffled in tests alone"):
        load(source, ["a"], pixels=8, training=True, order="shuffled")


@given(
    st.permutations(list(range(6))), st.integers(1, 6), st.sampled_from(["forward", "shuffled", "reversed", "first"])
)
def test_reordering_never_brings_in_another_frame(indices: list[int], real: int, order: str) -> None:
    mask = np.arange(6) < real
    changed = reordered(np.array(indices), mask, order, np.random.default_rng(0))  # type: ignore[arg-type]
    assert changed[real:].tolist() == indices[real:]
    assert set(changed[:real].tolist()) <= set(indices[:real])


def test_what_is_seen_depends_on_the_clip_and_the_epoch_alone() -> None:
    source = Clips(**{name: [smooth(place * 50 + frame) for frame in range(20)] for place, name in enumerate("abcd")})

    def seen(keys: str, **options: object) -> torch.Tensor:
        return load(source, list(keys), frames=4, pixels=16, training=True, augment=DFEW, **options).frames  # type: ignore[arg-type]

    whole = seen("abcd", epoch=3)
    assert torch.equal(seen("dcba", epoch=3), whole.flip(0))
    assert torch.equal(torch.cat([seen("a", epoch=3), seen("bcd", epoch=3)]), whole)
    np.random.seed(5)  # noqa: NPY002 - the global generators must not matter
    torch.manual_seed(5)
    assert torch.equal(seen("abcd", epoch=3), whole)
    for other in ({"epoch": 4}, {"epoch": 3, "fold": "2"}, {"epoch": 3, "run_seed": 1}):
        assert not torch.equal(seen("abcd", **other), whole)


class Batches(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self) -> None:
        self.source = Clips(
            **{name: [smooth(place * 9 + frame) for frame in range(9)] for place, name in enumerate("abcdef")}
        )

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> torch.Tensor:
        keys = ["ab", "cd", "ef"][place]
        return load(self.source, list(keys), frames=4, pixels=32, epoch=1, training=True, augment=DFEW).frames


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_number_of_workers_changes_no_pixel() -> None:
    alone = list(DataLoader(Batches(), batch_size=None))
    shared = list(DataLoader(Batches(), batch_size=None, num_workers=2, multiprocessing_context="fork"))
    assert all(torch.equal(one, other) for one, other in zip(alone, shared, strict=True))


def test_all_frames_of_a_clip_are_seen_in_one_way() -> None:
    still = smooth(1, 40)
    batch = load(
        Clips(**{f"clip{n}": [still] * 9 for n in range(8)}),
        [f"clip{n}" for n in range(8)],
        frames=5,
        pixels=24,
        training=True,
        augment=Augmentation(rotation_degrees=4.0),
    )
    assert torch.equal(batch.frames, batch.frames[:, :1].expand_as(batch.frames))
    assert len({float(clip.mean()) for clip in batch.frames}) == 8


def test_flipped_clips_say_so() -> None:
    source = Clips(**{f"clip{n}": [smooth(n)] for n in range(40)})
    keys = list(source.clips)
    mirror = Augmentation(crop=(1.0, 1.0), brightness=0.0)
    batch = load(source, keys, frames=1, pixels=24, training=True, augment=mirror)
    plain = load(source, keys, frames=1, pixels=24)
    for clip, flipped in enumerate(batch.flipped):
        expected = plain.frames[clip].flip(-1) if flipped else plain.frames[clip]
        assert torch.equal(batch.frames[clip], expected)
    assert 10 <= int(batch.flipped.sum()) <= 30
    assert not plain.flipped.any()


def test_grey_is_repeated_and_colours_stay_in_their_order() -> None:
    red = np.zeros((8, 8, 3), dtype=np.uint8)
    red[..., 0] = 255
    grey = smooth(0, 8, channels=1)[..., 0]
    batch = load(Clips(red=[red], grey=[grey]), ["red", "grey"], frames=1, pixels=8)
    assert batch.frames[0, 0].mean(dim=(1, 2)).tolist() == [1, 0, 0]
    assert batch.frames[1, 0].numpy() == pytest.approx(np.stack([grey / 255] * 3), abs=1e-6)


def test_a_test_clip_of_the_right_size_is_seen_pixel_for_pixel() -> None:
    frames = [smooth(n, 16) for n in range(4)]
    batch = load(Clips(a=frames), ["a"], frames=4, pixels=16)
    assert torch.equal((batch.frames[0] * 255).round().byte(), torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))


def test_a_frame_that_cannot_be_read_is_black_masked_and_counted() -> None:
    frames: list[Picture | None] = [smooth(n) for n in range(4)]
    frames[2] = None
    for training in (False, True):
        batch = load(Clips(a=frames), ["a"], frames=4, pixels=24, training=training, augment=DFEW)
        assert batch.frame_mask.tolist() == [[True, True, False, True]]
        assert batch.unreadable.tolist() == [1]
        assert not batch.frames[0, 2].any()
        assert bool(batch.frames[0, 3].any())


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_frame_with_a_number_that_is_none_is_masked(number: float) -> None:
    good = smooth(0).astype(np.float32) / 255
    bad = good.copy()
    bad[3, 3, 1] = number
    batch = load(Clips(a=[good, bad]), ["a"], frames=2, pixels=24)
    assert batch.frame_mask.tolist() == [[True, False]]
    assert bool(batch.frames.isfinite().all())
    assert batch.frames[0, 0].permute(1, 2, 0).numpy() == pytest.approx(good, abs=1e-6)
    with pytest.raises(UnreadableMedia, match="none of the frames"):
        load(Clips(a=[bad, bad]), ["a"], frames=2, pixels=24)


def test_a_last_frame_that_cannot_be_read_is_not_repeated_as_if_it_could() -> None:
    batch = load(Clips(a=[smooth(0), None]), ["a"], frames=4, pixels=8)
    assert batch.frame_mask.tolist() == [[True, False, False, False]]
    assert batch.unreadable.tolist() == [1]


def test_a_clip_without_any_picture_is_an_error() -> None:
    with pytest.raises(UnreadableMedia, match="clip a"):
        load(Clips(a=[None, None]), ["a"], frames=2, pixels=8)
    with pytest.raises(EmptyMedia, match="clip a has no frames"):
        load(Clips(a=[]), ["a"], frames=2, pixels=8)


def test_a_clip_of_one_frame_has_one_that_counts() -> None:
    for training in (False, True):
        batch = load(Clips(a=[smooth(0)]), ["a"], frames=4, pixels=24, training=training, augment=DFEW)
        assert batch.frame_mask.tolist() == [[True, False, False, False]]
        assert torch.equal(batch.frames[0, 0], batch.frames[0, 3])


def test_repeats_are_read_once() -> None:
    source = Clips(a=numbered(2))
    load(source, ["a"], frames=8, pixels=8)
    assert source.asked == [[0, 1]]


def test_an_empty_batch_is_empty() -> None:
    assert load(Clips(), [], frames=4, pixels=8).frames.shape == (0, 4, 3, 8, 8)


def test_brightness_changes_levels_and_stays_in_range() -> None:
    grey = np.full((8, 8), 200, dtype=np.uint8)
    source = Clips(**{f"clip{n}": [grey] for n in range(60)})
    light = Augmentation(crop=(1.0, 1.0), flip=0.0, brightness=0.5)
    levels = load(source, list(source.clips), frames=1, pixels=8, training=True, augment=light).frames[:, 0, 0, 0, 0]
    assert 0.39 <= float(levels.min()) < 0.5
    assert float(levels.max()) == 1
    assert len(set(levels.tolist())) > 30


@settings(max_examples=40)
@given(
    st.floats(0.5, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    st.floats(-30, 30),
    st.sampled_from([24, 30, 40]),
)
def test_one_warp_is_crop_flip_turn_and_size(
    side: float, x: float, y: float, flip: bool, degrees: float, pixels: int
) -> None:
    picture = smooth(3, 30).astype(np.float32) / 255
    view = View(side=side, place=(x, y), is_flipped=flip, rotation_degrees=degrees)
    # the same view by torch's grid, whose coordinates run from -1 to 1 over the picture
    turn = math.radians(degrees)
    linear = side * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = linear @ np.diag([-1.0 if flip else 1.0, 1.0])
    middle = [(1 - side) * (2 * x - 1), (1 - side) * (2 * y - 1)]
    grid = affine_grid(torch.tensor(np.column_stack([linear, middle]))[None].float(), [1, 3, pixels, pixels], False)
    expected = grid_sample(
        torch.from_numpy(picture).permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False
    )
    assert warp(picture, pixels, view) == pytest.approx(expected[0].permute(1, 2, 0).numpy(), abs=0.01)


def test_a_quarter_turn_and_a_corner_are_exact() -> None:
    picture = smooth(2, 20)
    assert np.array_equal(warp(picture, 20, View(rotation_degrees=90.0)), np.rot90(picture))
    assert np.array_equal(warp(picture, 20, View(is_flipped=True)), picture[:, ::-1])
    assert np.array_equal(warp(picture, 10, View(side=0.5, place=(0.0, 1.0))), picture[10:, :10])


def test_of_a_wide_picture_the_middle_is_seen() -> None:
    picture = smooth(4, 40)[:20]
    assert np.array_equal(warp(picture, 20, View()), picture[:, 10:30])
    assert np.array_equal(warp(picture, 20, View(place=(0.0, 0.0))), picture[:, :20])


@pytest.mark.parametrize("pixels", [16, 20, 37, 48])
def test_shrinking_averages_over_area(pixels: int) -> None:
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (96, 96), dtype=np.uint8)  # nothing but detail that a small picture cannot show
    area = cv2.resize(fine, (pixels, pixels), interpolation=cv2.INTER_AREA).astype(float)
    ours = warp(fine, pixels, View()).astype(float)
    point_by_point = cv2.resize(fine, (pixels, pixels), interpolation=cv2.INTER_LINEAR).astype(float)
    assert np.abs(ours - area).mean() < 0.35 * np.abs(point_by_point - area).mean() + 1
    if 96 % pixels == 0:
        assert np.abs(ours - area).max() <= 1


def test_drawn_views_keep_to_their_limits() -> None:
    augment = Augmentation(crop=(0.8, 1.0), rotation_degrees=4.0)
    views = [draw_view(augment, np.random.default_rng(seed)) for seed in range(400)]
    areas = [view.side**2 for view in views]
    assert 0.8 <= min(areas) < 0.81
    assert 0.99 < max(areas) <= 1.0
    assert -4 <= min(view.rotation_degrees for view in views) < -3.9
    assert 0.5 <= min(view.brightness for view in views) < 0.52
    assert 150 < sum(view.is_flipped for view in views) < 250
    assert draw_view(NO_AUGMENTATION, np.random.default_rng(0)).side == 1
    # another limit changes its own parameter alone
    other = [draw_view(Augmentation(crop=(0.8, 1.0)), np.random.default_rng(seed)) for seed in range(400)]
    assert [view.place for view in views] == [view.place for view in other]
    assert {view.rotation_degrees for view in other} == {0.0}


def test_each_corpus_has_its_augmentation() -> None:
    assert AUGMENTATIONS["ferv39k"] == Augmentation(brightness=0.0, rotation_degrees=4.0)
    assert AUGMENTATIONS["mafw"] == AUGMENTATIONS["dfew"] == Augmentation(crop=(0.8, 1.0), flip=0.5, brightness=0.5)


@pytest.mark.parametrize(
    "values",
    [{"crop": (0.0, 1.0)}, {"crop": (0.9, 0.8)}, {"flip": 1.5}, {"brightness": 1.0}, {"rotation_degrees": -1.0}],
)
def test_augmentations_that_cannot_be_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Augmentation(**values)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 1"):
        load(Clips(), [], frames=0)
