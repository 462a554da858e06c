"""What comes in: whole or not at all, and every bad upload gets its own status and message."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from emotrace.testing.synthetic import Bars, Tone, write_clip

if TYPE_CHECKING:
    from conftest import Client, Start


def wait_until_clean(data: Path) -> None:
    deadline = time.monotonic() + 10
    while left := [*(data / "incoming").glob("*/*")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_an_upload_is_analysed_and_its_result_is_that_of_the_command(server: Client, clip: Path) -> None:
    from emotrace.pipeline import analyze

    answer = server.send(clip, name="talk.mp4", text="I am so relieved", purpose="research", k="1", rate_hz="3")
    assert answer.status_code == 202
    path = answer.headers["Location"]
    assert answer.json()["links"]["self"] == path
    status = server.finished(path)
    expected = analyze(
        clip, text="I am so relieved", purpose="research", k=1, rate_hz=3.0, max_duration_seconds=15.0
    ).model_copy()
    source = expected.source.model_copy(update={"name": "talk.mp4"})
    assert server.get(f"{path}/result").text == expected.model_copy(update={"source": source}).to_json()
    assert status["result"] == server.get(f"{path}/result").json()
    assert status["summary"]["labels"] == [label.word for label in expected.verdict.labels]
    assert status["summary"]["abstain"] == expected.verdict.abstain
    assert status["bytes"] == clip.stat().st_size


def test_a_transcript_comes_along(server: Client, clip: Path) -> None:
    words = b"1\n00:00:00,000 --> 00:00:00,900\nI am so relieved\n"
    status = server.finished(server.accepted(clip, transcript=("talk.srt", words)))
    assert status["result"]["source"]["transcript"] == {"source": "option", "words": 4, "timed": True}


def test_sound_and_pictures_are_taken_too(server: Client, tmp_path: Path) -> None:
    sound = write_clip(
        tmp_path / "tone.wav", pictures=[], sounds=[Tone(codec="pcm_s16le", channels=1, sample_rate_hz=16_000)]
    )
    path = server.accepted(sound)
    assert server.finished(path)["state"] == "done"
    assert server.get(f"{path}/media").headers["Content-Type"] == "audio/wav"


def png(width: int, height: int) -> bytes:
    """A picture that is a few bytes in its file and `width * height` pixels out of it, as a zip bomb is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(height * (width // 8 + 1)), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def long_and_small(tmp_path: Path) -> bytes:
    """Two pictures, an hour apart."""
    bars = Bars(width=64, height=48, frame_times_seconds=(0.0, 3600.0))
    return write_clip(tmp_path / "long.mp4", pictures=[bars], sounds=[]).read_bytes()


def truncated(clip: Path) -> bytes:
    return clip.read_bytes()[: clip.stat().st_size // 2]


@pytest.mark.parametrize(
    ("kind", "status", "code", "said"),
    [
        ("empty", 422, "empty_media", "0 bytes"),
        ("text", 415, "unreadable_media", "this is text"),
        ("zip", 415, "unreadable_media", "not a media file"),
        ("playlist", 415, "unreadable_media", "this is text"),
        ("truncated", 415, "unreadable_media", "cut short"),
        ("long", 422, "media_too_long", "longer than the limit of 15 s"),
        ("bomb", 415, "unreadable_media", "8192"),
        ("large", 413, "too_large", "0.3 MB"),
    ],
)
def test_a_bad_file_is_refused_with_a_reason_and_leaves_nothing(
    server: Client, data_of: Path, clip: Path, tmp_path: Path, kind: str, status: int, code: str, said: str
) -> None:
    content = {
        "empty": lambda: b"",
        "text": lambda: b"This is not a film.\n" * 50,
        "zip": lambda: b"PK\x03\x04" + bytes(4000),
        "playlist": lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
        "truncated": lambda: truncated(clip),
        "long": lambda: long_and_small(tmp_path),
        "bomb": lambda: png(10_000, 9_000),
        "large": lambda: clip.read_bytes() + bytes(300_000),
    }[kind]()
    before = {path.name for path in (data_of / "analyses").iterdir()}
    answer = server.send(content, name="clip.mp4")
    error = server.error(answer)
    assert (answer.status_code, error["code"]) == (status, code), error
    assert said in error["message"]
    assert str(data_of) not in answer.text  # where it lies on our disk is nobody's business
    wait_until_clean(data_of)
    assert {path.name for path in (data_of / "analyses").iterdir()} == before


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"purpose": "workplace"}, 422, "article 5(1)(f)"),
        ({"purpose": "fun"}, 422, "unknown purpose"),
        ({"k": "9"}, 422, "'k'"),
        ({"rate_hz": "nan"}, 422, "'rate_hz'"),
        ({"reasoner": "http://example.org"}, 422, "'reasoner'"),
        ({"detector_model": "/etc/passwd"}, 422, "'detector_model'"),
        ({"text": "a", "transcript": ("a.txt", b"a")}, 422, "both given"),
        ({"transcript": ("a.exe", b"a")}, 415, ".srt"),
        ({"transcript": ("a.srt", b"no cue at all")}, 422, "cue"),
        ({"transcript": ("a.txt", b"\xff\xfe\xff")}, 422, ""),
        ({"encoding": "no-such-encoding", "transcript": ("a.txt", b"a")}, 422, "no-such-encoding"),
    ],
)
def test_a_bad_option_is_refused(server: Client, clip: Path, fields: dict[str, object], status: int, said: str) -> None:
    answer = server.send(clip, **fields)
    assert answer.status_code == status, answer.text
    assert said in server.error(answer)["message"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({}, b"raw", 415),
        ({"Content-Type": "multipart/form-data"}, b"--x--", 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"no boundary", 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disposition: form-data; name=", 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--\r\n", 422),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    server: Client, data_of: Path, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = server("POST", "/v1/analyses", data=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert server.error(answer)["message"]
    wait_until_clean(data_of)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../../etc/passwd.mp4", "passwd.mp4"),
        ("..\\..\\windows.mp4", "windows.mp4"),
        ("a\x07b\u202egpj.mp4", "abgpj.mp4"),
        ("<script>alert(1)</script>.mp4", "script>.mp4"),
        ("ü" * 300 + ".mp4", "ü" * 115 + "….mp4"),
        ("..", "upload"),
    ],
)
def test_a_hostile_name_is_shown_tamed_and_used_nowhere(
    server: Client, data_of: Path, clip: Path, sent: str, shown: str
) -> None:
    boundary = b"x" * 20
    head = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % (boundary, sent.encode())
    body = head + clip.read_bytes() + b"\r\n--%s--\r\n" % boundary
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
    status = server("POST", "/v1/analyses", data=body, headers=kind).json()
    assert status["name"] == shown
    server.finished(status["links"]["self"])
    names = {path.name for path in (data_of / "analyses" / status["id"]).iterdir()}
    assert names == {"media", "result.json", "report.html"}
    assert "<script>alert(1)" not in server.get(status["links"]["report"]).text


