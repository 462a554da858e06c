from __future__ import annotations

import gc
import io
import math
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotrace.errors import EmptyMedia, MediaNotFound, MediaTooLong, UnreadableMedia, UsageError
from emotrace.media.video import Frame, FrameReader
from emotrace.testing.synthetic import BAR_COLORS, Bars, Tone, color_bars, number_of, write_clip


def read(path: Path, **settings: float) -> list[tuple[float, int]]:
    """Time and number of each sampled picture."""
    return [(round(frame.time_seconds, 3), number_of(frame.image)) for frame in FrameReader(path, **settings)]


def every(step: float, count: int, start: float = 0.0) -> tuple[float, ...]:
    return tuple(start + step * number for number in range(count))


def png(width: int, height: int) -> bytes:
    """A black grey-scale picture: a few bytes, however many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj()
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(image: np.ndarray, orientation: int | None = None) -> bytes:
    """A JPEG file of an RGB picture, with an Exif orientation."""
    data = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
    if orientation is None:
        return data
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


@pytest.mark.parametrize("name", ["bars.mp4", "bars.mov", "bars.mkv", "bars.webm", "bars.avi"])
def test_one_frame_per_grid_time_in_every_container(tmp_path, name) -> None:
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    path = write_clip(tmp_path / name, pictures=[Bars(codec=codec)], sounds=[])
    reader = FrameReader(path)
    frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert [frame.time_seconds for frame in frames] == pytest.approx(every(0.2, 10), abs=1e-3)
    assert [frame.index for frame in frames] == list(range(10))
    assert not reader.truncated
    assert (reader.info.width, reader.info.height, reader.info.frames_analyzed) == (160, 120, 10)
    assert reader.info.end_seconds == pytest.approx(2.0, abs=0.041)


@pytest.mark.parametrize(("codec", "reordered"), [("libx264", 2), ("mpeg4", 2), ("mpeg4", 0), ("mjpeg", 0)])
def test_no_picture_of_an_avi_is_lost_or_late_where_they_were_coded_in_another_order(
    tmp_path, codec, reordered
) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    bars = Bars(codec=codec, pixel_format=pixels, most_reordered=reordered)
    path = write_clip(tmp_path / "bars.avi", pictures=[bars], sounds=[])
    frames = list(FrameReader(path, rate_hz=50.0))
    assert [number_of(frame.image) for frame in frames] == list(range(50))
    assert [frame.time_seconds for frame in frames] == pytest.approx(every(0.04, 50), abs=1e-3)


def test_a_frame_stays_on_screen_until_the_next_one_and_comes_once(tmp_path) -> None:
    times = (0.0, 0.04, 0.3, 0.31, 0.95, 1.0, 1.01, 1.02, 1.5)
    path = write_clip(tmp_path / "vfr.mp4", pictures=[Bars(frame_times_seconds=times)])
    assert read(path) == [(0.0, 0), (0.04, 1), (0.31, 3), (1.0, 5), (1.02, 7)]


@settings(max_examples=15, deadline=None)
@example(steps=[1, 1, 1, 1, 1, 1, 154, 900], start=500, rate=5.0)  # the last frame ends exactly at a grid time
@given(
    steps=st.lists(st.integers(1, 900), min_size=1, max_size=12),
    start=st.integers(0, 500),
    rate=st.sampled_from([1.0, 5.0, 7.5, 30.0]),
)
def test_sampling_agrees_with_looking_up_each_grid_time(tmp_path_factory, steps, start, rate) -> None:
    milliseconds = [start + sum(steps[:i]) for i in range(len(steps) + 1)]
    times = tuple(value / 1000 for value in milliseconds)
    path = tmp_path_factory.mktemp("grid") / "clip.mkv"
    write_clip(path, pictures=[Bars(frame_times_seconds=times, codec="ffv1")], sounds=[Tone(codec="flac")])
    reader = FrameReader(path, rate_hz=rate)
    got = [number_of(frame.image) for frame in reader]
    end = Fraction(reader.info.end_seconds).limit_denominator(10**6)  # a float may lie just above the exact end
    shown = []
    for k in range(math.ceil(times[-1] * rate) + 1):
        grid = Fraction(k) / Fraction(rate)
        number = sum(Fraction(value, 1000) <= grid for value in milliseconds) - 1
        if number >= 0 and number not in shown and (number + 1 < len(times) or grid < end):
            shown.append(number)
    assert got == (shown or [len(times) - 1])


def test_picture_and_sound_share_one_clock(tmp_path) -> None:
    late = Bars(frame_times_seconds=every(0.04, 25, start=0.5))
    path = write_clip(tmp_path / "late.mkv", pictures=[late], sounds=[Tone(codec="flac")])
    assert read(path)[0] == (0.58, 2)  # on screen at 0.6 s; nothing is at 0.0 to 0.4 s
    both_late = write_clip(
        tmp_path / "both.mkv", pictures=[late], sounds=[Tone(codec="flac", start_seconds=0.5, duration_seconds=1.0)]
    )
    assert read(both_late)[0] == (0.0, 0)


def test_a_clip_shorter_than_the_grid_still_gives_a_frame(tmp_path) -> None:
    bars = Bars(frame_times_seconds=(0.05, 0.09))
    path = write_clip(tmp_path / "short.mkv", pictures=[bars], sounds=[Tone(codec="flac", duration_seconds=0.2)])
    assert read(path, rate_hz=1.0) == [(0.09, 1)]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_display_matrix_is_applied(tmp_path, degrees, mirrored) -> None:
    bars = Bars(frame_times_seconds=(0.0,), rotation_degrees=degrees, is_mirrored=mirrored, width=160, height=96)
    path = write_clip(tmp_path / "turned.mp4", pictures=[bars], sounds=[])
    expected = np.rot90(color_bars(160, 96), degrees // 90)  # counter-clockwise, as the matrix is
    if mirrored:
        expected = expected[:, ::-1]
    reader = FrameReader(path)
    (frame,) = reader
    assert frame.image.shape == expected.shape == (reader.info.height, reader.info.width, 3)
    assert np.abs(frame.image.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_a_photograph_agrees_with_opencv(tmp_path, orientation) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(color_bars(160, 96, 5), orientation))
    expected = cv2.imread(str(path))[..., ::-1]  # OpenCV turns photographs upright by itself
    (frame,) = FrameReader(path)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_a_photograph_is_one_frame_at_zero(tmp_path, ending) -> None:
    path = tmp_path / f"photo{ending}"
    path.write_bytes(cv2.imencode(ending, color_bars(120, 80, 7)[..., ::-1])[1].tobytes())
    reader = FrameReader(path)
    frames = list(reader)
    assert [(frame.time_seconds, number_of(frame.image)) for frame in frames] == [(0.0, 7)]
    assert (reader.info.end_seconds, reader.info.duration_seconds_from_header) == (0.0, None)


def test_a_name_with_a_number_pattern_is_just_a_name(tmp_path) -> None:
    (tmp_path / "face001.png").write_bytes(png(30, 20))
    path = tmp_path / "face%03d.png"
    path.write_bytes(png(50, 40))
    (frame,) = FrameReader(path)
    assert frame.image.shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "size"),
    [
        ("ffv1", "yuv420p10le", (161, 121)),
        ("mjpeg", "yuvj420p", (99, 75)),
        ("ffv1", "gray", (64, 48)),
        ("ffv1", "yuv444p", (65, 49)),
    ],
)
def test_pixel_formats_and_odd_sizes(tmp_path, codec, pixel_format, size) -> None:
    width, height = size
    bars = Bars(frame_times_seconds=(0.0, 0.2), width=width, height=height, codec=codec, pixel_format=pixel_format)
    frames = list(FrameReader(write_clip(tmp_path / "odd.mkv", pictures=[bars], sounds=[])))
    assert [number_of(frame.image) for frame in frames] == [0, 1]
    assert frames[0].image.shape == (height, width, 3)
    if pixel_format != "gray":
        assert np.abs(frames[0].image[5, 5].astype(int) - BAR_COLORS[0]).max() < 12


def test_pixels_come_out_square(tmp_path) -> None:
    path = write_clip(tmp_path / "wide.mp4", pictures=[Bars(pixel_aspect=Fraction(4, 3))], sounds=[])
    assert next(iter(FrameReader(path))).image.shape == (120, 213, 3)


def test_the_default_stream_is_read_and_else_the_first(tmp_path) -> None:
    narrow, wide = Bars(width=80, is_default=False), Bars(width=160)
    assert next(iter(FrameReader(write_clip(tmp_path / "a.mp4", pictures=[narrow, wide])))).image.shape[1] == 160
    both = [Bars(width=80), Bars(width=160)]
    assert next(iter(FrameReader(write_clip(tmp_path / "b.mp4", pictures=both)))).image.shape[1] == 80


def test_cover_art_is_not_a_video(tmp_path) -> None:
    path = tmp_path / "song.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=8000, layout="mono")
        container.add_attachment("cover.jpg", "image/jpeg", jpeg(color_bars(64, 64)))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1  # FFmpeg lists it as one
    with pytest.raises(EmptyMedia, match="no picture"):
        list(FrameReader(path))


def test_a_file_cut_short_gives_what_it_has(tmp_path) -> None:
    whole = write_clip(
        tmp_path / "whole.mp4", pictures=[Bars(frame_times_seconds=every(0.04, 250))], options={"movflags": "faststart"}
    )
    path = tmp_path / "cut.mp4"
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reader = FrameReader(path)
    frames = list(reader)
    assert reader.truncated
    assert 1.0 < reader.info.end_seconds < 8.0
    assert reader.info.duration_seconds_from_header == pytest.approx(10.0)
    assert [number_of(frame.image) for frame in frames[:-1]] == [5 * frame.index for frame in frames[:-1]]


def test_damage_in_the_middle_is_passed_over(tmp_path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", pictures=[Bars(frame_times_seconds=every(0.04, 250))], sounds=[])
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path = tmp_path / "damaged.mkv"
    path.write_bytes(data)
    times = [frame.time_seconds for frame in FrameReader(path)]
    assert len(times) > 20
    assert times == sorted(set(times))


def test_bounds_are_named(tmp_path) -> None:
    wide = tmp_path / "wide.png"
    wide.write_bytes(png(9000, 10))
    with pytest.raises(UnreadableMedia, match="9000 x 10 px, the limit is 8192"):
        list(FrameReader(wide))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png(9000, 9000))
    assert bomb.stat().st_size < 200_000
    with pytest.raises(UnreadableMedia, match="8192"):
        list(FrameReader(bomb))


def test_the_longest_duration_is_enforced_while_streaming(tmp_path) -> None:
    path = write_clip(tmp_path / "clip.mp4", sounds=[])
    seen = []
    with pytest.raises(MediaTooLong, match="limit of 1 s"):
        seen.extend(FrameReader(path, max_duration_seconds=1.0))
    assert seen[-1].time_seconds <= 1.0


def test_info_is_known_after_a_complete_iteration_only(tmp_path) -> None:
    reader = FrameReader(write_clip(tmp_path / "clip.mp4"))
    with pytest.raises(RuntimeError, match="read to the end"):
        _ = reader.info
    assert len(list(reader)) == len(list(reader)) == reader.info.frames_analyzed
    for _ in reader:
        break
    with pytest.raises(RuntimeError, match="read to the end"):
        _ = reader.info


def test_leaving_early_closes_the_file(tmp_path, monkeypatch) -> None:
    path = write_clip(tmp_path / "clip.mp4")
    opened: list[io.BufferedReader] = []
    real_open = Path.open

    def watched(self: Path, *args: object, **kwargs: object) -> object:
        file = real_open(self, *args, **kwargs)
        opened.append(file)
        return file

    monkeypatch.setattr(Path, "open", watched)
    frames = iter(FrameReader(path))
    next(frames)
    frames.close()
    gc.collect()
    assert opened
    assert all(file.closed for file in opened)


def test_errors(tmp_path) -> None:
    with pytest.raises(UsageError, match="greater than 0"):
        FrameReader("any.mp4", rate_hz=0.0)
    with pytest.raises(MediaNotFound):
        list(FrameReader(tmp_path / "none.mp4"))
    with pytest.raises(EmptyMedia, match="no picture"):
        list(FrameReader(write_clip(tmp_path / "sound.m4a", pictures=[])))


def test_repr_shows_the_shape_not_the_pixels() -> None:
    frame = Frame(image=np.zeros((4, 6, 3), dtype=np.uint8), time_seconds=1.25, index=3)
    assert repr(frame) == "Frame(6x4 at 1.250 s, index=3)"


def test_real_clips(shared_media) -> None:
    reader = FrameReader(shared_media / "odd" / "portrait_rotated.mp4")
    assert {frame.image.shape for frame in reader} == {(640, 360, 3)}
    reader = FrameReader(shared_media / "odd" / "truncated_index_first.mp4")
    assert len(list(reader)) == 48
    assert reader.truncated
    assert reader.info.end_seconds == pytest.approx(9.55, abs=0.05)
    reader = FrameReader(shared_media / "odd" / "variable_frame_rate.mp4")
    assert len(list(reader)) == 15
    assert not reader.truncated
    assert len(list(FrameReader(shared_media / "pyfeat_noface_face.mov"))) == 32
