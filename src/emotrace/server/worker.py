"""What runs in a worker process: `python -m emotrace.server.worker`.

It reads requests from standard input and writes answers to standard output, one JSON object on a line each: any number
of `{"stage", "share"}`, then `{"done": ...}` or `{"error": ..., "status": ...}`. It ends when its input does. A file
that crashes a decoder ends this process, and nothing else.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

from emotrace.errors import EmotraceError

MEDIA, RESULT, REPORT = "media", "result.json", "report.html"
"""Names of the files of one analysis. None of them comes from a client."""
_BETWEEN_SECONDS: Final = 0.1
_ONE_LINE: Final = threading.Lock()
"""Picture and sound are read in threads of their own, and both tell how far they are."""
_TYPES: Final = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", "audio/mp4"),
    "matroska,webm": ("video/webm", "audio/webm"),
    "avi": ("video/x-msvideo", "application/octet-stream"),
    "mpeg": ("video/mpeg", "audio/mpeg"),
    "mp3": ("audio/mpeg", "audio/mpeg"),
    "wav": ("audio/wav", "audio/wav"),
    "flac": ("audio/flac", "audio/flac"),
    "ogg": ("video/ogg", "audio/ogg"),
    "gif": ("image/gif", "image/gif"),
    "jpeg_pipe": ("image/jpeg", "image/jpeg"),
    "png_pipe": ("image/png", "image/png"),
    "webp_pipe": ("image/webp", "image/webp"),
}
"""Container -> type with and without a picture; nothing that a browser would run."""

Tell = Callable[[str, float], None]


def warm(request: dict[str, Any], _tell: Tell) -> dict[str, Any]:
    """Loads what probing needs, or every analysis."""
    import emotrace.media.clip

    if request["for"] == "probe":
        return {}
    import cv2

    import emotrace.pipeline
    import emotrace.report.page  # noqa: F401

    cv2.setNumThreads(1)  # the workers share the cores
    return {}


def probe(request: dict[str, Any], _tell: Tell) -> dict[str, Any]:
    """Opens the media and reads its words; says which type the media has.

    Raises:
        MediaError, TranscriptError, UsageError: As for `Clip.open`.
    """
    from emotrace.media._container import open_container
    from emotrace.media.clip import Clip

    media = Path(request["folder"]) / MEDIA
    options = request["options"]
    names = ("text", "encoding", "rate_hz", "max_duration_seconds", "use_video", "use_audio")
    clip = Clip.open(media, transcript_path=request["transcript"], **{name: options[name] for name in names})
    with open_container(media) as container:
        kind = container.format.name
    with_picture = clip.missing.get("visual") != "not_recorded"
    return {"media_type": _TYPES.get(kind, ("application/octet-stream",) * 2)[0 if with_picture else 1]}


def analyze(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Analyses the media, and writes the result and its report beside it.

    Raises:
        EmotraceError: As for `emotrace.analyze`, and where the disk is full.
    """
    from emotrace.files import write_atomically
    from emotrace.pipeline import analyze as run
    from emotrace.progress import Watch

    folder = Path(request["folder"])
    analysis = run(folder / MEDIA, transcript=request["transcript"], watch=Watch(tell), **request["options"])
    source = analysis.source.model_copy(update={"name": request["name"]})
    analysis = analysis.model_copy(update={"source": source})
    tell("writing", 0.0)
    write_atomically(folder / RESULT, analysis.to_json())
    write_atomically(folder / REPORT, _page(analysis, folder))
    verdict = analysis.verdict
    return {
        "duration_seconds": source.duration_seconds,
        "persons": len(analysis.persons),
        "labels": [label.word for label in verdict.labels],
        "confidence": None if verdict.abstain else verdict.confidence,
        "confidence_basis": verdict.confidence_basis,
        "abstain": verdict.abstain,
    }


def _page(analysis: Any, folder: Path) -> str:
    """The report. It plays the media from the address beside its own where browsers can, else it holds a copy."""
    from emotrace.report.page import DEFAULT_EMBED_UNDER_MB, render
    from emotrace.report.playback import prepare

    media = folder / MEDIA
    linked = prepare(analysis, media, limit_bytes=0, redact=False, keep_sound=True, folder=folder).linked
    return render(analysis, media=media, embed_under_mb=0.0 if linked else DEFAULT_EMBED_UNDER_MB, folder=folder)


_WORK: Final[dict[str, Callable[[dict[str, Any], Tell], dict[str, Any]]]] = {
    "warm": warm,
    "probe": probe,
    "analyze": analyze,
}


def main() -> None:
    """Serves requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the server decides what it means
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        request = requests.get()
        _answer(answers, _outcome(request, _Teller(answers)))


def _read(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    os._exit(0)  # the server has ended, however it did: nobody would take a result


def _outcome(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from emotrace.server.answers import problem_of, status_of

    try:
        return {"done": _WORK[request["do"]](request, tell)}
    except EmotraceError as error:
        return {"error": problem_of(error).model_dump(), "status": status_of(error)}


class _Teller:
    """Passes progress on, a few times a second for each stage."""

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers
        self._told: dict[str, float] = {}

    def __call__(self, stage: str, share: float) -> None:
        now = time.monotonic()
        if now - self._told.get(stage, -1.0) > _BETWEEN_SECONDS:
            self._told[stage] = now
            _answer(self._answers, {"stage": stage, "share": round(share, 3)})


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    with _ONE_LINE:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
