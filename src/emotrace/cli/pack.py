"""`emotrace pack`: thousands of feature files as one file per set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from emotrace.cli.console import needing, say
from emotrace.cli.options import QuietOption
from emotrace.errors import UsageError


def pack(
    features: Annotated[
        Path, typer.Option("--features", help="Folder of one set, as features/face-UTT, or a folder of sets.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .safetensors file; for a folder of sets, a folder.")],
    names: Annotated[
        Path | None,
        typer.Option(help="The clips: CSV with `name`, or one a line.", show_default="all that have features"),
    ] = None,
    transcripts: Annotated[
        Path | None,
        typer.Option(help="CSV with name and chinese, english or sentence: rows of zeros of silent clips are absent."),
    ] = None,
    level: Annotated[
        Literal["utt", "fra"] | None,
        typer.Option(help="One row per clip, or all.", show_default="fra for sets called so, else utt"),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Pack feature files in MERTools' layout, checked, with their names and the hash of what they were made from."""
    with needing("train", "packed features"):
        import safetensors  # noqa: F401 - asked for before thousands of files are read

    from emotrace.datasets.mertools_features import FrameFeatures, clips_in, feature_sets, silent_clips
    from emotrace.datasets.packed_features import pack as write
    from emotrace.errors import CorpusNotFound
    from emotrace.files import make_folder

    if not features.is_dir():
        raise CorpusNotFound("no folder of features is there", where=features)
    one = bool(clips_in(features)) and not feature_sets(features)
    sets = {features.name: features} if one else feature_sets(features)
    if not sets:
        raise CorpusNotFound("no features are in it", where=features, hint="Name a folder such as features/face-UTT")
    if not one and out.suffix == ".safetensors":
        raise UsageError(f"{len(sets)} sets do not go into one file", where="--out", hint="Name a folder, or one set")
    silent = silent_clips(transcripts) if transcripts else frozenset()
    for name, folder in sets.items():
        target = out if one else make_folder(out) / f"{name}.safetensors"
        clips = _names(names) if names else clips_in(folder)
        kind: Literal["utt", "fra"] = level or ("fra" if name.endswith(("-FRA", "_FRA")) else "utt")
        packed = write(folder, clips, target, level=kind, silent=silent)
        if not quiet:
            there = f"{int(packed.present.sum())} of {len(clips)} clips"
            say(f"wrote {target}: {packed.counts if not isinstance(packed, FrameFeatures) else there}")


def _names(path: Path) -> list[str]:
    from emotrace.datasets.tables import read_lines, read_rows

    if path.suffix.casefold() == ".csv":
        return [row["name"] for row in read_rows(path, "name")]
    return [line.strip() for line in read_lines(path)]
