"""The studies of the simulated world: on policies that answer as the embedded reasoner does, whose results are known,
and on policies that were really trained, if hardly.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.grammar import parse, render, trace_of
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.world import World
from emotrace.testing.chat_server import FakeChatServer
from emotrace.testing.reasoner_answers import reasoned_answer

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
CLIPS = 24
SEEDS = [0]

Module = Callable[[str], ModuleType]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Module]:
    """Opens a recipe; cells and results go to a folder of the test, and splits and bootstraps are small."""
    monkeypatch.syspath_prepend(str(RECIPES))
    cells, scores = (importlib.import_module(f"hydra_world_{name}") for name in ("cells", "scores"))
    monkeypatch.setattr(cells, "BUILD", tmp_path / "build")
    monkeypatch.setattr(cells, "SPLITS", dict.fromkeys(cells.SPLITS, CLIPS))
    monkeypatch.setattr(scores, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(scores, "DRAWS", 100)
    cells.draws.cache_clear()
    yield lambda name: importlib.import_module(f"hydra_{name}")
    cells.draws.cache_clear()


def embedded_text(sheet: EvidenceSheet, k: int) -> str:
    return render(trace_of(run(sheet, EmbeddedReasoner(), k=k, abstain=False), sheet))


@pytest.fixture
def scripted(recipe: Module, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Policies that answer as the embedded reasoner does, whatever they were trained by."""
    texts_known: dict[tuple[str, int], str] = {}

    def known(sheet: EvidenceSheet, k: int) -> str:
        key = (sheet.sheet_id, k)
        if key not in texts_known:
            texts_known[key] = embedded_text(sheet, k)
        return texts_known[key]

    def answer(model: Any, sheets: Sequence[EvidenceSheet], k: int, **sampling: Any) -> tuple[list[str], list[int]]:
        texts = [known(sheet, k) for sheet in sheets]
        return texts, [40 * (k + 1)] * len(texts)

    for name in ("world_cells", "world_asked"):
        monkeypatch.setattr(recipe(name), "policy", lambda cell: cell.folder.mkdir(parents=True, exist_ok=True))
        monkeypatch.setattr(recipe(name), "answer", answer)
    return recipe


def test_rewards_that_change_nothing_show_no_difference(scripted: Module) -> None:
    drop = scripted("world_drop")
    result = drop.study("tiny", SEEDS)
    assert list(result["rows"])[:3] == ["sft", "full", "no-fmt"]
    assert len(result["differences"]) == 11
    assert all(v["difference"] == 0.0 for found in result["differences"].values() for v in found.values())
    assert "sem" in result["differences"]["no-sem - full"]
    full = result["rows"]["full"]
    assert full["fmt"]["mean"] > 0.9
    assert 0.0 < full["R"]["mean"] <= 2.2
    assert full["first wins"]["mean"] > 0.5  # the embedded reasoner offers its best first
    assert any("no-acc - full" in line for line in drop.table(result))


def test_votes_get_at_least_the_tokens_of_what_they_are_compared_with(scripted: Module) -> None:
    tokens = scripted("world_tokens")
    result = tokens.study("tiny", SEEDS)
    rows = result["rows"]
    assert "full, K = 2, greedy - full, K = 0, vote of 3" in result["differences"]  # 120 tokens against 40 each
    assert "full, K = 4, greedy - full, K = 0, vote of 5" in result["differences"]
    assert rows["sft, K = 0, vote of 3"]["tokens"]["mean"] == rows["sft, K = 2, greedy"]["tokens"]["mean"] == 120.0
    same = rows["sft, K = 0, greedy"]["level_2"]["mean"]
    assert all(rows[f"sft, K = 0, vote of {n}"]["level_2"]["mean"] == same for n in (1, 4, 8))  # all samples agree
    shown = [line for line in tokens.table(result) if line.startswith("| sft, K")]
    counts = [float(line.split("|")[2].split("±")[0]) for line in shown[:12]]
    assert counts == sorted(counts)


def test_a_policy_that_reasons_as_the_embedded_reasoner_is_as_faithful(scripted: Module) -> None:
    faithful = scripted("world_faithful")
    result = faithful.study("tiny", [0], CLIPS)
    rows, oracle = result["rows"], result["oracle"]
    for k in (0, 2):
        own, teacher = rows[f"K = {k}, full"], rows[f"embedded, K = {k}"]
        # Where there is too little evidence it abstains, which is no legal trajectory with two hypotheses.
        assert own["swapped"]["mean"] == pytest.approx(teacher["swapped"]["mean"], abs=0.2)
        assert own["cited"]["mean"] == pytest.approx(teacher["cited"]["mean"], abs=0.2)
        assert all(rows[f"K = {k}, full"][f"{sense}: cited"]["mean"] == 0.0 for sense in oracle)
    swap = rows["embedded, K = 2"]
    assert swap["swapped"]["mean"] > swap["same gold"]["mean"]
    assert result["differences"]["embedded, K = 2"]["cited - uncited"]["difference"] > 0.0
    assert swap["deletions"] > CLIPS / 2
    assert sum(value["difference"] for value in oracle.values()) < 0.0  # evidence taken away costs the oracle
    assert sum("still cited" in line for line in faithful.table(result)) == 1


