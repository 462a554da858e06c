"""A short clip to try emotrace on. Its movement is synthetic: see `PROVENANCE.md` beside it."""

from __future__ import annotations

from pathlib import Path


def sample_clip() -> Path:
    """The path of `talk.mp4`; its subtitle `talk.srt` lies beside it and is found by itself."""
    return Path(__file__).with_name("talk.mp4")
