"""Exported tasks give the numbers that `emotrace evaluate` gives."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from emotrace.cli.main import app
from emotrace.errors import UsageError
from emotrace.hydra.asking.prompts import lines
from emotrace.hydra.grammar import render, trace_of
from emotrace.hydra.learning.cases import Case, Frame, world_cases, write_cases
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.task_files import write_task
from emotrace.hydra.task_functions import score
from emotrace.metrics.protocols import PROTOCOLS

OWN = PROTOCOLS["emotrace-wheel"]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return world_cases("iid")[:20]


@pytest.fixture(scope="module")
def texts(cases: list[Case]) -> list[str]:
    """Completions: what the embedded reasoner thinks, a babble, and a reply that was cut off."""
    minds = [run(case.sheet, EmbeddedReasoner(), abstain=False) for case in cases]
    told = [render(trace_of(mind, case.sheet)) for mind, case in zip(minds, cases, strict=True)]
    told[3], told[4] = "They look happy to me!", told[4][: len(told[4]) // 2]
    return told


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def docs_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "docs.jsonl").read_text(encoding="utf-8").split("\n") if line]


def test_an_lmms_eval_task_scores_as_evaluate_does(cases, texts, tmp_path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [train]")
    out, where = tmp_path / "task", tmp_path / "cases.jsonl"
    write_cases(where, cases)
    arguments = ["evaluate", "-p", OWN.name, "--task-files", "lmms-eval", "--cases", where, "--out", out]
    assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        """As lmms-eval: `!function` names a function of a file beside the YAML."""

    utils = loaded(out / "utils.py")
    Loader.add_constructor("!function", lambda loader, node: getattr(utils, node.value.split(".")[1]))
    task = yaml.load((out / "emotrace_emotrace_wheel.yaml").read_text(encoding="utf-8"), Loader)
    assert (task["dataset_path"], task["output_type"]) == ("json", "generate_until")
    docs = docs_in(Path(task["dataset_kwargs"]["data_files"]["test"]).parent)
    assert len(docs) == len(cases)
    (metric,) = task["metric_list"]
    results = [task["process_results"](doc, [text]) for doc, text in zip(docs, texts, strict=True)]
    found = metric["aggregation"]([each[metric["metric"]] for each in results])
    expected = score(OWN.name, docs, texts, k=2).report
    assert found == expected.scores[OWN.main].value > 0.2
    assert expected.clips.missing == 2
    question = task["doc_to_text"](docs[0])
    assert "<hyp>" in question
    assert "[V1]" in question or "[A1]" in question or "[T1]" in question
    assert task["doc_to_visual"](docs[0]) == []
    assert task["doc_to_target"](docs[0]) == ", ".join(cases[0].gold)


def test_the_score_is_that_of_the_command_on_the_same_answers(cases, texts, tmp_path) -> None:
    write_task("lmms-eval", tmp_path / "task", OWN, cases, k=2, base=tmp_path)
    docs = docs_in(tmp_path / "task")
    told = score(OWN.name, docs, texts, k=2)
    truth, pred = tmp_path / "truth.jsonl", tmp_path / "pred.jsonl"
    truth.write_text("".join(json.dumps({"name": i.doc_id, "openset": i.target}) + "\n" for i in told.items))
    given = [{"name": i.doc_id, "labels": i.prediction or []} for i in told.items]
    pred.write_text("".join(json.dumps(row) + "\n" for row in given))
    arguments = ["evaluate", "-p", OWN.name, "--truth", truth, "--pred", pred, "--bootstrap", 0, "--format", "json"]
    run = CliRunner().invoke(app, list(map(str, arguments)))
    assert run.exit_code == 0, run.output
    report = json.loads(run.stdout)
    assert {name: each["value"] for name, each in report["scores"].items()} == {
        name: each.value for name, each in told.report.scores.items()
    }


def test_a_vlmevalkit_data_set_scores_as_evaluate_does(cases, texts, tmp_path, monkeypatch) -> None:
    pandas = pytest.importorskip("pandas", reason="VLMEvalKit's tables are of pandas")

    class ImageBaseDataset:
        """What of the kit's class ours builds on."""

        def __init__(self, dataset: str) -> None:
            self.data = self.load_data(dataset)  # type: ignore[attr-defined]
            self.data["index"] = [str(each) for each in self.data["index"]]

    kit = {
        name: ModuleType(name) for name in ("vlmeval", "vlmeval.dataset", "vlmeval.dataset.image_base", "vlmeval.smp")
    }
    kit["vlmeval.dataset.image_base"].ImageBaseDataset = ImageBaseDataset  # type: ignore[attr-defined]
    kit["vlmeval.smp"].load = pandas.read_pickle  # type: ignore[attr-defined]
    for name, module in kit.items():
        monkeypatch.setitem(sys.modules, name, module)
    with_frames = [
        Case(sheet=cases[0].sheet, gold=cases[0].gold, frames=(Frame(path="a.jpg", seconds=0.4),)),
        *cases[1:],
    ]
    write_task("vlmevalkit", tmp_path, OWN, with_frames, k=2, base=tmp_path)
    module = loaded(tmp_path / "emotrace_emotrace_wheel.py")
    (name,) = module.EmotraceEmotraceWheel.supported_datasets()
    made = module.EmotraceEmotraceWheel(name)
    picture, text = made.build_prompt(0)
    assert picture == {"type": "image", "value": str(tmp_path / "a.jpg")}
    assert lines()["frame"].format(number=1, seconds="0.40") in text["value"]
    answered = made.data.assign(prediction=texts).sample(frac=1.0, random_state=0).iloc[:-1]  # one was never answered
    answered.to_pickle(tmp_path / "answers.pkl")
    lacking = set(range(len(cases))) - {int(each) for each in answered["index"]}
    expected = score(OWN.name, made.docs, ["" if n in lacking else t for n, t in enumerate(texts)], k=2).report
    found = made.evaluate(str(tmp_path / "answers.pkl"))
    assert found["f"][0] == expected.scores["f"].value
    assert expected.clips.missing in (2, 3)


