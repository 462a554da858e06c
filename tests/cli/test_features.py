from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from emotrace.cli.main import app
from emotrace.datasets.mertools_features import feature_folder, read_utterances
from emotrace.encoders.embedded import DIM
from emotrace.errors import (
    CorpusNotFound,
    DuplicateName,
    EmotraceError,
    InvalidFeatures,
    MediaNotFound,
    UnknownChoice,
    UsageError,
)
from emotrace.samples import sample_clip
from emotrace.testing.miniature import layout_of, tone, write


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def _refused(*arguments: object) -> EmotraceError:
    error = _run(*arguments).exception
    assert isinstance(error, EmotraceError), error
    return error


def test_a_single_clip_gives_a_set_per_modality(tmp_path: Path) -> None:
    shutil.copy(sample_clip(), tmp_path / "talk.mp4")
    (tmp_path / "talk.txt").write_text("What a day.")
    run = _run("features", tmp_path / "talk.mp4", "-o", tmp_path / "out", "--level", "both")
    assert run.exit_code == 0, run.output
    assert np.load(tmp_path / "out/face-UTT/talk.npy").shape == (DIM + 18,)
    assert np.load(tmp_path / "out/voice-FRA/talk.npy").ndim == 2
    assert np.load(tmp_path / "out/hashed-FRA/talk.npy").shape == (3, 1024)


def test_a_folder_is_read_whole_and_reported(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    (clips / "more").mkdir(parents=True)
    shutil.copy(sample_clip(), clips / "more" / "talk.mp4")
    (clips / "tone.wav").write_bytes(tone(3, 25))
    (clips / "notes.pdf").write_bytes(b"no clip")
    run = _run("features", clips, "-o", tmp_path / "out", "-e", "voice", "-e", "face")
    assert run.exit_code == 0, run.output
    assert sorted(path.name for path in (tmp_path / "out/voice-UTT").iterdir()) == ["more__talk.npy"]
    assert "tone" in run.stdout  # without a voice
    again = _run("features", clips, "-o", tmp_path / "out", "-e", "voice", "-q")
    assert (again.exit_code, again.output) == (0, "")


@pytest.mark.parametrize("corpus", ["mer2023", "dfew"])
def test_a_corpus_is_read_by_its_lists(corpus: str, tmp_path: Path) -> None:
    layout = layout_of(corpus)
    copy = write(layout, tmp_path / "copy")
    run = _run("features", "--data", corpus, "--root", tmp_path / "copy", "-o", tmp_path / "out", *_set(layout.options))
    assert run.exit_code == 0, run.output
    names = list(dict.fromkeys(record.id for record in copy.records()))
    said, seen = (tmp_path / "out" / name for name in ("hashed-UTT", "face-UTT"))
    if corpus == "mer2023":  # videos of noise: words, and no face
        assert read_utterances(said, names).missing == ()
        assert not list(seen.iterdir())
    else:  # folders of crops
        assert read_utterances(feature_folder(tmp_path / "out", "face"), names).missing == ()
        assert not list(said.iterdir())


def _set(options: object) -> list[str]:
    return [part for name, value in dict(options).items() for part in ("--set", f"{name}={value}")]  # type: ignore[call-overload]


def test_a_broken_clip_is_named_and_the_others_written(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(sample_clip(), clips / "talk.mp4")
    (clips / "broken.mp4").write_bytes(b"was a clip once" * 40)
    run = _run("features", clips, "-o", tmp_path / "out", "-e", "voice")
    assert run.exit_code == 3
    assert "1 of 2 clips could not be read: broken" in run.stderr
    assert (tmp_path / "out/voice-UTT/talk.npy").is_file()


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    assert isinstance(_refused("features"), UsageError)
    assert isinstance(_refused("features", clips, "--data", "dfew", "--root", clips), UsageError)
    assert isinstance(_refused("features", clips, "-o", tmp_path / "out"), MediaNotFound)
    assert isinstance(
        _refused("features", tmp_path / "gone", "-o", tmp_path / "out", "-e", "face", "-e", "face"), UsageError
    )
    for name in ("a.wav", "a.mp3"):
        (clips / name).write_bytes(tone(1, 5))
    assert isinstance(_refused("features", clips, "-o", tmp_path / "out"), DuplicateName)
    assert isinstance(_refused("features", "--data", "nope", "--root", clips), UnknownChoice)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    for name, width in (("voice-UTT", 3), ("text_FRA", 2)):
        (tmp_path / "features" / name).mkdir(parents=True)
        for number, clip in enumerate("abc"):
            rows = np.full((number + 1, width), number, np.float32)
            np.save(tmp_path / "features" / name / f"{clip}.npy", rows if "FRA" in name else rows[0])
    return tmp_path / "features"


def test_sets_are_packed_one_file_each(features: Path, tmp_path: Path) -> None:
    packed = pytest.importorskip("emotrace.datasets.packed_features")
    pytest.importorskip("safetensors", reason="needs the extra [train]")
    run = _run("pack", "--features", features, "--out", tmp_path / "packed")
    assert run.exit_code == 0, run.output
    read = packed.PackedFeatures(tmp_path / "packed/text_FRA.safetensors")
    assert (read.level, [len(rows) for rows in read.frames("abc").rows]) == ("fra", [1, 2, 3])
    (tmp_path / "names.csv").write_text("name,discrete\nc,sad\na,happy\nd,sad\n")
    (tmp_path / "said.csv").write_text("name,sentence\nc,你好\na,\n")
    one = tmp_path / "one.safetensors"
    options = ["--names", tmp_path / "names.csv", "--transcripts", tmp_path / "said.csv"]
    run = _run("pack", "--features", features / "voice-UTT", "--out", one, *options)
    assert "1 of 3 clips, 3 wide, 1 without a file, 1 silent" in run.stderr
    assert packed.PackedFeatures(one).names == ("c", "a", "d")


def test_packing_refuses_what_does_not_fit(features: Path, tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="needs the extra [train]")
    assert isinstance(_refused("pack", "--features", features, "--out", tmp_path / "x.safetensors"), UsageError)
    assert isinstance(_refused("pack", "--features", tmp_path / "gone", "--out", tmp_path / "x"), CorpusNotFound)
    (tmp_path / "empty").mkdir()
    assert isinstance(_refused("pack", "--features", tmp_path / "empty", "--out", tmp_path / "x"), CorpusNotFound)
    np.save(features / "voice-UTT" / "b.npy", np.array([1.0, np.nan, 0.0]))
    error = _refused("pack", "--features", features / "voice-UTT", "--out", tmp_path / "x.safetensors")
    assert isinstance(error, InvalidFeatures)
    assert "b.npy" in str(error)
    assert not (tmp_path / "x.safetensors").exists()
