"""A made-up copy of MER2023 with 20 clips in MERTools' layout, and what `verify` says of planted faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from emotrace.cli.main import app
from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.leaks import OlderTest, overlap, refuse_leak
from emotrace.errors import LeakError
from emotrace.testing.file_faults import write_features
from emotrace.testing.layout import Layout, Row
from emotrace.testing.layouts import LAYOUTS
from emotrace.testing.miniature import write

ROWS = [
    Row(
        name=f"sample_{number:08d}",
        split="train" if number < 16 else "test1",
        label=("neutral", "angry", "happy", "sad", "worried", "surprise")[number % 6],
        value=number / 10 - 1,
        text="" if number == 3 else "快递星期一到。",
    )
    for number in range(20)
]
CSV, NPZ = (layout for layout in LAYOUTS if layout.corpus == "mer2023")


def _copy(root: Path, layout: Layout) -> Path:
    write(layout, root, ROWS)
    said = root / "transcription-engchi-polish.csv"
    said.write_bytes(
        said.read_bytes().replace(f"{ROWS[3].name},,The parcel came on Monday.".encode(), f"{ROWS[3].name},,".encode())
    )
    write_features(root, ROWS, name="voice-UTT")
    write_features(root, ROWS, name="face_FRA", width=2)
    for row in ROWS[:2]:  # a folder of files per clip
        (root / "features/face_FRA" / f"{row.name}.npy").unlink()
        (root / "features/face_FRA" / row.name).mkdir()
        for part in ("001", "002"):
            np.save(root / "features/face_FRA" / row.name / f"{part}.npy", np.ones(2, np.float32))
    return root


def _verify(root: Path, *options: str) -> tuple[int, dict[str, dict[str, object]]]:
    run = CliRunner().invoke(app, ["verify", "mer2023", "--root", str(root), *options, "--json", "-"])
    return run.exit_code, {finding["check"]: finding for finding in json.loads(run.stdout)["findings"]}


@pytest.mark.parametrize("layout", [CSV, NPZ], ids=["csv", "npz"])
def test_a_whole_copy_is_clean(tmp_path: Path, layout: Layout) -> None:
    code, findings = _verify(_copy(tmp_path / "copy", layout), "--expect", "none")
    assert code == 0
    assert findings["features"]["level"] == "ok"
    assert findings["transcripts"]["level"] == "note"
    assert findings["transcripts"]["examples"] == ["sample_00000003"]


def _save(name: str, rows: object) -> Callable[[Path], None]:
    return lambda root: np.save(root / "features" / "voice-UTT" / f"{name}.npy", np.asarray(rows))


@pytest.mark.parametrize(
    "plant",
    [
        _save(ROWS[4].name, np.zeros(5)),
        _save(ROWS[4].name, [0.0, np.nan, 0.0, 0.0]),
        _save(ROWS[4].name, np.zeros((0, 4))),
        _save(ROWS[4].name, np.array([None], dtype=object)),
        lambda root: (root / "features/face_FRA" / ROWS[0].name / "003.npy").write_bytes(b"cut"),
    ],
    ids=["width", "nan", "no row", "pickle", "damaged"],
)
def test_features_that_cannot_be_used_are_faults(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    root = _copy(tmp_path / "copy", CSV)
    plant(root)
    code, findings = _verify(root, "--expect", "none")
    assert code == 3
    assert findings["features"]["level"] == "fault"
    assert findings["features"]["count"] == 1


def test_missing_features_are_a_note(tmp_path: Path) -> None:
    root = _copy(tmp_path / "copy", CSV)
    (root / "features/voice-UTT" / f"{ROWS[7].name}.npy").unlink()
    code, findings = _verify(root, "--expect", "none")
    assert code == 0
    assert findings["features"]["level"] == "note"
    assert findings["features"]["examples"] == [f"voice-UTT: {ROWS[7].name}"]


def test_a_class_that_is_missing_and_counts_that_differ_are_faults(tmp_path: Path) -> None:
    code, findings = _verify(_copy(tmp_path / "copy", CSV))
    assert code == 3
    assert findings["counts"]["level"] == "fault"


def test_a_model_may_not_be_tested_on_what_it_was_trained_on(tmp_path: Path) -> None:
    records = list(open_corpus("mer2023", _copy(tmp_path / "copy", CSV)).records())
    training = [record for record in records if record.split == "train"]
    apart = OlderTest(names=frozenset(record.id for record in records if record.split == "test1"))
    refuse_leak(training, apart)
    mixed = OlderTest(names=frozenset({ROWS[2].name, ROWS[5].name, "sample_99999999"}))
    assert len(overlap(training, mixed)) == 2
    with pytest.raises(LeakError, match=r"sample_00000002 \(train\), sample_00000005"):
        refuse_leak(training, mixed)
    twin = tmp_path / "renamed.mp4"
    twin.write_bytes(training[0].media.read_bytes())
    with pytest.raises(LeakError, match="is renamed"):
        refuse_leak(training, OlderTest(names=frozenset({"renamed"}), media=(twin,)))
