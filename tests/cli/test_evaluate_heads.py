from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from emotrace.testing.synthetic import Tone, write_clip

PROGRAM = str(Path(sys.executable).parent / "emotrace")


def heads(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "evaluate", "heads", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_table_of_sentences_is_scored_and_written(tmp_path: Path) -> None:
    rows = ["Thank you so much for this!,gratitude", "I am so angry right now,angry", "This is disgusting,disgusted"]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    run = heads("--text", tmp_path / "texts.csv", "--bootstrap", 50, "--out", tmp_path / "out")
    assert run.returncode == 0, run.stderr
    assert "text" in run.stdout
    (scores,) = json.loads((tmp_path / "out" / "heads.json").read_text(encoding="utf-8"))["heads"]
    assert scores["labels"] == ["anger", "disgust", "gratitude"]
    assert scores["accuracy"]["estimate"] == 1.0


def test_recordings_without_speech_are_counted_and_not_guessed_at(tmp_path: Path) -> None:
    write_clip(tmp_path / "tone.wav", pictures=(), sounds=(Tone(duration_seconds=2.0, codec="pcm_s16le"),))
    (tmp_path / "labels.csv").write_text("path,label\ntone.wav,anger\n", encoding="utf-8")
    run = heads("--voice", tmp_path, "--bootstrap", 10)
    assert run.returncode == 3
    assert "nothing to read in any of 1" in run.stderr


def test_wrong_use_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text,label\nhello,hungry\n", encoding="utf-8")
    for run, says in (
        (heads(), "--face, --voice or --text"),
        (heads("--text", tmp_path / "texts.csv"), "no label for 'hungry'"),
        (heads("--text", tmp_path / "texts.csv", "--only", "split"), "COLUMN=VALUE"),
    ):
        assert run.returncode in (2, 3)
        assert says in run.stderr
        assert sum(line.startswith("emotrace:") for line in run.stderr.splitlines()) == 1
        assert "Traceback" not in run.stderr
