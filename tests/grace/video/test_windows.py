"""Windows of a stream of crops: which pictures each has, that a picture is encoded once, and that nothing piles up."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from emotrace.encoders.tiny import TinyEncoder, WordTable
from emotrace.grace.config import GraceConfig
from emotrace.grace.inputs import GraceInput
from emotrace.grace.model import Grace
from emotrace.grace.video.crops import FaceCrop
from emotrace.grace.video.expression import SeenFrame
from emotrace.grace.video.windows import Window, windows

SIDE = 112
pytestmark = pytest.mark.usefixtures("one_thread")


def model(**changes: Any) -> Grace:
    known = {"labels": ("happy", "sad", "angry"), "encoder": "tiny", "adaptation": "full", "token_pool": 2}
    return Grace(
        GraceConfig(**{**known, "motion": "off", "rigid": "off", "frames": 4, **changes}), TinyEncoder(), WordTable()
    ).eval()


def crop(slot: int, *, person: str = "P1", stretch: int = 0) -> FaceCrop:
    picture = np.random.default_rng(slot).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    frame = SeenFrame(time_seconds=slot / 8, x=0.1, y=0.1, width=0.2, height=0.2, roll_degrees=0.0)
    return FaceCrop(person=person, stretch=stretch, slot=slot, frame=frame, picture=picture)


def slots(window: Window) -> list[int]:
    return [round(8 * frame.time_seconds) for frame in window.frames]


def cut(crops: Iterable[FaceCrop], network: Grace) -> list[Window]:
    with torch.no_grad():
        return list(windows(crops, network))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [[0]]),
        (3, [[0, 1, 2]]),
        (4, [[0, 1, 2, 3]]),
        (5, [[0, 1, 2, 3], [1, 2, 3, 4]]),
        (6, [[0, 1, 2, 3], [2, 3, 4, 5]]),
        (9, [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [5, 6, 7, 8]]),
    ],
)
def test_a_window_every_half_of_its_pictures_and_one_at_the_end(count: int, expected: list[list[int]]) -> None:
    assert [slots(window) for window in cut(map(crop, range(count)), model())] == expected


def test_none_reaches_over_a_break_in_the_following() -> None:
    stream = [crop(0), crop(1), crop(2, stretch=1), crop(3, stretch=1), crop(4, stretch=1)]
    assert [slots(window) for window in cut(stream, model())] == [[0, 1], [2, 3, 4]]


def test_missing_pictures_leave_masked_places() -> None:
    stream = [crop(slot) for slot in (0, 2, 3, 9, 10)]
    found = cut(stream, model())
    assert [slots(window) for window in found] == [[0, 2, 3], [9, 10]]
    tokens = found[0].seen.tokens
    assert tokens.frame_mask.tolist() == [[True, True, True, False]]
    assert not tokens.features.unflatten(1, (4, -1))[0, 3].any()
    assert found[0].seen.motion.weights.sum() == pytest.approx(1.0)


def test_two_people_do_not_mix() -> None:
    stream = [crop(slot, person=person) for slot in range(5) for person in ("P1", "P2")]
    found = cut(stream, model())
    assert [slots(window) for window in found if window.person == "P2"] == [[0, 1, 2, 3], [1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("motion", "rigid", "count"),
    [
        ("pixel", "affine", 1),
        ("pixel", "affine", 6),
        ("feature", "affine", 7),
        ("pixel", "median", 3),
        ("off", "off", 4),
    ],
)
def test_a_window_is_what_the_model_sees_of_its_pictures(motion: str, rigid: str, count: int) -> None:
    network = model(motion=motion, rigid=rigid)
    last = cut(map(crop, range(count)), network)[-1]
    chosen = [crop(slot) for slot in slots(last)]
    padded = chosen + [chosen[-1]] * (4 - len(chosen))
    pictures = torch.from_numpy(np.stack([each.picture for each in padded])).permute(0, 3, 1, 2)[None] / 255.0
    clip = GraceInput(
        frames=pictures,
        frame_mask=torch.arange(4)[None] < len(chosen),
        frame_times_seconds=torch.tensor([[each.frame.time_seconds for each in padded]]),
        texts=(None,),
    )
    with torch.no_grad():
        alone, shared = network.see(clip), last.seen
    torch.testing.assert_close(shared.tokens.features, alone.tokens.features, atol=1e-5, rtol=0)
    torch.testing.assert_close(shared.tokens.frame_features, alone.tokens.frame_features, atol=1e-5, rtol=0)
    assert torch.equal(shared.tokens.mask, alone.tokens.mask)
    assert shared.tokens.grid == alone.tokens.grid
    torch.testing.assert_close(shared.motion.weights, alone.motion.weights, atol=1e-6, rtol=0)
    torch.testing.assert_close(shared.motion.map, alone.motion.map, atol=1e-5, rtol=0)


def test_each_picture_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, counts = model(), []
    encode = network.visual.encode_frames

    def counting(frames: torch.Tensor, frame_mask: torch.Tensor) -> Any:
        counts.append(frames.shape[1])
        return encode(frames, frame_mask)

    monkeypatch.setattr(network.visual, "encode_frames", counting)
    found = cut(map(crop, range(11)), network)
    assert sum(counts) == 11
    assert sum(len(window.frames) for window in found) > 11


def test_memory_does_not_grow_with_the_clip() -> None:
    alive: weakref.WeakSet[FaceCrop] = weakref.WeakSet()
    most = 0

    def stream() -> Iterator[FaceCrop]:
        nonlocal most
        for slot in range(30):
            most = max(most, len(alive))
            each = crop(slot)
            alive.add(each)
            yield each

    with torch.no_grad():
        for window in windows(stream(), model()):
            assert window.frames
    assert most <= 2 * 4 + 1, "no more than two windows of pictures are kept"


def test_a_picture_that_the_encoder_leaves_out_gets_no_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    network = model()
    encode = network.visual.encode_frames

    def blind_to_the_second(frames: torch.Tensor, frame_mask: torch.Tensor) -> Any:
        spoilt = frames.clone()
        spoilt[:, 1, 0, 0, 0] = torch.nan
        return encode(spoilt, frame_mask)

    monkeypatch.setattr(network.visual, "encode_frames", blind_to_the_second)
    (window,) = cut(map(crop, range(4)), network)
    assert window.seen.tokens.frame_mask.tolist() == [[True, False, True, True]]
    with torch.no_grad():
        output = network(window.seen)
    assert torch.isfinite(output.logits).all()
    assert not output.heat[0, 1].any()
    assert output.heat.sum() == pytest.approx(1.0)
