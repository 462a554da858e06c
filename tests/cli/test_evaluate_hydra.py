"""`emotrace evaluate --predict hydra` as a person runs it: the embedded reasoner, and a scripted server on loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from emotrace.cli.evaluate import evaluate
from emotrace.errors import (
    DuplicateName,
    EmotraceError,
    MalformedCompletion,
    NamesDoNotMatch,
    ServerFailed,
    TablesNotFound,
    UnreadableTable,
    UploadForbidden,
    UsageError,
)
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.learning.cases import Case, world_cases, write_cases
from emotrace.labels.official_tables import ENVIRONMENT_VARIABLE
from emotrace.samples import sample_clip
from emotrace.span import Span
from emotrace.testing.chat_server import FakeChatServer
from emotrace.testing.reasoner_answers import reasoned_answer

EMOTRACE = Path(sys.executable).parent / "emotrace"
OWN = ("-p", "emotrace-wheel", "--predict", "hydra", "--bootstrap", 50)
app = typer.Typer()
app.command()(evaluate)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def report_in(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [case for case in world_cases("iid") if case.sheet.observations][:12]


@pytest.fixture
def file(cases: list[Case], tmp_path: Path) -> Path:
    path = tmp_path / "cases.jsonl"
    write_cases(path, cases)
    return path


@pytest.fixture
def server() -> Iterator[FakeChatServer]:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    with FakeChatServer(answer=reasoned_answer) as running:
        yield running


def test_one_command_answers_scores_and_measures_faithfulness(file: Path, tmp_path: Path) -> None:
    empty = Case(sheet=EvidenceSheet(clip_id="f" * 64, person=None, span=Span(0.0, 2.0)), gold=("sad",))
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(empty.to_dict()) + "\n")
    out = tmp_path / "out"
    shown = run(*OWN, "--cases", file, "--out", out, "--faithfulness")
    assert shown.exit_code == 0
    for part in (
        "answers of embedded@1",
        "seconds",
        "without cited",
        "without uncited",
        "abstained 1",
        "no_evidence 1",
    ):
        assert part in shown.stdout
    report = report_in(out)
    assert report["scores"]["f"]["value"] > 0.3
    told = report["details"]["prediction"]
    assert (told["clips"], told["answered"], told["abstained"], told["failed"]) == (13, 13, 1, {})
    assert told["cost"]["calls"]["total"] == 0
    assert told["cost"]["seconds"]["per_clip"] > 0.0
    measures = {row["name"]: row for row in report["details"]["faithfulness"]["measures"]}
    assert measures["grounded"]["clips"] == 12
    assert measures["grounded"]["left_out"] == {"abstained": 1}
    assert "faithfulness of 13 clips" in (out / "report.html").read_text(encoding="utf-8")
    before = files_in(out)
    run(*OWN, "--cases", file, "--out", out, "--faithfulness")
    assert files_in(out) == before


def test_a_corpus_is_measured_blind_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label, text in (("happy", "We made it, I am so glad."), ("sad", "It is over, I lost it all.")):
        folder = tmp_path / "clips" / label
        folder.mkdir(parents=True)
        shutil.copy(sample_clip(), folder / f"{label}_clip.mp4")
        (folder / f"{label}_clip.txt").write_text(text, encoding="utf-8")
    (tmp_path / "clips" / "sad" / "broken.mp4").write_bytes(b"no video at all")
    args = (*OWN, "--data", "table", "--root", tmp_path / "clips", "--out", tmp_path / "out")
    run(*args)
    told = report_in(tmp_path / "out")
    assert told["clips"]["truth"] == 3
    assert list(told["details"]["prediction"]["failed"]) == ["sad/broken"]
    sheets = (tmp_path / "out" / "kept" / "sheets.jsonl").read_text(encoding="utf-8")
    assert len(sheets.splitlines()) == 2
    assert not any(word in sheets for word in ("happy", "sad/", "_clip", str(tmp_path)))
    before = files_in(tmp_path / "out")
    monkeypatch.setattr("emotrace.hydra.clip_cases.observe", None)  # nothing is measured again
    run(*args)
    assert files_in(tmp_path / "out") == before
    with pytest.raises(EmotraceError, match="broken"):
        run(*args, "--strict")


def test_a_server_is_asked_once_and_its_cost_is_told(file: Path, tmp_path: Path, server: FakeChatServer) -> None:
    args = (*OWN, "--cases", file, "--reasoner", server.url, "--model", "m", "--out", tmp_path / "out")
    prices = ("--prompt-price", 10, "--completion-price", 20)
    run(*args, *prices)
    cost = report_in(tmp_path / "out")["details"]["prediction"]["cost"]
    calls = len(server.log)
    assert cost["calls"] == {"total": calls, "per_clip": calls / 12}
    assert cost["prompt_tokens"]["total"] == 100 * calls
    assert cost["price"]["total"] == pytest.approx((100 * 10 + 50 * 20) * calls / 1e6)
    assert not any("ashamed" in str(each.body) and "gold" in str(each.body) for each in server.log)
    before = files_in(tmp_path / "out")
    run(*args, *prices)
    assert (len(server.log), files_in(tmp_path / "out")) == (calls, before)
    run(*args, "--faithfulness")
    measures = {row["name"]: row for row in report_in(tmp_path / "out")["details"]["faithfulness"]["measures"]}
    assert measures["order_consistency"]["mean"] == 1.0
    assert max(server.answered.values()) == 1


def test_a_killed_run_goes_on_and_asks_nothing_twice(file: Path, tmp_path: Path, server: FakeChatServer) -> None:
    args = [*OWN, "--cases", file, "--reasoner", server.url, "--model", "m", "--faithfulness", "--concurrency", 1]
    server.hold_after = 7  # amid a clip: each takes two questions
    command = [str(each) for each in (EMOTRACE, "evaluate", *args, "--out", tmp_path / "killed")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300.0
    while not any(each.fault == "hold" for each in server.log) and time.monotonic() < deadline:
        assert process.poll() is None, "it should wait for the eighth answer"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = (tmp_path / "killed" / "kept" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(kept) == 3
    server.hold_after = None
    run(*args, "--out", tmp_path / "killed")
    assert set(server.answered.values()) == {1}
    run(*args, "--out", tmp_path / "straight")
    killed, straight = (report_in(tmp_path / name) for name in ("killed", "straight"))
    for report in (killed, straight):  # waiting takes as long as it takes
        report["details"]["prediction"]["cost"].pop("seconds")
    assert killed == straight
    for name in ("per_clip.csv", "predictions.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def test_clips_without_an_answer_are_counted_and_scored_as_empty(cases: list[Case], file: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    marked = cases[2].sheet.observations[0].text

    def answer(body: Any) -> str:
        return "They look happy to me!" if marked in json.dumps(body, ensure_ascii=False) else reasoned_answer(body)

    babbled = [case for case in cases if marked in {o.text for o in case.sheet.observations}]
    with FakeChatServer(answer=answer) as server:
        args = (*OWN, "--cases", file, "--reasoner", server.url, "--model", "m", "--out", tmp_path / "out")
        run(*args, "--faithfulness")
        report = report_in(tmp_path / "out")
        told = report["details"]["prediction"]
        assert set(told["failed"]) == {case.clip_id for case in babbled}
        assert {each["kind"] for each in told["failed"].values()} == {"MalformedCompletion"}
        assert report["clips"]["missing"] == len(babbled)
        rows = {row["name"]: row for row in report["details"]["faithfulness"]["measures"]}
        assert rows["grounded"]["left_out"] == {"no answer": len(babbled)}
        asked = len(server.log)
        run(*args)  # the replies are kept: a second look costs nothing
        assert len(server.log) == asked
        with pytest.raises(NamesDoNotMatch):
            run(*args, "--missing", "error")
        with pytest.raises(MalformedCompletion):
            run(*args, "--strict")
        server.answer = reasoned_answer
        run(*args, "--again")
        assert report_in(tmp_path / "out")["details"]["prediction"]["failed"] == {}


def test_the_built_in_table_answers_where_no_reply_can_be_used(cases: list[Case], file: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    marked = cases[2].sheet.observations[0].text

    def answer(body: Any) -> str:
        return "They look happy to me!" if marked in json.dumps(body, ensure_ascii=False) else reasoned_answer(body)

    with FakeChatServer(answer=answer) as server:
        args = (*OWN, "--cases", file, "--reasoner", server.url, "--model", "m", "--out", tmp_path / "out")
        shown = run(*args, "--faithfulness", "--on-failure", "embedded")
        told = report_in(tmp_path / "out")["details"]["prediction"]
        babbled = [case.clip_id for case in cases if marked in {o.text for o in case.sheet.observations}]
        assert (told["by_reserve"], told["failed"], told["answered"]) == (babbled, {}, 12)
        assert f"{len(babbled)} clips answered by the reserve" in shown.stdout
        assert told["cost"]["image_tokens"] == {"total": None, "per_clip": None}
        rows = {row["name"]: row for row in report_in(tmp_path / "out")["details"]["faithfulness"]["measures"]}
        assert rows["grounded"]["left_out"] == {"no answer": len(babbled)}, "the table is not who is measured"
        server.answer = reasoned_answer
        run(*args, "--on-failure", "embedded", "--again")
        assert report_in(tmp_path / "out")["details"]["prediction"]["by_reserve"] == []


def test_a_server_that_is_busy_for_some_is_asked_again_later(file: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    busy = True

    def script(sha256: str, before: int) -> Any:
        return "busy" if busy and int(hashlib.sha256(sha256.encode()).hexdigest(), 16) % 4 == 0 else "answer"

    with FakeChatServer(script, answer=reasoned_answer) as server:
        args = (*OWN, "--cases", file, "--reasoner", server.url, "--model", "m", "--out", tmp_path / "out")
        run(*args, "--tries", 1, "--no-swap")
        failed = report_in(tmp_path / "out")["details"]["prediction"]["failed"]
        assert 0 < len(failed) == sum(each.fault == "busy" for each in server.log) < 12
        busy = False
        run(*args, "--no-swap")
        assert report_in(tmp_path / "out")["details"]["prediction"]["failed"] == {}
        assert set(server.answered.values()) == {1}


@pytest.mark.parametrize("fault", ["foreign", "slow", "cut"])
def test_a_server_that_answers_nobody_ends_the_run(fault: Any, file: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    with FakeChatServer(lambda sha256, before: fault, answer=reasoned_answer, slow_seconds=1.0) as server:
        args = (*OWN, "--cases", file, "--reasoner", server.url, "--model", "m", "--tries", 1, "--timeout", 0.4)
        with pytest.raises(ServerFailed, match="3 clips in a row"):
            run(*args, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("-p", "emotrace-wheel", "--predict", "hydra"), UsageError, "--cases"),
        (("-p", "mer2024", "--predict", "hydra", "--cases", "FILE"), UsageError, "mer2024"),
        (("-p", "nothing", "--predict", "hydra", "--cases", "FILE"), UsageError, "nothing"),
        ((*OWN, "--cases", "FILE", "--truth", "FILE"), UsageError, "--predict"),
        ((*OWN, "--cases", "FILE", "--stepwise"), UsageError, "--reasoner"),
        ((*OWN, "--cases", "FILE", "--concurrency", "8"), UsageError, "--reasoner"),
        ((*OWN, "--cases", "FILE", "--reasoner", "http://127.0.0.1:9/v1", "--prompt-price", "1"), UsageError, "both"),
        ((*OWN, "--cases", "FILE", "--reasoner", "http://models.example/v1", "--model", "m"), UsageError, "--yes"),
        ((*OWN, "--data", "generic"), UsageError, "--root"),
        (("-p", "emotrace-wheel", "--faithfulness", "--truth", "FILE", "--pred", "FILE"), UsageError, "--predict"),
        (("-p", "emotrace-wheel", "--model", "m", "--truth", "FILE", "--pred", "FILE"), UsageError, "--predict"),
        (("-p", "ovmer", "--predict", "hydra", "--cases", "FILE"), TablesNotFound, "emotrace-wheel"),
        (("-p", "emotrace-wheel", "--task-files", "lmms-eval", "--cases", "FILE"), UsageError, "--out"),
        ((*OWN, "--cases", "absent.jsonl"), UnreadableTable, "absent.jsonl"),
    ],
)
def test_a_wrong_choice_is_told(
    args: tuple[object, ...], error: type[EmotraceError], message: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(error, match=message):
        run(*(file if each == "FILE" else each for each in args))


@pytest.mark.parametrize(("gold", "times", "error"), [([], 1, UnreadableTable), (["sad"], 2, DuplicateName)])
def test_a_file_of_cases_with_empty_gold_or_a_case_twice_is_refused(
    gold: list[str], times: int, error: type[EmotraceError], cases: list[Case], tmp_path: Path
) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text((json.dumps({**cases[0].to_dict(), "gold": gold}) + "\n") * times, encoding="utf-8")
    with pytest.raises(error):
        run(*OWN, "--cases", path)


def test_a_bound_corpus_stays_on_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    (tmp_path / "video").mkdir()
    shutil.copy(sample_clip(), tmp_path / "video" / "sample_00000001.mp4")
    (tmp_path / "openset.csv").write_text("name,openset\nsample_00000001,happy\n", encoding="utf-8")
    with pytest.raises(UploadForbidden, match="permission"):
        run(
            *OWN,
            "--data",
            "ov-merd",
            "--root",
            tmp_path,
            "--reasoner",
            "https://models.example/v1",
            "--model",
            "m",
            "-y",
        )
