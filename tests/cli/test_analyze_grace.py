"""`emotrace analyze --with grace` as a person runs it, and what it says where something is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from emotrace.media.video import FrameReader
from emotrace.results import Analysis
from emotrace.samples import sample_clip

EMOTRACE = [str(Path(sys.executable).parent / "emotrace")]
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from emotrace.cli.main import run; run()"


def emotrace(*args: str | Path, command: list[str] = EMOTRACE) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *map(str, args)], capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "face.png"
    cv2.imwrite(str(path), next(iter(FrameReader(sample_clip()))).image[..., ::-1])
    return path


def test_it_writes_a_result_and_a_page_with_maps(photo: Path, grace_weights: Path, tmp_path: Path) -> None:
    run = emotrace(
        "analyze", photo, "--with", "grace", "--weights", grace_weights, "--class-words", "--report", "--out", tmp_path
    )
    assert run.returncode in (0, 1), run.stderr
    (expression,) = Analysis.read(tmp_path / "face.emotrace.json").persons[0].expressions
    assert expression.typical_of is not None
    page = (tmp_path / "face.emotrace.html").read_text(encoding="utf-8")
    assert f"Typical of {expression.typical_of}" in page or not expression.typical_words
    assert 'class="heat"' in page


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--with", "grace"], 2, "--weights"),
        (["--weights", "anything"], 2, "--with grace"),
        (["--class-words"], 2, "--with grace"),
        (["--with", "magic", "--weights", "anything"], 2, "magic"),
        (["--with", "grace", "--weights", "nowhere"], 3, "nowhere"),
    ],
)
def test_bad_options_get_one_line_and_their_code(args: list[str], code: int, message: str, photo: Path) -> None:
    run = emotrace("analyze", photo, *args)
    assert run.returncode == code, run.stderr
    assert message in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr


def test_without_the_extra_it_says_which_one_to_install(photo: Path, tmp_path: Path) -> None:
    run = emotrace(
        "analyze", photo, "--with", "grace", "--weights", tmp_path, command=[sys.executable, "-c", WITHOUT_TORCH]
    )
    assert run.returncode == 4, run.stderr
    assert "emotrace[train]" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_without_torch_everything_else_still_works(photo: Path, tmp_path: Path) -> None:
    run = emotrace("analyze", photo, "--out", tmp_path, command=[sys.executable, "-c", WITHOUT_TORCH])
    assert run.returncode in (0, 1), run.stderr
    assert Analysis.read(tmp_path / "face.emotrace.json").persons[0].expressions == ()