def test_conflict_compares_gains_on_two_halves(scripted: Module) -> None:
    conflict = scripted("world_conflict")
    result = conflict.study("tiny", SEEDS)
    sizes = result["sizes"]
    assert sum(sizes.values()) == CLIPS
    assert min(sizes["HCS"], sizes["LCS"]) > 0
    assert result["oracle"]["HCS"]["level_2"] <= result["oracle"]["LCS"]["level_2"]
    gain = result["gains"]["full, level_2"]
    apart = gain["HCS"]["difference"] - gain["LCS"]["difference"]
    assert gain["HCS - LCS"]["difference"] == pytest.approx(apart, abs=2e-4)
    assert gain["HCS - LCS"]["low"] <= gain["HCS - LCS"]["high"]
    assert f"HCS: {sizes['HCS']}, LCS: {sizes['LCS']}" in "\n".join(conflict.table(result))


def test_marks_of_the_teacher_beat_chance_and_the_macro_f_of_constant_marks(scripted: Module) -> None:
    verify = scripted("world_verify")
    result = verify.study("tiny", SEEDS)
    row = result["rows"]["embedded"]
    assert result["rows"]["full"]["accuracy"]["mean"] == row["accuracy"]["mean"]
    constants = [row[f"constant {mark}, accuracy"]["mean"] for mark in verify.MARKS]
    assert sum(constants) == pytest.approx(1.0, abs=1e-3)
    assert row["accuracy"]["mean"] > row["chance"]["mean"]  # but not above "always supports", which is often true
    assert row["macro_f"]["mean"] > max(row[f"constant {mark}, macro_f"]["mean"] for mark in verify.MARKS)
    assert result["differences"]["full - sft"]["difference"] == 0.0
    assert sum("always" in line for line in verify.table(result)) == 3 * len(result["rows"])


