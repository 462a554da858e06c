from __future__ import annotations

import math
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

import emotrace.datasets.frames as frames_module
from emotrace.datasets.example import Example, Target
from emotrace.datasets.frames import CachedFrames, ExampleFrames, FrameSource, Picture
from emotrace.errors import DuplicateName, EmptyMedia, MissingClip, UnreadableMedia, UsageError
from emotrace.media.video import FrameReader
from emotrace.span import Span
from emotrace.testing.miniature import layout_of, write
from emotrace.testing.synthetic import Bars, color_bars, number_of, write_clip

BARS_TIMES = tuple(number / 25 for number in range(50))


def example(media: Path, name: str = "a", span: Span | None = None) -> Example:
    return Example(id=name, media=media, target=Target(), split="all", span=span)


def source_of(media: Path, span: Span | None = None) -> ExampleFrames:
    return ExampleFrames([example(media, span=span)])


def write_pictures(folder: Path, count: int, suffix: str = ".png") -> Path:
    """Numbered colour bars in files whose names sort wrongly as text."""
    folder.mkdir(parents=True)
    for number in range(count):
        bars = cv2.cvtColor(color_bars(48, 32, number), cv2.COLOR_RGB2BGR)
        (folder / f"img{number + 1}{suffix}").write_bytes(cv2.imencode(suffix, bars)[1].tobytes())
    return folder


def numbers(pictures: Sequence[Picture | None]) -> list[int | None]:
    return [None if picture is None else number_of(picture) for picture in pictures]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_pictures_of_a_folder_come_by_their_numbers_in_rgb(suffix: str, folder: Path) -> None:
    source = source_of(write_pictures(folder / "clip", 12, suffix))
    assert source.frame_count("a") == 12
    found = source.read("a", [11, 0, 5, 0])
    assert numbers(found) == [11, 0, 5, 0]
    assert found[1] is not None
    assert (
        np.abs(found[1].astype(int) - color_bars(48, 32, 0)).mean() < 12
    )  # 0 for the lossless ones, and blue is not red
    assert all(math.isnan(time) for time in source.times_seconds("a", [0, 3]))


def test_only_the_pictures_that_are_asked_for_are_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(write_pictures(folder / "clip", 9))
    opened: list[str] = []
    read = frames_module._read_picture
    monkeypatch.setattr(frames_module, "_read_picture", lambda path: opened.append(path.name) or read(path))
    source.frame_count("a")
    source.read("a", [7, 2])
    assert opened == ["img8.png", "img3.png"]


