"""`emotrace export`: one result or many, to a file, a folder or standard output."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from emotrace.cli.main import run
from emotrace.export import FORMATS
from emotrace.results import Analysis
from emotrace.testing.analysis import synthetic_analysis


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two results, one of them in a folder below, of the same name."""
    below = tmp_path / "results" / "day 2"
    below.mkdir(parents=True)
    for number, place in enumerate((below.parent, below)):
        analysis = synthetic_analysis(seed=number, name=f"talk{number}.mp4", sha256=str(number) * 64)
        (place / "talk.emotrace.json").write_text(analysis.to_json())
    return below.parent


def export(*args: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["emotrace", "export", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            run()
    return int(ended.value.code or 0)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.ending])
def test_every_format_of_one_result_goes_beside_it(name: str, folder: Path) -> None:
    result = folder / "talk.emotrace.json"
    assert export(result, "--to", name) == 0
    written = folder / f"talk.emotrace{FORMATS[name].ending}"
    content = FORMATS[name].write(Analysis.read(result))
    assert written.read_bytes() == (content.encode() if isinstance(content, str) else content)


def test_a_folder_becomes_one_table(folder: Path, tmp_path: Path) -> None:
    assert export(folder, "--to", "summary") == 0
    with (folder / "results.summary.csv").open(newline="") as table:
        assert [row["file"] for row in csv.DictReader(table)] == ["talk1.mp4", "talk0.mp4"]
    assert export(folder, folder / "talk.emotrace.json", "--to", "csv", "--out", tmp_path / "all.csv") == 0
    with (tmp_path / "all.csv").open(newline="") as table:
        assert {row["file"] for row in csv.DictReader(table)} == {"talk0.mp4", "talk1.mp4"}
    assert (tmp_path / "all.csv").read_text().count("schema_version") == 1


def test_a_folder_becomes_one_document_per_result_in_the_same_places(folder: Path, tmp_path: Path) -> None:
    assert export(folder, "--to", "eaf", "--out", tmp_path / "elan") == 0
    assert files(tmp_path / "elan") == {"talk.emotrace.eaf", "day 2/talk.emotrace.eaf"}
    assert export(folder, "--to", "bids", "--experimental", "--out", tmp_path / "study") == 0
    assert len(files(tmp_path / "study")) == 4
    assert {Path(name).parts[1] for name in files(tmp_path / "study")} == {"beh"}


def test_standard_output_holds_exactly_the_content(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    result = folder / "talk.emotrace.json"
    assert export(result, "--to", "vtt", "--out", "-") == 0
    assert capfdbinary.readouterr().out == FORMATS["vtt"].write(Analysis.read(result)).encode()
    assert export(folder, "--to", "jsonl", "--out", "-") == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert {line["file"] for line in lines} == {"talk0.mp4", "talk1.mp4"}


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["FOLDER", "--to", "bids"], 2, "--experimental"),
        (["FOLDER", "--to", "bids", "--experimental", "--out", "-"], 2, "not for standard output"),
        (["RESULT", "--to", "parquet", "--out", "-"], 2, "not for standard output"),
        (["FOLDER", "--to", "eaf", "--out", "-"], 2, "one file per result"),
        (["EMPTY"], 2, "ends in .emotrace.json"),
        (["RESULT", "BELOW"], 2, "--out"),
        (["RESULT", "BELOW", "--to", "eaf", "--out", "OUT"], 2, "would become one file"),
        (["RESULT", "--out", "RESULT"], 2, "replace the input"),
        (["nowhere.json"], 3, "nowhere.json"),
        (["BROKEN", "--to", "eaf"], 3, "not an emotrace result"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_no_file(
    args: list[str], code: int, message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.emotrace.json").write_text("{}")
    places = {
        "FOLDER": folder, "RESULT": folder / "talk.emotrace.json", "BELOW": folder / "day 2" / "talk.emotrace.json",
        "EMPTY": tmp_path / "empty", "BROKEN": tmp_path / "broken.emotrace.json", "OUT": tmp_path / "out",
    }  # fmt: skip
    before = files(tmp_path)
    assert export(*[places.get(arg, arg) for arg in args]) == code
    said = capsys.readouterr().err
    assert message in " ".join(said.split())
    assert len(said.splitlines()) == 1
    assert files(tmp_path) == before


def test_without_pyarrow_the_error_names_the_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(), *sys.meta_path])
    assert export(folder, "--to", "parquet") != 0
    assert "emotrace[parquet]" in capsys.readouterr().err


class _Without:
    """An importer that finds no pyarrow."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_the_help_names_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert export("--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in FORMATS)
