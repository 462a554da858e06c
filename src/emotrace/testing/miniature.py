"""Miniature corpora in every owner's layout: what adapters and `verify` are tested on.

Everything is made up: grey pictures, tones, invented names. The same arguments write the same bytes. `faults.py` plants
faults in them.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.corpus import Corpus
from emotrace.testing.layout import Files, Layout, Row
from emotrace.testing.layouts import LAYOUTS


def layout_of(corpus: str) -> Layout:
    """The first layout of a corpus."""
    return next(layout for layout in LAYOUTS if layout.corpus == corpus)


def write(layout: Layout, root: Path, rows: Sequence[Row] | None = None, *, like: Path | None = None) -> Corpus:
    """Writes a miniature corpus below `root`, which must not exist or be empty, and opens it.

    Clips that a miniature at `like` has are linked to, which is much faster than writing them anew.
    """
    chosen = layout.rows() if rows is None else list(rows)
    _write_files(root, layout.lists(chosen))
    taken: set[str] = set()
    for row in chosen:
        place = layout.place(row)
        if place in taken and not layout.lists(chosen):  # the name is all there is, so a second clip needs a folder
            place = f"{place.rpartition('/')[0]}/again/{place.rpartition('/')[2]}"
        if place not in taken:
            taken.add(place)
            if like is not None and (like / place).exists():
                (root / place).parent.mkdir(parents=True, exist_ok=True)
                (root / place).symlink_to((like / place).resolve())
                continue
            write_clip(root / place, seed=seed_of(row, layout), frames=layout.frames)
    return open_corpus(layout.corpus, root, **layout.options)


def write_clip(path: Path, *, seed: str, frames: int) -> None:
    """A made-up clip: a folder of frames, a wav file or a video, by the suffix of the path."""
    number = sum(seed.encode()) + 31 * len(seed) + sum(place * byte for place, byte in enumerate(seed.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".wav":
        path.write_bytes(tone(number, frames))
    elif path.suffix:
        path.write_bytes(video(number, frames))
    else:
        path.mkdir(exist_ok=True)
        for frame in range(1, frames + 1):
            (path / f"{frame:05d}.jpg").write_bytes(picture(number, frame))


@cache
def picture(number: int, frame: int) -> bytes:
    """A small grey JPEG, different for each number and frame."""
    import cv2

    canvas = np.full((16, 16), (number * 7 + frame * 11) % 200, dtype=np.uint8)
    canvas[frame % 16, number % 16] = 255
    canvas[number % 13, (number // 13) % 16] = 120
    return bytes(cv2.imencode(".jpg", canvas)[1])


@cache
def video(number: int, frames: int) -> bytes:
    """A small grey MPEG-4 video at 25 frames per second, different for each number."""
    import av

    stream_file = io.BytesIO()
    with av.open(stream_file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        random = np.random.default_rng(number)
        for _ in range(frames):
            noise = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    return stream_file.getvalue()


@cache
def tone(number: int, frames: int) -> bytes:
    """A 16 kHz mono wav as long as a video of so many frames, its pitch different for each number."""
    seconds = np.arange(int(16000 * frames / 25)) / 16000
    samples = (8000 * np.sin(2 * np.pi * (100 + number % 997) * seconds)).astype("<i2")
    stream_file = io.BytesIO()
    with wave.open(stream_file, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(16000)
        stream.writeframes(samples.tobytes())
    return stream_file.getvalue()


def seed_of(row: Row, layout: Layout) -> str:
    """What a clip's content depends on: in videos the split too, since some corpora number each split anew."""
    return f"{row.name}{row.split if layout.media == 'video' else ''}"


def _write_files(root: Path, files: Files) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for place, content in files.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(content)