def test_a_broken_picture_is_none_and_the_others_come(folder: Path) -> None:
    clip = write_pictures(folder / "clip", 6, ".jpg")
    whole = (clip / "img2.jpg").read_bytes()
    (clip / "img2.jpg").write_bytes(whole[: len(whole) // 2])
    (clip / "img3.jpg").write_bytes(b"")
    (clip / "img4.jpg").write_text("version https://git-lfs.github.com/spec/v1\n")
    (clip / "img5.jpg").unlink()
    (clip / "img5.jpg").mkdir()
    source = source_of(clip)
    assert source.frame_count("a") == 6
    assert numbers(source.read("a", [0, 1, 2, 3, 4, 5])) == [0, None, None, None, None, 5]
    with pytest.raises(UnreadableMedia, match="none of 2 frames can be read"):
        source.read("a", [1, 2])
    assert source.read("a", []) == []


def test_a_frame_beyond_the_last_is_none(folder: Path) -> None:
    source = source_of(write_pictures(folder / "clip", 3))
    assert numbers(source.read("a", [2, 3])) == [2, None]
    video = source_of(write_clip(folder / "v.mp4", sounds=()))
    assert numbers(video.read("a", [49, 50])) == [49, None]
    assert math.isnan(video.times_seconds("a", [50])[0])


def test_a_picture_is_turned_as_its_camera_says(folder: Path) -> None:
    clip = write_pictures(folder / "clip", 1, ".jpg")
    jpeg = (clip / "img1.jpg").read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: a quarter turn
    (clip / "img1.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    (turned,) = source_of(clip).read("a", [0])
    assert turned is not None
    assert turned.shape == (48, 32, 3)
    assert number_of(np.rot90(turned)) == 0


def test_frames_of_a_video_come_with_their_own_times(folder: Path) -> None:
    times = (0.0, 0.04, 0.1, 0.3, 0.32, 0.5, 1.5, 1.54)
    for name in ("v.mp4", "v.mkv"):
        path = write_clip(folder / name, pictures=[Bars(frame_times_seconds=times)], sounds=())
        source = source_of(path)
        assert source.frame_count("a") == 8
        assert numbers(source.read("a", [6, 0, 3, 3])) == [6, 0, 3, 3]
        assert source.times_seconds("a", [6, 0, 3]) == pytest.approx([1.5, 0.0, 0.3], abs=0.002)
        everything = list(FrameReader(path, rate_hz=1e6))
        assert source.times_seconds("a", range(8)) == pytest.approx([frame.time_seconds for frame in everything])


def test_a_video_is_decoded_up_to_the_last_frame_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(write_clip(folder / "v.mp4", sounds=()))
    seen: list[int] = []
    iterate = FrameReader.__iter__

    def watched(reader: FrameReader):  # type: ignore[no-untyped-def]
        for frame in iterate(reader):
            seen.append(frame.index)
            yield frame

    monkeypatch.setattr(FrameReader, "__iter__", watched)
    assert source.frame_count("a") == 50
    assert seen == []  # counted without decoding
    source.read("a", [3, 10])
    assert seen == list(range(11))


def test_a_video_is_counted_once(folder: Path) -> None:
    path = write_clip(folder / "v.mp4", sounds=())
    source = source_of(path)
    assert source.frame_count("a") == 50
    path.unlink()
    assert source.frame_count("a") == 50
    assert source.times_seconds("a", [25]) == pytest.approx([1.0])


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_whose_pictures_were_reordered_is_counted_as_it_is_read(folder: Path, codec: str) -> None:
    path = write_clip(folder / "v.avi", pictures=[Bars(codec=codec, most_reordered=2)], sounds=())
    source = source_of(path)
    assert source.times_seconds("a", range(50)) == pytest.approx(BARS_TIMES)
    assert numbers(source.read("a", range(source.frame_count("a")))) == list(range(50))


def test_a_file_whose_packets_have_no_times_is_counted_by_decoding(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(folder / "v.mp4", sounds=())
    stamped = source_of(path)
    monkeypatch.setattr(frames_module, "_stamped_times", lambda path: None)
    decoded = source_of(path)
    assert decoded.frame_count("a") == stamped.frame_count("a")
    assert decoded.times_seconds("a", range(50)) == stamped.times_seconds("a", range(50))
    assert numbers(decoded.read("a", [4, 44])) == [4, 44]


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        (Span(0.4, 0.8), 10, 20),
        (Span(0.41, 0.79), 11, 19),
        (Span(1.9, 9.0), 48, 49),
        (Span(0.45, 0.46), 11, 11),  # between two frames: the one on screen
        (Span(0.0, 0.0), 0, 0),
        (Span(8.0, 9.0), 49, 49),
    ],
)
def test_a_span_is_a_clip_of_its_own(span: Span, first: int, last: int, folder: Path) -> None:
    source = source_of(write_clip(folder / "v.mp4", sounds=()), span)
    count = source.frame_count("a")
    assert count == last - first + 1
    assert numbers(source.read("a", [0, count - 1])) == [first, last]
    assert source.times_seconds("a", [0]) == pytest.approx([BARS_TIMES[first]])


def test_a_video_is_upright(folder: Path) -> None:
    path = write_clip(folder / "v.mp4", pictures=[Bars(rotation_degrees=90)], sounds=())
    (picture,) = source_of(path).read("a", [0])
    assert picture is not None
    assert picture.shape == (160, 120, 3)


def test_a_video_that_was_cut_short_gives_what_is_left(folder: Path) -> None:
    path = write_clip(folder / "v.mp4", sounds=(), options={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    source = source_of(path)
    count = source.frame_count("a")
    found = numbers(source.read("a", range(count)))
    assert found[0] == 0
    assert 5 < sum(number is not None for number in found) < 50
    assert all(number in (None, place) for place, number in enumerate(found))


def test_what_is_no_video_is_a_typed_error(folder: Path) -> None:
    (folder / "text.mp4").write_text("not a video")
    (folder / "empty.mp4").write_bytes(b"")
    with pytest.raises(UnreadableMedia, match="text"):
        source_of(folder / "text.mp4").frame_count("a")
    with pytest.raises(EmptyMedia):
        source_of(folder / "empty.mp4").frame_count("a")
    sound = write_clip(folder / "sound.mp4", pictures=())
    with pytest.raises(EmptyMedia, match="no picture"):
        source_of(sound).frame_count("a")
    with pytest.raises(EmptyMedia, match="sound file"):
        source_of(folder / "voice.wav")


def test_a_clip_that_is_not_there_is_named(folder: Path) -> None:
    source = source_of(folder / "00012")
    for ask in (lambda: source.frame_count("a"), lambda: source.read("a", [0])):
        with pytest.raises(MissingClip, match="no folder of frames is there"):
            ask()
    with pytest.raises(MissingClip, match="no clip is called b"):
        source.frame_count("b")
    (folder / "00012").mkdir()
    assert source.frame_count("a") == 0


def test_one_id_is_one_clip(folder: Path) -> None:
    one = example(folder / "one")
    assert ExampleFrames([one, one])
    with pytest.raises(DuplicateName, match="two clips are called a"):
        ExampleFrames([one, example(folder / "other")])
    with pytest.raises(UsageError, match="no times"):
        ExampleFrames([example(folder / "one", span=Span(0.0, 1.0))])


def test_examples_of_a_corpus_are_read(folder: Path) -> None:
    for name in ("dfew", "mer2023"):
        corpus = write(layout_of(name), folder / name)
        examples = [each for each in corpus.examples() if each.split == corpus.splits()[0]]
        source = ExampleFrames(examples)
        for each in examples:
            assert source.frame_count(each.id) == 17
            assert all(picture is not None for picture in source.read(each.id, [0, 16]))


def test_a_source_travels_to_another_process(folder: Path) -> None:
    source = source_of(write_pictures(folder / "clip", 3))
    copy = pickle.loads(pickle.dumps(CachedFrames(source)))
    assert numbers(copy.read("a", [1])) == [1]


class Counting:
    """A source that counts what it decodes: grey pictures of 100 bytes."""

    def __init__(self) -> None:
        self.decoded: list[tuple[str, int]] = []

    def frame_count(self, key: str) -> int:
        return 10

    def read(self, key: str, indices: Sequence[int]) -> list[Picture | None]:
        self.decoded += [(key, index) for index in indices]
        return [None if index == 9 else np.full((10, 10), index, dtype=np.uint8) for index in indices]

    def times_seconds(self, key: str, indices: Sequence[int]) -> list[float]:
        return [index / 10 for index in indices]


def levels(pictures: Sequence[Picture | None]) -> list[int | None]:
    return [None if picture is None else int(picture[0, 0]) for picture in pictures]


def test_kept_frames_are_decoded_once_up_to_the_budget() -> None:
    source = Counting()
    cached = CachedFrames(source, budget_bytes=350)
    assert isinstance(cached, FrameSource)
    assert levels(cached.read("a", [3, 1, 3, 9])) == [3, 1, 3, None]
    assert source.decoded == [("a", 3), ("a", 1), ("a", 9)]
    assert levels(cached.read("a", [9, 3, 4, 5])) == [None, 3, 4, 5]
    assert source.decoded[3:] == [("a", 4), ("a", 5)]
    assert cached.used_bytes == 300  # a fourth picture would not fit
    assert levels(cached.read("a", [4, 5])) == [4, 5]
    assert source.decoded[5:] == [("a", 5)]
    assert (cached.frame_count("a"), cached.times_seconds("a", [2])) == (10, [0.2])


def test_real_clips_are_read_as_a_viewer_sees_them(shared_media: Path) -> None:
    paths = [shared_media / "odd" / "variable_frame_rate.mp4", shared_media / "grid_bbaf2n.mpg"]
    for path in paths:
        everything = list(FrameReader(path, rate_hz=1e6))
        source = source_of(path)
        assert source.frame_count("a") == len(everything)
        chosen = list(range(0, len(everything), 7))
        for index, picture in zip(chosen, source.read("a", chosen), strict=True):
            assert picture is not None
            assert np.array_equal(picture, everything[index].image)


def test_a_folder_link_is_followed(folder: Path) -> None:
    write_pictures(folder / "real", 2)
    (folder / "link").symlink_to(folder / "real")
    assert source_of(folder / "link").frame_count("a") == 2
    shutil.rmtree(folder / "real")
    with pytest.raises(MissingClip):
        source_of(folder / "link").frame_count("a")
