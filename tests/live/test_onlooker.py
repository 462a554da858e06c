from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from emotrace.errors import UnreadableTranscript, UsageError
from emotrace.live.onlooker import Onlooker
from emotrace.live.people import People
from emotrace.live.source import Source
from emotrace.live.words import Words
from emotrace.media.align import Pose
from emotrace.media.faces import Detection
from emotrace.media.people import Look
from emotrace.media.tracking import Following
from emotrace.media.video import Frame
from emotrace.span import Span
from emotrace.testing.sounds import blocks, talk

CAMERA = Source(kind="camera", address="/dev/video0")
HISTORY = 6.0


class Somebody:
    """A detector that finds the one face of `picture`, in whole pictures and in a face's surroundings."""

    name = "somebody"

    def detect(self, image: np.ndarray) -> tuple[Detection, ...]:
        height, width, _ = image.shape
        if not image.any():
            return ()
        side = 60.0 if width > 72 else 45.0
        return (Detection(x=(width - side) / 2, y=(height - side) / 2, width=side, height=side, score=0.9),)


def picture(number: int) -> Frame:
    noise = np.random.default_rng(1).normal(128.0, 400.0, (120, 160))
    grey = np.clip(cv2.GaussianBlur(noise, (0, 0), 4.0), 0, 255).astype(np.uint8)
    return Frame(image=np.repeat(grey[..., None], 3, axis=2), time_seconds=number / 5, index=number)


@pytest.fixture(autouse=True)
def textures_have_no_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alignment looks for eyes; here a texture stands for a face."""
    monkeypatch.setattr("emotrace.media.tracking.align", lambda grey, pose: pose)


def test_what_is_remembered_does_not_grow_and_the_person_keeps_the_number() -> None:
    onlooker = Onlooker(Somebody(), Words(CAMERA, None), history_seconds=HISTORY)
    sound = list(blocks(talk(24.0, seed=3), block_samples=16_000))
    sizes: list[dict[str, int]] = []
    for second in range(24):
        onlooker.take(sound[second])
        for number in range(5 * second, 5 * second + 5):
            onlooker.take(picture(number))
        if second % 2 == 1:
            now = second + 1.0
            people = onlooker.witnesses(now)
            assert [witness.id for witness in people if witness.track is not None] == ["P1"]
            assert people[0].presence[0].start_seconds >= now - HISTORY - 2.0
            onlooker.forget(now)
            sizes.append(onlooker.rows)
    early, late = sizes[5], sizes[-1]
    assert early["face"] > 20
    assert early["voice"] > 300
    assert all(late[name] <= 1.1 * early[name] for name in early)


def test_sound_that_is_missing_in_between_is_silence_and_later_sound_keeps_its_time() -> None:
    onlooker = Onlooker(Somebody(), Words(CAMERA, None), history_seconds=20.0)
    first, *_ = blocks(talk(3.0, seed=3), block_samples=48_000)
    second, *_ = blocks(talk(3.0, seed=4), block_samples=48_000, start_seconds=7.0)
    onlooker.take(first)
    onlooker.take(second)
    onlooker.take(first)  # heard already
    voice = onlooker.witnesses(10.0)[0].voice
    assert voice is not None
    assert voice.time_seconds[-1] == pytest.approx(9.995)
    assert (voice.level_dbfs[350:650] == -120.0).all()
    assert (voice.level_dbfs[720:980] > -60.0).mean() > 0.5


def test_after_a_long_gap_listening_begins_anew() -> None:
    onlooker = Onlooker(Somebody(), Words(CAMERA, None), history_seconds=HISTORY)
    for start in (0.0, 5000.0):
        for block in blocks(talk(3.0, seed=3), start_seconds=start):
            onlooker.take(block)
    voice = onlooker.witnesses(5003.0)[0].voice
    assert voice is not None
    assert voice.time_seconds[0] == pytest.approx(5000.005)


def following(track_id: int, start: float, end: float, *, like: int | None = None) -> Following:
    look = Look()
    if like is not None:
        shade = np.random.default_rng(like)
        image = np.full((200, 200, 3), shade.integers(0, 255, 3), np.uint8)
        crop = np.clip(cv2.GaussianBlur(shade.normal(128, 400, (112, 112)), (0, 0), 5), 0, 255).astype(np.uint8)
        look.add(image, Pose(x=100.0, y=100.0, side=60.0), crop)
    squares = np.array([[start, 1, 1, 1], [end, 1, 1, 1]], np.float32)
    return Following(track_id=track_id, presence=Span(start, end), squares=squares, look=look)


def test_numbers_once_given_stay_whatever_comes_and_goes() -> None:
    people = People()
    ids = [track.person_id for track in people.named([following(0, 0.0, 2.0, like=1), following(1, 1.0, 2.0, like=2)])]
    assert ids == ["P1", "P2"]
    later = people.named([following(1, 1.0, 9.0, like=2), following(5, 5.0, 9.0, like=3)])
    assert {track.person_id: track.track_ids for track in later} == {"P2": (1,), "P3": (5,)}


def test_somebody_who_comes_back_is_known_by_looks_until_forgotten() -> None:
    people = People()
    people.named([following(0, 0.0, 2.0, like=1)])
    (back,) = people.named([following(0, 0.0, 2.0, like=1), following(4, 3.0, 5.0, like=1)])
    assert (back.person_id, back.track_ids, back.presence) == ("P1", (0, 4), (Span(0.0, 2.0), Span(3.0, 5.0)))
    assert people.named([]) == ()
    assert len(people) == 0
    (anew,) = people.named([following(9, 90.0, 95.0, like=1)])
    assert anew.person_id == "P2"


def test_two_who_are_on_screen_together_are_two_however_alike() -> None:
    tracks = People().named([following(0, 0.0, 2.0, like=1), following(1, 1.0, 3.0, like=1)])
    assert [track.person_id for track in tracks] == ["P1", "P2"]


def cue(number: int, start: int, text: str) -> str:
    return f"{number}\n00:00:{start:02d},000 --> 00:00:{start + 2:02d},000\n{text}\n\n"


def test_words_are_followed_as_they_are_written_and_a_torn_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "live.srt"
    path.write_text(cue(1, 1, "First."))
    words = Words(CAMERA, path)
    assert words.known

    def said(start: float, end: float) -> list[str]:
        transcript = words.within(Span(start, end))
        assert transcript is not None
        return [utterance.text for utterance in transcript.utterances]

    assert said(0.0, 2.9) == []  # not said to its end
    assert said(0.0, 3.0) == ["First."]
    path.write_text(cue(1, 1, "First.") + cue(2, 4, "Second."))
    assert said(0.0, 10.0) == ["First.", "Second."]
    assert said(3.5, 10.0) == ["Second."]
    path.write_bytes(b"\xff\xfe\xff half a charac\xc3")
    assert said(0.0, 10.0) == ["First.", "Second."]
    path.unlink()
    assert said(0.0, 10.0) == ["First.", "Second."]


def test_words_that_cannot_be_followed(tmp_path: Path) -> None:
    plain = tmp_path / "said.txt"
    plain.write_text("no times")
    with pytest.raises(UsageError, match="without times"):
        Words(CAMERA, plain)
    with pytest.raises(UnreadableTranscript, match="no such file"):
        Words(CAMERA, tmp_path / "none.srt")
    assert not Words(CAMERA, None).known
