"""Each kind of file is embedded, linked, copied, or left out with the reason."""

from __future__ import annotations

import base64
import hashlib
import io
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from emotrace.errors import MediaNotFound
from emotrace.media.audio import read_waveform
from emotrace.media.faces import OpenCVDetector
from emotrace.media.video import FrameReader
from emotrace.report.playback import Playback, prepare
from emotrace.results import Analysis
from emotrace.samples import sample_clip
from emotrace.testing.analysis import synthetic_analysis

LIMIT = 25_000_000


def analysis_of(path: Path, *, seconds: float = 2.0, persons: int = 1, sound: bool = True) -> Analysis:
    return synthetic_analysis(
        seconds=seconds,
        persons=persons,
        name=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        missing={} if sound else {"vocal": "not_recorded", "verbal": "not_recorded"},
    )


def play(
    analysis: Analysis, media: Path | None, *, limit: int = LIMIT, redact: bool = False, keep_sound: bool = True
) -> Playback:
    return prepare(analysis, media, limit_bytes=limit, redact=redact, keep_sound=keep_sound, folder=None)


def content(playback: Playback) -> bytes:
    return base64.b64decode(playback.source.partition(";base64,")[2])


def saved(playback: Playback, folder: Path) -> Path:
    path = folder / "embedded"
    path.write_bytes(content(playback))
    return path


