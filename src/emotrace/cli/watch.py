"""`emotrace watch --camera SOURCE`: verdicts on a stream as they form, one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.console import is_interrupt, refuse_to_replace, say, write_stdout
from emotrace.cli.options import (
    AbstainOption,
    AudioOption,
    DetectorModelOption,
    DetectorOption,
    EncodingOption,
    KOption,
    RateOption,
    VideoOption,
)
from emotrace.errors import UnwritableOutput

_CONSENT = (
    "emotrace watches people in {name}: they must know it and agree to it (EU AI Act, article 50(3)). "
    "Purpose: {purpose}. Labels are perceived emotions; see docs/responsible-use.md"
)


def watch(
    camera: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|FILE|URL",
            help="A camera of this machine (0), a file, or rtsp://, rtsps://, http://, https://.",
            show_default=False,
        ),
    ],
    window: Annotated[float, typer.Option(help="Seconds of the stream that a verdict is about.")] = 6.0,
    every: Annotated[float, typer.Option(help="Seconds from one verdict to the next.")] = 2.0,
    rate: RateOption = 5.0,
    history: Annotated[
        float, typer.Option(help="Seconds of the past from which a person's usual state is read.")
    ] = 60.0,
    for_seconds: Annotated[
        float | None, typer.Option("--for", help="Stop after so many seconds of the stream.", show_default=False)
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE|-", help="Where the lines go; - prints them.")] = "-",
    transcript: Annotated[
        Path | None,
        typer.Option(
            help="A .srt or .vtt file on the stream's clock, read again when it grows; else one beside or inside a "
            "FILE is found.",
            show_default=False,
        ),
    ] = None,
    encoding: EncodingOption = None,
    purpose: Annotated[
        str, typer.Option(help="What the verdicts are for. Prohibited purposes are refused.")
    ] = "unspecified",
    k: KOption = 2,
    detector: DetectorOption = "auto",
    detector_model: DetectorModelOption = None,
    video: VideoOption = True,
    audio: AudioOption = True,
    abstain: AbstainOption = True,
    as_fast_as_possible: Annotated[
        bool, typer.Option("--as-fast-as-possible", help="Read a FILE without keeping its pace.")
    ] = False,
    tries: Annotated[
        int, typer.Option(min=0, max=100, help="How often a network stream that broke off is opened again.")
    ] = 5,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but verdicts and errors.")] = False,
) -> None:
    """Print which emotions a viewer would perceive in a stream, as it goes on: one JSON line per person and window.

    Nothing leaves the machine, and nothing of the stream is stored. Ends when the stream does (0), when it breaks off
    for good (3), or with Ctrl-C; what came of it is then told on stderr. The lines: docs/live.md.
    """
    from emotrace.live.reading import Patience
    from emotrace.live.watch import LiveWatch
    from emotrace.purpose import check_purpose

    kept_purpose = check_purpose(purpose)
    live = LiveWatch(
        address=camera,
        window_seconds=window,
        every_seconds=every,
        rate_hz=rate,
        history_seconds=history,
        for_seconds=for_seconds,
        transcript=transcript,
        encoding=encoding,
        k=k,
        detector=detector,
        detector_model=detector_model,
        use_video=video,
        use_audio=audio,
        abstain=abstain,
        real_time=not as_fast_as_possible,
        patience=Patience(tries=tries),
        tell=say,
    )
    if live.source.kind == "file":
        refuse_to_replace(Path(camera), Path(out))
    elif not quiet:
        say(_CONSENT.format(name=live.source.name, purpose=kept_purpose))
    how = "the stream ended"
    try:
        with _writer(out) as write:
            for verdict in live:
                write(verdict.to_json() + "\n")
        if for_seconds is not None and live.summary.seconds >= for_seconds:
            how = f"{for_seconds:g} s are over"
    except BaseException as error:
        if not is_interrupt(error):
            how = "broken off"
            raise
        how = "stopped by Ctrl-C"
    finally:
        if not quiet and (how != "broken off" or live.summary.windows):
            say(f"{how}: {live.summary}")


@contextmanager
def _writer(out: str) -> Iterator[Callable[[str], None]]:
    """Writes lines, each at once: a reader at the other end of the pipe waits for them."""
    if out == "-":
        yield write_stdout
        return
    try:
        file = Path(out).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - the errors of opening are told apart
    except OSError as error:
        raise _unwritable(out, error) from None

    def write(line: str) -> None:
        try:
            file.write(line)
        except OSError as error:
            raise _unwritable(out, error) from None

    with file:
        yield write


def _unwritable(out: str, error: OSError) -> UnwritableOutput:
    reason = f"cannot be written ({error.strerror or error})"
    return UnwritableOutput(reason, where=out, hint="Make room, or write elsewhere")
