from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from emotrace.cli.verify import verify
from emotrace.errors import CorpusNotFound, ExitCode, UnknownChoice, UsageError
from emotrace.testing.faults import plant
from emotrace.testing.miniature import layout_of, write
from emotrace.testing.synth_dfer import write_synth_dfer

app = typer.Typer()
app.command()(verify)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_clean_copy_leaves_with_zero_and_shows_every_split(tmp_path: Path) -> None:
    write(layout_of("emodb"), tmp_path / "emodb")
    result = run("emodb", tmp_path / "emodb", "--expect", "none")
    assert result.exit_code == ExitCode.DONE, result.output
    assert "no fault was found" in result.output
    assert "every clip decodes (12 clips opened)" in result.output


def test_a_fault_leaves_with_three_and_names_the_clip(tmp_path: Path) -> None:
    plant(layout_of("meld"), tmp_path / "meld", "missing_clip")
    result = run("meld", tmp_path / "meld", "--expect", "none")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "train_dia0_utt1 (train)" in result.output
    assert run("meld", tmp_path / "meld", "--expect", "none", "--ignore", "missing").exit_code == ExitCode.DONE


def test_json_goes_alone_to_a_pipe_or_beside_the_table_to_a_file(tmp_path: Path) -> None:
    write(layout_of("mosi"), tmp_path / "mosi")
    piped = run("mosi", tmp_path / "mosi", "--expect", "none", "--json", "-")
    report = json.loads(piped.stdout)
    assert set(report["splits"]) == {"train", "valid", "test"}
    assert all(len(split["sha256"]) == 64 for split in report["splits"].values())
    saved = tmp_path / "report.json"
    assert "no fault" in run("mosi", tmp_path / "mosi", "--expect", "none", "--json", saved).output
    assert json.loads(saved.read_text()) == report
    assert run("mosi", tmp_path / "mosi", "--expect", saved).exit_code == ExitCode.DONE


def test_published_counts_are_the_default(tmp_path: Path) -> None:
    write(layout_of("mosi"), tmp_path / "mosi")
    result = run("mosi", tmp_path / "mosi")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "train: 6 clips, published 1284" in result.output


def test_own_splits_and_older_names_are_checked(tmp_path: Path) -> None:
    layout = layout_of("crema-d")
    write(layout, tmp_path / "crema")
    splits = tmp_path / "splits.csv"
    rows = layout.rows()
    splits.write_text("id,split\n" + "".join(f"{row.name},{'test' if row is rows[0] else 'train'}\n" for row in rows))
    result = run("crema-d", tmp_path / "crema", "--expect", "none", "--splits", splits)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "actor 1001 in test and train" in result.output
    older = tmp_path / "older.txt"
    older.write_text(rows[1].name + "\n")
    result = run("crema-d", tmp_path / "crema", "--expect", "none", "--older", older)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert rows[1].name in result.output


def test_an_adapters_argument_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    write(layout_of("dfew"), tmp_path / "dfew")
    assert run("dfew", tmp_path / "dfew", "--expect", "none", "--set", "frames=clip_224x224").exit_code == 0
    for choice, said in (("frames=jpg_512", "jpg_256"), ("size=3", "frames")):
        result = run("dfew", tmp_path / "dfew", "--set", choice)
        assert isinstance(result.exception, UsageError)
        assert said in str(result.exception)


@pytest.mark.parametrize(("corpus", "error"), [("dfew", CorpusNotFound), ("defw", UnknownChoice)])
def test_a_wrong_name_or_folder_is_a_typed_error(tmp_path: Path, corpus: str, error: type[Exception]) -> None:
    assert isinstance(run(corpus, tmp_path / "nowhere").exception, error)


def test_the_packed_set_is_checked_as_any_corpus(tmp_path: Path) -> None:
    root = write_synth_dfer(tmp_path / "synth", train=(2, 1, 1, 1, 1, 1, 1), test=1)
    result = run("synth_dfer", "--root", root, "--expect", "none", "--json", "-")
    assert result.exit_code == ExitCode.DONE, result.output
    report = json.loads(result.stdout)
    assert (report["corpus"], report["splits"]["paired"]["clips"]) == ("synth_dfer", 42)
    (root / "truth_paired.npz").unlink()
    assert run("SynthDFER", root, "--expect", "none").exit_code == ExitCode.BAD_INPUT
    with pytest.raises(UsageError, match="alone"):
        verify("synth_dfer", root, choose=["frames=jpg_256"])
    with pytest.raises(UsageError, match="once, got 2"):
        verify("dfew", root, root)
    with pytest.raises(UsageError, match="once, got 0"):
        verify("dfew")