def test_gold_is_in_no_question(tmp_path, cases) -> None:
    marked = [Case(sheet=case.sheet, gold=("zanily-marked",)) for case in cases[:3]]
    write_task("lmms-eval", tmp_path, OWN, marked, k=2, base=tmp_path)
    utils = loaded(tmp_path / "utils.py")
    assert not any("zanily" in utils.doc_to_text(doc) for doc in docs_in(tmp_path))


def test_the_same_cases_give_the_same_files(tmp_path, cases) -> None:
    first = {path.name: path.read_bytes() for path in write_task("lmms-eval", tmp_path, OWN, cases, k=0, base=tmp_path)}
    again = {path.name: path.read_bytes() for path in write_task("lmms-eval", tmp_path, OWN, cases, k=0, base=tmp_path)}
    assert first == again
    assert "K = 0" in (tmp_path / "utils.py").read_text(encoding="utf-8")


def test_a_score_that_is_undefined_is_nan(tmp_path, cases) -> None:
    nowhere = [Case(sheet=cases[0].sheet, gold=("qwertyish",))]
    write_task("lmms-eval", tmp_path, OWN, nowhere, k=2, base=tmp_path)
    (doc,) = docs_in(tmp_path)
    value = loaded(tmp_path / "utils.py").aggregate([{**doc, "text": ""}])
    assert math.isnan(value) or value == 0.0


@pytest.mark.parametrize(("protocol", "k"), [("mer2024", 2), ("emotrace-wheel", 7)])
def test_what_cannot_be_a_task_is_refused(tmp_path, cases, protocol: str, k: int) -> None:
    with pytest.raises(UsageError):
        write_task("lmms-eval", tmp_path, PROTOCOLS[protocol], cases, k=k, base=tmp_path)
