"""`emotrace verify`: whether a copy of a corpus can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli.console import stdout, write_stdout
from emotrace.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from emotrace.datasets.findings import VerifyReport
    from emotrace.datasets.media_checks import Limits
    from emotrace.datasets.verify import Expect

_COLOURS = {"ok": "green", "note": "yellow", "fault": "bold red", "skipped": "dim"}


def verify(
    corpus: Annotated[
        str, typer.Argument(help="Name of the corpus, as dfew, or coldstart; a wrong name lists the known ones.")
    ],
    folder: Annotated[
        Path | None, typer.Argument(metavar="ROOT", help="Folder that the owner's archive unpacks to.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="The same folder, given as an option.")] = None,
    expect: Annotated[
        str, typer.Option(help="`published` counts, `none` for a partial copy, or an earlier report (JSON).")
    ] = "published",
    older: Annotated[
        list[str] | None,
        typer.Option(help="Older test clips: CORPUS=FOLDER, a folder, or a list of names. May be repeated."),
    ] = None,
    splits: Annotated[Path | None, typer.Option(help="Your own splits: CSV with id,split.")] = None,
    circulating: Annotated[
        Path | None, typer.Option("--list", help="A list `path frames index` that others made.")
    ] = None,
    open_all: Annotated[bool, typer.Option("--all", help="Open every clip, not a sample.")] = False,
    ignore: Annotated[list[str] | None, typer.Option(help="A check whose faults are notes. May be repeated.")] = None,
    choose: Annotated[
        list[str] | None, typer.Option("--set", help="An adapter's argument, as frames=jpg_256. May be repeated.")
    ] = None,
    json: Annotated[str | None, typer.Option("--json", help="Write JSON to this file; `-` prints it alone.")] = None,
) -> None:
    """Check a copy of a corpus: counts, labels, splits, media; a hash of every split. Exit code 3 on a fault."""
    from emotrace.datasets.media_checks import Limits
    from emotrace.files import write_atomically

    place = _only(folder, root)
    expected, limits = _expected(expect), Limits(sample=None) if open_all else Limits()
    if _plain(corpus) == "synthdfer":
        if older or splits or circulating or choose:
            raise UsageError("synth_dfer takes --expect, --all, --ignore and --json alone")
        report = _verify_packed(place, expect=expected, limits=limits, ignore=ignore or ())
    elif _plain(corpus) == "coldstart":
        if older or splits or circulating or choose or ignore or open_all or expect != "published":
            raise UsageError("coldstart takes --json alone: its manifest says what to expect")
        report = _verify_coldstart(place)
    else:
        report = _verify_corpus(
            corpus,
            place,
            choices=choose or [],
            older=older or [],
            splits=splits,
            circulating=circulating,
            expect=expected,
            limits=limits,
            ignore=ignore or (),
        )
    if json == "-":
        write_stdout(report.to_json())
    else:
        _print(report)
        if json is not None:
            write_atomically(json, report.to_json())
    if not report.clean:
        raise typer.Exit(int(ExitCode.BAD_INPUT))


def _only(folder: Path | None, root: Path | None) -> Path:
    given = [each for each in (folder, root) if each is not None]
    if len(given) != 1:
        raise UsageError(f"name the corpus's folder once, got {len(given)}", hint="emotrace verify dfew FOLDER")
    return given[0]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _verify_packed(root: Path, *, expect: Expect, limits: Limits, ignore: Collection[str]) -> VerifyReport:
    from emotrace.datasets.synth_dfer import SynthDfer
    from emotrace.datasets.synth_dfer_checks import verify_synth_dfer

    return verify_synth_dfer(SynthDfer(root), expect=expect, limits=limits, ignore=ignore)


def _verify_coldstart(folder: Path) -> VerifyReport:
    from emotrace.hydra.coldstart.manifest import verify_manifest

    return verify_manifest(folder)


def _verify_corpus(
    corpus: str,
    root: Path,
    *,
    choices: list[str],
    older: list[str],
    splits: Path | None,
    circulating: Path | None,
    expect: Expect,
    limits: Limits,
    ignore: Collection[str],
) -> VerifyReport:
    from emotrace.cli.corpus_arguments import adapter_arguments
    from emotrace.datasets.corpora import open_corpus
    from emotrace.datasets.leaks import OlderTest, older_test
    from emotrace.datasets.tables import read_rows
    from emotrace.datasets.verify import verify as check

    copy = open_corpus(corpus, root, **adapter_arguments(corpus, choices))
    tests = [older_test(place) for place in older]
    return check(
        copy,
        expect=expect,
        older=OlderTest(
            names=frozenset().union(*(test.names for test in tests)),
            media=tuple(path for test in tests for path in test.media),
        )
        if tests
        else None,
        splits={row["id"]: row["split"] for row in read_rows(splits, "id", "split")} if splits else None,
        circulating=circulating,
        limits=limits,
        ignore=ignore,
    )


def _expected(expect: str) -> Expect:
    from emotrace.datasets.findings import VerifyReport

    if expect == "published":
        return "published"
    if expect == "none":
        return "none"
    return VerifyReport.from_file(Path(expect))


def _print(report: VerifyReport) -> None:
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    splits = Table("split", "clips", "labels", "sha256", title_justify="left")
    for name, split in report.splits.items():
        labels = ", ".join(f"{label} {count}" for label, count in list(split.labels.items())[:12])
        splits.add_row(name, str(split.clips), labels or "-", split.sha256[:16])
    findings = Table("check", "outcome", "count", "what", "first five")
    for each in report.findings:
        findings.add_row(
            each.check,
            Text(each.level, style=_COLOURS[each.level]),
            str(each.count) if each.count else "",
            each.text,
            "\n".join(each.examples),
        )
    console.print(splits)
    console.print(findings)
    words = f"{len(report.faults)} checks found faults" if report.faults else "no fault was found"
    console.print(f"{report.corpus}: {words}; sha256 {report.sha256[:16] or '-'}")
