"""How fast are open-vocabulary scores, beside a straightforward pandas implementation in the same run?

    python benchmarks/ov_metric_speed.py --tables DIR [--clips 20000] [--out docs/results]

Draws clips with 1 to 6 labels on each side from the table's own forms and some unknown words (seed 0), runs every
scorer five times after one warm-up, and prints median, spread, ratio and the largest difference between the two. The
peer reads as one would write it from the definition: explode the labels, map them, group them back to sets, compare,
average. Without pandas its column is blank.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.files import write_atomically
from emotrace.labels.official_tables import LEVEL_1, WheelTables
from emotrace.metrics.clip_scorer import ClipScorer
from emotrace.metrics.open_vocabulary import SetScorer
from emotrace.metrics.protocols import PROTOCOLS

RUNS = 5
SEED = 0
TITLES = {
    "load": "load the tables and compile them for all 12 targets",
    "unibench": "score, 5 targets (level 1)",
    "ovmer-12": "score, 12 targets",
    "clip": "`ClipScorer.score`, one clip with parsing",
}
TARGET_SECONDS = {"load": 0.3, "unibench": 0.1, "ovmer-12": 0.6, "clip": 20e-6}


def draw(table: WheelTables, clips: int, seed: int) -> tuple[list[str], list[str]]:
    """Label strings as the field writes them."""
    generator = np.random.default_rng(seed)
    words = np.array([*table.forms, *(f"unheard{i}" for i in range(300))])

    def side() -> list[str]:
        return [str(list(map(str, generator.choice(words, generator.integers(1, 7))))) for _ in range(clips)]

    return side(), side()


def timed(work: Callable[[], Any]) -> tuple[Any, list[float]]:
    """The result, and the seconds of five runs after a warm-up."""
    result, seconds = work(), []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return result, seconds


def with_pandas(table: WheelTables, targets: tuple[str, ...], truth: list[str], answers: list[str]) -> list[float]:
    """F per target: labels exploded to rows, mapped, grouped back to sets."""
    pandas = importlib.import_module("pandas")

    def exploded(side: list[str]) -> Any:
        labels = pandas.Series(side).str.strip("[]").str.split(r"['\",]", regex=True).explode()
        labels = labels.str.strip().str.lower()
        return labels[labels != ""]

    true_labels, own_labels = exploded(truth), exploded(answers)
    scores = []
    for target in targets:
        places = table.clusters[target]
        t = true_labels.map(places).dropna().groupby(level=0).agg(set)
        a = own_labels.map(places).dropna().groupby(level=0).agg(set)
        both = pandas.DataFrame({"t": t}).join(a.rename("a"))
        sets = [(t, a if isinstance(a, set) else set()) for t, a in zip(both["t"], both["a"], strict=True)]
        precision = pandas.Series([len(t & a) / max(len(a), 1) for t, a in sets]).mean()
        recall = pandas.Series([len(t & a) / len(t) for t, a in sets]).mean()
        scores.append(2 * precision * recall / (precision + recall))
    return scores


def main() -> int:
    """Runs the four measurements; exit code 1 where one misses its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--out", type=Path, help="folder for ov_metric_speed.json and ov_metric_speed.md")
    options = parser.parse_args()

    def load() -> SetScorer:
        return SetScorer(WheelTables.load(options.tables, version="v1"), PROTOCOLS["ovmer-12"])

    every, load_seconds = timed(load)
    table = every.masks.table
    if not isinstance(table, WheelTables):
        raise TypeError(f"expected wheel tables, got {table!r}")
    truth, answers = draw(table, options.clips, seed=SEED)
    level_1 = SetScorer(table, PROTOCOLS["unibench"])
    clip_scorer = ClipScorer(table, LEVEL_1)
    measured = {
        "load": (None, load_seconds),
        "unibench": timed(lambda: level_1.score(truth, answers)),
        "ovmer-12": timed(lambda: every.score(truth, answers)),
    }
    _, all_clips = timed(lambda: [clip_scorer.score(t, a) for t, a in zip(truth, answers, strict=True)])
    measured["clip"] = (None, [seconds / options.clips for seconds in all_clips])
    has_peer = importlib.util.find_spec("pandas") is not None
    rows = []
    for name, (score, seconds) in measured.items():
        row: dict[str, Any] = {"what": name, "median_s": statistics.median(seconds), "runs_s": seconds}
        row |= {"target_s": TARGET_SECONDS[name], "met": statistics.median(seconds) < TARGET_SECONDS[name]}
        if has_peer and score is not None:
            targets = LEVEL_1 if name == "unibench" else every.masks.targets
            theirs, peer_seconds = timed(functools.partial(with_pandas, table, targets, truth, answers))
            row["pandas_s"] = statistics.median(peer_seconds)
            row["ratio"] = row["pandas_s"] / row["median_s"]
            row["largest_difference"] = max(abs(t.f - f) for t, f in zip(score.targets, theirs, strict=True))
        rows.append(row)
    record = {
        "command": f"python benchmarks/ov_metric_speed.py --tables DIR --clips {options.clips}",
        "clips": options.clips,
        "seed": SEED,
        "runs": RUNS,
        "tables": {"name": table.name, "sha256": table.sha256},
        "machine": machine(),
        "rows": rows,
    }
    text = markdown(record)
    print(text)
    if options.out is not None:
        write_atomically(options.out / "ov_metric_speed.json", json.dumps(record, indent=1) + "\n")
        write_atomically(options.out / "ov_metric_speed.md", text)
    return int(not all(row["met"] for row in rows))


def machine() -> dict[str, str]:
    """What it ran on."""
    has_pandas = importlib.util.find_spec("pandas") is not None
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": importlib.metadata.version("pandas") if has_pandas else "not installed",
        "processor": f"{platform.machine()}, {os.cpu_count()} cores visible",
    }


def markdown(record: dict[str, Any]) -> str:
    """The record as a table."""
    made_on = ", ".join(f"{name} {value}" for name, value in record["machine"].items())
    lines = [
        "# Open-vocabulary scores: speed",
        "",
        f"{record['clips']} clips with 1 to 6 labels on each side (seed {record['seed']}), tables "
        f"{record['tables']['name']}; median of {record['runs']} runs after one warm-up, one process; the clip "
        "scorer's seconds are per clip. Beside each: a straightforward pandas implementation in the same run.",
        "",
        f"Made by `{record['command']}`; {made_on}.",
        "",
        "| what | median s | min .. max s | target s | met | pandas s | ratio | largest difference |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        spread = f"{min(row['runs_s']):.3g} .. {max(row['runs_s']):.3g}"
        peer = ("", "", "")
        if "ratio" in row:
            peer = (f"{row['pandas_s']:.3g}", f"{row['ratio']:.1f}", f"{row['largest_difference']:.1e}")
        cells = (TITLES[row["what"]], f"{row['median_s']:.3g}", spread, f"{row['target_s']:.3g}")
        lines.append(f"| {' | '.join((*cells, 'yes' if row['met'] else 'NO', *peer))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
