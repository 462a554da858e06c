from __future__ import annotations

import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

from emotrace import hydra
from emotrace.hydra.learning.presets import GrpoSettings, SftSettings

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "\n".join((DOCS / name).read_text(encoding="utf-8") for name in ("hydra.md", "hydra_learning.md"))
ROWS = re.findall(r"^\| `([a-z]+)\.([A-Z_]+)` \| (.+?) \| (.+?) \|$", TEXT, flags=re.M)
PRESET_ROWS = re.findall(
    r"^\| `(\w+Settings)\.(\w+)` \| (\S+) (\[\w+\]) \| (\S+) (\[\w+\]) \| (\S+) (\[\w+\]) \|$", TEXT, flags=re.M
)
HYDRA = Path(str(hydra.__file__)).parent
ROOMS = {
    "observation": "evidence",
    **dict.fromkeys(("view", "reading", "dialogue"), "hydra.asking"),
    "mllm": "hydra.reasoners",
    **dict.fromkeys(("serving", "filters", "ordering", "balance", "captions"), "hydra.coldstart"),
    **dict.fromkeys(("alarms", "presets"), "hydra.learning"),
    **dict.fromkeys(("model", "tokenizer"), "hydra.nano"),
}
"""Module -> where it is, other than in the room itself."""
SOURCES = [
    *(
        HYDRA / f"{name}.py"
        for name in ("confidence", "decide", "explain", "fitted", "likelihood", "oracle", "parsing", "propose")
    ),
    *(
        HYDRA / f"{name}.py"
        for name in ("protocol", "quotes", "scoring", "trace", "verify", "world", "phrasings", "answers")
    ),
    *(HYDRA / f"{name}.py" for name in ("faithfulness", "case_files", "clip_cases", "task_files", "task_functions")),
    *(HYDRA / "reasoners" / "mllm.py", *sorted((HYDRA / "asking").glob("*.py"))),
    *(path for name in ("coldstart", "learning", "nano") for path in sorted((HYDRA / name).glob("*.py"))),
]
"""Files whose constants are settings, unless they are named here."""
NOT_SETTINGS = {
    *(
        "NEUTRAL",
        "SENSES",
        "TIE",
        "PERSPECTIVES",
        "MARKS",
        "NAMES",
        "STILLNESS",
        "NOTHING_FITTED",
    ),  # names, numerical tolerance
    *("SIGNS", "HYPOTHESIS_LINE", "CHECK_LINE", "ANSWER_TEXT", "VERDICT_LINE", "CONFIDENCE_TEXT"),  # the grammar
    *("GOLD_LINE", "LEAK_PHRASES", "TAGS", "WORDS", "CHAT_TEMPLATE"),  # wording
    *("ORDER", "BEFORE_ASKING", "WORLD_TESTS", "SIZES", "CHANGES", "MEASURES", "KITS", "OPEN_KINDS"),  # lists
    *("PLAIN", "OF_SFT", "OF_GRPO", "OF_THE_MACHINE", "PROJECTIONS", "NOT_LANGUAGE"),  # names of others' parts
    *("REPLIES", "TRIED", "DEMONSTRATIONS", "MANIFEST", "DOCS", "WHOLE", "LINEAGE"),  # files
    *("KIND", "STAGE", "OBSERVER", "ISSUE", "PROTOCOL"),  # names in records
}
WORLD_TABLES = {"CARRIED", "SITUATIONS", "SITUATION_NAMES", "DISPLAY_RULES", "HELD_OUT_SITUATIONS", "HELD_OUT_AFFECTS"}


@pytest.mark.parametrize(("module", "name", "value", "mark"), ROWS)
def test_the_table_of_defaults_tells_the_code(module: str, name: str, value: str, mark: str) -> None:
    room = ROOMS.get(module, "hydra")
    assert str(getattr(importlib.import_module(f"emotrace.{room}.{module}"), name)) == value
    assert re.search(r"\[(paper|field|ours)\]", mark)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_default_is_in_the_table(path: Path) -> None:
    listed = {name for module, name, _, _ in ROWS if module == path.stem}
    own = set(re.findall(r"^([A-Z][A-Z_]+)(?:: [^=]+)? = ", path.read_text(encoding="utf-8"), flags=re.M))
    assert own - NOT_SETTINGS - WORLD_TABLES - listed <= {"CLIP_SECONDS"}


@pytest.mark.parametrize("kind", [SftSettings, GrpoSettings])
def test_the_table_of_presets_tells_the_code(kind: type[SftSettings] | type[GrpoSettings]) -> None:
    presets = {name: kind.preset(name) for name in ("paper", "house", "world")}
    shown = {name: values for settings, name, *values in PRESET_ROWS if settings == kind.__name__}
    for name, values in shown.items():
        assert values[::2] == [str(getattr(settings, name)) for settings in presets.values()], name
        assert set(values[1::2]) <= {"[paper]", "[field]", "[ours]"}
    varied = {each.name for each in fields(kind) if len({str(getattr(s, each.name)) for s in presets.values()}) > 1}
    assert varied <= set(shown)


def test_what_is_ours_is_not_given_to_the_paper() -> None:
    for sentence in re.split(r"(?<=[.;:])\s+", TEXT):
        if "[ours]" in sentence:
            assert not re.search(r"\b(the paper|HyDRA) (uses|says|sets|defines|chooses|has)\b", sentence), sentence
