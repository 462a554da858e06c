from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="needs the extra [train]")

from emotrace.datasets.mertools_features import read_frames, read_utterances, source_hash
from emotrace.datasets.packed_features import PackedFeatures, pack
from emotrace.errors import DuplicateName, InvalidFeatures

NAMES = ["c", "a", "gone", "b", "hush"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random, place = np.random.default_rng(0), tmp_path / "clip-FRA"
    place.mkdir()
    for name, count in (("a", 1), ("b", 4), ("c", 2)):
        np.save(place / f"{name}.npy", random.normal(size=(count, 3)).astype(np.float32))
    np.save(place / "hush.npy", np.zeros((1, 3), np.float32))
    return place


def test_what_was_packed_is_what_the_files_hold(folder: Path, tmp_path: Path) -> None:
    pack(folder, NAMES, tmp_path / "fra.safetensors", level="fra")
    packed, asked = PackedFeatures(tmp_path / "fra.safetensors"), ["b", "gone", "stranger", "a"]
    assert (packed.names, packed.set_name, packed.width) == (tuple(NAMES), "clip-FRA", 3)
    found, plain = packed.frames(asked), read_frames(folder, asked)
    assert [rows.tolist() for rows in found.rows] == [rows.tolist() for rows in plain.rows]
    assert found.missing == ("gone", "stranger")
    utterances = packed.utterances(asked)
    assert np.array_equal(utterances.rows, read_utterances(folder, asked).rows)
    assert utterances.present.tolist() == [True, False, False, True]


def test_utterances_are_one_row_each_and_silent_clips_have_none(folder: Path, tmp_path: Path) -> None:
    packed = pack(folder, NAMES, tmp_path / "utt.safetensors", silent=["hush"])
    assert packed.present.tolist() == [True, True, False, True, False]
    read = PackedFeatures(tmp_path / "utt.safetensors").utterances(NAMES)
    assert np.array_equal(read.rows, packed.rows)
    assert np.array_equal(read.present, packed.present)


def test_the_same_files_give_the_same_bytes_and_their_hash(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack(folder, NAMES, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert PackedFeatures(tmp_path / "one").source_sha256 == source_hash(folder, NAMES)


def test_a_name_may_stand_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DuplicateName, match="a"):
        pack(folder, ["a", "b", "a"], tmp_path / "out")


def test_another_or_a_damaged_file_is_refused(folder: Path, tmp_path: Path) -> None:
    import safetensors.numpy

    pack(folder, NAMES, tmp_path / "good")
    (tmp_path / "cut").write_bytes((tmp_path / "good").read_bytes()[:-7])
    (tmp_path / "text").write_text("no features")
    safetensors.numpy.save_file({"rows": np.zeros((1, 3), np.float32)}, tmp_path / "other")
    for name in ("cut", "text", "other", "absent"):
        with pytest.raises(InvalidFeatures, match=name):
            PackedFeatures(tmp_path / name)