def record(path: Path, pictures: list[np.ndarray], codec: str, format: str) -> Path:
    """A clip of those pictures with a tone, in a form that browsers may not play."""
    target = io.BytesIO()
    with av.open(target, "w", format=format) as sink:
        stream = sink.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        voice = sink.add_stream("mp2", rate=44_100, layout="mono")
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100 * len(pictures) // 25) / 44_100)
        sound = av.AudioFrame.from_ndarray((tone[np.newaxis] * 32767).astype(np.int16), format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 44_100, 0, Fraction(1, 44_100)
        for picture in pictures:
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        sink.mux(stream.encode(None))
        sink.mux(voice.encode(sound))
        sink.mux(voice.encode(None))
    path.write_bytes(target.getvalue())
    return path


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """The sample's first two seconds: a face on every picture."""
    return [frame.image for frame in FrameReader(sample_clip(), rate_hz=25.0) if frame.time_seconds < 2.0]


@pytest.fixture(scope="module")
def old_clip(pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("old") / "old.mpg", pictures, "mpeg1video", "mpeg")


def test_what_browsers_play_is_embedded_as_it_is() -> None:
    playback = play(analysis_of(sample_clip()), sample_clip())
    assert (playback.kind, playback.linked, playback.note) == ("video", False, None)
    assert playback.source.startswith("data:video/mp4;base64,")
    assert content(playback) == sample_clip().read_bytes()


def test_above_the_limit_it_is_linked_relatively(tmp_path: Path) -> None:
    clip = tmp_path / "media" / 'javascript:"x".mp4'
    clip.parent.mkdir()
    clip.write_bytes(sample_clip().read_bytes())
    playback = prepare(
        analysis_of(clip), clip, limit_bytes=1000, redact=False, keep_sound=True, folder=tmp_path / "reports"
    )
    assert playback.linked
    assert playback.source == "../media/javascript%3A%22x%22.mp4"
    beside = play(analysis_of(clip), clip, limit=1000)
    assert ":" not in beside.source


def test_what_browsers_cannot_play_becomes_a_copy_with_the_same_times(old_clip: Path, tmp_path: Path) -> None:
    playback = play(analysis_of(old_clip), old_clip)
    assert playback.kind == "video"
    assert "smaller copy" in (playback.note or "")
    copy = saved(playback, tmp_path)
    with av.open(str(copy)) as clip:
        assert [s.codec.canonical_name for s in clip.streams] == ["h264", "aac"]
    before, after = (list(FrameReader(path, rate_hz=5.0)) for path in (old_clip, copy))
    assert [f.time_seconds for f in after] == pytest.approx([f.time_seconds for f in before], abs=0.03)
    difference = np.abs(before[3].image.astype(float) - after[3].image.astype(float))
    assert difference.mean() < 4.0
    assert read_waveform(copy).span.end_seconds == pytest.approx(2.0, abs=0.15)


def test_the_copy_is_the_same_every_time(old_clip: Path) -> None:
    assert play(analysis_of(old_clip), old_clip) == play(analysis_of(old_clip), old_clip)


def test_a_copy_that_would_be_too_large_is_left_out_and_said(old_clip: Path) -> None:
    playback = play(analysis_of(old_clip), old_clip, limit=5_000)
    assert (playback.kind, playback.source) == ("none", "")
    assert "0.005 MB" in (playback.note or "")


def test_another_file_than_the_one_analysed_is_not_shown(tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(sample_clip().read_bytes() + b"x")
    playback = play(analysis_of(sample_clip()), other)
    assert playback.kind == "none"
    assert "not the one that was analysed" in (playback.note or "")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match=r"absent\.mp4"):
        play(analysis_of(sample_clip()), tmp_path / "absent.mp4")


def test_redaction_leaves_no_face_to_find_and_keeps_the_sound(tmp_path: Path) -> None:
    playback = play(analysis_of(sample_clip(), seconds=10.52), sample_clip(), redact=True)
    assert (playback.kind, playback.redacted, playback.linked) == ("video", True, False)
    copy = saved(playback, tmp_path)
    detector = OpenCVDetector()
    frames = list(FrameReader(copy, rate_hz=3.0))
    assert len(frames) > 25
    assert not [frame for frame in frames if any(f.score >= detector.SURE for f in detector.detect(frame.image))]
    assert read_waveform(copy).span.end_seconds == pytest.approx(10.52, abs=0.2)


def test_a_redacted_clip_can_be_silent(old_clip: Path, tmp_path: Path) -> None:
    playback = play(analysis_of(old_clip), old_clip, redact=True, keep_sound=False)
    with av.open(str(saved(playback, tmp_path))) as clip:
        assert [stream.type for stream in clip.streams] == ["video"]
    assert "sound is left out" in (playback.note or "")


def test_redaction_never_links(old_clip: Path) -> None:
    playback = play(analysis_of(old_clip), old_clip, redact=True, limit=1000)
    assert (playback.kind, playback.source, playback.linked) == ("none", "", False)
    assert "larger than the limit" in (playback.note or "")


def test_a_picture_without_any_face_is_left_out_when_redacting(tmp_path: Path) -> None:
    empty = record(tmp_path / "empty.mpg", [np.full((120, 160, 3), 90, np.uint8)] * 25, "mpeg1video", "mpeg")
    playback = play(analysis_of(empty, persons=0), empty, redact=True)
    assert playback.kind == "audio"
    assert "picture is left out" in (playback.note or "")
    with av.open(str(saved(playback, tmp_path))) as clip:
        assert [stream.type for stream in clip.streams] == ["audio"]
    silent = play(analysis_of(empty, persons=0), empty, redact=True, keep_sound=False)
    assert silent.kind == "none"


def test_a_photograph_is_embedded_and_redacted(pictures: list[np.ndarray], tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), cv2.cvtColor(pictures[0], cv2.COLOR_RGB2BGR))
    analysis = analysis_of(photo, seconds=0.0)
    plain = play(analysis, photo)
    assert (plain.kind, plain.source[:22]) == ("photo", "data:image/png;base64,")
    hidden = play(analysis, photo, redact=True)
    assert (hidden.kind, hidden.redacted, hidden.source[:23]) == ("photo", True, "data:image/jpeg;base64,")
    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(content(hidden), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert image.shape == pictures[0].shape
    assert not OpenCVDetector().detect(np.asarray(image, np.uint8))


def test_sound_alone_is_embedded(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        sink.mux(stream.encode(frame))
    analysis = synthetic_analysis(
        seconds=1.0,
        missing={"visual": "not_recorded"},
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        persons=0,
        unseen_voice=True,
    )
    assert play(analysis, path).source.startswith("data:audio/wav;base64,")
    redacted = play(analysis, path, redact=True)
    assert (redacted.kind, redacted.source[:15]) == ("audio", "data:audio/mp4;")


def test_real_clips_of_every_kind_are_shown(shared_media: Path) -> None:
    shown = {}
    for name in (
        "grid_bbaf2n.mpg", "pyfeat_single_face.mp4", "odd/portrait_rotated.mp4", "odd/variable_frame_rate.mp4",
        "odd/truncated_index_first.mp4", "pexels_group.jpeg", "odd/audio_only.m4a",
    ):  # fmt: skip
        path = shared_media / name
        photo, sound_only = path.suffix == ".jpeg", path.suffix == ".m4a"
        analysis = analysis_of(path, seconds=0.0 if photo else 2.0)
        if sound_only:
            analysis = analysis.model_copy(update={"source": analysis.source.model_copy(update={"video": None})})
        shown[name] = play(analysis, path).kind
    assert set(shown.values()) == {"video", "photo", "audio"}
    assert "none" not in shown.values()
