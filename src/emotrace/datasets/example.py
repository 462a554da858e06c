"""`Example`: one clip of a corpus with its target. What a model may see of it is its `clip_input`, and nothing else.

Paths and names of several corpora spell the label (`Action/Happy/0267`), captions describe the emotion, and a fold
tells what the answer is for. So a provider or a model is given a `ClipInput`: pictures or sound, and the words that
were spoken. It has no id, label, split, group or path, in its fields, its `repr` or the files that it opens.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from emotrace.span import Span

Kind = Literal["video", "audio", "frames"]

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp"))
AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".mp3", ".ogg", ".m4a"))
VIDEO_SUFFIXES = frozenset((".mp4", ".avi", ".mov", ".mkv", ".flv", ".webm", ".mpg", ".mpeg", ".m4v"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What the corpus says about a clip."""

    labels: tuple[str, ...] = ()
    """Labels of the corpus's scheme, several only where it is multi-label; empty for hidden labels and values alone."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Rated dimensions. One that was not rated is absent, never a number that stands for nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipInput:
    """What a model may see of an example."""

    kind: Kind
    words: str | None
    """What is said in the clip, as the corpus transcribes it; None where it has no transcript."""
    language: str | None
    span: Span | None
    """The part of the file that belongs to the example; None for all of it."""
    media: NamelessMedia


class NamelessMedia:
    """A media file or a folder of frames that can be read, but not asked for its path. Its `repr` says nothing."""

    __slots__ = ("__path",)

    def __init__(self, path: Path) -> None:
        self.__path = path

    def __repr__(self) -> str:
        return "<media>"

    def __reduce__(self) -> str:
        raise TypeError("nameless media cannot be pickled: the path would travel with it")

    def __deepcopy__(self, memo: object) -> NamelessMedia:
        return self

    def open(self) -> BinaryIO:
        """The media file, for `av.open`. The stream does not know its path.

        Raises:
            IsADirectoryError: A folder of frames; use `open_frames`.
        """
        return _open_nameless(self.__path)

    def open_frames(self) -> Iterator[BinaryIO]:
        """The pictures of a folder of frames, by their numbers; each is closed when the next is asked for."""
        for path in frame_paths(self.__path):
            with _open_nameless(path) as stream:
                yield stream


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One clip of a corpus: where it lies, what it is labelled, and to which part of the corpus it belongs."""

    id: str
    """Unique within its split; it may spell the label, so it stays on this side."""
    media: Path
    """A media file, or a folder of frames."""
    target: Target
    split: str
    """The list it stands in: `train`, `test`, `set_1/test`, or `all` where the owner names no splits."""
    group: str | None = None
    """Actor, speaker, session or source video: what must not lie on both sides of a split."""
    text: str | None = None
    """What is said."""
    language: str | None = None
    description: str | None = None
    """What somebody wrote about the clip. It may tell the label, so no model input holds it."""
    span: Span | None = None

    @property
    def kind(self) -> Kind:
        """Which kind of media the clip is."""
        return kind_of(self.media)

    def clip_input(self) -> ClipInput:
        """What a model may see."""
        return ClipInput(
            kind=self.kind, words=self.text, language=self.language, span=self.span, media=NamelessMedia(self.media)
        )


def kind_of(path: Path) -> Kind:
    """The kind of media by the name: a known suffix is a file, anything else a folder of frames."""
    suffix = path.suffix.casefold()
    if suffix in AUDIO_SUFFIXES:
        return "audio"
    return "video" if suffix in VIDEO_SUFFIXES else "frames"


def frame_names(folder: Path) -> list[str]:
    """The names of the pictures in a folder by their numbers: frame 2 before frame 10, whatever the padding."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if os.path.splitext(entry.name)[1].casefold() in IMAGE_SUFFIXES]  # noqa: PTH122 - six times as fast as Path, for millions of frames
    return sorted(names, key=lambda name: (frame_number(name), name))


def frame_paths(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers."""
    return [folder / name for name in frame_names(folder)]


def frame_number(name: str) -> int:
    """The last number in a frame's name; -1 where there is none.

    >>> frame_number("00012_00007.jpg"), frame_number("frame10.png"), frame_number("cover.png")
    (7, 10, -1)
    """
    found = _LAST_NUMBER.search(name)
    return int(found[1]) if found else -1


_LAST_NUMBER = re.compile(r"(\d+)\D*\.[^.]*$")


def _open_nameless(path: Path) -> BinaryIO:
    """An open file whose `name` is a number: a label in the path cannot travel with the stream."""
    if path.is_dir():
        raise IsADirectoryError("this example is a folder of frames")
    return open(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")  # noqa: PTH123
