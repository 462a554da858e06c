"""The sample clip is what its provenance says, and holds what a first run needs."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import av
import numpy as np

from emotrace.media.audio import read_waveform
from emotrace.media.faces import OpenCVDetector
from emotrace.media.video import FrameReader
from emotrace.samples import sample_clip


def test_the_files_are_those_that_the_provenance_names() -> None:
    provenance = sample_clip().with_name("PROVENANCE.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"`(talk\.\w+)` \| `([0-9a-f]{64})`", provenance))
    assert set(named) == {"talk.mp4", "talk.srt"}
    for name, sha256 in named.items():
        assert hashlib.sha256(sample_clip().with_name(name).read_bytes()).hexdigest() == sha256, name
    for word in ("NASA", "public domain", "scikit-image", "eSpeak NG", "says anything about the person"):
        assert word in provenance


def test_it_is_small_and_every_browser_plays_it() -> None:
    assert sample_clip().stat().st_size <= 300_000
    with av.open(str(sample_clip())) as clip:
        assert clip.streams.video[0].codec.canonical_name == "h264"
        assert clip.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert clip.streams.audio[0].codec.canonical_name == "aac"
        assert clip.streams.video[0].average_rate == 25
        assert max(clip.streams.video[0].width, clip.streams.video[0].height) <= 640
        assert 8.0 <= clip.duration / av.time_base <= 12.0


def test_the_shipped_detector_finds_the_one_face_in_every_frame() -> None:
    detector = OpenCVDetector()
    found = [detector.detect(frame.image) for frame in FrameReader(sample_clip())]
    assert len(found) > 40
    assert all(faces and faces[0].score >= detector.SURE for faces in found)
    middles = np.array([faces[0].center for faces in found])
    assert np.ptp(middles, axis=0).max() < 40.0


def test_words_and_voice_are_there_at_the_same_time() -> None:
    waveform = read_waveform(sample_clip())
    level = float(np.sqrt(np.mean(waveform.samples**2)))
    transcript = sample_clip().with_suffix(".srt").read_text(encoding="utf-8")
    cues = re.findall(r"(\d+):(\d+):(\d+),(\d+) --> (\d+):(\d+):(\d+),(\d+)\n(.+)", transcript)
    assert len(cues) == 3
    silence_before = 0.0
    for cue in cues:
        start, end = (int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000 for h, m, s, ms in (cue[0:4], cue[4:8]))
        spoken = waveform.samples[round(start * 16_000) : round(end * 16_000)]
        rest = waveform.samples[round((silence_before + 0.1) * 16_000) : round((start - 0.1) * 16_000)]
        assert np.sqrt(np.mean(spoken**2)) > 0.4 * level
        assert np.sqrt(np.mean(rest**2)) < 0.05 * level
        silence_before = end


def test_the_movement_goes_from_still_to_bright() -> None:
    """Between the first and the last second the mouth region changes more than the still forehead does."""
    frames = {round(f.time_seconds, 1): f.image.astype(np.float32) for f in FrameReader(sample_clip())}
    before, after = frames[0.2], frames[max(frames)]
    mouth, collar = np.s_[200:260, 190:300], np.s_[320:355, 200:300]
    assert np.abs(before[mouth] - after[mouth]).mean() > 2.0 * np.abs(before[collar] - after[collar]).mean()


def test_the_path_is_a_file_of_the_package() -> None:
    assert sample_clip() == Path(sample_clip()).resolve()
    assert sample_clip().parent.name == "samples"
