from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from emotrace.encoders.cache import FeatureCache
from emotrace.encoders.clip_features import ClipSource
from emotrace.encoders.extract import EMBEDDED, encoder_named, extract
from emotrace.encoders.features import ClipFeatures
from emotrace.encoders.voice import VoiceMeasures
from emotrace.errors import DuplicateName, ModelNotFound, UsageError
from emotrace.media.audio import Waveform
from emotrace.samples import sample_clip
from emotrace.testing.miniature import tone


class _Counting(VoiceMeasures):
    """Counts what it hears, and gives the sound's mean and length."""

    def __init__(self) -> None:
        self.heard = 0

    def encode_sound(self, blocks: Iterable[Waveform]) -> ClipFeatures | None:
        self.heard += 1
        samples = np.concatenate([block.samples for block in blocks])
        return ClipFeatures.mean_of(np.array([[np.abs(samples).mean(), len(samples)]], np.float32))


def _tones(folder: Path, count: int) -> list[ClipSource]:
    folder.mkdir()
    sources = []
    for number in range(count):
        path = folder / f"clip{number}.wav"
        path.write_bytes(tone(number, 5))
        sources.append(ClipSource(name=f"clip{number}", media=path))
    return sources


def test_files_lie_as_mertools_reads_them(tmp_path: Path) -> None:
    source = ClipSource(name="train/talk", media=sample_clip(), text="What a day.")
    mute = ClipSource(name="tone", media=_tones(tmp_path / "in", 1)[0].media)
    cache = FeatureCache(tmp_path / "cache")
    encoders = [encoder_named(name) for name in EMBEDDED]
    written = extract([source, mute], encoders, tmp_path / "out", levels=("utt", "fra"), cache=cache)
    names = [f"{name}-{level}" for name in EMBEDDED for level in ("UTT", "FRA")]
    assert [each.name for each in written.sets] == names
    for each in written.sets:
        rows = np.load(tmp_path / "out" / each.name / "train__talk.npy")
        assert rows.dtype == np.float32
        assert rows.ndim == (1 if each.level == "utt" else 2)
        assert rows.shape[-1] == each.width
        assert each.written == 1
        assert each.absent == ("tone",)
        card = json.loads((tmp_path / "out" / f"{each.name}.json").read_text())
        assert (card["clips"], card["absent"], card["width"]) == (1, ["tone"], each.width)
    again = extract([source, mute], encoders, tmp_path / "again", levels=("utt", "fra"), cache=cache)
    assert all(each.kept == each.written for each in again.sets)
    assert _contents(tmp_path / "out") == _contents(tmp_path / "again")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_content_decides_what_is_computed_and_names_do_not(tmp_path: Path) -> None:
    sources, encoder, cache = _tones(tmp_path / "in", 3), _Counting(), FeatureCache(tmp_path / "cache")
    extract(sources, [encoder], tmp_path / "out", cache=cache)
    assert encoder.heard == 3
    renamed = tmp_path / "in" / "renamed.wav"
    sources[0].media.rename(renamed)
    sources[1].media.write_bytes(tone(77, 5))
    extract([ClipSource(name="renamed", media=renamed), sources[1]], [encoder], tmp_path / "out", cache=cache)
    assert encoder.heard == 4
    assert (tmp_path / "out/voice-UTT/renamed.npy").read_bytes() == (tmp_path / "out/voice-UTT/clip0.npy").read_bytes()


def test_a_clip_that_lost_its_sound_loses_its_file(tmp_path: Path) -> None:
    (source,) = _tones(tmp_path / "in", 1)
    target = tmp_path / "out/voice-UTT/clip0.npy"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    extract([source], [encoder_named("voice")], tmp_path / "out", cache=FeatureCache(tmp_path / "cache"))
    assert not target.exists()  # nobody speaks in a tone


def test_unreadable_clips_are_named_and_the_others_written(tmp_path: Path) -> None:
    sources = _tones(tmp_path / "in", 3)
    sources[1].media.write_bytes(b"was a sound once")
    sources.append(ClipSource(name="gone", media=tmp_path / "gone.wav"))
    written = extract(sources, [_Counting()], tmp_path / "out", cache=FeatureCache(tmp_path / "cache"))
    assert list(written.failed) == ["clip1", "gone"]
    assert written.sets[0].written == 2


def test_names_that_would_replace_each_other_and_no_encoder_are_refused(tmp_path: Path) -> None:
    (source,) = _tones(tmp_path / "in", 1)
    same = ClipSource(name="a__b", media=source.media), ClipSource(name="a/b", media=source.media)
    with pytest.raises(DuplicateName, match="a__b"):
        extract(same, [_Counting()], tmp_path / "out")
    with pytest.raises(UsageError):
        extract([source], [], tmp_path / "out")
    with pytest.raises(UsageError):
        extract([source], [_Counting(), _Counting()], tmp_path / "out")


def test_checkpoints_see_hear_and_read_by_their_kind(tmp_path: Path, clip_folder: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra [train]")
    from emotrace.testing.tiny_checkpoints import write_bert, write_hubert

    folders = [clip_folder, write_hubert(tmp_path / "tiny-hubert"), write_bert(tmp_path / "tiny-bert")]
    encoders = [encoder_named(str(folder)) for folder in folders]
    assert [each.modality for each in encoders] == ["visual", "vocal", "verbal"]
    source, cache = ClipSource(name="talk", media=sample_clip(), text="the voice is low"), FeatureCache(tmp_path / "c")
    for out in ("once", "twice"):
        written = extract([source], encoders, tmp_path / out, levels=("utt", "fra"), cache=cache)
        assert [each.width for each in written.sets] == [16, 16, 16, 16, 24, 24]
        assert [each.kept for each in written.sets] == [int(out == "twice")] * 6
    assert _contents(tmp_path / "once") == _contents(tmp_path / "twice")
    assert np.load(tmp_path / "once/tiny-bert-FRA/talk.npy").shape == (4, 24)


def test_an_unknown_encoder_is_an_error_of_ours(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra [train]")
    with pytest.raises(ModelNotFound):
        encoder_named(str(tmp_path / "no-such-model"))


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    _tones(tmp_path / "in", 40)
    program = Path(sys.executable).parent / "emotrace"
    command = [str(program), "features", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-e", "voice"]
    environment = {**os.environ, "EMOTRACE_HOME": str(tmp_path / "home")}
    cache = tmp_path / "home" / "features"
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60.0
    while len(list(cache.rglob("*.npy"))) < 5 and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    assert len(done) >= 5
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert "voice-UTT" in run.stdout
    after = {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    assert len(after) == 40
    assert {name: after[name] for name in done} == done
