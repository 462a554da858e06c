"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emotrace.samples import sample_clip

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_python_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert '"talk.mp4"' in code
    code = code.replace('"talk.mp4"', repr(str(sample_clip())))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert "P1" in run.stdout
    assert "relieved" in run.stdout


def test_its_printed_verdicts_are_printed(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "emotrace"
    command = [str(program), "analyze", str(sample_clip())]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=tmp_path).stdout
    shown = README.split("$ emotrace analyze")[1].split("```")[0].splitlines()[1:]
    for line in shown:
        start = line.split("‘")[0].rstrip()
        assert start in printed or line.strip() == "...", line


def test_its_commands_exist() -> None:
    from emotrace.cli.main import app

    known = {command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    known |= {str(group.typer_instance.info.name) for group in app.registered_groups if group.typer_instance}
    named = set(re.findall(r"^\| `emotrace (\w+)", README, flags=re.M))
    assert named == known


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_its_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
