"""The trimodal world's numbers: scores with intervals, what was expected, and the tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from emotrace.metrics import paired_difference
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES
from emotrace.metrics.resampling import SummedScore, from_cells

BEST = {"together": 0.859, "with traces": 0.905}
"""What the exact posterior reaches in this world [ours], by numerical integration over many clips."""


def cells_of(truth: Any, answers: Any, classes: int) -> Any:
    """Flat places in a confusion matrix."""
    return truth * classes + answers


def score(truth: Any, answers: Any, name: str, *, classes: int = 6) -> float:
    """A closed-set score of class numbers."""
    counts = np.bincount(cells_of(truth, answers, classes), minlength=classes**2).reshape(classes, classes)
    return float(CLOSED_SET_SCORES[name](counts))


def summary(of_seeds: Any, reference: Any) -> dict[str, Any]:
    """One row of the table from its answers in every seed."""
    averaged = [np.mean(answers.folds, axis=0).argmax(axis=1) for answers in of_seeds]
    five = [score(answers.truth, answer, "waf") for answers, answer in zip(of_seeds, averaged, strict=True)]
    single = [
        float(np.mean([score(answers.truth, logits.argmax(axis=1), "waf") for logits in answers.folds]))
        for answers in of_seeds
    ]
    difference = paired_difference(_summed(of_seeds), _summed(reference))
    truth = np.concatenate([answers.truth for answers in of_seeds])
    right = np.concatenate([answers.right_verdicts for answers in of_seeds])
    hits = np.concatenate(averaged) == truth
    looked = [each for answers in of_seeds for each in answers.attention]
    return {
        "single_waf": float(np.mean(single)),
        "five_waf": float(np.mean(five)),
        "five_waf_sd": float(np.std(five, ddof=1)) if len(five) > 1 else None,
        "five_uar": float(np.mean([score(a.truth, b, "uar") for a, b in zip(of_seeds, averaged, strict=True)])),
        "against_none": {
            "difference": difference.estimate,
            "low": difference.interval.low,
            "high": difference.interval.high,
            "p_permutation": difference.p_permutation,
        },
        "accuracy_by_right_verdicts": {
            str(count): float(hits[right == count].mean()) for count in range(5) if (right == count).any()
        },
        "attention": {name: _mean([each[name] for each in looked]) for name in looked[0]} if looked else None,
    }


def expectations(record: dict[str, Any]) -> list[dict[str, Any]]:
    """What is expected of a full run, and whether it held; `met` is None where an arm was not run."""
    rows, best = record["rows"], {name: float(np.mean(values)) for name, values in record["best"].items()}
    found = [
        {
            "what": f"exact posterior, {name}: WAF {value} within 0.005",
            "value": best[name],
            "met": abs(best[name] - value) <= 0.005,
        }
        for name, value in BEST.items()
    ]

    def expect(what: str, name: str, least: float, minus: str | None = None) -> None:
        if name not in rows or (minus is not None and minus not in rows):
            found.append({"what": what, "value": None, "met": None})
            return
        value = rows[name]["single_waf"] - (0.0 if minus is None else rows[minus]["single_waf"])
        found.append({"what": what, "value": value, "met": value >= least})

    expect("none: single WAF at least 0.835", "none", 0.835)
    for recipe in ("own recipe", "our schedule"):
        expect(f"none at least MERBench attention, {recipe}", "none", 0.0, f"MERBench attention, {recipe}")
    expect("gated at least 3 points above none", "gated", 0.03, "none")
    expect("a lying provider costs at most 1 point", "gated, lying provider", -0.01, "none")
    expect("traces removed at test cost at most 0.5 points", "gated, traces removed at test", -0.005, "none")
    expect("measured reliability beats trusting all", "gated", 1e-9, "gated, rho = 1")
    return found


def markdown(record: dict[str, Any]) -> str:
    """The tables, for people."""
    seeds = ", ".join(map(str, record["seeds"]))
    lines = ["# The trimodal world", ""]
    if record["quick"]:
        lines += ["A smoke run: its numbers mean nothing.", ""]
    clips = record["clips"]
    lines += [
        f"`{record['command']}`: seeds {seeds}; {clips['train']} training clips in {clips['folds']} folds, "
        f"{clips['test']} test clips a seed.",
        "",
        "Best possible WAF (exact posterior, training shares unless said): "
        + "; ".join(f"{name} {np.mean(values):.3f}" for name, values in record["best"].items())
        + ".",
        "",
        "| arm | single WAF | five-fold average WAF (sd over seeds) | UAR | against none, points [95 %] | CPU s |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(name, row) for name, row in record["rows"].items()]
    lines += [
        "",
        "Accuracy by how many of a clip's four sections name its class:",
        "",
        "| arm | 0 | 1 | 2 | 3 | 4 |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in record["rows"].items():
        by = row["accuracy_by_right_verdicts"]
        lines.append(f"| {name} | " + " | ".join(_cell(by.get(str(count))) for count in range(5)) + " |")
    lines += [
        "",
        "What gated networks look at (attention of four sections sums to 1; the gate contains the reliability):",
        "",
        "| arm | on a good section | on a bad one | correlation of gate and mean reliability |",
        "|---|---|---|---|",
    ]
    for name, row in record["rows"].items():
        if row["attention"] is not None:
            lines.append(f"| {name} | " + " | ".join(_cell(value) for value in row["attention"].values()) + " |")
    lines += ["", "| expected | found | |", "|---|---|---|"]
    for check in record["expectations"]:
        verdict = {True: "met", False: "missed", None: "not run"}[check["met"]]
        lines.append(f"| {check['what']} | {_cell(check['value'], 4)} | {verdict} |")
    return "\n".join(lines) + "\n"


def _row(name: str, row: dict[str, Any]) -> str:
    gap = row["against_none"]
    sd = "" if row["five_waf_sd"] is None else f" ({row['five_waf_sd']:.3f})"
    points = f"{100 * gap['difference']:+.1f} [{100 * gap['low']:+.1f}, {100 * gap['high']:+.1f}]"
    return (
        f"| {name} | {row['single_waf']:.3f} | {row['five_waf']:.3f}{sd} | {row['five_uar']:.3f} | {points} "
        f"| {row['seconds']:.0f} |"
    )


def _cell(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else None


def _summed(of_seeds: Any) -> SummedScore:
    """WAF over the clips of all seeds, as totals that can be resampled."""
    classes = of_seeds[0].folds[0].shape[1]
    cells = [cells_of(each.truth, np.mean(each.folds, axis=0).argmax(axis=1), classes) for each in of_seeds]
    return from_cells(np.concatenate(cells), shape=(classes, classes), score=CLOSED_SET_SCORES["waf"])
