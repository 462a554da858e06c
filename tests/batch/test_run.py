"""A batch keeps what is done, does what is not, and ends the same however it came about."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emotrace.batch.job import Job
from emotrace.batch.run import Batch, annotate
from emotrace.batch.summary import Progress
from emotrace.batch.workers import Lost
from emotrace.errors import MissingExtra, OutputError, UnwritableOutput, UsageError
from emotrace.pipeline import analyze
from emotrace.results import Analysis

Same = Callable[[Path, Path], None]


def run(clips: Path, out: Path, job: Job, **options: Any) -> Batch:
    return annotate([str(clips)], out, job, **options)


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_each_content_is_analysed_once_and_every_input_is_listed(
    clips: Path, tmp_path: Path, job: Job, here: Any
) -> None:
    told: list[tuple[int, float | None]] = []

    def look(progress: Progress) -> None:
        told.append((progress.through, progress.seconds_left))

    batch = run(clips, tmp_path / "out", job, on_progress=look)
    progress = batch.progress
    assert (progress.analysed, progress.kept, progress.failed, progress.total) == (4, 1, 1, 6)
    assert [through for through, _ in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1][1] == 0.0
    summary = rows(tmp_path / "out" / "summary.csv")
    first, twin = summary[f"{clips}/0.wav"], summary[f"{clips}/below/twin.wav"]
    assert first["result"] == twin["result"]
    assert (first["same_as"], twin["same_as"]) == ("", first["id"])
    errors = rows(tmp_path / "out" / "errors.csv")
    assert [row["error"] for row in errors.values()] == ["UnreadableMedia"]
    results = sorted((tmp_path / "out" / "results").iterdir())
    assert len(results) == 4
    assert {path.name for path in results} == {row["result"] for row in summary.values() if row["state"] == "done"}
    alone = analyze(clips / "0.wav").to_json().encode()
    assert (tmp_path / "out" / "results" / first["result"]).read_bytes() == alone


def test_a_second_run_does_nothing_and_changes_nothing(
    clips: Path, tmp_path: Path, job: Job, here: Any, same: Same
) -> None:
    run(clips, tmp_path / "one", job, formats=["csv", "jsonl"])
    run(clips, tmp_path / "two", job, formats=["csv", "jsonl"])
    here.done.clear()
    again = run(clips, tmp_path / "two", job, formats=["csv", "jsonl"])
    assert here.done == []
    assert (again.progress.analysed, again.progress.kept, again.progress.failed) == (0, 5, 1)
    same(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("change", ["bytes", "words beside", "settings", "damaged result", "lost result"])
def test_what_changed_is_done_again_and_nothing_else(
    change: str, clips: Path, tmp_path: Path, job: Job, here: Any, same: Same
) -> None:
    out = tmp_path / "out"
    run(clips, out, job)
    here.done.clear()
    result = out / "results" / rows(out / "summary.csv")[f"{clips}/1.wav"]["result"]
    if change == "bytes":
        (clips / "1.wav").write_bytes((clips / "1.wav").read_bytes()[:-2000])
    elif change == "words beside":
        (clips / "1.txt").write_text("I am so happy")
    elif change == "settings":
        job = replace(job, options={**job.options, "k": 1})
    elif change == "damaged result":
        result.write_bytes(result.read_bytes()[:100])
    else:
        result.unlink()
    run(clips, out, job)
    everything = [f"{clips}/{name}.wav" for name in (0, 1, 2, 3)]
    assert here.done == ([*everything, f"{clips}/broken.mp4"] if change == "settings" else [f"{clips}/1.wav"])
    run(clips, tmp_path / "fresh", job)
    same(out, tmp_path / "fresh")


def test_a_stop_anywhere_between_two_writes_loses_nothing(
    clips: Path, tmp_path: Path, job: Job, here: Any, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename and every sync in turn is the last thing that a run does."""

    class Killed(BaseException):
        pass

    run(clips, tmp_path / "whole", job, formats=["csv"])
    left, fsync, moved = 0, os.fsync, Path.replace

    def step(act: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return act(*args)

        return stepping

    monkeypatch.setattr(os, "fsync", step(fsync))
    monkeypatch.setattr(Path, "replace", step(moved))
    out, steps, finished = tmp_path / "out", 0, False
    while not finished:
        steps += 1  # of each run, one more than of the run before
        left = steps
        try:
            run(clips, out, job, formats=["csv"])
            finished = True
        except Killed:
            assert steps < 40
        for path in (out / "results").glob("*.json"):
            Analysis.read(path)
    assert steps > 5
    same(out, tmp_path / "whole")


def test_an_unfinished_last_line_of_the_manifest_is_cut_off(
    clips: Path, tmp_path: Path, job: Job, here: Any, same: Same
) -> None:
    run(clips, tmp_path / "one", job)
    run(clips, tmp_path / "two", job)
    with (tmp_path / "two" / "manifest.jsonl").open("ab") as file:
        file.write(b'{"id": "x", "sta')
    here.done.clear()
    run(clips, tmp_path / "two", job)
    assert here.done == []
    same(tmp_path / "one", tmp_path / "two")


def test_reports_are_made_of_results_that_are_there(clips: Path, tmp_path: Path, job: Job, here: Any) -> None:
    out = tmp_path / "out"
    run(clips / "1.wav", out, job)
    (result,) = (out / "results").iterdir()
    before = result.stat().st_mtime_ns
    run(clips / "1.wav", out, replace(job, report=True))
    (page,) = (out / "results").glob("*.emotrace.html")
    assert "<!doctype html>" in page.read_text(encoding="utf-8").lower()
    run(clips / "1.wav", out, replace(job, report=True, redact=True))
    assert [path.name.partition(".")[2] for path in (out / "results").glob("*.html")] == ["redacted.html"]
    assert result.stat().st_mtime_ns == before
    here.done.clear()
    run(clips / "1.wav", out, job)
    assert here.done == []


def test_tables_hold_every_result_once(clips: Path, tmp_path: Path, job: Job, here: Any) -> None:
    run(clips, tmp_path / "out", job, formats=["csv", "jsonl", "eaf"])
    tables = tmp_path / "out" / "tables"
    with (tables / "annotations.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["file"] for row in table] == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert len(list((tables / "eaf").iterdir())) == 4
    with pytest.raises(UsageError, match="unknown format"):
        run(clips, tmp_path / "other", job, formats=["xls"])
    assert not (tmp_path / "other").exists()


def test_parquet_is_one_data_set(clips: Path, tmp_path: Path, job: Job, here: Any) -> None:
    pandas = pytest.importorskip("pandas", reason="needs a reader of parquet")
    pytest.importorskip("pyarrow", reason="needs the extra [parquet]")
    run(clips, tmp_path / "out", job, formats=["parquet"])
    assert sorted(pandas.read_parquet(tmp_path / "out" / "tables" / "parquet")["file"]) == [
        *("0.wav", "1.wav", "2.wav", "3.wav")
    ]


def test_a_missing_package_is_told_before_the_work(
    clips: Path, tmp_path: Path, job: Job, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotrace.batch.tables.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"emotrace\[parquet\]"):
        run(clips, tmp_path / "out", job, formats=["parquet"])
    assert here.done == []


def test_inputs_of_earlier_runs_stay_listed(clips: Path, tmp_path: Path, job: Job, here: Any) -> None:
    out = tmp_path / "out"
    run(clips / "1.wav", out, job)
    run(clips / "2.wav", out, job, formats=["jsonl"])
    assert len(rows(out / "summary.csv")) == 2
    other = run(clips / "3.wav", out, replace(job, options={**job.options, "k": 1}), formats=["csv"])
    assert other.other_settings == 2
    assert (out / "tables" / "annotations.csv").read_text(encoding="utf-8").count("3.wav") == 1
    assert "1.wav" not in (out / "tables" / "annotations.csv").read_text(encoding="utf-8")


def test_strict_stops_at_the_first_failure_and_keeps_what_was_done(
    clips: Path, tmp_path: Path, job: Job, here: Any
) -> None:
    bad = clips / "00.mp4"
    bad.write_bytes(b"nothing")
    batch = run(clips, tmp_path / "out", job, strict=True)
    assert batch.stopped_by is not None
    assert batch.stopped_by.path == str(bad)
    assert not (tmp_path / "out" / "summary.csv").exists()
    bad.unlink()
    (clips / "broken.mp4").unlink()
    here.done.clear()
    assert run(clips, tmp_path / "out", job, strict=True).stopped_by is None
    assert f"{clips}/0.wav" not in here.done


def test_a_lost_worker_fails_its_file_until_the_next_run(
    clips: Path, tmp_path: Path, job: Job, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(here, "run", lambda self, tasks: ((task, Lost(reason="killed (SIGKILL)")) for task in tasks))
        lost = run(clips, tmp_path / "out", job)
    assert lost.progress.errors == {"WorkerLost": 6}
    assert run(clips, tmp_path / "out", job).progress.errors == {"UnreadableMedia": 1}


def test_two_runs_do_not_share_a_folder(clips: Path, tmp_path: Path, job: Job, here: Any) -> None:
    out = tmp_path / "out"
    out.mkdir()
    hold = (
        "import sys, time; from pathlib import Path; from emotrace.batch.folder import Folder\n"
        "with Folder(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(out)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another run is at work"):
            run(clips, out, job)
        other.kill()
    assert run(clips, out, job).progress.analysed == 4


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    clips: Path, tmp_path: Path, job: Job, here: Any, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def full(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UnwritableOutput, match="No space left"):
            run(clips, tmp_path / "out", job)
    assert not list((tmp_path / "out").rglob("*.part"))
    for line in (tmp_path / "out" / "manifest.jsonl").read_bytes().splitlines(keepends=True):
        assert line.endswith(b"\n")
        json.loads(line)
    run(clips, tmp_path / "out", job)
    run(clips, tmp_path / "whole", job)
    same(tmp_path / "out", tmp_path / "whole")


def test_a_folder_that_cannot_be_written_is_told(clips: Path, tmp_path: Path, job: Job, here: Any) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UnwritableOutput):
        run(clips, tmp_path / "out", job)


def test_a_file_that_changes_while_it_is_read_has_no_result(
    clips: Path, tmp_path: Path, job: Job, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(self: Any, tasks: Any) -> Any:
        for task in tasks:
            task.path.write_bytes((clips / "3.wav").read_bytes())
            yield task, self._work(task)

    monkeypatch.setattr(here, "run", swapped)
    batch = run(clips / "1.wav", tmp_path / "out", job)
    assert batch.progress.errors == {"UnreadableMedia": 1}
    assert not list((tmp_path / "out" / "results").iterdir())
