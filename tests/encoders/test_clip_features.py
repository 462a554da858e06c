from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from emotrace.encoders.clip_features import ClipSource, OpenClip, _Faces, _longest
from emotrace.encoders.pictures import FaceRows
from emotrace.encoders.text_hashed import HashedText
from emotrace.encoders.voice import VoiceMeasures, voice_features
from emotrace.errors import UnreadableMedia
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.media.clip import Clip
from emotrace.media.faces import detector
from emotrace.media.tracking import FaceTrack
from emotrace.samples import sample_clip
from emotrace.span import Span
from emotrace.testing.synthetic import write_clip

FACES = detector("opencv")


def _open(**source: object) -> OpenClip:
    return OpenClip(ClipSource(name="clip", **source), rate_hz=5.0)  # type: ignore[arg-type]


def test_a_talk_has_a_face_a_voice_and_words() -> None:
    clip = _open(media=sample_clip(), text="What a day.")
    seen = clip.seen_by([FaceRows()], FACES)["face"]
    assert seen is not None
    assert seen.frames.shape[0] > 10
    np.testing.assert_allclose(seen.utterance, seen.frames.mean(axis=0), atol=1e-5)
    assert clip.heard_by(VoiceMeasures()) is not None
    read = clip.read_by(HashedText())
    assert read is not None
    assert read.frames.shape == (3, 1024)


def test_what_a_clip_lacks_is_none(tmp_path: Path) -> None:
    bars = _open(media=write_clip(tmp_path / "bars.mp4", sounds=()))
    assert bars.seen_by([FaceRows()], FACES) == {"face": None}
    assert bars.heard_by(VoiceMeasures()) is None
    assert bars.read_by(HashedText()) is None
    tone = _open(media=write_clip(tmp_path / "tone.m4a", pictures=()))
    assert tone.seen_by([FaceRows()], FACES) == {"face": None}


def test_a_span_is_all_that_is_seen_and_heard() -> None:
    span = Span(1.0, 2.5)
    part = _open(media=sample_clip(), span=span)
    found = part.heard_by(VoiceMeasures())
    meter = VoiceMeter()
    for block in Clip.open(sample_clip()).audio():
        shared = block.span & span
        if shared is not None:
            first = round((shared.start_seconds - block.span.start_seconds) * 16000)
            last = round((shared.end_seconds - block.span.start_seconds) * 16000)
            meter.feed(type(block)(samples=block.samples[first:last], span=shared))
    expected = voice_features(meter.finish())
    assert found is not None
    assert expected is not None
    assert np.array_equal(found.utterance, expected.utterance)
    assert part.content != _open(media=sample_clip()).content
    seen, whole = (clip.seen_by([FaceRows()], FACES)["face"] for clip in (part, _open(media=sample_clip())))
    assert seen is not None
    assert whole is not None
    assert len(seen.frames) < len(whole.frames)


def test_a_folder_of_pictures_is_taken_as_crops(tmp_path: Path) -> None:
    pictures = np.random.default_rng(2).integers(0, 255, (3, 112, 140, 3), dtype=np.uint8)
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), picture[..., ::-1])
    clip = _open(media=tmp_path, pictures=tuple(paths))
    seen = clip.seen_by([FaceRows()], FACES)["face"]
    assert seen is not None
    np.testing.assert_allclose(seen.frames, FaceRows().encode(pictures[:, :, 14:126]), atol=1e-6)
    assert clip.heard_by(VoiceMeasures()) is None
    paths[1].write_bytes(b"was a picture")
    with pytest.raises(UnreadableMedia, match=r"1\.png"):
        clip.seen_by([FaceRows()], FACES)


def test_of_several_faces_the_longest_on_screen_is_seen() -> None:
    def track(number: int, *stretches: int, samples: int) -> FaceTrack:
        squares = np.zeros((samples, 4), np.float32)
        return FaceTrack(person_id=f"P{number}", track_ids=stretches, presence=(), squares=squares)

    assert _longest([track(1, 0, samples=4), track(2, 1, 3, samples=9), track(3, 2, samples=9)]) == (1, 3)
    assert _longest([]) == ()
    encoder = FaceRows()
    faces = _Faces([encoder])
    crops = np.random.default_rng(3).integers(0, 255, (70, 112, 112, 3), dtype=np.uint8)  # more than two batches
    for number, crop in enumerate(crops):
        faces.add(number % 3, {112: crop})
    seen = faces.rows_of((0, 2))["face"]
    assert seen is not None
    expected = encoder.encode(np.concatenate([crops[0::3], crops[2::3]]))
    np.testing.assert_allclose(seen.frames, expected, atol=1e-5)
    assert faces.rows_of((7,)) == {"face": None}
