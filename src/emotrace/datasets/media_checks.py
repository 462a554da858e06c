"""What needs the media: clips that are missing, short or unreadable, frames that are out of order, clips that repeat.

Every file is looked at, but only a sample is opened: evenly spaced over each split, so that the same clips are opened
each time. Opening is bounded: one decoded frame and some thousand packets per file, three files per folder of frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotrace.datasets.corpus import Corpus, Record
from emotrace.datasets.example import frame_names, frame_number, frame_paths, kind_of
from emotrace.datasets.findings import Finding, by_split, found, skipped
from emotrace.datasets.list_checks import fold_of

if TYPE_CHECKING:
    from av.container import InputContainer

LFS_POINTER = b"version https://git-lfs"
OPEN_SECONDS = 10.0
"""How long a single file may keep the reader waiting."""
MAX_PACKETS = 4096
"""How far a file is read, undecoded, to see whether it ends before its header says."""
CUT_SHARE = 0.8
"""A track that holds less than this share of what its header promises was cut off."""
FEW_FRAMES = 16
"""What the field's models sample from a clip; fewer is worth a note."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much is opened, and what counts as short."""

    sample: int | None = 100
    """Clips opened in each split; None opens all."""
    min_frames: int = 2
    min_seconds: float = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What can be seen of a clip without opening it."""

    size: tuple[int, ...]
    """Bytes of a file; number of frames and bytes of the first for a folder of frames. Empty: nothing is there."""
    sorts_as_text: bool = True
    """Whether frame names in the order of text are in the order of their numbers."""
    holes: int = 0
    """Numbers between the first and the last that no frame has."""

    @property
    def absent(self) -> bool:
        """Nothing is there, or nothing is in it."""
        return not self.size or self.size[0] == 0


def survey(records: Iterable[Record]) -> dict[Path, Seen]:
    """Looks at each clip once; no file is opened."""
    seen: dict[Path, Seen] = {}
    for record in records:
        if record.media not in seen:
            seen[record.media] = look_at(record.media)
    return seen


def look_at(media: Path) -> Seen:
    """Looks at one clip."""
    if kind_of(media) != "frames":
        return Seen(size=(media.stat().st_size,) if media.is_file() else ())
    names = frame_names(media) if media.is_dir() else []
    if not names:
        return Seen(size=())
    numbers = sorted({number for number in map(frame_number, names) if number >= 0})
    return Seen(
        size=(len(names), (media / names[0]).stat().st_size),
        sorts_as_text=sorted(names) == names,
        holes=numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0,
    )


def check_missing(corpus: Corpus, records: Sequence[Record], seen: Mapping[Path, Seen]) -> Finding:
    """Clips that the lists name and that are not there, or are empty."""
    if not records:
        return skipped("missing", "the lists name no clip")
    absent = [record for record in records if seen[record.media].absent]
    unexpected = [f"{record.id} ({record.split})" for record in absent if record.id not in corpus.known_faults]
    known = [f"{record.id}: {corpus.known_faults[record.id]}" for record in absent if record.id in corpus.known_faults]
    none = len({record.media for record in absent}) == len(seen)
    first = records[0].media.relative_to(corpus.root) if none and records[0].media.is_relative_to(corpus.root) else ""
    bad = f"no clip at all is there; the first should be {first}" if none else "clips that are not there"
    return found(
        "missing",
        unexpected or known,
        bad=bad if unexpected else "clips that the release lacks, as is known",
        good="every clip is there",
        level="fault" if unexpected else "note",
    )


def check_frames(records: Sequence[Record], seen: Mapping[Path, Seen]) -> tuple[Finding, Finding, Finding, Finding]:
    """Folders of frames: few or no frames, other numbers than listed, holes, and names that sort wrongly as text."""
    folders = {record.media: record for record in records if kind_of(record.media) == "frames"}
    if not folders:
        why = "the corpus has no folders of frames"
        return (
            skipped("frames", why),
            skipped("frame_gaps", why),
            skipped("text_order", why),
            skipped("few_frames", why),
        )
    there = [(record, seen[media]) for media, record in folders.items() if not seen[media].absent]
    listed = [
        f"{record.id}: {clip.size[0]} frames, listed {record.frames_listed}"
        for record, clip in there
        if record.frames_listed is not None and record.frames_listed != clip.size[0]
    ]
    gaps = [f"{record.id}: {clip.holes} numbers lack a frame" for record, clip in there if clip.holes]
    as_text = [record.id for record, clip in there if not clip.sorts_as_text]
    few = [f"{record.id}: {clip.size[0]}" for record, clip in there if clip.size[0] < FEW_FRAMES]
    return (
        found("frames", listed, bad="other numbers of frames than listed", good="as many frames as listed"),
        found("frame_gaps", gaps, bad="frames are missing inside clips", good="frames are numbered without gaps"),
        found(
            "text_order",
            as_text,
            bad="names sort wrongly as text (frame10 before frame2): readers that sort names shuffle these clips; "
            "emotrace sorts by number, so --ignore text_order is safe here",
            good="frame names sort rightly, as text and as numbers",
        ),
        found(
            "few_frames",
            few,
            bad=f"clips with fewer than {FEW_FRAMES} frames",
            good=f"every clip has at least {FEW_FRAMES} frames",
            level="note",
        ),
    )


def check_readable(
    corpus: Corpus, records: Sequence[Record], seen: Mapping[Path, Seen], limits: Limits
) -> tuple[Finding, Finding]:
    """Opens a sample: what cannot be decoded, and what is too short."""
    unreadable: list[str] = []
    short: list[str] = []
    known: list[str] = []
    opened = 0
    for record in _sample(records, limits.sample):
        if seen[record.media].absent:
            continue
        opened += 1
        why_not, length = _probe(record.media, limits)
        if (why_not or length) and record.id in corpus.known_faults:
            known.append(f"{record.id}: {corpus.known_faults[record.id]}")
        elif why_not:
            unreadable.append(f"{record.id}: {why_not}")
        elif length:
            short.append(f"{record.id}: {length}")
    extent = f"{opened} clips opened"
    return (
        found(
            "unreadable",
            unreadable or known,
            bad=f"clips that cannot be decoded ({extent})" if unreadable else "known faults of the release",
            good=f"every clip decodes ({extent})",
            level="fault" if unreadable else "note",
        ),
        found("short", short, bad=f"clips too short to use ({extent})", good=f"no clip is too short ({extent})"),
    )


def check_same_clips(corpus: Corpus, records: Sequence[Record], seen: Mapping[Path, Seen]) -> Finding:
    """One clip under two names on both sides of a split, by its bytes: equal sizes are looked for, then hashes."""
    sized: dict[tuple[str, tuple[int, ...]], dict[Path, Record]] = {}
    for record in records:
        clip = seen[record.media]
        if record.split not in corpus.overlapping and record.span is None and not clip.absent:
            sized.setdefault((fold_of(record.split), clip.size), {}).setdefault(record.media, record)
    repeated = []
    for same_size in sized.values():
        if len(same_size) < 2 or len({record.split for record in same_size.values()}) < 2:
            continue
        first: dict[str, Record] = {}
        for media, record in same_size.items():
            other = first.setdefault(digest(media), record)
            if other.split != record.split:
                repeated.append(f"{other.id} ({other.split}) is {record.id} ({record.split})")
    return found(
        "same_clips", repeated, bad="one clip in two splits, by its bytes", good="no clip repeats across splits"
    )


def digest(media: Path) -> str:
    """SHA-256 of a file, or of all frames of a folder in their order."""
    total = hashlib.sha256()
    for path in frame_paths(media) if media.is_dir() else (media,):
        with path.open("rb") as stream:
            while block := stream.read(2**20):
                total.update(block)
    return total.hexdigest()


def _sample(records: Sequence[Record], size: int | None) -> Iterable[Record]:
    chosen: dict[Path, Record] = {}
    for part in by_split(records).values():
        step = 1.0 if size is None else max(1.0, len(part) / size)
        places = sorted({int(place * step) for place in range(int(len(part) / step))})
        for place in places:
            chosen.setdefault(part[place].media, part[place])
    return chosen.values()


def _probe(media: Path, limits: Limits) -> tuple[str | None, str | None]:
    """Why a clip cannot be decoded, and how short it is; None each where nothing is wrong."""
    if kind_of(media) != "frames":
        return _probe_file(media, limits.min_seconds)
    frames = frame_paths(media)
    for path in {0: frames[0], 1: frames[len(frames) // 2], 2: frames[-1]}.values():
        why_not, _ = _probe_file(path, 0.0)
        if why_not:
            return f"{path.name}: {why_not}", None
    return None, f"{len(frames)} frames" if len(frames) < limits.min_frames else None


def _probe_file(path: Path, min_seconds: float) -> tuple[str | None, str | None]:
    import av

    with path.open("rb") as stream:
        if stream.read(len(LFS_POINTER)) == LFS_POINTER:
            return "a Git LFS pointer, not the clip: fetch it with `git lfs pull`", None
    try:
        with av.open(str(path), timeout=OPEN_SECONDS) as container:
            track = next((each for each in container.streams if each.type in ("video", "audio")), None)
            if track is None:
                return "it has neither picture nor sound", None
            decoded, seconds, whole = _play(container, track.index)
            promised = float(track.duration * track.time_base) if track.duration and track.time_base else 0.0
    except (av.FFmpegError, OSError, ValueError) as error:
        return f"not media that can be decoded ({type(error).__name__})", None
    if not decoded:
        return "no frame could be decoded", None
    if whole and seconds < CUT_SHARE * promised:
        return f"cut off: it holds {seconds:.2f} s of {promised:.2f} s", None
    return None, f"{seconds:.2f} s" if seconds < min_seconds else None


def _play(container: InputContainer, track: int) -> tuple[bool, float, bool]:
    """Decodes the first frame of a track and reads on: whether there was one, the seconds read, and if that was all."""
    first, last, decoded, count = float("inf"), 0.0, False, 0
    for count, packet in enumerate(container.demux(track)):
        if not decoded:
            decoded = bool(packet.decode())
        if packet.pts is not None and packet.time_base is not None:
            first = min(first, float(packet.pts * packet.time_base))
            last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if count >= MAX_PACKETS:
            break
    return decoded, max(0.0, last - first), count < MAX_PACKETS
