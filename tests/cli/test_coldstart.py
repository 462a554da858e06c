"""`emotrace coldstart` from the shell: the world, a file, a corpus, a server, what stops it, and `verify coldstart`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from emotrace.cli.main import app
from emotrace.errors import EmotraceError, LeakError, ReasoningError, UnreadableTable, UploadForbidden, UsageError
from emotrace.hydra.learning.cases import Case, read_demonstrations, write_cases
from emotrace.hydra.world import splits
from emotrace.testing.chat_server import FakeChatServer
from emotrace.testing.layout import Row
from emotrace.testing.miniature import layout_of, write
from emotrace.testing.reasoner_answers import reasoned_answer

EMOTRACE = Path(sys.executable).parent / "emotrace"


def run(*arguments: object, command: str = "coldstart") -> Result:
    found = CliRunner().invoke(app, [command, *map(str, arguments)])
    if isinstance(found.exception, EmotraceError):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def world() -> list[Case]:
    return [Case(sheet=draw.sheet, gold=draw.cause.gold) for draw in islice(splits()["train"], 30)]


@pytest.fixture
def cases(world: list[Case], tmp_path: Path) -> Path:
    write_cases(tmp_path / "cases.jsonl", world)
    return tmp_path / "cases.jsonl"


@pytest.fixture
def joyful(world: list[Case], tmp_path: Path) -> Path:
    """Sheets on which the made-up model is right."""
    seen = [replace(case, gold=("joyful",)) for case in world if len(case.sheet.observations) > 3]
    write_cases(tmp_path / "joyful.jsonl", seen[:5])
    return tmp_path / "joyful.jsonl"


SERVED = ("--model", "made-up", "--most-share", "1", "--patience", "1", "--concurrency", "1", "--tries", "1")


def quoting(body: dict[str, object]) -> str:
    """The made-up model's reply, with the true beginning of each line as its quote."""
    reply = reasoned_answer(body)
    text = body["messages"][1]["content"][0]["text"]  # type: ignore[index]
    told = {line[1 : line.index("]")]: line.partition(": ")[2] for line in text.splitlines() if line.startswith("[")}
    record = json.loads(reply)
    record["checks"] = [{**c, "quote": " ".join(told[c["id"]].split()[:8])} for c in record["checks"]]
    return json.dumps(record)


def test_demonstrations_of_a_file_with_a_table_and_a_check(cases: Path, tmp_path: Path) -> None:
    found = run(cases, "--out", tmp_path / "out", "--most-share", "0.5")
    assert found.exit_code == 0, found.output
    assert "agrees" in found.output
    samples = read_demonstrations(tmp_path / "out" / "demonstrations.jsonl")
    assert f"{len(samples)} demonstrations of 30 cases" in found.output
    checked = run("coldstart", tmp_path / "out", command="verify")
    assert checked.exit_code == 0
    assert "no fault was found" in checked.output
    (tmp_path / "out" / "demonstrations.jsonl").write_text(
        "".join(json.dumps(sample.to_dict()) + "\n" for sample in samples[1:]), encoding="utf-8"
    )
    assert run("coldstart", tmp_path / "out", command="verify").exit_code == 3
    with pytest.raises(UsageError, match="--json alone"):
        run("coldstart", tmp_path / "out", "--all", command="verify")


def test_what_will_be_tested_on_is_not_taught(cases: Path, tmp_path: Path) -> None:
    with pytest.raises(LeakError, match="case 1"):
        run(cases, "--out", tmp_path / "out", "--test", cases)
    clip = tmp_path / "tests" / "one.wav"
    clip.parent.mkdir()
    clip.write_bytes(b"one")
    assert (
        run(
            cases, "--limit", "5", "--out", tmp_path / "out", "--older", clip.parent, "--quiet", "--most-share", "1"
        ).output
        == ""
    )
    (tmp_path / "names.txt").write_text("one\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no names"):
        run(cases, "--out", tmp_path / "out", "--older", tmp_path / "names.txt")