def test_studies_run_on_trained_policies_that_say_nothing_legal(
    recipe: Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cells, nano = recipe("world_cells"), recipe("nano")
    monkeypatch.setattr(cells, "SPLITS", dict.fromkeys(cells.SPLITS, 6))
    small = cells.Budget(
        sheets=12,
        imitation=nano.Imitation(epochs=1),
        reinforcement=nano.Reinforcement(steps=1, prompts=1, group=2, most_tokens=8),
    )
    monkeypatch.setitem(cells.BUDGETS, "tiny", small)
    monkeypatch.setattr(cells, "sample", partial(nano.sample, most_tokens=8))
    for name, more in (("conflict", ()), ("faithful", (3,))):  # these two need the same four cells
        module = recipe(f"world_{name}")
        result = module.study("tiny", [0], *more)
        recipe("world_scores").write_result(name, result, module.table(result))
        written = json.loads((tmp_path / f"results/{name}.json").read_text(encoding="utf-8"))
        assert written["command"].startswith(f"python recipes/hydra_world_{name}.py --size tiny")
        assert "knows nothing about real people" in (tmp_path / f"results/{name}.md").read_text(encoding="utf-8")
    trained = sorted(path.parent.name for path in (tmp_path / "build/tiny").glob("*/trained.json"))
    assert trained == ["k0-full-s0", "k0-sft-s0", "k2-full-s0", "k2-sft-s0"]


def test_a_question_is_put_once(recipe: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, cells = recipe("world_asked"), recipe("world_cells")
    calls: list[int] = []

    def answer(model: Any, sheets: Sequence[EvidenceSheet], k: int, **sampling: Any) -> tuple[list[str], list[int]]:
        calls.append(len(sheets))
        return [sheet.sheet_id for sheet in sheets], [1] * len(sheets)

    monkeypatch.setattr(asked, "policy", lambda cell: cell.folder.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(asked, "answer", answer)
    sheets = [draw.sheet for draw in cells.draws("iid")[:4]]
    cell = cells.Cell(size="tiny", k=0, seed=0, stage="sft")
    first = asked.asked(cell, "swapped", sheets)
    assert asked.asked(cell, "swapped", sheets) == first
    assert asked.asked(cell, "swapped", sheets[:2])[0] == [sheet.sheet_id for sheet in sheets[:2]]
    assert calls == [4, 2]


def test_rows_with_a_cell_that_is_not_trained_are_left_out_by_name(recipe: Module) -> None:
    cells, scores = recipe("world_cells"), recipe("world_scores")
    trained, not_yet = (cells.Cell(size="tiny", k=k, seed=0, stage="sft") for k in (0, 2))
    trained.folder.mkdir(parents=True)
    (trained.folder / "trained.json").write_text("{}", encoding="utf-8")
    rows = {"K = 0": [trained], "K = 2": [trained, not_yet]}
    kept, left_out = cells.in_study(rows, only_trained=True)
    assert (list(kept), left_out) == (["K = 0"], ["K = 2"])
    assert "K = 2" in scores.left_out_lines({"left_out": left_out})[0]
    assert cells.in_study(rows, only_trained=False) == (rows, [])
    assert scores.left_out_lines({"left_out": []}) == []


# --- single functions


@pytest.mark.parametrize(
    ("samples", "elected"),
    [
        ([], []),
        ([[], []], []),
        ([["happy"], []], ["happy"]),
        ([["happy", "sad"], ["delighted"], ["happy"]], ["happy"]),  # by affect, in its commonest word
        ([["sad"], ["happy"]], ["happy"]),  # a tie goes by the order of affects
        ([["sad", "afraid"], ["sad", "afraid"], ["happy", "sad"]], ["sad", "afraid"]),
        ([["happy"], ["sad"], ["calm"]], ["happy"]),  # no majority: the first
        ([["happy", "sad"], ["calm", "proud"], ["afraid", "bored"]], ["happy"]),
        ([["xylic"], ["xylic"], ["happy"]], ["xylic"]),  # an unknown word stands for itself
    ],
)
def test_majority(recipe: Module, samples: list[list[str]], elected: list[str]) -> None:
    tokens = recipe("world_tokens")
    assert tokens.majority(samples) == elected
    assert tokens.majority(samples[::-1]) == elected


@pytest.mark.parametrize(
    ("once", "wanted", "votes"), [(80, 150, 2), (80, 160, 2), (80, 161, 3), (80, 10, 1), (1, 99, 8)]
)
def test_votes_needed(recipe: Module, once: float, wanted: float, votes: int) -> None:
    assert recipe("world_tokens").votes_needed(once, wanted) == votes


def test_halves_of_conflict(recipe: Module) -> None:
    halves = recipe("world_conflict").halves
    high, low, limit = halves([0.0, None, 0.2, 0.5, 1.0, 1.0 - 1e-16])
    assert limit == pytest.approx(0.834, abs=0.001)
    assert high.tolist() == [False, False, False, False, True, True]
    assert low.tolist() == [True, False, True, True, False, False]
    high, low, _ = halves([0.0, 1.0, 1.0, 1.0])  # ties at the limit go to high conflict
    assert (high.sum(), low.sum()) == (3, 1)
    with pytest.raises(ValueError, match="two readings"):
        halves([None, None])


def test_true_direction_follows_the_world(recipe: Module) -> None:
    verify, world = recipe("world_verify"), World()
    observations = [o for draw in recipe("world_cells").draws("iid") for o in draw.sheet.observations]
    readings = [["sad"], ["happy", "worried"], ["calm"], ["angry", "sad", "amused"]]
    assert {verify.true_direction(world, words, o) for o in observations for words in readings} == set(verify.MARKS)
    for o in observations:
        column = [cue.key for cue in world.cues[o.modality]].index(o.cue)
        emission = world.emission[o.modality][:, column]
        likeliest = verify.AFFECT_NAMES[int(emission[:-1].argmax())]
        word = next(w for w, affect in verify.AFFECT_BY_WORD.items() if affect.name == likeliest)
        assert verify.true_direction(world, [word], o) == "supports"
        assert verify.true_direction(world, [word, "bluish"], o) is None
    # all 19 affects together are the average affect: no direction
    every = [next(w for w, a in verify.AFFECT_BY_WORD.items() if a.name == n) for n in verify.AFFECT_NAMES[:-1]]
    assert verify.true_direction(world, every, observations[0]) == "silent"
    assert verify.true_direction(world, [], observations[0]) is None


def test_macro_f_of_marks(recipe: Module) -> None:
    macro_f = recipe("world_verify").macro_f
    assert macro_f([("supports", "supports"), ("silent", "silent")]) == 1.0
    assert macro_f([("supports", "supports"), ("supports", "silent")]) == pytest.approx((2 / 3 + 0) / 2)
    assert np.isnan(macro_f([]))


def test_what_is_done_to_a_sheet(recipe: Module) -> None:
    changes, drawn = recipe("world_changes"), recipe("world_cells").draws("iid")
    golds = [changes.affects(draw.cause.gold) for draw in drawn]
    for same in (True, False):
        for number, other in enumerate(changes.partners(drawn, same=same)):
            if other is not None:
                assert other != number
                assert (golds[number] == golds[other]) if same else golds[number].isdisjoint(golds[other])
    assert None not in changes.partners(drawn, same=False)
    for sheet in (draw.sheet for draw in drawn):
        for modality in ("visual", "vocal", "verbal"):
            less = changes.masked(sheet, modality)
            if less is not None:
                assert (less.of_modality(modality), less.missing[modality]) == ((), "not_recorded")
                assert less.observations
        ids = [o.id for o in sheet.observations]
        found = changes.deleted(sheet, ids[:2])
        assert (found is None) == (len(ids) <= 2)
        if found is not None:
            cited, uncited = found
            assert cited <= set(ids[:2])
            assert uncited.isdisjoint(ids[:2])
            assert len(cited) == len(uncited) == min(2, len(ids) - 2)
            assert changes.deleted(sheet, ids[:2]) == found


def test_differences_leave_out_what_was_not_measured(recipe: Module) -> None:
    scores, nan = recipe("world_scores"), float("nan")
    a, b = [np.array([1.0, nan, 1.0]), np.array([0.0, nan, nan])], [np.zeros(3), np.zeros(3)]
    assert scores.over_clips(a, b).tolist() == [0.5, 1.0]
    assert scores.paired_difference(a, b)["difference"] == 0.75
    assert np.isnan(scores.paired_difference([np.array([nan])], [np.array([0.0])])["difference"])
    apart = scores.difference_of_groups(np.ones(5), np.zeros(7))
    assert apart == {"difference": 1.0, "low": 1.0, "high": 1.0}


# --- agreement


def agree(recipe: Module, out: Path, *arguments: object) -> dict[str, Any]:
    recipe("agreement").main([*map(str, arguments), "--out", str(out)])
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def test_the_embedded_reasoner_agrees_with_itself(recipe: Module, tmp_path: Path) -> None:
    found = agree(recipe, tmp_path / "out.json", "--embedded", "--n", 12, "--k", 3, "--swap", "cyclic")
    assert found["stable"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert found["n"] + sum(found["left_out"].values()) == 12
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_scripted_answers_are_counted(recipe: Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheets = [draw.sheet for draw in recipe("world_cells").draws("iid")[:3]]
    texts = [*(embedded_text(sheet, 2) for sheet in sheets[:2]), "no trajectory"]
    assert all(parse(text, k=2, sheet=sheet).trace for text, sheet in zip(texts[:2], sheets[:2], strict=True))
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    found = agree(recipe, tmp_path / "out.json", "--script", tmp_path / "texts.json")
    assert (found["n"], found["sheets"], found["left_out"]) == (2, 3, {"MalformedCompletion": 1})
    assert "n = 2 of 3 sheets; left out: MalformedCompletion: 1" in capsys.readouterr().out


def takes_the_first(body: Any) -> str:
    """Every line supports either reading, and whichever is told first wins."""
    asked = "\n".join(part["text"] for part in body["messages"][1]["content"])
    ids = re.findall(r"^\[([VATJ]\d+)\] \d", asked, flags=re.MULTILINE)
    first = re.search(r"^explanation \w+ \(\w+\): (\w+)", asked, flags=re.MULTILINE)
    if first is not None:
        return f"<think>\nverdict: h1\n</think>\n<ans>{first[1]} [{ids[0]}]</ans>"
    checks = "\n".join(f'[{id}] "what the line says" h1+ h2+' for id in ids)
    rivals = f"<hyp>\nh1 face: happy [{ids[0]}]\nh2 voice: sad [{ids[0]}]\n</hyp>"
    return f"{rivals}\n<think>\n{checks}\nverdict: h1\n</think>\n<ans>happy [{ids[0]}]</ans>"


@pytest.mark.parametrize(("answer", "stable", "mean"), [(takes_the_first, 0.0, 0.5), (reasoned_answer, 1.0, 1.0)])
def test_a_model_that_takes_the_first_is_unstable(
    recipe: Module, tmp_path: Path, answer: Any, stable: float, mean: float
) -> None:
    with FakeChatServer(answer=answer) as server:
        given = ("--url", server.url, "--model", "made-up", "--form", "tags", "--n", 6)
        found = agree(recipe, tmp_path / "out.json", *given)
    assert found["stable"]["mean"] == stable
    assert found["order_consistency"]["mean"] == mean
    assert found["usage"]["calls"] == 12
    assert found["usage"]["prompt_tokens"] > 0
