from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from emotrace.datasets.mertools_features import (
    clips_in,
    faults_of,
    feature_folder,
    feature_sets,
    place_of,
    read_clip,
    read_frames,
    read_utterances,
    silent_clips,
    source_hash,
)
from emotrace.errors import CorpusNotFound, InvalidFeatures, UnknownChoice


def _set(folder: Path, **clips: object) -> Path:
    folder.mkdir(parents=True)
    for name, rows in clips.items():
        np.save(folder / f"{name}.npy", np.asarray(rows))
    return folder


def test_every_layout_is_rows(tmp_path: Path) -> None:
    folder = _set(tmp_path / "clip-UTT", one=[1.0, 2.0], two=[[3.0, 4.0]], many=[[1.0, 1.0], [3.0, 5.0]])
    (folder / "parts").mkdir()
    for number, row in ((2, [[2.0, 2.0]]), (1, [0.0, 0.0]), (10, [4.0, 4.0])):
        np.save(folder / "parts" / f"{number:03d}.npy", np.array(row, np.float16))
    read = read_utterances(folder, ["two", "one", "many", "parts"])
    assert read.rows.dtype == np.float32
    assert read.rows.tolist() == [[3, 4], [1, 2], [2, 3], [2, 2]]
    frames = read_frames(folder, ["parts", "one"])
    assert frames.rows[0].tolist() == [[0, 0], [2, 2], [4, 4]]
    assert (frames.width, len(frames.rows[1])) == (2, 1)
    assert clips_in(folder) == ("many", "one", "parts", "two")


def test_missing_files_are_masked_and_counted(tmp_path: Path) -> None:
    folder = _set(tmp_path / "voice-UTT", a=[1.0], c=[2.0])
    read = read_utterances(folder, ["a", "b", "c", "d"])
    assert read.present.tolist() == [True, False, True, False]
    assert read.missing == ("b", "d")
    assert read.counts == "voice-UTT: 2 of 4 clips, 1 wide, 2 without a file, 0 silent"
    assert read_frames(folder, ["b", "c"]).present.tolist() == [False, True]


def test_zeros_are_absent_where_nothing_is_said_and_nowhere_else(tmp_path: Path) -> None:
    folder = _set(tmp_path / "text-UTT", hush=[0.0, 0.0], zero=[0.0, 0.0], hum=[0.0, 1.0])
    read = read_utterances(folder, ["hush", "zero", "hum"], silent=["hush", "hum"])
    assert read.present.tolist() == [False, True, True]
    assert read.silent == ("hush",)


def test_silent_clips_have_no_words_in_any_language(tmp_path: Path) -> None:
    table = tmp_path / "said.csv"
    table.write_text("name,chinese,english\na,你好,hello\nb,,\nc,, hi\n", encoding="utf-8")
    assert silent_clips(table) == {"b"}
    table.write_text("name,sentence\na,\nb,你好\n", encoding="utf-8")
    assert silent_clips(table) == {"a"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([0.0, np.nan], "1 numbers are nan or infinite"),
        ([[0.0, 1.0], [np.inf, np.nan]], "2 numbers are nan or infinite"),
        (np.array([1e300, 0.0]), "1 numbers are nan or infinite"),
        (np.zeros((0, 2)), "at least one row"),
        (np.zeros((2, 0)), "at least one row"),
        (np.zeros((1, 1, 2)), "has shape"),
        (np.float32(1.0), "has shape"),
        (np.array(["a", "b"]), "not an array of numbers"),
        (np.array([1 + 1j, 0]), "not an array of numbers"),
        (np.array([True, False]), "not an array of numbers"),
    ],
)
def test_what_cannot_be_features_is_refused_with_its_name(tmp_path: Path, rows: object, said: str) -> None:
    folder = _set(tmp_path / "set", good=[0.0, 1.0], bad=rows)
    with pytest.raises(InvalidFeatures, match=said) as caught:
        read_utterances(folder, ["good", "bad"])
    assert "bad.npy" in str(caught.value)
    (fault,) = faults_of(folder, ["good", "bad", "gone"])
    assert fault.startswith("set: bad: ")


