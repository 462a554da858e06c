"""Small pictures of single moments, as the page's strips show them: from the file itself, faces hidden where asked."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from emotrace.errors import MediaError
from emotrace.grace.expression import RATE_HZ
from emotrace.media.video import FrameReader
from emotrace.report.redact import FaceCover

LONGEST_SIDE = 320
_JPEG_QUALITY = 72
_NEAR_SECONDS = 0.002


def stills(media: Path, times_seconds: Iterable[float], cover: FaceCover | None) -> dict[str, str]:
    """Pictures as data URIs, by the time that was asked for, in milliseconds.

    Args:
        media: The file that was analysed.
        times_seconds: When; times of pictures that the analysis looked at.
        cover: What is hidden, if anything. It is hidden before the picture is made smaller.

    Returns:
        One picture for each time at which the file has one; none of a file that cannot be read.
    """
    wanted = sorted(set(times_seconds))
    found: dict[str, str] = {}
    try:
        for frame in FrameReader(media, rate_hz=RATE_HZ):
            while wanted and wanted[0] < frame.time_seconds - _NEAR_SECONDS:
                wanted.pop(0)
            if not wanted:
                break
            if wanted[0] <= frame.time_seconds + _NEAR_SECONDS:
                picture = frame.image
                if cover is not None:
                    picture = picture.copy()
                    cover.hide(picture, frame.time_seconds)
                found[key(wanted.pop(0))] = _data_uri(picture)
    except MediaError:
        return {}
    return found


def key(time_seconds: float) -> str:
    """A time in whole milliseconds.

    >>> key(1.24)
    '1240'
    """
    return str(round(1000.0 * time_seconds))


def _data_uri(picture: UInt8[np.ndarray, "height width 3"]) -> str:
    scale = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
