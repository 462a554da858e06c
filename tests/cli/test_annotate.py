"""`emotrace annotate` as a person runs it: what its options mean, what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emotrace.batch.run import Batch
from emotrace.batch.summary import Progress
from emotrace.cli.annotate import pace
from emotrace.cli.main import app
from emotrace.errors import EmotraceError
from emotrace.samples import sample_clip

WriteWav = Callable[..., Path]


class Here:
    """Workers that are none: each task is done at once, in this process."""

    def __init__(self, work: Callable[[Any], Any], count: int) -> None:
        self.work = work

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def run(self, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        yield from ((task, self.work(task)) for task in tasks)


@pytest.fixture
def annotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command in a folder of its own, without processes."""
    monkeypatch.setattr("emotrace.batch.run.LocalWorkers", Here)
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> Result:
        return CliRunner().invoke(app, ["annotate", "clips", "--out", "out", *args])

    return run


@pytest.fixture
def clips(tmp_path: Path, write_wav: WriteWav) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in (1, 2):
        write_wav(folder / f"{number}.wav", number)
    (folder / "broken.mp4").write_bytes(b"nothing that anybody could play")
    return folder


def test_it_says_what_was_done_and_what_failed(annotate: Callable[..., Result], clips: Path) -> None:
    run = annotate("--to", "csv,jsonl", "--report")
    assert run.exit_code == 0, run.output
    for told in ("analysed", "2 of 3", "UnreadableMedia 1", "abstained everywhere", "2 (100%)", "x real time"):
        assert told in run.stdout
    assert "failed: clips/broken.mp4: UnreadableMedia" in run.stderr
    out = clips.parent / "out"
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == [
        *("errors.csv", "log.jsonl", "manifest.jsonl", "results", "settings.json", "summary.csv", "tables")
    ]
    assert sorted(path.name for path in (out / "tables").iterdir()) == ["annotations.csv", "annotations.jsonl"]
    assert len(list((out / "results").glob("*.html"))) == 2
    again = annotate("--to", "csv,jsonl", "--report")
    assert "0 of 3" in again.stdout
    assert "x real time" not in again.stdout


def test_exit_codes(annotate: Callable[..., Result], clips: Path) -> None:
    strict = annotate("--strict")
    assert strict.exit_code == 1
    assert "stopped at a failure: UnreadableMedia" in strict.stderr
    for good in clips.glob("*.wav"):
        good.unlink()
    assert annotate("--quiet").exit_code == 3
    for wrong, said in [
        (["--redact"], "--report"),
        (["--calls-per-minute", "5"], "--reasoner"),
        (["--model", "m"], "--reasoner"),
        (["--to", "xls"], "unknown format"),
        (["--encoding", "klingon"], "klingon"),
        (["--class-words"], "--with grace"),
        (["--reasoner", "http://models.example/v1", "--model", "m"], "--yes"),
    ]:
        run = annotate(*wrong)
        assert isinstance(run.exception, EmotraceError), wrong
        assert said in str(run.exception)
        assert run.exception.exit_code == 2


@pytest.mark.parametrize(
    ("args", "address"),
    [
        ([], None),
        (["--ray"], "local"),
        (["--ray", "--workers", "2"], "local"),
        (["--ray", "auto"], "auto"),
        (["--ray", "ray://10.0.0.1:10001"], "ray://10.0.0.1:10001"),
        (["--ray=head:6379"], "head:6379"),
        (["--ray", "clips"], "local"),
    ],
)
def test_ray_takes_an_address_or_none(
    args: list[str], address: str | None, annotate: Callable[..., Result], clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def keep(names: Any, out: Any, job: Any, **options: Any) -> Batch:
        asked.update(names=list(names), job=job, **options)
        return Batch(progress=Progress(total=1, total_bytes=1), entries=())

    monkeypatch.setattr("emotrace.batch.run.annotate", keep)
    run = annotate(*args, "--to", "csv,csv", "--rate", "2", "--no-audio", "-k", "1")
    assert run.exit_code == 0, run.output
    assert asked["ray"] == address
    assert asked["names"] == (["clips", "clips"] if args[-1:] == ["clips"] else ["clips"])
    assert asked["formats"] == ["csv"]
    assert {name: asked["job"].options[name] for name in ("k", "rate_hz", "use_audio", "purpose")} == {
        **{"k": 1, "rate_hz": 2.0, "use_audio": False, "purpose": "unspecified"}
    }


def test_the_pace_is_told_in_a_few_words() -> None:
    progress = Progress(total=100, total_bytes=1000, analysed=10, failed=1, media_seconds=600.0, seconds=60.0)
    progress.bytes, progress.analysed_bytes = 110, 100
    assert pace(progress) == "1 failed, 10 files/min, 10.0 x real time, 9 min left"
    assert pace(Progress(total=3, total_bytes=0)) == ""


def test_two_workers_ask_a_model_at_one_pace(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    from emotrace.testing.chat_server import FakeChatServer
    from emotrace.testing.reasoner_answers import reasoned_answer

    asked: list[float] = []

    class Timed(FakeChatServer):
        def decide(self, body: Mapping[str, Any]) -> Any:
            asked.append(time.monotonic())  # small questions about abilities too
            return super().decide(body)

    rows = "".join(f"{number},{sample_clip()},What a day number {number}\n" for number in (1, 2))
    (tmp_path / "list.csv").write_text(f"id,path,text\n{rows}")
    with Timed(answer=reasoned_answer) as server:
        options = ["--reasoner", server.url, "--model", "made-up", "--frames", "0", "--calls-per-minute", "240"]
        options += ["--rate", "1"]
        command = [sys.executable, "-m", "emotrace", "annotate", "list.csv", "-o", "out", "--workers", "2", *options]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert run.returncode == 0, run.stderr
        assert "of 2 files go to 127.0.0.1" in run.stderr
        assert len(asked) >= 10, asked
        assert asked[-1] - asked[0] >= (len(asked) - 1) * 0.25 - 0.5  # the first may have come late
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert settings["asking"]["model"] == "made-up"
    assert len(list((tmp_path / "out" / "replies").iterdir())) == 2
