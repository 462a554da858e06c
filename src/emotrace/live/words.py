"""What is said, from a subtitle file: one beside the watched file, or one that is written while the stream runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from emotrace.errors import UnreadableTranscript, UsageError
from emotrace.live.source import Source
from emotrace.media._container import check_is_file
from emotrace.media.transcript import Transcript, load_transcript
from emotrace.span import Span

_ALL_TIME = Span(0.0, 1e9)


class Words:
    """The words of a stream.

    Args:
        source: The stream; a file's own words are looked for beside and inside it, as `emotrace analyze` does.
        path: A .srt or .vtt file, on the stream's clock; it is read again whenever it has changed.
        encoding: Of the file, if it is not Unicode.

    Raises:
        UnreadableTranscript: The file is not there, or cannot be read.
        UsageError: Its words have no times.
        MediaError: The watched file is not there, or cannot be opened.
    """

    def __init__(self, source: Source, path: Path | None, encoding: str | None = None) -> None:
        self._path, self._encoding = path, encoding
        self._seen = self._stamp()
        self._transcript: Transcript | None = None
        if path is not None:
            self._transcript = self._read(path)
            if not self._transcript.timed:
                raise UsageError("words without times cannot be followed", where=path, hint="Name a .srt or .vtt file")
        elif source.kind == "file":
            check_is_file(Path(source.address))
            found = load_transcript(source.address, encoding=encoding, span=_ALL_TIME)
            self._transcript = found if found is not None and found.timed else None

    @property
    def known(self) -> bool:
        """Whether there is anything that says what is said."""
        return self._transcript is not None

    def within(self, span: Span) -> Transcript | None:
        """The words of this stretch, as far as they were written down."""
        self._read_again()
        if self._transcript is None:
            return None
        return replace(
            self._transcript,
            utterances=tuple(u for u in self._transcript.utterances if u.span in span),
            sounds=tuple(sound for sound in self._transcript.sounds if sound.span in span),
        )

    def _read(self, path: Path) -> Transcript:
        transcript = load_transcript(path, transcript_path=path, encoding=self._encoding, span=_ALL_TIME)
        if transcript is None:
            raise UnreadableTranscript("there are no words in it", where=path)
        return transcript

    def _read_again(self) -> None:
        """Reads what was added. A file in the middle of being written, or gone, is tried again the next time."""
        stamp = self._stamp()
        if self._path is None or stamp is None or stamp == self._seen:
            return
        try:
            self._transcript = self._read(self._path)
        except UnreadableTranscript:
            return
        self._seen = stamp

    def _stamp(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns
