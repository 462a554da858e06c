from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from emotrace.hydra import (
    confidence,
    decide,
    explain,
    likelihood,
    oracle,
    propose,
    protocol,
    scoring,
    trace,
    verify,
    world,
)
from emotrace.hydra.asking import reading, view
from emotrace.hydra.reasoners import mllm

TEXT = (Path(__file__).parents[2] / "docs" / "hydra.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z]+)\.([A-Z_]+)` \| (.+?) \| (.+?) \|$", TEXT, flags=re.M)
NOT_SETTINGS = {"NEUTRAL", "SENSES", "TIE", "PERSPECTIVES", "MARKS", "NAMES", "STILLNESS"}
"""Names of things and numerical tolerance."""
WORLD_TABLES = {"CARRIED", "SITUATIONS", "SITUATION_NAMES", "DISPLAY_RULES", "HELD_OUT_SITUATIONS", "HELD_OUT_AFFECTS"}


@pytest.mark.parametrize(("module", "name", "value", "mark"), ROWS)
def test_the_table_of_defaults_tells_the_code(module: str, name: str, value: str, mark: str) -> None:
    room = {
        "observation": "evidence",
        "view": "hydra.asking",
        "reading": "hydra.asking",
        "mllm": "hydra.reasoners",
    }.get(module, "hydra")
    assert str(getattr(importlib.import_module(f"emotrace.{room}.{module}"), name)) == value
    assert re.search(r"\[(paper|field|ours)\]", mark)


def test_every_default_is_in_the_table() -> None:
    listed = {(module, name) for module, name, _, _ in ROWS}
    reasoning = (confidence, decide, explain, likelihood, oracle, propose, protocol, scoring, trace, verify, world)
    for module in (*reasoning, view, reading, mllm):
        short = module.__name__.rsplit(".", 1)[-1]
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        own = set(re.findall(r"^([A-Z][A-Z_]+)(?:: [^=]+)? = ", source, flags=re.M))
        missing = own - NOT_SETTINGS - WORLD_TABLES - {name for m, name in listed if m == short}
        assert missing <= {"CLIP_SECONDS"}, f"{short}: {missing}"


def test_what_is_ours_is_not_given_to_the_paper() -> None:
    for sentence in re.split(r"(?<=[.;:])\s+", TEXT):
        if "[ours]" in sentence:
            assert not re.search(r"\b(the paper|HyDRA) (uses|says|sets|defines|chooses|has)\b", sentence), sentence
