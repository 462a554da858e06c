"""The commands as a person runs them: in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from emotrace.results import Analysis
from emotrace.samples import sample_clip

EMOTRACE = [str(Path(sys.executable).parent / "emotrace")]


def emotrace(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*EMOTRACE, *map(str, args)], capture_output=True, text=True, check=False, timeout=120, cwd=cwd
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("result")
    run = emotrace("analyze", sample_clip(), "--report", "--out", folder)
    assert run.returncode == 0, run.stderr
    return folder / "talk.emotrace.json"


def test_analyze_prints_a_verdict_with_its_evidence_and_writes_both_files(tmp_path: Path) -> None:
    run = emotrace("analyze", sample_clip(), "--report", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "P1" in run.stdout
    assert "perceived" in run.stdout
    assert "+ [" in run.stdout
    assert "feels" not in run.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.emotrace.html", "talk.emotrace.json"]
    assert run.stderr.splitlines() == ["wrote talk.emotrace.json", "wrote talk.emotrace.html"]


def test_json_to_a_pipe_is_nothing_but_the_result(result: Path, tmp_path: Path) -> None:
    run = emotrace("analyze", sample_clip(), "--json", "-", "--quiet", cwd=tmp_path)
    assert run.stdout == result.read_text()
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_the_result_follows_the_printed_schema(result: Path) -> None:
    schema = json.loads(emotrace("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(result.read_text()), schema)


def test_export_and_report_read_a_result(result: Path, tmp_path: Path) -> None:
    assert emotrace("export", result, "--to", "csv", "--out", "-").stdout.count("\n") > 1
    lines = emotrace("export", result, "--to", "jsonl", "--out", "-").stdout.splitlines()
    assert all(json.loads(line) for line in lines)
    page = tmp_path / "page.html"
    assert emotrace("report", result, "--media", sample_clip(), "--redact", "--out", page).returncode == 0
    assert "<html" in page.read_text()[:300]


def test_doctor_says_that_the_base_install_is_complete() -> None:
    found = json.loads(emotrace("doctor", "--json").stdout)
    assert found["problems"] == []
    assert all(found["packages"].values())
    assert {"mllm", "train", "serve"} <= {extra["name"] for extra in found["extras"]}
    assert "base install is complete" in emotrace("doctor").stdout


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["analyze", "nothing.mp4"], 3, "nothing.mp4"),
        (["analyze", "text.mp4"], 3, "text.mp4"),
        (["analyze", "empty.mp4"], 3, "empty.mp4"),
        (["analyze", "SAMPLE", "--purpose", "workplace"], 2, "article 5(1)(f)"),
        (["analyze", "SAMPLE", "--purpose", "fun"], 2, "Choose one of"),
        (["analyze", "SAMPLE", "--max-duration", "1"], 3, "--max-duration"),
        (["analyze", "SAMPLE", "--transcript", "latin.srt"], 3, "--encoding"),
        (["analyze", "SAMPLE", "--transcript", "none.srt"], 3, "none.srt"),
        (["analyze", "SAMPLE", "--detector", "magic"], 2, "magic"),
        (["analyze", "SAMPLE", "--out", "text.mp4/below"], 3, "cannot be made"),
        (["analyze", "SAMPLE", "--json", "missing/a.json"], 3, "cannot be written"),
        (["analyze", "SAMPLE", "-k", "9"], 2, "equal to 4"),
        (["report", "text.mp4"], 3, "not an emotrace result"),
        (["export", "text.mp4"], 3, "not an emotrace result"),
        (["export", "RESULT", "--to", "xls"], 2, "csv, jsonl"),
        (["pull", "unknown"], 2, "unknown"),
        (["dance"], 2, "dance"),
    ],
)
def test_bad_input_gets_one_line_and_its_exit_code(
    args: list[str], code: int, message: str, result: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("no video at all\n" * 20)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "latin.srt").write_bytes("1\n00:00:00,000 --> 00:00:01,000\nschön\n".encode("latin-1"))
    before = sorted(tmp_path.iterdir())
    places = {"SAMPLE": str(sample_clip()), "RESULT": str(result)}
    run = emotrace(*[places.get(arg, arg) for arg in args], cwd=tmp_path)
    assert run.returncode == code, run.stderr
    assert message in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr
    if code != 2:
        assert len(run.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_sound_without_anybody_abstains_with_exit_code_1(tmp_path: Path) -> None:
    from emotrace.testing.synthetic import write_clip

    clip = write_clip(tmp_path / "bars.mp4")
    run = emotrace("analyze", clip, cwd=tmp_path)
    assert run.returncode == 1, run.stderr
    assert "nobody is seen or heard" in run.stdout
    assert Analysis.read(tmp_path / "bars.emotrace.json").verdict.abstain == "no_person"


def test_words_of_a_clip_whose_length_is_no_whole_millisecond_are_read(tmp_path: Path) -> None:
    from emotrace.testing.synthetic import Tone, write_clip

    clip = write_clip(tmp_path / "tone.wav", pictures=(), sounds=(Tone(duration_seconds=1.2344, codec="pcm_s16le"),))
    run = emotrace(
        *("analyze", clip, "--text", "I am so happy today", "--json", "-", "--quiet", "--no-heads"), cwd=tmp_path
    )
    assert [o["cue"] for o in json.loads(run.stdout)["persons"][0]["overall"]["sheet"]["observations"]] == [
        "w_names:happy"
    ]


def test_what_is_read_is_never_replaced(result: Path, tmp_path: Path) -> None:
    clip, kept = tmp_path / "talk.mp4", tmp_path / "talk.emotrace.json"
    clip.write_bytes(sample_clip().read_bytes())
    kept.write_bytes(result.read_bytes())
    (tmp_path / "link.json").symlink_to(clip)
    for args in (
        ["analyze", clip, "--json", "link.json"],
        ["export", kept, "--out", kept],
        ["report", kept, "--out", clip],
        ["report", kept, "--out", kept],
    ):
        run = emotrace(*args, cwd=tmp_path)
        assert (run.returncode, "would replace the input" in run.stderr) == (2, True), run.stderr
    assert clip.read_bytes() == sample_clip().read_bytes()
    assert kept.read_bytes() == result.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("args", ["export RESULT --out -", "schema"])
def test_an_output_that_takes_nothing_is_one_line(args: str, redirection: str, result: Path) -> None:
    line = f"'{EMOTRACE[0]}' {args.replace('RESULT', repr(str(result)))} {redirection}"
    run = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 3, run.stderr
    assert run.stderr.startswith("emotrace: standard output: ")
    assert len(run.stderr.splitlines()) == 1


def test_without_standard_error_the_exit_code_still_tells(tmp_path: Path) -> None:
    run = subprocess.run(["/bin/sh", "-c", f"'{EMOTRACE[0]}' analyze none.mp4 2>&-"], capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (3, b"")


def test_a_name_cannot_steer_the_terminal_and_every_locale_prints(tmp_path: Path) -> None:
    clip = tmp_path / "a\nb\x1b[31m😀.wav"
    clip.write_bytes(b"")
    run = emotrace("analyze", clip)
    assert (run.returncode, len(run.stderr.splitlines()), "\x1b" in run.stderr) == (3, 1, False)
    talk = tmp_path / "😀.mp4"
    talk.write_bytes(sample_clip().read_bytes())
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*EMOTRACE, "analyze", str(talk), "--out", str(tmp_path)], capture_output=True, env=ascii_only, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert b"Traceback" not in done.stderr


def test_help_is_quick_and_names_the_exit_codes() -> None:
    two_commands = "import typer; app = typer.Typer(); app.command()(lambda: 0); app.command('b')(lambda: 0); app()"
    ours, bare = [], []
    for _ in range(3):
        start = os.times().children_user  # whatever else the machine does
        run = emotrace("--help")
        between = os.times().children_user
        subprocess.run([sys.executable, "-c", two_commands, "--help"], check=True, capture_output=True)
        ours.append(between - start)
        bare.append(os.times().children_user - between)
    assert run.returncode == 0
    assert "abstained everywhere" in " ".join(run.stdout.split())
    assert min(ours) < 2.5 * min(bare), "the help of twenty commands against that of a bare typer program"


def test_the_version_is_the_package_s() -> None:
    import emotrace as package

    assert emotrace("--version").stdout == f"emotrace {package.__version__}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="taking the network away needs root")
def test_the_main_job_needs_no_network(result: Path, tmp_path: Path) -> None:
    command = ["unshare", "-n", *EMOTRACE, "analyze", str(sample_clip()), "--json", "-", "-q"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    if "unshare" in run.stderr:
        pytest.skip(f"this machine cannot take the network away: {run.stderr.strip()}")
    assert run.stdout == result.read_text()