def test_a_corpus_by_name(tmp_path: Path) -> None:
    rows = [
        Row(name=f"clip_{n}", split="all", label="['amused', 'proud', 'happy', 'sad', 'angry', 'relieved']")
        for n in range(2)
    ]
    write(layout_of("ov-merd"), tmp_path / "corpus", rows)
    chosen = ("--data", "ovmerd", "--root", tmp_path / "corpus", "--out", tmp_path / "out", "--most-share", "1")
    with pytest.raises(ReasoningError, match="none of 2 cases"):  # noise has no face: there is nothing to teach from
        run(*chosen)
    assert len((tmp_path / "out" / "sheets.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    with pytest.raises(LeakError):
        run(*chosen, "--older", tmp_path / "corpus" / "video")
    with pytest.raises(UploadForbidden, match="--permission"):
        run(*chosen, "--teacher", "https://models.example/v1", "--model", "m", "--yes")


def test_a_server_teaches_and_a_second_run_asks_nothing(joyful: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    with FakeChatServer(answer=quoting) as server:
        chosen = (joyful, "--out", tmp_path / "out", "--teacher", server.url, *SERVED)
        first = run(*chosen)
        assert first.exit_code == 0, first.output
        assert "this machine, model made-up" in first.output
        assert "5 replies, 0 kept from before" in first.output
        written = (tmp_path / "out" / "demonstrations.jsonl").read_bytes()
        again = run(*chosen)
        assert "0 replies, 5 kept from before" in again.output
        assert len(server.log) == 5
        assert (tmp_path / "out" / "demonstrations.jsonl").read_bytes() == written
        told = run(*chosen, "--teacher-sees", "labels")
        assert "and gold labels, go to" in told.output
    samples = read_demonstrations(tmp_path / "out" / "demonstrations.jsonl")
    assert {(sample.teacher, sample.teacher_saw) for sample in samples} == {("mllm/made-up@1", "labels")}
    assert run("coldstart", tmp_path / "out", command="verify").exit_code == 0


def test_a_killed_run_goes_on(joyful: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    with FakeChatServer(answer=quoting, hold_after=3) as server:
        chosen = (joyful, "--out", tmp_path / "out", "--teacher", server.url, *SERVED)
        process = subprocess.Popen(
            list(map(str, [EMOTRACE, "coldstart", *chosen])), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 60
        while not any(each.fault == "hold" for each in list(server.log)) and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.wait()
        assert not (tmp_path / "out" / "demonstrations.jsonl").exists()
        server.hold_after = None
        found = run(*chosen)
    assert "2 replies, 3 kept from before" in found.output
    assert len(read_demonstrations(tmp_path / "out" / "demonstrations.jsonl")) == 5


def test_a_server_that_is_not_there_is_told(joyful: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    chosen = (joyful, "--out", tmp_path / "out", "--teacher", "http://127.0.0.1:9/v1", *SERVED)
    with pytest.raises(EmotraceError, match=r"127\.0\.0\.1:9"):
        run(*chosen)
    with pytest.raises(UsageError, match="--yes"):
        run(joyful, "--out", tmp_path / "out", "--teacher", "http://models.example/v1", "--model", "m")


def test_length_by_a_tokenizer(cases: Path, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra [train]")
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    (tmp_path / "words").mkdir()
    backend.save(str(tmp_path / "words" / "tokenizer.json"))
    run(cases, "--out", tmp_path / "out", "--tokenizer", tmp_path / "words", "--most-share", "1")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    samples = read_demonstrations(tmp_path / "out" / "demonstrations.jsonl")
    assert manifest["switches"]["length_by"].startswith("tokenizer ")
    assert manifest["mean_tokens"] == pytest.approx(sum(len(s.trace.split()) for s in samples) / len(samples), abs=0.1)
    with pytest.raises(UsageError, match="tokenizer"):
        run(cases, "--out", tmp_path / "out", "--tokenizer", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "one source"),
        (["--world", "iid"], "for tests"),
        (["--world", "train", "--data", "ovmerd"], "one source"),
        (["--world", "train", "--split", "all"], "belong to a corpus"),
        (["--data", "ovmerd"], "--root"),
        (["--world", "train", "--model", "m"], "--teacher"),
        (["--world", "train", "--tries", "4"], "--teacher"),
        (["--world", "train", "--yes"], "--teacher"),
    ],
)
def test_a_wrong_choice_is_told(args: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        run(*args, "--out", tmp_path / "out")


def test_a_damaged_file_is_told_with_its_line(cases: Path, tmp_path: Path) -> None:
    lines = cases.read_text(encoding="utf-8").splitlines()
    cases.write_text("\n".join([lines[0], lines[1][:-30]]), encoding="utf-8")
    with pytest.raises(UnreadableTable, match="line 2"):
        run(cases, "--out", tmp_path / "out", "--most-share", "0.5")
