from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emotrace.errors import MediaNotFound, UsageError
from emotrace.live.source import Source, cameras

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cameras have numbers on Linux only")


@on_linux
@pytest.mark.parametrize("text", ["0", "12", "/dev/video3"])
def test_numbers_and_devices_are_cameras(text: str) -> None:
    source = Source.of(text)
    assert source.kind == "camera"
    assert source.address == (text if text.startswith("/") else f"/dev/video{text}")


@pytest.mark.parametrize("text", ["talk.mp4", "C:\\clips\\talk.mp4", "a/0", "1234"])
def test_what_is_no_address_is_a_file(text: str) -> None:
    assert Source.of(text) == Source(kind="file", address=text)


def test_a_name_shows_no_password_and_no_token() -> None:
    source = Source.of("rtsp://me:secret@cam.example:554/live?token=x#y")
    assert source.name == "rtsp://cam.example:554/live"
    assert "secret" not in str(source.lost("gone"))


@pytest.mark.parametrize("text", ["ftp://host/x", "file:///etc/passwd", "concat:a|b://x", "http://", "rtsp:///x"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="rtsp://HOST"):
        Source.of(text)


@on_linux
def test_a_camera_that_is_not_there_lists_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.live.source.cameras", lambda: ("/dev/video0", "/dev/video2"))
    with (
        pytest.raises(MediaNotFound, match=r"no such camera\. There are: /dev/video0, /dev/video2"),
        Source.of("99").open(),
    ):
        pass


def test_cameras_are_listed_by_number(tmp_path: Path) -> None:
    for name in ("video10", "video2", "video", "video0x", "vide1", "video0"):
        (tmp_path / name).touch()
    assert [Path(path).name for path in cameras(tmp_path)] == ["video0", "video2", "video10"]