def connection(server: Client) -> socket.socket:
    where = urlsplit(server.url)
    return socket.create_connection((where.hostname, where.port), timeout=20)


def beginning(server: Client, length: int) -> bytes:
    """The first bytes of an upload of which the rest never comes."""
    host = urlsplit(server.url).netloc.encode()
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + bytes(1000)
    return (
        b"POST /v1/analyses HTTP/1.1\r\nHost: %s\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n" % (host, length)
    ) + body


def test_a_client_that_stalls_is_told_so_and_leaves_nothing(server: Client, data_of: Path) -> None:
    with connection(server) as sock:
        sock.sendall(beginning(server, 100_000))
        answer = b""
        while not answer.endswith(b"}}"):
            answer += sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"upload_stalled"' in answer
    wait_until_clean(data_of)


def test_a_client_that_disconnects_leaves_nothing(server: Client, data_of: Path) -> None:
    with connection(server) as sock:
        sock.sendall(beginning(server, 100_000))
        deadline = time.monotonic() + 10
        while not [*(data_of / "incoming").glob("*/*")]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    wait_until_clean(data_of)
    assert server.get("/healthz").status_code == 200


def test_a_size_that_is_stated_as_too_large_is_refused_before_it_comes(server: Client) -> None:
    with connection(server) as sock:
        sock.sendall(beginning(server, 10**12))
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs the right to mount a small disk")
def test_a_full_disk_is_told_and_leaves_no_half_file(start: Start, clip: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", disk], check=False).returncode:
        pytest.skip("this system lets nobody mount a disk")
    try:
        with start(disk) as client:
            (disk / "ballast").write_bytes(bytes((os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize) - 40_000))
            answer = client.send(clip.read_bytes() + bytes(200_000))
            assert answer.status_code == 507, answer.text
            assert client.error(answer)["code"] == "disk_full"
            wait_until_clean(disk)
            assert client.get("/healthz").status_code == 200
            (disk / "ballast").unlink()
            assert client.finished(client.accepted(clip))["state"] == "done"
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_disk_that_fills_while_a_file_comes_is_told(
    server: Client, data_of: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where nothing may be mounted: the system's own write fails."""
    import errno

    from emotrace.server import uploads

    class Full:
        def write(self, _data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            pass

    really = Path.open
    monkeypatch.setattr(
        uploads.Path, "open", lambda path, mode="r", **rest: Full() if mode == "xb" else really(path, mode, **rest)
    )
    answer = server.send(clip)
    monkeypatch.undo()
    assert answer.status_code == 507
    wait_until_clean(data_of)


def test_the_openapi_names_every_field_that_is_taken(server: Client) -> None:
    description = server.get("/openapi.json").json()
    form = description["paths"]["/v1/analyses"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    for name in ("file", "transcript", "text", "purpose", "k", "rate_hz", "use_video", "abstain"):
        assert name in form["properties"], json.dumps(form)
