from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from emotrace.errors import EmptyMedia, MediaError, MediaNotFound, MediaTooLong, UnreadableMedia, UsageError
from emotrace.media.clip import Clip
from emotrace.span import Span
from emotrace.testing.synthetic import Bars, Caption, Tone, write_clip


def test_a_clip_knows_what_it_holds(tmp_path) -> None:
    path = write_clip(tmp_path / "talk.mp4")
    (tmp_path / "talk.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nhello there\n")
    clip = Clip.open(path)
    assert (clip.sha256, clip.bytes) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert clip.span.start_seconds == 0.0
    assert clip.span.end_seconds == pytest.approx(2.0, abs=0.05)
    assert (clip.has_video, clip.has_audio, clip.missing) == (True, True, {})
    assert clip.transcript is not None
    assert clip.transcript.text == "hello there"
    assert len(list(clip.frames())) == 10
    assert sum(len(block.samples) for block in clip.audio()) > 31_000


def test_settings_reach_the_readers(tmp_path) -> None:
    path = write_clip(tmp_path / "talk.mp4")
    clip = Clip.open(path, rate_hz=2.0, text="so there")
    assert len(list(clip.frames())) == 4
    assert clip.frames().max_duration_seconds == clip.audio().max_duration_seconds == clip.max_duration_seconds
    assert clip.transcript is not None
    assert clip.transcript.source == "option"


@pytest.mark.parametrize(
    ("pictures", "sounds", "switches", "missing"),
    [
        ([Bars()], [], {}, {"vocal": "not_recorded"}),
        ([], [Tone()], {}, {"visual": "not_recorded"}),
        ([Bars()], [Tone(amplitude=0.0)], {}, {}),
        ([Bars()], [Tone()], {"use_video": False}, {"visual": "switched_off"}),
        ([Bars()], [Tone()], {"use_audio": False}, {"vocal": "switched_off"}),
        ([Bars()], [], {"use_audio": False}, {"vocal": "not_recorded"}),
    ],
)
def test_what_is_missing_says_why(tmp_path, pictures, sounds, switches, missing) -> None:
    clip = Clip.open(write_clip(tmp_path / "clip.mp4", pictures=pictures, sounds=sounds), **switches)
    assert clip.missing == {**missing, "verbal": "not_recorded"}
    for part, read in (("visual", clip.frames), ("vocal", clip.audio)):
        if part in missing:
            with pytest.raises(EmptyMedia, match=missing[part].replace("_", " ")):
                read()
        else:
            read()


