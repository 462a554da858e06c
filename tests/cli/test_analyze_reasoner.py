"""`emotrace analyze --reasoner` as a person runs it, against a scripted server on loopback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

pytest.importorskip("openai", reason="needs the extra [mllm]")

from typer.testing import CliRunner

from emotrace.cli.main import app
from emotrace.errors import UsageError
from emotrace.results import Analysis, json_schema
from emotrace.samples import sample_clip
from emotrace.testing.chat_server import FakeChatServer
from emotrace.testing.reasoner_answers import reasoned_answer

EMOTRACE = Path(sys.executable).parent / "emotrace"
Analyze = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def analyze(tmp_path: Path) -> Analyze:
    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [EMOTRACE, "analyze", sample_clip(), "--out", tmp_path, *args]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture
def server() -> Iterator[FakeChatServer]:
    with FakeChatServer(answer=reasoned_answer) as running:
        yield running


def test_a_model_reasons_about_every_stretch_and_a_second_run_asks_nothing(
    analyze: Analyze, server: FakeChatServer, tmp_path: Path
) -> None:
    args = ("--reasoner", server.url, "--model", "made-up", "--report")
    run = analyze(*args)
    assert run.returncode == 0, run.stderr
    host = server.url.removeprefix("http://").removesuffix("/v1")
    first_line = run.stderr.splitlines()[0]
    assert all(part in first_line for part in (host, "this machine", "8 frames", "no sound", "words of transcript"))
    assert f"asked {host}: {len(server.log)} replies, 0 kept from before" in run.stderr
    analysis = Analysis.read(tmp_path / "talk.emotrace.json")
    verdicts = [s.verdict for person in analysis.persons for s in (*person.segments, person.overall)]
    assert sum(verdict.usage.calls for verdict in verdicts) == len(server.log)
    assert {verdict.reasoner for verdict in verdicts} == {"mllm/made-up@1"}
    told = [verdict for verdict in verdicts if verdict.labels]
    assert told
    assert all(verdict.order_consistency == 1.0 for verdict in told)
    settings = analysis.provenance.settings["reasoner_settings"]
    assert (settings["host"], settings["mode"], len(settings["prompts_sha256"])) == (host, "one", 64)
    asked = len(server.log)
    again = analyze(*args)
    assert again.returncode == 0, again.stderr
    assert f"0 replies, {asked} kept from before" in again.stderr
    assert len(server.log) == asked
    cached = (tmp_path / "talk.emotrace.json").read_bytes()
    assert analyze(*args).returncode == 0
    assert (tmp_path / "talk.emotrace.json").read_bytes() == cached


def test_step_by_step_in_tags_without_frames(analyze: Analyze, server: FakeChatServer) -> None:
    run = analyze(
        *("--reasoner", server.url, "--model", "made-up", "--stepwise", "--no-swap", "--form", "tags"),
        *("--frames", "0", "--no-send-words", "--json", "-"),
    )
    assert run.returncode == 0, run.stderr
    analysis = Analysis.from_json(run.stdout)
    judged = [person.overall.verdict for person in analysis.persons if person.overall.verdict.labels]
    assert judged
    assert all(verdict.usage.calls == 4 for verdict in judged)
    assert all(part["type"] == "text" for each in server.log for part in each.body["messages"][1]["content"])
    assert not any("counted again" in json.dumps(each.body) for each in server.log)


def test_a_model_that_babbles_is_told_in_one_line_and_its_reply_is_kept(analyze: Analyze, tmp_path: Path) -> None:
    with FakeChatServer(answer=lambda body: "They look happy to me!") as server:
        run = analyze("--reasoner", server.url, "--model", "made-up")
    assert run.returncode == 3
    assert "reason: not_json" in run.stderr
    assert "Traceback" not in run.stderr
    assert "They look happy to me!" in (tmp_path / "talk.replies.jsonl").read_text(encoding="utf-8")
    assert not (tmp_path / "talk.emotrace.json").exists()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--model", "m"], 2, "--reasoner"),
        (["--stepwise"], 2, "--reasoner"),
        (["--reasoner", "http://127.0.0.1:9/v1", "--model", "m", "--prompt-price", "1"], 2, "--completion-price"),
        (["--reasoner", "http://127.0.0.1:9/v1"], 2, "--model"),
        (["--reasoner", "ollama", "--model", "m"], 2, "http://HOST"),
        (["--reasoner", "http://models.example/v1", "--model", "m"], 2, "--yes"),
        (["--reasoner", "http://127.0.0.1:9/v1", "--model", "m", "--tries", "1"], 3, "127.0.0.1:9"),
    ],
)
def test_a_wrong_choice_is_told_in_one_line(args: list[str], code: int, message: str, analyze: Analyze) -> None:
    run = analyze(*args)
    assert run.returncode == code, run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr


OF_A_MODEL = {
    **{"--model": "m", "--form": "auto", "--frames": "8", "--replies": "r.jsonl", "--permission": "p"},
    **{
        "--on-failure": "error",
        "--samples": "1",
        "--prompt-price": "0",
        "--completion-price": "0",
        "--tries": "4",
        "--timeout": "120",
        "--concurrency": "8",
    },
    **dict.fromkeys(("--yes", "--stepwise", "--swap", "--no-swap", "--send-sound", "--send-words", "--no-send-words")),
}
"""Every option with a value, its default where it has one."""


@pytest.mark.parametrize("name", OF_A_MODEL)
def test_no_option_of_a_model_is_ignored_beside_the_embedded_reasoner(name: str) -> None:
    """Not even one that repeats the default: who names it believes that it does something."""
    value = OF_A_MODEL[name]
    told = CliRunner().invoke(app, ["analyze", str(sample_clip()), name, *([] if value is None else [value])])
    assert isinstance(told.exception, UsageError)
    assert name in str(told.exception)
    assert "--reasoner http://HOST/v1" in str(told.exception)


def test_every_option_of_the_panel_is_among_those_that_are_tested() -> None:
    shown = CliRunner().invoke(app, ["analyze", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    panel = shown[shown.index("A language model as the reasoner") :]
    assert set(re.findall(r"--[a-z][a-z-]+", panel)) - {"--reasoner", "--json"} == set(OF_A_MODEL)


def test_what_could_not_be_used_is_asked_anew_and_prices_make_a_cost(analyze: Analyze, tmp_path: Path) -> None:
    bad = [True]
    with FakeChatServer(answer=lambda body: "Happy!" if bad[0] else reasoned_answer(body)) as server:
        args = ("--reasoner", server.url, "--model", "made-up", "--form", "tags", "--no-swap", "--frames", "0")
        assert analyze(*args, "--concurrency", "1").returncode == 3
        bad[0] = False
        run = analyze(*args, "--samples", "1", "--prompt-price", "1", "--completion-price", "2")
        assert run.returncode == 0, run.stderr
        asked = len(server.log) - 2
    assert f"{asked} replies, 0 kept from before, 1 asked anew as what was kept could not be used" in run.stderr
    assert f"cost {asked * 200 / 1e6:.4f}" in run.stderr
    verdict = Analysis.read(tmp_path / "talk.emotrace.json").verdict
    assert verdict.usage.cost == pytest.approx(200 / 1e6)


def test_the_built_in_table_steps_in_where_replies_cannot_be_used(analyze: Analyze, tmp_path: Path) -> None:
    words = "counted again"  # said in one stretch, and in the whole clip

    def answer(body: Mapping[str, Any]) -> str:
        return "Happy!" if words in json.dumps(body) else reasoned_answer(body)

    with FakeChatServer(answer=answer, image_tokens=5) as server:
        run = analyze("--reasoner", server.url, "--model", "made-up", "--no-swap", "--on-failure", "embedded")
        calls = len(server.log)
    assert run.returncode == 0, run.stderr
    analysis = Analysis.read(tmp_path / "talk.emotrace.json")
    verdicts = [s.verdict for person in analysis.persons for s in (*person.segments, person.overall)]
    reserved = [verdict for verdict in verdicts if verdict.instead_of is not None]
    assert {verdict.reasoner for verdict in reserved} == {"embedded@1"}
    assert 0 < len(reserved) < len(verdicts)
    assert f"{len(reserved)} of {len(verdicts)} stretches, wholes included, are the embedded" in run.stderr
    assert sum(verdict.usage.calls for verdict in verdicts) == calls
    assert f"({5 * calls} of them pictures)" in run.stderr
    assert analysis.provenance.settings["reserve"] == "embedded@1"
    jsonschema.validate(json.loads(analysis.to_json()), json_schema())


def test_samples_are_asked_for_and_told(analyze: Analyze, server: FakeChatServer) -> None:
    run = analyze("--reasoner", server.url, "--model", "made-up", "--samples", "3", "--no-swap", "--json", "-")
    assert run.returncode == 0, run.stderr
    analysis = Analysis.from_json(run.stdout)
    assert (analysis.verdict.usage.calls, analysis.verdict.usage.agreement) == (3, 1.0)
    settings = analysis.provenance.settings["reasoner_settings"]
    assert (settings["samples"], settings["temperature"]) == (3, 0.7)


def test_another_machine_is_named_before_anybody_is_asked(analyze: Analyze) -> None:
    run = analyze("--reasoner", "https://models.example/v1", "--model", "m")
    assert "models.example (another machine, model m)" in run.stderr.splitlines()[0]


def test_clips_under_an_agreement_stay_here(tmp_path: Path) -> None:
    bound = tmp_path / "sample_00001234.mp4"
    bound.write_bytes(sample_clip().read_bytes())
    command = [EMOTRACE, "analyze", bound, "--reasoner", "https://models.example/v1", "--model", "m", "--yes"]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 2
    assert "--permission" in run.stderr
