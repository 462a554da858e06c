from __future__ import annotations

import copy
import dataclasses
import pickle
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.datasets.example import Example, Target, frame_number, frame_paths, kind_of
from emotrace.testing.layout import Layout
from emotrace.testing.layouts import LAYOUTS
from emotrace.testing.miniature import picture, write, write_clip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_what_a_model_may_see_holds_no_id_label_split_group_or_path(layout: Layout, folder: Path) -> None:
    for example in write(layout, folder / "copy").examples():
        seen = example.clip_input()
        told = f"{seen!r} {dataclasses.asdict(seen)!r} {copy.deepcopy(seen)!r}"
        secrets = (str(example.media), example.id, example.media.name, example.group, example.description)
        for secret in filter(None, secrets):
            if len(secret) > 2:
                assert secret not in told
        for label in example.target.labels:
            assert label not in told.replace(str(example.text), "")
        assert {field.name for field in dataclasses.fields(seen)} == {"kind", "words", "language", "span", "media"}


def test_the_files_that_a_model_reads_do_not_know_their_names(folder: Path) -> None:
    write_clip(folder / "Happy" / "clip.mp4", seed="x", frames=4)
    seen = Example(id="a", media=folder / "Happy" / "clip.mp4", target=Target(), split="all").clip_input()
    with seen.media.open() as stream:
        assert isinstance(stream.name, int)
        with av.open(stream) as container:
            assert len(list(container.decode(video=0))) == 4
    with pytest.raises(TypeError, match="path would travel"):
        pickle.dumps(seen)


def test_frames_are_given_in_the_order_of_their_numbers(folder: Path) -> None:
    for number in (10, 2, 1, 11):
        (folder / f"frame{number}.jpg").write_bytes(picture(1, number))
    (folder / "notes.txt").write_text("not a frame")
    assert [path.name for path in frame_paths(folder)] == ["frame1.jpg", "frame2.jpg", "frame10.jpg", "frame11.jpg"]
    seen = Example(id="a", media=folder, target=Target(), split="all").clip_input()
    assert [stream.read() for stream in seen.media.open_frames()] == [picture(1, number) for number in (1, 2, 10, 11)]
    with pytest.raises(IsADirectoryError):
        seen.media.open()


@given(st.integers(0, 10**6), st.integers(0, 8))
def test_a_frame_number_is_read_whatever_its_padding(number: int, width: int) -> None:
    assert frame_number(f"clip_00012_{str(number).zfill(width)}.png") == number


def test_the_kind_of_media_is_told_by_the_name() -> None:
    assert [kind_of(Path(name)) for name in ("a.FLV", "b.wav", "00012")] == ["video", "audio", "frames"]
