"""What an address names: a camera of this machine, a file, or a stream of the network; and how each is opened.

A file is opened as everywhere (`media/_container.py`): FFmpeg gets its bytes, and can open nothing else. A network
stream may open further addresses of the network, as a playlist does, but no file of this machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from emotrace.errors import MediaNotFound, StreamLost, UsageError
from emotrace.media._container import MAX_SIDE_PIXELS, open_container

SCHEMES = ("rtsp", "rtsps", "http", "https")
OPEN_SECONDS, READ_SECONDS = 10.0, 10.0
"""How long a camera or server may say nothing before it is taken for lost."""
_NETWORK_OPTIONS = {
    "protocol_whitelist": "rtsp,rtp,udp,tcp,tls,http,https,httpproxy,crypto",
    "max_pixels": str(MAX_SIDE_PIXELS**2),
    "rtsp_flags": "prefer_tcp",  # a lost datagram shows as a torn picture
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the stream comes from."""

    kind: Literal["camera", "file", "network"]
    address: str
    """A device such as `/dev/video0`, a path or a URL."""

    @classmethod
    def of(cls, text: str) -> Source:
        """Reads an address: a camera's number or device, `rtsp://...`, `http://...`, or a file's path.

        Raises:
            UsageError: An address of another scheme, or a camera's number where cameras cannot be opened by number.
        """
        if re.fullmatch(r"\d{1,3}", text) or text.startswith("/dev/video"):
            if not sys.platform.startswith("linux"):
                raise UsageError(
                    "cameras are opened by number on Linux only", where=text, hint="Name the camera's rtsp:// address"
                )
            return cls(kind="camera", address=f"/dev/video{text}" if text.isdigit() else text)
        scheme, colon, _ = text.partition("://")
        if not colon:
            return cls(kind="file", address=text)
        if scheme.lower() not in SCHEMES or not urlsplit(text).hostname:
            raise UsageError(
                "no address of a stream", where=Source(kind="network", address=text).name,
                hint=f"Name a camera's number, a file, or {', '.join(f'{known}://HOST/...' for known in SCHEMES)}",
            )  # fmt: skip
        return cls(kind="network", address=text)

    @property
    def name(self) -> str:
        """The address as it may be shown: without a password, and without what follows a question mark."""
        if self.kind != "network":
            return self.address
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @contextmanager
    def open(self) -> Iterator[InputContainer]:
        """The opened stream, closed again at the end.

        Raises:
            MediaNotFound: No such file, or no such camera; then the message lists those that are there.
            EmptyMedia, UnreadableMedia: A file that cannot be read.
            StreamLost: A camera or server that cannot be opened, or fails inside the block.
        """
        if self.kind == "file":
            with open_container(Path(self.address)) as container:
                yield container
            return
        if self.kind == "camera":
            self._check_camera()
        try:
            with self._connected() as container:
                yield container
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, StreamLost):
                raise
            raise self.lost(getattr(error, "strerror", None) or type(error).__name__) from None

    def lost(self, reason: str) -> StreamLost:
        """The error for a stream that is gone."""
        hint = {
            "camera": "Check that it is plugged in, that no other program uses it, and that you may read it",
            "network": "Check the address, the name and password in it, and that the camera is on",
        }
        what = f"the stream cannot be read ({reason})"
        return StreamLost(what, where=self.name, hint=hint.get(self.kind))

    def _connected(self) -> InputContainer:
        if self.kind == "camera":
            return av.open(self.address, "r", format="v4l2", timeout=(OPEN_SECONDS, READ_SECONDS))
        return av.open(
            self.address,
            "r",
            options=_NETWORK_OPTIONS,
            timeout=(OPEN_SECONDS, READ_SECONDS),
            metadata_errors="replace",
        )

    def _check_camera(self) -> None:
        if not Path(self.address).exists():
            there = ", ".join(cameras())
            hint = f"There are: {there}" if there else "No camera is there: plug one in, or name a file or an address"
            raise MediaNotFound("there is no such camera", where=self.address, hint=hint)


def cameras(folder: Path = Path("/dev")) -> tuple[str, ...]:
    """The cameras of this machine, by number."""
    found = [(int(match[1]), str(path)) for path in folder.glob("video*") if (match := _DEVICE.search(path.name))]
    return tuple(path for _, path in sorted(found))


_DEVICE = re.compile(r"^video(\d+)$")
