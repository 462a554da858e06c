"""Settings, alarms, journals and what is seen in trajectories: no trainer runs here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the extra [rl]")

from emotrace.errors import UnknownChoice, UnreadableCheckpoint, UsageError
from emotrace.hydra.grammar import parse
from emotrace.hydra.learning.alarms import GROWTH_STEPS, WINDOW, alarms
from emotrace.hydra.learning.callback import metrics_line
from emotrace.hydra.learning.journal import Journal
from emotrace.hydra.learning.observing import seen_in
from emotrace.hydra.learning.presets import GrpoSettings, SftSettings
from emotrace.hydra.learning.run_folder import RunFolder, lineage_of

GOOD = """<hyp>
h1 face: happy | a prize was won [V1] [A1]
h2 voice: tense | a bad call
</hyp>
<think>
[V1] "the cheeks are raised" h1+ h2~
verdict: h2
</think>
<ans>happy 0.80 [V1]; tense 0.20 [A1]; proud 0.10 [V1]</ans>"""


def test_what_is_seen_in_a_batch() -> None:
    abstained = GOOD.partition("<ans>")[0].replace("verdict: h2", "verdict: h1") + "<ans>abstain: low_margin</ans>"
    seen = dict(seen_in([parse(text, k=2) for text in (GOOD, abstained, GOOD + "<ans>", "no")]))
    assert (seen["format_rate"], seen["abstention_rate"], seen["labels_per_answer"]) == (0.5, 0.5, 3.0)
    assert (seen["winner_is_h1"], seen["cites_per_hypothesis"]) == (0.5, 1.0)
    assert seen["issue/MISSING_BLOCK"] == 0.25
    assert seen["issue/WRONG_K"] == 0.0
    nothing = dict(seen_in([parse("no", k=2)]))
    assert nothing["format_rate"] == 0.0
    assert "labels_per_answer" not in nothing


def lines(name: str, values: list[float | None]) -> list[dict[str, Any]]:
    return [{"step": step, name: value} for step, value in enumerate(values, start=1)]


def test_growing_answers_raise_an_alarm_while_training_is_young() -> None:
    grown = [1.0] * WINDOW + [1.6] * WINDOW
    assert "from 1.00 to 1.60" in alarms(lines("labels_per_answer", [*grown]), k=2)["labels_per_answer"]
    assert not alarms(lines("labels_per_answer", [1.0] * WINDOW + [1.4] * WINDOW), k=2)
    late: list[float | None] = [1.0] * GROWTH_STEPS + [1.6] * WINDOW
    assert not alarms(lines("labels_per_answer", late), k=2)
    assert not alarms(lines("labels_per_answer", [None] * 20), k=2)


@pytest.mark.parametrize(
    ("rate", "k", "rings"),
    [(0.66, 2, True), (0.64, 2, False), (0.34, 2, True), (0.36, 2, False), (0.5, 3, True), (1.0, 1, False)],
)
def test_a_place_that_always_wins_raises_an_alarm(rate: float, k: int, rings: bool) -> None:
    assert ("winner_is_h1" in alarms(lines("winner_is_h1", [rate] * WINDOW), k=k)) == rings
    assert not alarms(lines("winner_is_h1", [rate] * (WINDOW - 1)), k=k)


def test_a_journal_is_taken_back_to_a_step_and_drops_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path)
    for step in (1, 2, 3):
        journal.append({"step": step})
    path.write_text(path.read_text() + '{"step": 4, "lo')
    assert Journal(path, last_step=2).lines == [{"step": 1}, {"step": 2}]
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    assert Journal(path).lines == []


def test_a_sample_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    Journal(path).append({"step": 1, "text": "a\u2028b\x85c"})
    assert Journal(path, last_step=1).lines == [{"step": 1, "text": "a\u2028b\x85c"}]


def test_a_number_that_is_none_is_null_in_the_line() -> None:
    line = metrics_line(
        3, {"loss": float("nan"), "reward": 1.5, "issue/WRONG_K": 0.25, "issue/BAD_CHECK": 0.0}, grpo=True
    )
    assert (line["step"], line["loss"], line["reward"], line["issues"]) == (3, None, 1.5, {"WRONG_K": 0.25})
    json.dumps(line, allow_nan=False)
    assert "reward" not in metrics_line(1, {"loss": 1.0}, grpo=False)


@pytest.mark.parametrize(
    ("kind", "changes", "error"),
    [
        (GrpoSettings, {"k": 5}, "k: must be in 0..4"),
        (GrpoSettings, {"group": 1}, "compared with each other"),
        (GrpoSettings, {"kl": -0.1}, "kl"),
        (GrpoSettings, {"temperature": 0.0}, "temperature"),
        (GrpoSettings, {"learning_rate": float("nan")}, "learning_rate"),
        (GrpoSettings, {"vllm_memory": 1.5}, "vllm_memory"),
        (SftSettings, {"epochs": 0.0}, "epochs"),
        (SftSettings, {"warmup_share": 1.0}, "warmup_share"),
        (SftSettings, {"save_every": 0}, "save_every"),
        (SftSettings, {"group": 8}, "no such settings: group"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(kind: Any, changes: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        kind.preset("house", **changes)


def test_presets_are_listed_where_one_is_not_known() -> None:
    with pytest.raises(UnknownChoice, match="paper, house, world"):
        GrpoSettings.preset("ours")
    assert SftSettings.preset("paper") == SftSettings()
    assert SftSettings.preset("world").scheduler["lr_scheduler_kwargs"] == {"min_lr_rate": 0.1}


def test_a_folder_that_lost_its_record_is_not_touched(tmp_path: Path) -> None:
    run = RunFolder(path=tmp_path, identity={"kind": "x"}, about={})
    run.begin()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UnreadableCheckpoint):
        run.check(resume=True)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UnreadableCheckpoint, match="lost its record"):
        run.check(resume=True)
    (tmp_path / "emotrace.json").write_text("[]")
    with pytest.raises(UnreadableCheckpoint, match="lineage"):
        lineage_of(str(tmp_path))
