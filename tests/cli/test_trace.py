"""`emotrace trace` from the shell: embedded, servers, stored traces, what must not leave the machine, the table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from emotrace.cli.main import app
from emotrace.errors import DuplicateName, EmotraceError, UnreadableTrace, UploadForbidden, UsageError
from emotrace.evidence.reasoning.trace import ReasoningTrace
from emotrace.evidence.store import TraceStore
from emotrace.testing.chat_server import FakeChatServer


def run(*arguments: object) -> Result:
    found = CliRunner().invoke(app, ["trace", *map(str, arguments)])
    if isinstance(found.exception, EmotraceError):
        raise found.exception
    return found


def traces_at(path: Path) -> list[ReasoningTrace]:
    return list(TraceStore(path, ReasoningTrace.from_dict))


@pytest.fixture
def folder(tmp_path: Path, write_wav: Callable[..., Path]) -> Path:
    inside = tmp_path / "clips"
    inside.mkdir()
    for number in range(5):
        write_wav(inside / f"{number}.wav", number, f"clip number {number} says this")
    return inside


def test_embedded_twice_and_after_a_cut_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert run(folder, "--out", one).exit_code == 0
    whole = one.read_bytes()
    assert run(folder, "--out", one).exit_code == 0
    assert one.read_bytes() == whole
    two.write_bytes(whole[: len(whole) // 2])  # killed half-way through a line
    assert run(folder, "--out", two).exit_code == 0
    assert two.read_bytes() == whole


def test_a_clip_that_cannot_be_read_is_named_and_the_rest_is_traced(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.wav").write_bytes(b"no sound")
    found = run(folder, "--out", tmp_path / "t.jsonl")
    assert found.exit_code == 3
    assert "broken.wav" in found.stderr
    assert len(traces_at(tmp_path / "t.jsonl")) == 5


def test_a_server_on_this_machine_needs_no_yes_and_is_named(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    out = tmp_path / "t.jsonl"
    with FakeChatServer() as server:
        asked = ("--provider", "http", "--base-url", server.url, "--model", "fake", "--labels", "mer6", "--no-ground")
        found = run(folder, "--out", out, *asked, "--check")
        calls = sum(server.answered.values())
        again = run(folder, "--out", out, *asked)
        assert sum(server.answered.values()) == calls == 5 * 3  # no pictures: vocal, verbal, joint
    assert found.exit_code == again.exit_code == 0, found.output
    assert f"clips are sent to {server.url[7:-3]} (model fake)" in found.stderr
    assert "5 known before" in again.stderr
    assert "vocal" in found.stdout
    made = traces_at(out)[0]
    assert made.settings.labels[0] == "neutral"
    assert made.reliability["vocal"].rho > 0.0


def test_another_machine_needs_a_yes(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    asked = ("--provider", "http", "--base-url", "http://model.invalid/v1", "--model", "m")
    with pytest.raises(UsageError, match="--yes"):
        run(folder, "--out", tmp_path / "t.jsonl", *asked)


def test_clips_that_must_stay_do(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    shutil.copy(folder / "0.wav", folder / "samplenew3_00012345.wav")
    asked = ("--provider", "http", "--base-url", "http://model.invalid/v1", "--model", "m", "--yes")
    with pytest.raises(UploadForbidden, match="--permission"):
        run(folder, "--out", tmp_path / "t.jsonl", *asked)
    with FakeChatServer() as server:
        local = ("--provider", "http", "--base-url", server.url, "--model", "fake", "--no-ground")
        found = run(folder / "0.wav", "--out", tmp_path / "t.jsonl", *local, "--permission", "letter of 3 May")
    assert found.exit_code == 0
    assert traces_at(tmp_path / "t.jsonl")[0].permission == "letter of 3 May"


def test_traces_of_others_become_joint_sections(folder: Path, tmp_path: Path) -> None:
    rows = [
        {"name": "0", "text": "The corners of the lips rise and the voice brightens.", "scores": {"happy": 0.9}},
        {"name": "1.wav", "text": "I'm sorry, I can't help with that."},
        {"name": "elsewhere", "text": "About a clip that is not here."},
    ]
    source, out = tmp_path / "foreign.jsonl", tmp_path / "t.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    found = run(folder, "--out", out, "--provider", "stored", "--traces", source, "--labels", "mer6", "--check")
    assert found.exit_code == 3  # three clips have none
    assert "elsewhere" in found.stderr
    assert "2.wav" in found.stderr
    first, second = traces_at(out)
    assert first.joint.text.startswith("The corners")
    assert first.reliability["joint"].failed == ("scores_labels",)
    assert second.joint.status == "refused"
    own = run(folder / "0.wav", "--out", tmp_path / "u.jsonl", "--provider", "stored", "--traces", out)
    assert own.exit_code == 0
    assert traces_at(tmp_path / "u.jsonl") == [first]


def test_bad_files_of_traces(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "foreign.jsonl"
    asked = (folder, "--out", tmp_path / "t.jsonl", "--provider", "stored", "--traces", source)
    source.write_text('{"name": "0", "text": "a"}\n{"name": "0", "text": "b"}')
    with pytest.raises(DuplicateName, match="two lines"):
        run(*asked)
    for text in ("no json", "[]", '{"name": "0"}'):
        source.write_text(text)
        with pytest.raises(UnreadableTrace, match="line 1"):
            run(*asked)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--check", "--out", "nowhere.jsonl"),
        (".", "--provider", "http", "--model", "m"),
        (".", "--provider", "stored"),
        (".", "--provider", "http", "--base-url", "ftp://x", "--model", "m"),
        (".", "--provider", "http", "--base-url", "http://x", "--model", "m", "--max-cost", "1"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai", reason="needs the extra [mllm]")
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError):
        run(*arguments)