def test_pickles_and_damaged_files_are_not_opened(tmp_path: Path) -> None:
    folder = _set(tmp_path / "set", good=[0.0, 1.0])
    np.save(folder / "pickled.npy", np.array([{}], dtype=object))
    np.savez(folder / "archive", a=np.zeros(2))
    (folder / "archive.npz").rename(folder / "archive.npy")
    whole = (folder / "good.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:-3])
    (folder / "empty.npy").write_bytes(b"")
    for name in ("pickled", "archive", "cut", "empty"):
        with pytest.raises(InvalidFeatures, match=f"{name}.npy"):
            read_clip(folder / f"{name}.npy")


def test_another_width_is_refused(tmp_path: Path) -> None:
    folder = _set(tmp_path / "set", a=[0.0, 1.0], b=[0.0, 1.0, 2.0])
    with pytest.raises(InvalidFeatures, match=r"b\.npy: 3 numbers wide where 2 are needed"):
        read_utterances(folder, ["a", "b"])
    with pytest.raises(InvalidFeatures, match=r"a\.npy: 2 numbers wide where 4 are needed"):
        read_utterances(folder, ["a"], width=4)
    (folder / "mixed").mkdir()
    np.save(folder / "mixed" / "1.npy", np.zeros(2))
    np.save(folder / "mixed" / "2.npy", np.zeros(3))
    with pytest.raises(InvalidFeatures, match="files of different widths: 2, 3"):
        read_clip(folder / "mixed")
    (folder / "hollow").mkdir()
    with pytest.raises(InvalidFeatures, match=r"no \.npy file"):
        read_clip(folder / "hollow")


def test_a_wrong_folder_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound):
        read_utterances(tmp_path / "none", ["a"])
    with pytest.raises(CorpusNotFound, match="a, b"):
        read_utterances(_set(tmp_path / "set", c=[1.0]), ["a", "b"])


def test_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = _set(tmp_path / "set", a=[1.0])
    np.save(tmp_path / "outside.npy", np.zeros(1))
    assert place_of(folder, "../outside") is None
    assert place_of(folder, str(tmp_path / "outside")) is None
    np.save(folder / "train__x.npy", np.zeros(1))
    assert place_of(folder, "train/x") == folder / "train__x.npy"


def test_sets_are_found_by_name_and_level(tmp_path: Path) -> None:
    for name in ("clip-UTT", "clip-FRA", "hubert_UTT", "wav_FRA", "plain"):
        _set(tmp_path / "features" / name, a=[1.0])
    assert list(feature_sets(tmp_path)) == ["clip-FRA", "clip-UTT", "hubert_UTT", "plain", "wav_FRA"]
    found = {(n, lv): feature_folder(tmp_path, n, lv).name for n in ("clip", "hubert", "wav") for lv in ("utt",)}
    assert list(found.values()) == ["clip-UTT", "hubert_UTT", "wav_FRA"]
    assert feature_folder(tmp_path, "clip", "fra").name == "clip-FRA"
    assert feature_folder(tmp_path, "plain").name == "plain"
    with pytest.raises(UnknownChoice, match="hubert_UTT"):
        feature_folder(tmp_path, "hubert", "fra")
    assert feature_sets(tmp_path / "nowhere") == {}


def test_the_hash_is_that_of_names_and_bytes(tmp_path: Path) -> None:
    one, two = _set(tmp_path / "one", a=[1.0], b=[2.0]), _set(tmp_path / "two", a=[1.0], b=[2.0])
    assert source_hash(one, ["a", "b"]) == source_hash(two, ["a", "b"]) != source_hash(one, ["a"])
    np.save(two / "b.npy", np.array([3.0]))
    assert source_hash(one, ["a", "b"]) != source_hash(two, ["a", "b"])


@given(arrays(np.float32, array_shapes(min_dims=1, max_dims=2, max_side=6), elements=st.floats(-1e3, 1e3, width=32)))
def test_what_numpy_wrote_is_read_as_rows(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray) -> None:
    stream = io.BytesIO()
    np.save(stream, rows)
    path = tmp_path_factory.mktemp("clip") / "a.npy"
    path.write_bytes(stream.getvalue())
    assert np.array_equal(read_clip(path), rows.reshape(-1, rows.shape[-1]))
