"""`emotrace features`: feature files of clips in MERTools' layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotrace.cli.console import say, stdout, watching
from emotrace.cli.options import DetectorOption, QuietOption, RateOption
from emotrace.errors import ExitCode, MediaNotFound, UsageError, first_five

if TYPE_CHECKING:
    from emotrace.encoders.clip_features import ClipSource
    from emotrace.encoders.extract import Extraction

_CORPUS = "A corpus in place of INPUT"


def features(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT", help="Videos, sound files, or folders of them.", show_default=False),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the feature sets; made if it is not there.")
    ] = Path("features"),
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            "-e",
            help="face, voice, hashed, or a checkpoint of CLIP, of the HuBERT family or of a text model: a name of the "
            "hub or a folder. May be repeated.",
            show_default="face, voice and hashed",
        ),
    ] = None,
    level: Annotated[Literal["utt", "fra", "both"], typer.Option(help="One row per clip, many, or both.")] = "utt",
    cache: Annotated[
        Path | None, typer.Option(help="Where features are kept by content.", show_default="the cache folder")
    ] = None,
    rate: RateOption = 5.0,
    detector: DetectorOption = "auto",
    quiet: QuietOption = False,
    data: Annotated[str | None, typer.Option(help="Name of a corpus, as mer2023.", rich_help_panel=_CORPUS)] = None,
    root: Annotated[Path | None, typer.Option(help="Its folder.", rich_help_panel=_CORPUS)] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option("--set", help="An adapter's argument. May be repeated.", rich_help_panel=_CORPUS),
    ] = None,
) -> None:
    """Write features of clips as `OUT/ENCODER-UTT/CLIP.npy`, which MERTools and `emotrace train priors` read.

    Of a video the face longest on screen is seen. A clip without a face, sound or words gets no file: a missing
    modality. What was computed before is not computed again, so a run that was stopped goes on. Exit code 3 where a
    clip could not be read; all others are written.
    """
    from emotrace.encoders.cache import FeatureCache
    from emotrace.encoders.extract import EMBEDDED, encoder_named, extract
    from emotrace.media.faces import detector as build_detector

    if (data is None) == (not inputs) or (data is None) != (root is None):
        raise UsageError("needs clips", where="features", hint="Name INPUTs, or --data NAME --root FOLDER")
    if data is not None and root is not None:
        sources = _of_corpus(data, root, choose or [])
    else:
        sources = [source for place in inputs or [] for source in _at(place)]
    if not sources:
        raise MediaNotFound("no video or sound file is there", where=root or (inputs or [Path()])[0])
    with watching("features", quiet=quiet) as watch:
        written = extract(
            sources,
            [encoder_named(name) for name in encoder or EMBEDDED],
            out,
            levels=("utt", "fra") if level == "both" else (level,),
            cache=FeatureCache(cache),
            detector=build_detector(detector),
            rate_hz=rate,
            watch=watch,
        )
    if not quiet:
        _print(written, out)
    if written.failed:
        say(
            f"emotrace: {len(written.failed)} of {len(sources)} clips could not be read: "
            f"{first_five(f'{name} ({why})' for name, why in written.failed.items())}"
        )
        raise typer.Exit(int(ExitCode.BAD_INPUT))


def _at(place: Path) -> Iterator[ClipSource]:
    """The clips that a path stands for; those of a folder by their paths below it."""
    from emotrace.datasets.example import AUDIO_SUFFIXES, VIDEO_SUFFIXES
    from emotrace.encoders.clip_features import ClipSource

    if not place.is_dir():
        yield ClipSource(name=place.stem, media=place)
        return
    for path in sorted(place.rglob("*")):
        if path.suffix.casefold() in AUDIO_SUFFIXES | VIDEO_SUFFIXES and path.is_file():
            yield ClipSource(name=path.relative_to(place).with_suffix("").as_posix(), media=path)


def _of_corpus(data: str, root: Path, choices: Sequence[str]) -> list[ClipSource]:
    """The clips of a corpus that are on disk; one that stands in several lists comes once."""
    from emotrace.cli.corpus_arguments import adapter_arguments
    from emotrace.datasets.corpora import open_corpus
    from emotrace.datasets.example import frame_paths
    from emotrace.encoders.clip_features import ClipSource

    corpus = open_corpus(data, root, **adapter_arguments(data, choices))
    sources: dict[tuple[str, Path], ClipSource] = {}
    for example in corpus.examples(missing="skip"):
        sources[example.id, example.media] = ClipSource(
            name=example.id,
            media=example.media,
            pictures=tuple(frame_paths(example.media)) if example.kind == "frames" else (),
            text=example.text,
            span=example.span,
        )
    return list(sources.values())


def _print(written: Extraction, out: Path) -> None:
    from rich.table import Table

    table = Table("set", "modality", "width", "clips", "from cache", "without", title=str(out), title_justify="left")
    for each in written.sets:
        table.add_row(
            each.name,
            each.modality,
            "-" if each.width is None else str(each.width),
            str(each.written),
            str(each.kept),
            _some(each.absent),
        )
    stdout().print(table)


def _some(names: Iterable[str]) -> str:
    return first_five(names) or "none"
