"""The job: from the address of a stream to verdicts on its last seconds, as they form.

Two threads: one reads and decodes, and never waits; the other looks, listens and reasons. Between them lies `Waiting`,
which is bounded. A recording that is read as fast as possible needs one thread only, and no clock: the same bytes and
settings give the same lines.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import numpy as np

from emotrace.errors import MediaError, UsageError
from emotrace.evidence.observation import MissingReason, Modality
from emotrace.evidence.sheets import Witness, sheet_of
from emotrace.hydra.protocol import run as reason
from emotrace.hydra.reasoner import Reasoner
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.live.line import LiveVerdict, line_of
from emotrace.live.onlooker import Onlooker
from emotrace.live.reading import Moment, Patience, Reading
from emotrace.live.source import Source
from emotrace.live.waiting import Waiting
from emotrace.live.words import Words
from emotrace.media.faces import FaceDetector
from emotrace.media.faces import detector as build_detector
from emotrace.span import Span

STREAM = "live"
"""What stands in a sheet for the clip's SHA-256: a stream has none."""
_SHORTEST_LAST_SECONDS = 0.5
_TO_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of a watch."""

    windows: int
    lines: int
    frames_seen: int
    dropped_frames: int
    seconds: float
    """How much of the stream there was."""
    reconnected: int
    mean_latency_seconds: float | None
    p95_latency_seconds: float | None

    def __str__(self) -> str:
        """In one line, for the person at the keyboard."""
        latency = "no latency: not played at real speed"
        if self.mean_latency_seconds is not None and self.p95_latency_seconds is not None:
            latency = f"latency {self.mean_latency_seconds:.2f} s on average, p95 {self.p95_latency_seconds:.2f} s"
        again = f", reconnected {self.reconnected} times" if self.reconnected else ""
        return (
            f"{self.windows} windows over {self.seconds:.1f} s, {self.frames_seen} frames looked at, "
            f"{self.dropped_frames} dropped, {latency}{again}"
        )


@dataclass(kw_only=True)
class LiveWatch:
    """Watches a stream: iterate over it once, and ask for `summary` then.

    Args:
        address: A camera's number, a file, or an address such as `rtsp://host/stream`.
        window_seconds: How much of the stream a verdict is about; the first ones are about less.
        every_seconds: How often there is a verdict.
        rate_hz: Pictures looked at per second.
        history_seconds: How much of the past a person's usual state is read from.
        transcript: A .srt or .vtt file on the stream's clock, read again whenever it has changed.
        encoding: Of the transcript, if it is not Unicode.
        reasoner: Who weighs the evidence; the embedded reasoner by default.
        k: Number of rival readings that are proposed, 0..4.
        detector: As for `emotrace.analyze`, or a detector of your own.
        detector_model: A weights file for the detector.
        use_video: Whether to look at the picture.
        use_audio: Whether to listen to the sound.
        abstain: Whether a verdict may abstain; switch off for benchmarks only.
        real_time: Whether a recording is played at real speed. A camera knows no other.
        for_seconds: How much of the stream to watch; None watches to its end.
        patience: How a network stream that broke off is opened again.
        tell: Gets a line when that happens.

    Raises:
        UsageError: An address or a number that cannot be.
        TranscriptError: The transcript cannot be read.
        MediaError: The file is not there, or cannot be opened.

    Raises (while iterating):
        MediaError: The source cannot be opened; or it broke off, once all that came is judged.
    """

    address: str | Path
    window_seconds: float = 6.0
    every_seconds: float = 2.0
    rate_hz: float = 5.0
    history_seconds: float = 60.0
    transcript: Path | None = None
    encoding: str | None = None
    reasoner: Reasoner = field(default_factory=EmbeddedReasoner)
    k: int = 2
    detector: str | FaceDetector = "auto"
    detector_model: Path | None = None
    use_video: bool = True
    use_audio: bool = True
    abstain: bool = True
    real_time: bool = True
    for_seconds: float | None = None
    patience: Patience = field(default_factory=Patience)
    tell: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self._check_numbers()
        self.source = Source.of(str(self.address))
        if not self.real_time and self.source.kind != "file":
            raise UsageError(
                "only a file can be read as fast as possible", where=self.source.name, hint="Leave the option out"
            )
        found = self.detector
        detector = build_detector(found, self.detector_model) if isinstance(found, str) else found
        self._words = Words(self.source, self.transcript, self.encoding)
        self._reading = Reading(
            source=self.source,
            rate_hz=self.rate_hz,
            real_time=self.real_time,
            use_video=self.use_video,
            use_audio=self.use_audio,
            patience=self.patience,
            tell=self.tell,
        )
        self._waiting = Waiting(notices_stalls=self.source.kind != "file")
        self.onlooker = Onlooker(detector, self._words, history_seconds=self.history_seconds)
        self._latencies = _Latencies()
        self._windows = self._lines = 0
        self._judged_until = self._reached = 0.0
        self._until = math.inf if self.for_seconds is None else self.for_seconds

    @property
    def summary(self) -> Summary:
        """How it went so far."""
        return Summary(
            windows=self._windows,
            lines=self._lines,
            frames_seen=self.onlooker.frames_seen,
            dropped_frames=self._waiting.dropped_pictures,
            seconds=round(self._reached, 3),
            reconnected=self._reading.reconnected,
            mean_latency_seconds=self._latencies.mean,
            p95_latency_seconds=self._latencies.p95,
        )

    def __iter__(self) -> Iterator[LiveVerdict]:
        """The verdicts, window by window, person by person."""
        broken: MediaError | None = None
        now: Moment | None = None
        try:
            with self._moments() as moments:
                for now in moments:
                    yield from self._closed_by(now)
                    self._reached = max(self._reached, min(now.reached_seconds, self._until))
                    if now.reached_seconds > self._until:
                        break
                    if now.item is not None:
                        self.onlooker.take(now.item)
        except MediaError as error:
            broken = error
        if now is not None and (self._windows == 0 or self._reached - self._judged_until >= _SHORTEST_LAST_SECONDS):
            yield from self._verdicts(round(self._reached, 3), now)
        if broken is not None:
            raise broken

    def _closed_by(self, now: Moment) -> Iterator[LiveVerdict]:
        """The verdicts on windows that ended before this moment."""
        while (end := round(self.every_seconds * (self._windows + 1), 3)) < now.reached_seconds and end <= self._until:
            yield from self._verdicts(end, now)

    def _verdicts(self, end_seconds: float, now: Moment) -> Iterator[LiveVerdict]:
        """The verdicts on everyone in one window; on nobody, if there is nobody."""
        window = Span(max(0.0, end_seconds - self.window_seconds), end_seconds).rounded()
        self._judged_until = end_seconds
        self._reached = max(self._reached, end_seconds)
        present = [witness for witness in self.onlooker.witnesses(end_seconds) if witness.is_in(window)]
        for witness in present or [Witness(id="nobody")]:
            sheet = sheet_of(witness, window, clip_id=STREAM, absent=self._absent())
            verdict = reason(sheet, self.reasoner, k=self.k, abstain=self.abstain)
            latency = None
            if self.real_time:
                arrived = now.due_seconds - (now.reached_seconds - end_seconds)
                latency = max(0.0, time.monotonic() - arrived)
                self._latencies.add(latency)
            self._lines += 1
            yield line_of(
                verdict,
                sheet,
                window=self._windows,
                person=witness.id if present else None,
                dropped_frames=self._waiting.dropped_pictures,
                latency_seconds=latency,
            )
        self._windows += 1
        self.onlooker.forget(end_seconds)

    def _absent(self) -> dict[Modality, MissingReason]:
        absent = dict(self._reading.missing)
        if not self._words.known:
            absent["verbal"] = "not_recorded"
        return absent

    @contextmanager
    def _moments(self) -> Iterator[Iterator[Moment]]:
        """Where the moments come from; what is still being read at the end is let go."""
        if not self.real_time:
            yield iter(self._reading)
            return
        reader = Thread(target=self._read, name="emotrace-reader", daemon=True)
        reader.start()
        try:
            yield iter(self._waiting)
        finally:
            self._reading.stop.set()
            reader.join(timeout=_TO_CLOSE_SECONDS)  # a camera that says nothing is not waited for

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for moment in self._reading:
                self._waiting.put(moment)
        except BaseException as raised:  # noqa: BLE001 - it is raised again by whoever takes the moments
            error = raised
        finally:
            self._waiting.close(error)

    def _check_numbers(self) -> None:
        for name, least, value, most in (
            ("--every", 0.2, self.every_seconds, 3600.0),
            ("--window", self.every_seconds, self.window_seconds, 600.0),
            ("--history", self.window_seconds, self.history_seconds, 3600.0),
            ("--rate", 0.1, self.rate_hz, 60.0),
            ("--for", 0.0, self.for_seconds or 0.0, math.inf),
        ):
            if not least <= value <= most:
                raise UsageError(f"must lie in {least:g}..{most:g}, got {value:g}", where=name)


class _Latencies:
    """Mean and 95th percentile of the latencies, in flat memory: counted in steps of 10 ms up to a minute."""

    def __init__(self) -> None:
        self._counts = np.zeros(6001, np.int64)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[min(6000, math.ceil(seconds * 100.0))] += 1
        self._sum += seconds

    @property
    def mean(self) -> float | None:
        count = int(self._counts.sum())
        return round(self._sum / count, 3) if count else None

    @property
    def p95(self) -> float | None:
        """The end of the step that holds it."""
        count = int(self._counts.sum())
        if not count:
            return None
        return float(np.searchsorted(np.cumsum(self._counts), math.ceil(0.95 * count))) / 100.0
