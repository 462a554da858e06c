"""Are our closed-set numbers scikit-learn's, and what does each cost?

    python benchmarks/closed_set_agreement.py [--cases 1000] [--out docs/results]

Draws random cases (seed 0: 2 to 27 classes, absent classes, single clips, constant answers), scores each from the
confusion matrix by emotrace's own code and from the clips by scikit-learn, and prints the largest difference of each
number. Calibration is held against closed forms and, where it has them, against scikit-learn too.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import sklearn.metrics as library

from emotrace.files import write_atomically
from emotrace.metrics import calibrate, classify, risk_coverage

TOLERANCE = 1e-12


def draw(generator: np.random.Generator) -> tuple[Any, Any, list[str]]:
    """Truth and answers as class numbers, and the labels."""
    classes = int(generator.integers(2, 28))
    clips = int(generator.choice([1, 2, 5, 30, 300]))
    weights = generator.dirichlet(np.full(classes, generator.choice([0.05, 1.0])))
    truth = generator.choice(classes, clips, p=weights)
    answers = np.where(generator.random(clips) < generator.random(), truth, generator.integers(classes, size=clips))
    if generator.random() < 0.1:
        answers[:] = generator.integers(classes)
    return truth, answers, [f"c{number}" for number in range(classes)]


def closed_sets(cases: int) -> tuple[dict[str, float], dict[str, float]]:
    """Largest difference per number, and seconds per case by each side."""
    generator = np.random.default_rng(0)
    largest = dict.fromkeys(("WAR", "UAR", "macro-F1", "WAF"), 0.0)
    seconds = {"emotrace": 0.0, "scikit-learn": 0.0}
    for _ in range(cases):
        truth, answers, labels = draw(generator)
        names = [labels[c] for c in truth], [labels[c] for c in answers]
        start = time.perf_counter()
        ours = classify(*names, labels=labels, engine="base")
        seconds["emotrace"] += time.perf_counter() - start
        start = time.perf_counter()
        theirs = (
            library.accuracy_score(truth, answers),
            library.recall_score(truth, answers, labels=np.unique(truth), average="macro", zero_division=0),
            library.f1_score(truth, answers, average="macro", zero_division=0),
            library.f1_score(truth, answers, average="weighted", zero_division=0),
        )
        seconds["scikit-learn"] += time.perf_counter() - start
        for name, own, other in zip(largest, (ours.war, ours.uar, ours.macro_f1, ours.waf), theirs, strict=True):
            largest[name] = max(largest[name], abs(own - float(other)))
    return largest, {name: total / cases for name, total in seconds.items()}


def probabilities(cases: int) -> dict[str, float]:
    """Largest difference of Brier score and NLL from scikit-learn, and of calibration from closed forms."""
    generator = np.random.default_rng(1)
    largest = {"Brier": 0.0, "NLL": 0.0}
    for _ in range(cases):
        classes, clips = int(generator.integers(2, 9)), int(generator.integers(1, 60))
        p, y = generator.dirichlet(np.full(classes, 0.3), clips), generator.integers(classes, size=clips)
        ours, labels = calibrate(p, y, engine="base"), list(range(classes))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            brier = library.brier_score_loss(y, p, labels=labels, scale_by_half=False)
            nll = library.log_loss(y, np.maximum(p, 1e-15), labels=labels)
        largest["Brier"] = max(largest["Brier"], abs(ours.brier - brier))
        largest["NLL"] = max(largest["NLL"], abs(ours.nll - nll) / max(1.0, nll))
    constant = np.tile([0.8, 0.2], (10, 1))
    at_08 = calibrate(constant, np.array([0] * 6 + [1] * 4), engine="base")
    uniform = calibrate(np.full((12, 6), 1 / 6), np.arange(12) % 6, engine="base")
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, True, False]))
    return largest | {
        "ECE of confidence 0.8 at accuracy 0.6, which is 0.2": abs(at_08.ece - 0.2),
        "Brier of the uniform answer over six, which is 5/6": abs(uniform.brier - 5 / 6),
        "NLL of the uniform answer over six, which is log 6": abs(uniform.nll - math.log(6)),
        "AURC with the one error of four last, which is 1/16": abs(curve.aurc - 1 / 16),
    }


def table(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    seconds = record["seconds_per_case"]
    lines = [
        "# Closed-set numbers beside scikit-learn's",
        "",
        f'{record["cases"]} random cases (seeds 0 and 1), emotrace\'s own code (`engine="base"`) against scikit-learn '
        f"{record['machine']['scikit-learn']}.",
        f"Made by `{record['command']}` with Python {record['machine']['python']}, numpy "
        f"{record['machine']['numpy']}, {record['machine']['machine']}.",
        "",
        "| number | largest difference |",
        "|---|---|",
        *(f"| {name} | {value:.1e} |" for name, value in record["largest_difference"].items()),
        "",
        f"Time per case, all four closed-set numbers: {1e3 * seconds['emotrace']:.2f} ms (with the per-class table and "
        f"the baselines), scikit-learn {1e3 * seconds['scikit-learn']:.2f} ms.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs the comparison; exit code 1 where a number differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--out", type=Path, help="folder for closed_set_agreement.json and closed_set_agreement.md")
    options = parser.parse_args()
    largest, seconds = closed_sets(options.cases)
    largest |= probabilities(options.cases)
    record = {
        "command": f"python benchmarks/closed_set_agreement.py --cases {options.cases}",
        "cases": options.cases,
        "machine": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "machine": platform.machine(),
        },
        "largest_difference": largest,
        "seconds_per_case": seconds,
    }
    print(table(record))
    if options.out is not None:
        write_atomically(options.out / "closed_set_agreement.json", json.dumps(record, indent=1) + "\n")
        write_atomically(options.out / "closed_set_agreement.md", table(record))
    return int(max(largest.values()) > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
