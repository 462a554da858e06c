"""The five worked examples: values that the field's scorer returned for inputs of our own."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from emotrace.labels.official_tables import LEVEL_1, LEVEL_2, WheelTables
from emotrace.metrics.open_vocabulary import SetScorer
from emotrace.metrics.protocols import PROTOCOLS

RULES = {"v1": "nan", "v2": "zero"}
LEVELS = {"level1": LEVEL_1, "level2": LEVEL_2}


@pytest.fixture(scope="module")
def examples(official_folder) -> list[dict[str, Any]]:
    path = official_folder.parents[1] / "specs" / "ovmer_examples.json"
    if not path.is_file():
        pytest.skip("needs the worked examples beside the tables")
    return json.loads(path.read_text(encoding="utf-8"))["examples"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("version", RULES)
def test_every_value_of_every_example(official_folder, examples, version: str, level: str) -> None:
    table = WheelTables.load(official_folder, version=version)
    protocol = dataclasses.replace(PROTOCOLS["mer2026"], groups=(LEVELS[level],), zero_division=RULES[version])
    scorer = SetScorer(table, protocol)
    for example in examples:
        truth, answers = example["input"]["ground_truth"], example["input"]["prediction"]
        score = scorer.score(list(truth.values()), [answers[name] for name in truth])
        expected = example["expected"][f"mapping_{version}"][level]
        got = (score.average, score.precision, score.recall)
        wanted = tuple(float(expected[key]) for key in ("avg_fscore", "avg_precision", "avg_recall"))
        assert got == pytest.approx(wanted, abs=1e-9, nan_ok=True), example["id"]
        for target, wheel in zip(score.targets, expected["per_wheel"].values(), strict=True):
            assert target.scored == wheel["scored_samples"]
            assert (target.precision, target.recall) == pytest.approx((wheel["precision"], wheel["recall"]), abs=1e-9)


def test_official_names_go_with_official_tables(official_folder) -> None:
    v1, v2 = (WheelTables.load(official_folder, version=version) for version in ("v1", "v2"))
    assert SetScorer(v1, PROTOCOLS["unibench"]).name == "unibench"
    assert SetScorer(v2, PROTOCOLS["mer2026"]).name == "mer2026"
    assert SetScorer(v1, PROTOCOLS["mer2026"]).name == "custom(mer2026, tables v1, 0/0 = zero)"
