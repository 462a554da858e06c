"""The trace store: it only grows, survives a kill at any byte, and several processes may share it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.encoders.words import WordTokenizer
from emotrace.errors import UnreadableTrace, UnwritableOutput
from emotrace.evidence import store as store_module
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.grace.cate import Narrative, Sentence, refine
from emotrace.grace.language.affect_trace import AffectTrace, CoarseSource, FineMethod, clip_id_of, frames_sha256
from emotrace.media.video import Frame
from emotrace.span import Span


@dataclass(frozen=True, kw_only=True)
class Said:
    """The smallest trace: who said what of which clip."""

    clip: str
    words: str
    frames: str = "f0"
    provider: str = "scripted"

    @property
    def key(self) -> TraceKey:
        return TraceKey(clip_id=self.clip, provider=self.provider, prompt_sha256="p0")

    @property
    def made_from(self) -> Mapping[str, str]:
        return {"frames_sha256": self.frames}

    def to_dict(self) -> dict[str, Any]:
        return {"clip": self.clip, "words": self.words, "frames": self.frames, "provider": self.provider}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Said:
        return cls(**record)


def opened(path: Path) -> TraceStore[Said]:
    return TraceStore(path, Said.from_dict)


def fill(path: Path, count: int = 3) -> list[Said]:
    store, said = opened(path), [Said(clip=f"c{n}", words=f"the lips part, {n} × ﬁ\u2028 眉\n") for n in range(count)]
    assert all(store.append(trace) for trace in said)
    return said


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "made" / "traces.jsonl"
    assert len(opened(path)) == 0
    said = fill(path)
    store = opened(path)
    assert list(store) == said
    assert store.get(said[1].key) == said[1]
    assert said[1].key in store
    assert TraceKey(clip_id="c9", provider="scripted", prompt_sha256="p0") not in store
    assert store.get(TraceKey(clip_id="c1", provider="other", prompt_sha256="p0")) is None
    assert len(path.read_bytes().split(b"\n")) == 4


def test_the_same_again_adds_nothing_and_a_changed_hash_a_line(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    (first, *_) = fill(path)
    before = path.read_bytes()
    store = opened(path)
    assert not store.append(replace(first, words="said otherwise"))
    assert path.read_bytes() == before
    changed = replace(first, frames="f1", words="the jaw drops")
    assert store.append(changed)
    assert path.read_bytes().startswith(before)
    assert store.history(first.key) == [first, changed]
    assert store.get(first.key) == changed
    assert store.get(first.key, {"frames_sha256": "f0"}) == first
    assert store.get(first.key, {"frames_sha256": "f2"}) is None
    assert len(list(store)) == 3
    assert len(store) == 4


def test_a_kill_at_any_byte_of_the_last_line_loses_that_line_alone(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    said = fill(whole)
    data = whole.read_bytes()
    last = data.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(data)):
        path = tmp_path / "cut.jsonl"
        path.write_bytes(data[:end])
        store = opened(path)
        assert list(store) == said[:2]
        assert path.read_bytes() == data[:end]  # looking changes nothing
        assert store.append(said[2])
        assert path.read_bytes() == data
        assert list(store) == said


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "traces.jsonl"
    said = fill(path)
    before, write = path.read_bytes(), os.write

    def short(file: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(28, "No space left on device")
        return write(file, data[:20])

    store = opened(path)
    with monkeypatch.context() as patch:
        patch.setattr(store_module.os, "write", short)
        with pytest.raises(UnwritableOutput, match="No space left"):
            store.append(Said(clip="c8", words="x" * 100))
    assert path.read_bytes() == before
    assert store.append(Said(clip="c8", words="x" * 100))
    assert len(list(opened(path))) == len(said) + 1


def test_where_nothing_can_be_written_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableOutput):
        opened(tmp_path / "file" / "traces.jsonl").append(Said(clip="c", words="x"))
    with pytest.raises(UnwritableOutput):
        opened(tmp_path / "traces.jsonl").append(Said(clip="c", words="x" * (store_module.MAX_LINE_BYTES + 1)))


@pytest.mark.parametrize("line", [b"not json", b"[]", b'{"clip": "c"}', b"\xff\xfe", b"", b'{"clip":' * 5000])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "traces.jsonl"
    fill(path, 1)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(UnreadableTrace, match="line 2") as caught:
        opened(path)
    assert caught.value.where == str(path)


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(UnreadableTrace, match="longer"):
        opened(path)


def test_two_stores_of_one_file_see_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    one, other = opened(path), opened(path)
    assert one.append(Said(clip="a", words="x"))
    assert not other.append(Said(clip="a", words="y"))
    assert other.append(Said(clip="b", words="z"))
    assert one.append(Said(clip="c", words="z"))
    assert [trace.clip for trace in one] == ["a", "b", "c"]


WRITER = """
import sys
from types import SimpleNamespace
from emotrace.evidence.store import TraceKey, TraceStore

