"""No label reaches the words: not through names, folders, folds, tags, errors or people's captions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from emotrace.datasets.example import Example, Target
from emotrace.encoders.words import WordTokenizer
from emotrace.errors import LabelLeak, MediaError
from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.grace.cate import Narrative, narrate, narrate_caption, refine
from emotrace.grace.language.affect_trace import AffectTrace, CoarseSource, FineMethod, clip_id_of, frames_sha256
from emotrace.grace.language.lexicon import affect_lexicon
from emotrace.media.clip import AnonymousClip, Clip
from emotrace.span import Span
from emotrace.testing.synthetic import Bars, Tone, write_clip

CORPUS = "ferv39k"
LABELS = ("Happy", "Sad", "Angry")
Given = AnonymousClip | Clip
Provider = Callable[[Given, EvidenceSheet], str]


@dataclass(frozen=True)
class Placed:
    """A clip with everything about it that could tell its label."""

    key: str
    label: str
    fold: str
    path: Path


def place(root: Path, *, key: str, length: int, label: str, fold: str) -> Placed:
    """A clip whose folder, name, subtitle and title tag all spell the label. What is seen depends on `length` alone."""
    folder = root / CORPUS / "Action" / label / fold
    folder.mkdir(parents=True, exist_ok=True)
    times = tuple(number / 25 for number in range(15 + 5 * length))
    bars, tone = Bars(frame_times_seconds=times), Tone(duration_seconds=0.6)
    plain = write_clip(root / f"{key}.mp4", pictures=(bars,), sounds=(tone,))
    path = folder / f"{label}_{key}.mp4"
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = label
        target.metadata["comment"] = f"{CORPUS} {fold} {label}"
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    plain.unlink()
    path.with_suffix(".srt").write_text("1\n00:00:00,100 --> 00:00:00,500\ngood morning\n")
    return Placed(key=key, label=label, fold=fold, path=path)


def sheet_of(given: Given) -> EvidenceSheet:
    """What an embedded observer would have seen, from the pictures alone."""
    count = len(list(given.frames()))
    finding = Finding(
        modality="visual",
        span=Span(0.0, 0.2 * count),
        text="inner brows rise" if count % 2 else "the lips part",
        strength=0.1 * count,
        confidence=0.9,
        source="test@1",
    )
    return EvidenceSheet.of([finding], clip_id=frames_sha256(given.frames()), span=Span(0.0, 10.0))


def told(value: object, depth: int = 0) -> Iterator[str]:
    """Every string that whoever is given the value can get at without force."""
    if isinstance(value, np.ndarray) or depth > 6:
        return
    yield repr(value)
    if isinstance(value, Path) and value.is_file():
        with av.open(str(value)) as container:  # as a service reads the file that it is sent
            yield from map(str, container.metadata.values())
    if isinstance(value, str | bytes | int | float | None | Path):
        return
    if isinstance(value, dict | list | tuple):
        for item in value.items() if isinstance(value, dict) else value:
            yield from told(item, depth + 1)
        return
    for name in [f.name for f in fields(value)] if is_dataclass(value) else dir(value):
        if name.startswith("_"):
            continue
        member = getattr(value, name)
        if name in ("frames", "audio"):
            for item in member():
                yield from told(item, depth + 1)
        elif not callable(member):
            yield from told(member, depth + 1)


def found_in(strings: Iterator[str] | list[str], placed: Placed) -> set[str]:
    """Which of the words that could tell the label stand in the strings."""
    words = {placed.label, CORPUS, placed.fold, placed.path.name, placed.path.stem, placed.path.parent.name, "Action"}
    everything = "\n".join(strings).casefold()
    return {word for word in words if word.casefold() in everything}


def observe(given: Given, sheet: EvidenceSheet) -> str:
    """A provider that does its work: it tells what it sees."""
    return f"{narrate(sheet).text} The picture has {len(list(given.frames()))} frames."


def echo(given: Given, sheet: EvidenceSheet) -> str:
    """A provider that returns everything it was told."""
    return " ".join([*told(given), json.dumps(sheet.to_dict())])


def line_of(placed: Placed, provider: Provider, *, created_utc: str, guarded: bool = True) -> dict[str, object]:
    """One line of the cache. `guarded=False` hands the provider the clip itself, which nobody should do."""
    clip = Clip.open(placed.path)
    given = clip.anonymous() if guarded else clip
    narrative = Narrative.of_text(provider(given, sheet_of(given)))
    tokenizer = WordTokenizer()
    return AffectTrace(
        clip_id=clip_id_of(CORPUS, placed.key),
        frames_sha256=frames_sha256(given.frames()),
        coarse=CoarseSource(source="test@1"),
        narrative=narrative,
        fine=FineMethod(lexicon_sha256=affect_lexicon().sha256),
        tokenizer=tokenizer.name,
        text=refine(narrative, tokenizer),
        created_utc=created_utc,
    ).to_dict()


def without_time(line: dict[str, object]) -> str:
    coarse = dict(line["coarse"], created_utc="")  # type: ignore[call-overload]
    return json.dumps({**line, "coarse": coarse}, sort_keys=True)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Placed:
    return place(tmp_path_factory.mktemp("corpus"), key="0267", length=1, label="Happy", fold="set_3")


def test_a_permuted_labels_folders_names_and_folds_change_nothing(tmp_path: Path) -> None:
    def lines(root: Path, turn: int, created_utc: str) -> list[dict[str, object]]:
        return [
            line_of(
                place(root, key=f"{n:04d}", length=n, label=LABELS[(n + turn) % 3], fold=f"set_{(n + turn) % 3}"),
                observe,
                created_utc=created_utc,
            )
            for n in range(3)
        ]

    first, second = lines(tmp_path / "one", 0, "2026-01-01"), lines(tmp_path / "two", 1, "2026-01-02")
    assert [without_time(line) for line in first] == [without_time(line) for line in second]
    assert first != second
    assert len({without_time(line) for line in first}) == 3


def test_b_a_spying_provider_sees_nothing_that_tells_the_label(placed: Placed) -> None:
    seen: list[str] = []

    def spy(given: Given, sheet: EvidenceSheet) -> str:
        seen.extend([*told(given), json.dumps(sheet.to_dict())])
        return "the lips part"

    line_of(placed, spy, created_utc="")
    assert any("good morning" in text for text in seen)  # it looked, and found what it may see
    assert found_in(seen, placed) == set()


def test_c_an_echo_of_everything_holds_no_label(placed: Placed) -> None:
    assert found_in([json.dumps(line_of(placed, echo, created_utc=""))], placed) == set()


def test_c_the_guard_is_what_keeps_the_label_out(placed: Placed) -> None:
    """A planted leak is found where `anonymous()` is bypassed."""
    line = line_of(placed, echo, created_utc="", guarded=False)
    assert placed.label in found_in([json.dumps(line)], placed)
    tags = [text for text in told(Clip.open(placed.path)) if text == placed.label]
    assert tags, "the title tag itself is among what an unguarded provider can read"


def test_errors_while_reading_do_not_name_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "Happy"
    folder.mkdir()
    path = write_clip(folder / "Happy.mp4", options={"movflags": "faststart"})
    given = Clip.open(path, use_audio=False).anonymous()
    path.write_bytes(b"\0" * 100)
    for read in (given.frames, given.audio):
        with pytest.raises(MediaError) as caught:
            list(read())
        assert "happy" not in str(caught.value).casefold()
        assert caught.value.__suppress_context__


def test_an_anonymous_clip_cannot_travel_or_be_asked_for_its_path(placed: Placed) -> None:
    import pickle

    given = Clip.open(placed.path).anonymous()
    assert not hasattr(given, "path")
    assert not hasattr(given, "sha256")
    assert given.transcript is not None
    assert given.transcript.text == "good morning"
    assert len(list(given.frames())) == len(list(Clip.open(placed.path).frames()))
    with pytest.raises(TypeError, match="path"):
        pickle.dumps(given)


def test_d_captions_of_people_are_refused_at_test_time() -> None:
    example = Example(
        id="00025",
        media=Path("00025.mp4"),
        target=Target(labels=("anger",)),
        split="set_1/test",
        description="A furious man frowns and grits his teeth.",
    )
    assert example.description is not None
    with pytest.raises(LabelLeak, match="caption"):
        narrate_caption(example.description, training=False)
    with pytest.raises(LabelLeak):  # the absence of a caption tells the label too
        narrate_caption("", training=False)
    words = refine(narrate_caption(example.description, training=True), WordTokenizer())
    assert [phrase.action_unit for phrase in words.phrases] == ["AU4", "AU31"]
    assert "furious" not in " ".join(phrase.text for phrase in words.phrases)


def test_an_example_is_no_sheet() -> None:
    example = Example(id="0", media=Path("0.mp4"), target=Target(labels=("anger",)), split="test")
    with pytest.raises((AttributeError, TypeError)):
        narrate(example)  # type: ignore[arg-type]
    with pytest.raises((AttributeError, TypeError)):
        refine(example, WordTokenizer())  # type: ignore[arg-type]
