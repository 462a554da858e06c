"""Small pictures of single moments, as the page's strips show them: from the file itself, faces hidden where asked."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

import cv2

from emotrace.errors import MediaError
from emotrace.grace.video.expression import RATE_HZ
from emotrace.media.video import Frame, FrameReader
from emotrace.report.redact import FaceCover

LONGEST_SIDE = 320
_JPEG_QUALITY = 72
_ROUNDING_SECONDS = 0.002


def stills(media: Path, times_seconds: Iterable[float], cover: FaceCover | None) -> dict[str, str]:
    """Pictures as data URIs, by the time that was asked for, in milliseconds.

    Args:
        media: The file that was analysed.
        times_seconds: When.
        cover: What is hidden, if anything. It is hidden before the picture is made smaller.

    Returns:
        The picture that was on screen at each time; none of a file that cannot be read.
    """
    wanted = sorted(set(times_seconds))
    found: dict[str, str] = {}
    shown: Frame | None = None
    try:
        for frame in FrameReader(media, rate_hz=RATE_HZ):
            while shown is not None and wanted and frame.time_seconds > wanted[0] + _ROUNDING_SECONDS:
                found[key(wanted.pop(0))] = _data_uri(shown, cover)
            if not wanted:
                break
            shown = frame
    except MediaError:
        return {}
    if shown is not None:
        found |= {key(time): _data_uri(shown, cover) for time in wanted}
    return found


def key(time_seconds: float) -> str:
    """A time in whole milliseconds.

    >>> key(1.24)
    '1240'
    """
    return str(round(1000.0 * time_seconds))


def _data_uri(frame: Frame, cover: FaceCover | None) -> str:
    picture = frame.image
    if cover is not None:
        picture = picture.copy()
        cover.hide(picture, frame.time_seconds)
    scale = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