def trace(clip):
    key = TraceKey(clip_id=clip, provider="p", prompt_sha256="s")
    return SimpleNamespace(key=key, made_from={}, to_dict=lambda: {"clip": clip, "words": "w" * 500})

path, own = sys.argv[1:]
store = TraceStore(path, lambda record: trace(record["clip"]))
for number in range(40):
    store.append(trace(f"shared{number}"))
    store.append(trace(f"{own}{number}"))
"""


def test_several_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    workers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    clips = [json.loads(line)["clip"] for line in path.read_bytes().splitlines()]
    assert len(clips) == len(set(clips)) == 40 * 4


# --- GRACE's own record ---------------------------------------------------------------------------------------------


def affect_trace(*, lexicon: str = "l0", created: str = "2026-01-01T00:00:00Z") -> AffectTrace:
    narrative = Narrative(
        sentences=(
            Sentence(text="inner brows rise, strong", span=Span(0.4, 1.2), strength=0.9, observation_ids=("V1",)),
            Sentence(text="the camera zooms in"),
        )
    )
    return AffectTrace(
        clip_id=clip_id_of("dfew", "00001"),
        frames_sha256="f" * 64,
        coarse=CoarseSource(source="http", model="seer-7b", prompt_sha256="0" * 64, temperature=0.0, seed=0),
        narrative=narrative,
        fine=FineMethod(lexicon_sha256=lexicon),
        tokenizer=WordTokenizer.name,
        text=refine(narrative, WordTokenizer()),
        created_utc=created,
    )


def test_an_affect_trace_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "affect.jsonl"
    trace = affect_trace()
    assert TraceStore(path, AffectTrace.from_dict).append(trace)
    (back,) = TraceStore(path, AffectTrace.from_dict)
    assert (back.narrative, back.coarse, back.fine, back.created_utc) == (
        trace.narrative,
        trace.coarse,
        trace.fine,
        trace.created_utc,
    )
    assert back.text.phrases == trace.text.phrases
    assert back.text.dropped == trace.text.dropped == (("the camera zooms in", "camera"),)
    for name in ("affect", "marginal"):
        assert getattr(back.text, name).dtype == np.float32
        assert (getattr(back.text, name) == getattr(trace.text, name)).all()
    assert back.to_dict() == trace.to_dict()
    assert back.key == TraceKey(clip_id=trace.clip_id, provider="http/seer-7b", prompt_sha256="0" * 64)


def test_a_new_lexicon_is_a_new_line_and_another_time_is_not(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "affect.jsonl", AffectTrace.from_dict)
    assert store.append(affect_trace())
    assert not store.append(affect_trace(created="2027-01-01T00:00:00Z"))
    assert store.append(affect_trace(lexicon="l1"))
    assert [trace.fine.lexicon_sha256 for trace in store.history(affect_trace().key)] == ["l0", "l1"]
    assert store.get(affect_trace().key, affect_trace().made_from) is not None


def test_a_line_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "affect.jsonl"
    path.write_text(json.dumps({**affect_trace().to_dict(), "schema": "emotrace.affect_text/9"}) + "\n")
    with pytest.raises(UnreadableTrace, match="affect_text/9"):
        TraceStore(path, AffectTrace.from_dict)


def test_names_in_the_cache_tell_nothing() -> None:
    name = clip_id_of("ferv39k", "Action/Happy/0267")
    assert len(name) == 16
    assert int(name, 16) >= 0
    assert name != clip_id_of("ferv39k", "Action/Sad/0267")
    assert clip_id_of("a", "bc") != clip_id_of("ab", "c")


def test_frames_are_told_apart_by_what_they_show_and_when() -> None:
    black, white = np.zeros((4, 6, 3), np.uint8), np.full((4, 6, 3), 255, np.uint8)
    frames = [Frame(image=black, time_seconds=0.0, index=0), Frame(image=white, time_seconds=0.2, index=1)]
    others = [
        frames[::-1],
        frames[:1],
        [replace(frames[0], time_seconds=0.1), frames[1]],
        [replace(frames[0], image=black.reshape(6, 4, 3)), frames[1]],
    ]
    assert len({frames_sha256(each) for each in (frames, *others)}) == 5
    assert frames_sha256(frames) == frames_sha256([replace(frame) for frame in frames])
