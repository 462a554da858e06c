"""`emotrace export RESULT... --to FORMAT`: results as files that other programs read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli.console import needing, refuse_to_replace, say, write_stdout

if TYPE_CHECKING:
    from emotrace.export import Format
    from emotrace.results import Analysis

RESULT_ENDING = ".emotrace.json"


def export(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...", help="Files that end in .emotrace.json, or folders of them.", show_default=False
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="csv (a row per person, segment and label), jsonl, frames (action units and head pose), parquet, "
            "summary (a row per video), eaf (ELAN), textgrid (Praat), vtt (captions), boris, boris-project, "
            "bids (with --experimental).",
        ),
    ] = "csv",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH|-",
            help="A file, a folder for several files, or - for standard output; default: beside RESULT.",
            show_default=False,
        ),
    ] = None,
    experimental: Annotated[
        bool, typer.Option("--experimental", help="Allow a format whose layout may still change: bids.")
    ] = False,
) -> None:
    """Convert results for other programs. A best guess of an abstention is never exported as a label.

    csv, jsonl, frames, parquet and summary put all results into one table; the others write one file per result.
    """
    from emotrace.errors import UsageError
    from emotrace.export import FORMATS

    if to not in FORMATS:
        raise UsageError(f"unknown format {to!r}", where="--to", hint=f"Choose one of: {', '.join(FORMATS)}")
    form = FORMATS[to]
    if form.experimental and not experimental:
        raise UsageError(f"{to} is experimental: its layout may still change", where="--to", hint="Add --experimental")
    found = list(_results(results))
    with needing("parquet", f"export --to {to}"):
        if out == "-":
            _print(to, form, found)
        elif form.many_in_one:
            _write_one_table(form, found, _table_path(results, form, out))
        elif not form.ending:
            _write_trees(form, found, Path(out) if out else None)
        else:
            _write_each(form, found, _targets(results, found, form, out))


def _results(given: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """The result files, each once, in order, with where each lies below the folder that was given.

    Raises:
        UsageError: A folder holds none.
    """
    from emotrace.errors import UsageError

    seen: set[Path] = set()
    for path in given:
        inside = sorted(path.rglob(f"*{RESULT_ENDING}")) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"no file in it ends in {RESULT_ENDING}", where=path, hint="Run `emotrace analyze` first")
        for result in inside:
            if (real := result.resolve()) not in seen:
                seen.add(real)
                yield result, (result.relative_to(path) if path.is_dir() else Path(result.name))


def _print(name: str, form: Format, found: list[tuple[Path, Path]]) -> None:
    from emotrace.errors import UsageError

    if not (form.is_text and form.ending):
        raise UsageError(f"{name} is not for standard output", where="--out", hint="Name a file or a folder")
    if len(found) > 1 and not form.many_in_one:
        raise UsageError(f"{name} is one file per result", where="--out", hint="Name a folder, or one RESULT")
    write_stdout(_content(form, found))


def _write_one_table(form: Format, found: list[tuple[Path, Path]], target: Path) -> None:
    from emotrace.files import write_atomically

    for result, _ in found:
        refuse_to_replace(result, target)
    write_atomically(target, _content(form, found))
    say(f"wrote {target}")


def _write_each(form: Format, found: list[tuple[Path, Path]], targets: list[Path]) -> None:
    from emotrace.files import make_folder, write_atomically
    from emotrace.results import Analysis

    for (result, _), target in zip(found, targets, strict=True):
        refuse_to_replace(result, target)
        if target.parent != result.parent and len(targets) > 1:
            make_folder(target.parent)
        write_atomically(target, form.write(Analysis.read(result)))
    say(f"wrote {targets[0]}" if len(targets) == 1 else f"wrote {len(targets)} files, the first is {targets[0]}")


def _write_trees(form: Format, found: list[tuple[Path, Path]], root: Path | None) -> None:
    """For a format whose files name themselves, below `root` or below the folder of each result."""
    from emotrace.files import make_folder, write_atomically
    from emotrace.results import Analysis

    for result, _ in found:
        for path, text in form.write(Analysis.read(result)).items():
            target = (result.parent if root is None else root) / path
            make_folder(target.parent)
            write_atomically(target, text)
            say(f"wrote {target}")


def _content(form: Format, found: list[tuple[Path, Path]]) -> Any:
    from emotrace.results import Analysis

    analyses: Iterator[Analysis] = (Analysis.read(result) for result, _ in found)
    return form.write(analyses if form.many_in_one else next(analyses))


def _named(result: Path, form: Format) -> Path:
    return result.with_name(result.name.removesuffix(".json") + form.ending)


def _table_path(given: list[Path], form: Format, out: str | None) -> Path:
    """Where one table of all goes.

    Raises:
        UsageError: There are several, and nobody said where to.
    """
    from emotrace.errors import UsageError

    is_many = len(given) > 1 or given[0].is_dir()
    name = f"results{form.ending}" if is_many else _named(given[0], form).name
    if out is not None:
        return Path(out) / name if Path(out).is_dir() else Path(out)
    if len(given) > 1:
        raise UsageError("several results become one table", where="--out", hint="Name the file to write with --out")
    return (given[0] if is_many else given[0].parent) / name


def _targets(given: list[Path], found: list[tuple[Path, Path]], form: Format, out: str | None) -> list[Path]:
    """Where each result's file goes.

    Raises:
        UsageError: Two results would become one file.
    """
    from emotrace.errors import UsageError

    if out is None:
        return [_named(result, form) for result, _ in found]
    if len(given) == 1 and not given[0].is_dir() and not Path(out).is_dir():
        return [Path(out)]
    taken: dict[Path, Path] = {}
    for result, below in found:
        target = _named(Path(out) / below, form)
        if target in taken:
            reason = f"{taken[target]} and {result} would become one file"
            raise UsageError(reason, where=target, hint="Export them into different folders")
        taken[target] = result
    return list(taken)
