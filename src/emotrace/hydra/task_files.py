"""A protocol as a task of another evaluation kit: lmms-eval (YAML and functions) or VLMEvalKit (a data set class).

The files are thin: the question, the reading of completions and the score are emotrace's own (`task_functions.py`), so
that a number from there is the number from here. Formats as the kits' guides describe them [field].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from emotrace.errors import UsageError
from emotrace.files import make_folder, write_atomically
from emotrace.hydra.case_files import names_of
from emotrace.hydra.learning.cases import Case, Frame
from emotrace.hydra.propose import MAX_HYPOTHESES
from emotrace.hydra.reasoners.mllm import MAX_TOKENS
from emotrace.hydra.task_functions import doc_of
from emotrace.metrics.protocols import PROTOCOLS, Protocol

Kit = Literal["lmms-eval", "vlmevalkit"]
KITS: tuple[Kit, ...] = get_args(Kit)
OPEN_KINDS = ("sets", "hitrate")
"""Kinds of protocols that score free words, as a reasoner answers with."""
DOCS = "docs.jsonl"


def check_open(protocol: Protocol) -> None:
    """Makes sure that a protocol scores free words.

    Raises:
        UsageError: It scores classes, values or the like; the message lists those that do.
    """
    if protocol.kind not in OPEN_KINDS:
        known = ", ".join(name for name, each in PROTOCOLS.items() if each.kind in OPEN_KINDS)
        raise UsageError(
            f"protocol {protocol.name} does not score free emotion words, which is what a reasoner answers with",
            where="--protocol",
            hint=f"Choose {known}",
        )


def write_task(kit: Kit, folder: Path, protocol: Protocol, cases: Sequence[Case], *, k: int, base: Path) -> list[Path]:
    """Writes a task into a folder, and returns the files.

    Args:
        kit: Whose format.
        folder: Made if it is not there. The files name it, so they are written anew rather than moved.
        protocol: What is scored.
        cases: Sheets with gold; it goes into `docs.jsonl`, and never into a question.
        k: How many rival hypotheses are asked for.
        base: What the paths of frames are relative to.

    Raises:
        UsageError: The protocol scores no free words, or `k` is not 0 to 4.
        UnwritableOutput: A file cannot be written.
    """
    check_open(protocol)
    if not 0 <= k <= MAX_HYPOTHESES:
        raise UsageError(f"the number of hypotheses must be 0 to {MAX_HYPOTHESES}, got {k}", where="k")
    folder = make_folder(folder).resolve()
    task = f"emotrace_{protocol.name.replace('-', '_')}"
    filled = {
        "task": task,
        "protocol": protocol.name,
        "main": protocol.main,
        "formula": protocol.formula,
        "k": k,
        "max_tokens": MAX_TOKENS,
        "docs": json.dumps(str(folder / DOCS)),
        "name": "Emotrace" + "".join(part.capitalize() for part in protocol.name.split("-")),
    }
    docs = [doc_of(name, _with_whole_paths(case, base)) for name, case in zip(names_of(cases), cases, strict=True)]
    texts = {DOCS: "".join(json.dumps(doc) + "\n" for doc in docs)}
    if kit == "lmms-eval":
        texts |= {f"{task}.yaml": _YAML.format(**filled), "utils.py": _UTILS.format(**filled)}
    else:
        texts |= {f"{task}.py": _DATA_SET.format(**filled)}
    return [write_atomically(folder / name, text) for name, text in texts.items()]


def _with_whole_paths(case: Case, base: Path) -> Case:
    frames = tuple(Frame(path=str((base / f.path).resolve()), seconds=f.seconds) for f in case.frames)
    return replace(case, frames=frames)


_YAML = """\
# {protocol}: {formula}
# Written by `emotrace evaluate --task-files lmms-eval`. Run it where emotrace is installed too:
#   python -m lmms_eval --model NAME --tasks {task} --include_path THIS_FOLDER --batch_size 1
# Protocols on the official wheel tables read them from the folder in EMOTRACE_WHEEL_TABLES.
task: {task}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {docs}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
generation_kwargs:
  max_new_tokens: {max_tokens}
  temperature: 0
  do_sample: false
metric_list:
  - metric: {main}
    aggregation: !function utils.aggregate
    higher_is_better: true
metadata:
  - version: 1.0
"""

_UTILS = '''\
"""Functions of the lmms-eval task {task}, written by `emotrace evaluate --task-files lmms-eval`."""

from emotrace.hydra.task_functions import case_of, frames_of, main_score, question_of

PROTOCOL = "{protocol}"
K = {k}


def doc_to_visual(doc):
    from PIL import Image

    return [Image.open(path).convert("RGB") for path in frames_of(doc)]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return question_of(doc, k=K)


def doc_to_target(doc):
    return ", ".join(case_of(doc).gold)


def process_results(doc, results):
    return {{"{main}": {{"name": doc["name"], "case": doc["case"], "text": results[0]}}}}


def aggregate(results):
    return main_score(PROTOCOL, results, [each["text"] for each in results], k=K)
'''

_DATA_SET = '''\
"""{protocol} as a data set of VLMEvalKit, written by `emotrace evaluate --task-files vlmevalkit`.

Copy this file into vlmeval/dataset/, import {name} in its __init__.py and add it to IMAGE_DATASET there. Then:
    python run.py --data {name} --model NAME
Protocols on the official wheel tables read them from the folder in EMOTRACE_WHEEL_TABLES.
"""

import json
from pathlib import Path

import pandas as pd
from vlmeval.dataset.image_base import ImageBaseDataset
from vlmeval.smp import load

from emotrace.hydra.task_functions import case_of, frames_of, question_of, score

DOCS = {docs}
PROTOCOL = "{protocol}"
K = {k}


class {name}(ImageBaseDataset):
    TYPE = "VQA"

    @classmethod
    def supported_datasets(cls):
        return ["{name}"]

    def load_data(self, dataset):
        self.docs = [json.loads(line) for line in Path(DOCS).read_text(encoding="utf-8").strip().split("\\n")]
        questions = [question_of(doc, k=K) for doc in self.docs]
        answers = [", ".join(case_of(doc).gold) for doc in self.docs]
        return pd.DataFrame({{"index": range(len(self.docs)), "question": questions, "answer": answers}})

    def build_prompt(self, line):
        row = self.data.iloc[line] if isinstance(line, int) else line
        pictures = [dict(type="image", value=path) for path in frames_of(self.docs[int(row["index"])])]
        return [*pictures, dict(type="text", value=row["question"])]

    def evaluate(self, eval_file, **judge_kwargs):
        data = load(eval_file)
        said = dict(zip(map(int, data["index"]), map(str, data["prediction"])))
        texts = [said.get(number, "") for number in range(len(self.docs))]
        scores = score(PROTOCOL, self.docs, texts, k=K).report.scores
        return pd.DataFrame({{name: [each.value] for name, each in scores.items()}})
'''