def test_a_photograph_is_an_instant(tmp_path) -> None:
    path = tmp_path / "photo.png"
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "rgb24"
        frame = av.VideoFrame(32, 16, "rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    clip = Clip.open(path, text="hello")
    assert clip.span == Span(0.0, 0.0)
    assert clip.missing == {"vocal": "not_recorded"}
    assert [frame.image.shape for frame in clip.frames()] == [(16, 32, 3)]


def test_a_header_without_a_duration_is_made_up_for_by_the_packets(tmp_path) -> None:
    path = write_clip(tmp_path / "live.mkv", options={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is None
    assert Clip.open(path).span.end_seconds == pytest.approx(2.0, abs=0.05)


def test_too_long(tmp_path) -> None:
    path = write_clip(tmp_path / "clip.mp4")
    with pytest.raises(MediaTooLong, match=r"2\.0 s are longer than the limit of 1\.5 s.*--max-duration"):
        Clip.open(path, max_duration_seconds=1.5)
    with pytest.raises(UsageError):
        Clip.open(path, max_duration_seconds=0.0)


def test_an_embedded_track_gives_the_words(tmp_path) -> None:
    captions = [Caption(text="hello there", start_seconds=0.5, end_seconds=1.5)]
    clip = Clip.open(write_clip(tmp_path / "talk.mp4", captions=captions))
    assert clip.transcript is not None
    assert clip.transcript.source == "embedded:2"
    assert "verbal" not in clip.missing


def test_no_file_and_empty_files(tmp_path) -> None:
    with pytest.raises(MediaNotFound, match="no such file"):
        Clip.open(tmp_path / "none.mp4")
    with pytest.raises(MediaNotFound, match="folder"):
        Clip.open(tmp_path)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(EmptyMedia, match="0 bytes"):
        Clip.open(empty)
    fifo = tmp_path / "pipe.mp4"
    os.mkfifo(fifo)
    with pytest.raises(MediaNotFound, match="not a regular file"):
        Clip.open(fifo)


def test_a_file_of_words_alone_is_empty(tmp_path) -> None:
    captions = [Caption(text="hello", start_seconds=0.0, end_seconds=1.0)]
    path = write_clip(tmp_path / "words.mkv", pictures=[], sounds=[], captions=captions, caption_codec="subrip")
    with pytest.raises(EmptyMedia, match="neither a picture nor a sound"):
        Clip.open(path)


def test_a_file_cut_before_its_index(tmp_path) -> None:
    data = write_clip(tmp_path / "whole.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableMedia, match="cut short"):
        Clip.open(path)


TEXTS = {
    "text": "This is not a video.\n" * 50,
    "concat": "ffconcat version 1.0\nfile 'secret.mp4'\n",
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "hls_far": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period/></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "srt": "1\n00:00:01,000 --> 00:00:02,000\nhello\n",
    "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n",
    "ass": "[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,D,,0,0,0,,hi\n",
    "y4m_like": "#!/bin/sh\necho hello\n",
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("ending", [".mp4", ".m3u8", ".ffconcat", ".txt", ".mpd", ".sdp"])
def test_text_and_playlists_are_never_media(tmp_path, kind, ending) -> None:
    write_clip(tmp_path / "secret.mp4", sounds=[])
    path = tmp_path / f"list{ending}"
    path.write_text(TEXTS[kind])
    with pytest.raises(UnreadableMedia, match="text, not a video"):
        Clip.open(path)


@pytest.mark.parametrize("data", [bytes(2000), bytes(range(256)) * 20, b"\x1aE\xdf\xa3" + bytes(500)])
def test_noise_is_not_media(tmp_path, data) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(data)
    with pytest.raises((UnreadableMedia, EmptyMedia)):
        Clip.open(path)


def test_every_cut_of_a_file_gives_a_clip_or_a_typed_error(tmp_path) -> None:
    """Cut anywhere, and damaged anywhere: never a crash, never another exception."""
    bars = Bars(frame_times_seconds=tuple(number / 25 for number in range(20)))
    outcomes = set()
    for options in ({}, {"movflags": "faststart"}):
        data = write_clip(tmp_path / "whole.mp4", pictures=[bars], options=options).read_bytes()
        path = tmp_path / "part.mp4"
        for part in range(1, 24):
            at = len(data) * part // 24
            for damaged in (data[:at], data[:at] + bytes(64) + data[at + 64 :]):
                path.write_bytes(damaged)
                try:
                    clip = Clip.open(path)
                    outcomes.add("opened")
                    for reader in (clip.frames, clip.audio):
                        for _ in reader():
                            pass
                except MediaError as error:
                    outcomes.add(type(error).__name__ if error.where == str(path) else "nameless")
    assert {"opened", "UnreadableMedia"} <= outcomes <= {"opened", "UnreadableMedia", "EmptyMedia"}


def test_ffmpeg_writes_nothing_to_the_terminal(tmp_path) -> None:
    data = write_clip(tmp_path / "whole.mp4", options={"movflags": "faststart"}).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) * 2 // 3])
    program = (
        "import sys; from emotrace.media.clip import Clip; clip = Clip.open(sys.argv[1]);"
        "print(len(list(clip.frames())), len(list(clip.audio())))"
    )
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", program, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert run.stdout.strip()


def test_peak_memory_does_not_grow_with_the_length(tmp_path) -> None:
    """Six times the length, the same memory, within 15 %, even if the garbage collector never runs."""

    def peak_kilobytes(path: Path) -> int:
        program = (
            "import gc, resource, sys; from emotrace.media.clip import Clip\n"
            "gc.disable(); clip = Clip.open(sys.argv[1])\n"
            "for _ in clip.frames(): pass\n"
            "for _ in clip.audio(): pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", program, str(path)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def clip(seconds: int) -> Path:
        times = tuple(number / 5 for number in range(5 * seconds))
        bars = Bars(frame_times_seconds=times, width=640, height=360)
        return write_clip(tmp_path / f"{seconds}.mp4", pictures=[bars], sounds=[Tone(duration_seconds=float(seconds))])

    assert peak_kilobytes(clip(60)) < 1.15 * peak_kilobytes(clip(10))


def test_real_clips(shared_media) -> None:
    """Each file of the folder opens, or is refused for the reason its description gives."""
    refused = {"empty.mp4": EmptyMedia, "not_a_video.mp4": UnreadableMedia, "truncated.mp4": UnreadableMedia}
    media = {".mp4", ".mov", ".mpg", ".m4a", ".wav", ".jpeg"}
    paths = [path for path in sorted(shared_media.rglob("*")) if path.suffix in media]
    assert len(paths) >= 20
    for path in paths:
        if path.name in refused:
            with pytest.raises(refused[path.name]):
                Clip.open(path)
        else:
            clip = Clip.open(path)
            assert clip.has_video == (path.suffix not in {".m4a", ".wav"})
            assert clip.has_audio == (path.suffix != ".jpeg" and not path.name.startswith("zwm"))
            assert (clip.transcript is not None) == path.with_suffix(".srt").exists()
