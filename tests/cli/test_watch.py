"""`emotrace watch` as a person runs it: in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emotrace.cli.main import app
from emotrace.errors import PurposeRefused, UsageError
from emotrace.live.line import LiveVerdict
from emotrace.samples import sample_clip
from emotrace.testing.synthetic import write_clip

EMOTRACE = [str(Path(sys.executable).parent / "emotrace"), "watch"]


def watch(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EMOTRACE, *map(str, args)], capture_output=True, text=True, check=False, timeout=120)


def test_lines_go_to_a_file_or_out_and_the_summary_to_the_person_at_the_keyboard(tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.mkv"), tmp_path / "out.jsonl"
    run = watch("--camera", clip, "--as-fast-as-possible", "--every", "1", "--window", "1", "--out", out)
    assert (run.returncode, run.stdout) == (0, "")
    lines = [LiveVerdict.model_validate_json(line) for line in out.read_text().splitlines()]
    assert [(line.span.end_seconds, line.abstain) for line in lines] == [(1.0, "no_person"), (2.0, "no_person")]
    assert run.stderr.startswith("the stream ended: 2 windows over 2.0 s, 10 frames looked at, 0 dropped")


def test_each_line_comes_at_once_and_ctrl_c_ends_with_a_summary() -> None:
    command = [*EMOTRACE, "--camera", str(sample_clip()), "--every", "0.5", "--window", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["window"] == 0
        assert first["latency_seconds"] is not None
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert all(json.loads(line) for line in rest.splitlines())
    assert told.startswith("stopped by Ctrl-C: ")
    assert "latency" in told
    assert "Traceback" not in told


def wrapped_by_native_code() -> Iterator[Any]:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as interrupt:
        raise SystemError("<built-in function> returned a result with an exception set") from interrupt
    yield


def test_an_interrupt_that_native_code_wraps_is_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from emotrace.cli import main
    from emotrace.live.watch import LiveWatch

    monkeypatch.setattr(LiveWatch, "__iter__", lambda self: wrapped_by_native_code())
    monkeypatch.setattr(sys, "argv", ["emotrace", "watch", "--camera", str(sample_clip())])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 0
    assert capsys.readouterr().err.startswith("stopped by Ctrl-C: ")

    monkeypatch.setattr(main, "app", lambda: next(wrapped_by_native_code()))
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 130


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cameras have numbers on Linux only")
def test_a_camera_that_is_not_there_is_told_after_the_word_about_consent() -> None:
    run = watch("--camera", "999", "--purpose", "research")
    assert (run.returncode, run.stdout) == (3, "")
    consent, error = run.stderr.splitlines()
    assert "agree" in consent
    assert "Purpose: research" in consent
    assert "/dev/video999: there is no such camera" in error


def test_a_prohibited_purpose_is_refused_before_anything_is_opened() -> None:
    run = CliRunner().invoke(app, ["watch", "--camera", "none.mp4", "--purpose", "workplace"])
    assert isinstance(run.exception, PurposeRefused)


def test_the_input_is_not_written_over(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv")
    run = CliRunner().invoke(app, ["watch", "--camera", str(clip), "--out", str(clip)])
    assert isinstance(run.exception, UsageError)
    assert clip.stat().st_size > 0
