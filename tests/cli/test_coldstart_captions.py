"""`emotrace coldstart --captions`: a table of descriptions, servers that split and teach, and what stops it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emotrace.cli.main import app
from emotrace.errors import EmotraceError, LeakError, UsageError
from emotrace.hydra.learning.cases import read_demonstrations
from emotrace.testing.caption_answers import asked_text, split_answer
from emotrace.testing.chat_server import FakeChatServer
from emotrace.testing.reasoner_answers import reasoned_answer

SERVED = ("--model", "made-up", "--most-share", "1", "--patience", "1", "--concurrency", "1", "--tries", "1")


def run(*arguments: object, command: str = "coldstart") -> Result:
    found = CliRunner().invoke(app, [command, *map(str, arguments)])
    if isinstance(found.exception, EmotraceError):
        raise found.exception
    return found


def helpful(body: Mapping[str, Any]) -> str:
    """Splits captions, and as the teacher quotes each line truly."""
    text = asked_text(body)
    if "\ndescription: " in text:
        return "no" if "BROKEN" in text else split_answer(body)
    told = {line[1 : line.index("]")]: line.partition(": ")[2] for line in text.splitlines() if line.startswith("[")}
    record = json.loads(reasoned_answer(body))
    record["checks"] = [{**c, "quote": " ".join(told[c["id"]].split()[:8])} for c in record["checks"]]
    return json.dumps(record)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        ("one", "Her lips part. She is joyful. Her voice is high.", "We won.", "joyful, xyzzyish"),
        ("two", "He raises both arms. xyzzyish.", "", "joyful, xyzzyish"),
        ("three", "BROKEN", "", "joyful"),
    ]
    path = tmp_path / "captions.tsv"
    path.write_text(
        "name\tcaption\tsubtitle\tlabels\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def test_demonstrations_from_captions_and_a_second_run_that_asks_nothing(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    out = tmp_path / "out"
    with FakeChatServer(answer=helpful) as server:
        chosen = ("--captions", table, "--caption-model", "splitter", "--out", out, "--teacher", server.url, *SERVED)
        first = run(*chosen)
        assert first.exit_code == 0, first.output
        assert "descriptions of clips and subtitles go to" in first.output
        assert "this machine, model splitter" in first.output
        assert "2 captions read; left out: 1 unusable reply" in first.output
        asked = len(server.log)
        assert {each.body["model"] for each in server.log} == {"splitter", "made-up"}
        written = (out / "demonstrations.jsonl").read_bytes()
        manifest = (out / "manifest.json").read_bytes()
        again = run(*chosen)
        assert "about captions: 0 replies" in again.output
        assert len(server.log) == asked
    assert (out / "demonstrations.jsonl").read_bytes() == written
    assert (out / "manifest.json").read_bytes() == manifest
    assert b"xyzzyish" not in b"".join(
        json.dumps(s.sheet.to_dict()).encode() for s in read_demonstrations(out / "demonstrations.jsonl")
    )
    told = json.loads(manifest)["source"]
    assert told["name"] == "captions"
    assert told["left_out"] == {"no caption": 0, "no label": 0, "too long": 0, "unusable reply": 1}
    assert told["settings"]["model"] == "splitter"
    assert told["settings"]["lost"] == {"names an emotion or concludes": 2}
    checked = run("coldstart", out, command="verify")
    assert checked.exit_code == 0, checked.output


def test_another_server_splits(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    with FakeChatServer(answer=helpful) as teacher, FakeChatServer(answer=helpful) as splitter:
        run(
            *("--captions", table, "--caption-server", splitter.url, "--form", "json", "--quiet", "--limit", 2),
            *("--out", tmp_path / "out", "--teacher", teacher.url, *SERVED),
        )
        assert all("\ndescription: " in asked_text(each.body) for each in splitter.log)
        assert not any("\ndescription: " in asked_text(each.body) for each in teacher.log)
        assert len(splitter.log) == len(teacher.log) == 2


def test_what_stops_captions_before_they_are_sent(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    away = ("--captions", table, "--out", tmp_path / "out", "--teacher", "http://models.example/v1", *SERVED)
    with pytest.raises(UsageError, match="--yes"):
        run(*away)
    (tmp_path / "names.txt").write_text("two\n", encoding="utf-8")
    with pytest.raises(LeakError, match="two"), FakeChatServer(answer=helpful) as server:
        run(
            "--captions",
            table,
            "--out",
            tmp_path / "out",
            "--teacher",
            server.url,
            *SERVED,
            "--older",
            tmp_path / "names.txt",
        )
    assert server.log == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--captions", "c.csv"], "--teacher"),
        (["--captions", "c.csv", "--world", "train", "--teacher", "http://h/v1"], "by themselves"),
        (["--captions", "c.csv", "--split", "all", "--teacher", "http://h/v1"], "by themselves"),
        (["--world", "train", "--caption-model", "m"], "--captions FILE"),
        (["--world", "train", "--caption-server", "http://h/v1"], "--captions FILE"),
    ],
)
def test_a_wrong_choice_is_told(args: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        run(*args, "--out", tmp_path / "out")
