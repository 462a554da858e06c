"""Scores, paired differences and tables of the long-tail comparison; all in points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int64
from longtail_training import CE_1, CE_2
from scipy.stats import t as student

from emotrace.datasets.goemotions import EMOTIONS
from emotrace.metrics.confusion_matrix import f1_per_class, macro_f1, margins, uar, waf

MAIN = ("macro_f1", "waf", "uar")


def scores_of(
    truth: Int64[np.ndarray, " text"],
    answered: Int64[np.ndarray, " text"],
    thirds: Mapping[str, Int64[np.ndarray, " class"]],
) -> dict[str, float]:
    """Macro-F1, WAF, UAR, and the mean F1 and recall of each third of the classes, in points."""
    classes = len(EMOTIONS)
    matrix = np.bincount(truth * classes + answered, minlength=classes**2).reshape(classes, classes)
    hits, truths, _ = margins(matrix)
    f1, recall = f1_per_class(matrix), hits / np.maximum(truths, 1)
    found = {"macro_f1": macro_f1(matrix), "waf": waf(matrix), "uar": uar(matrix)}
    for name, labels in thirds.items():
        found |= {f"{name}_f1": f1[labels].mean(), f"{name}_recall": recall[labels].mean()}
    return {name: 100.0 * float(value) for name, value in found.items()}


def with_differences(rows: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each arm with its means, deviations, and differences from the arm that it is compared with."""
    return {name: row | _against(row, rows[row["against"]]) for name, row in rows.items()}


def _against(row: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    own = {name: np.array([seed[name] for seed in row["seeds"]]) for name in row["seeds"][0]}
    other = {name: np.array([seed[name] for seed in reference["seeds"]]) for name in own}
    return {
        "mean": {name: float(values.mean()) for name, values in own.items()},
        "sd": {name: float(values.std(ddof=1)) if len(values) > 1 else None for name, values in own.items()},
        "difference": {name: _paired(own[name] - other[name]) for name in own},
    }


def _paired(gaps: Any) -> dict[str, Any]:
    """Mean of the seeds' differences with its 95 % t interval, and in how many seeds it is above 0."""
    mean, above = float(gaps.mean()), int((gaps > 0).sum())
    if len(gaps) < 2:
        return {"mean": mean, "low": None, "high": None, "seeds_above": above}
    half = float(student.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps)))
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds_above": above}


def expectations(rows: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What a trial on other splits let expect, and whether it held."""
    wanted = [
        ("BDCL minus CE, two views each: macro-F1 at least +0.3", "CE + BDCL, two views", "macro_f1", 0.3),
        ("BDCL minus CE, two views each: tail F1 at least +1.0", "CE + BDCL, two views", "tail_f1", 1.0),
        ("kappa = 1 minus CE: UAR at least +2", "CE, kappa = 1", "uar", 2.0),
    ]
    return [
        {
            "what": what,
            "value": rows[arm]["difference"][name]["mean"],
            "met": rows[arm]["difference"][name]["mean"] >= least,
        }
        for what, arm, name, least in wanted
    ]


def markdown(record: dict[str, Any]) -> str:
    """The tables, for people."""
    lines = ["# A real long tail: 27 emotions of GoEmotions", ""]
    if record["quick"]:
        lines += ["A smoke run: its numbers mean nothing.", ""]
    counts = sorted(record["counts"].values(), reverse=True)
    lines += [
        f"`{record['command']}`: {record['comments']} comments, classes of {counts[0]} to {counts[-1]}; "
        f"seeds {', '.join(map(str, record['seeds']))}, {record['epochs']} epochs, features: {record['features']}.",
    ]
    for thin, rows in record["tables"].items():
        title = "All training comments" if thin == "1" else f"One in {thin} of the tail third's training comments"
        lines += [
            "",
            f"## {title}",
            "",
            "| arm | macro-F1 (sd) | WAF | UAR | F1 head / middle / tail | recall head / middle / tail | CPU s |",
            "|---|---|---|---|---|---|---|",
            *(_row(name, row) for name, row in rows.items()),
            "",
            f"Paired differences, points [95 % t interval] (seeds above 0), from `{CE_1}` or `{CE_2}`:",
            "",
            "| arm | macro-F1 | WAF | UAR | tail F1 | tail recall |",
            "|---|---|---|---|---|---|",
            *(_gaps(name, row) for name, row in rows.items() if name != row["against"]),
            "",
            "| expected from a trial on seeds 0-4 | found | |",
            "|---|---|---|",
            *(
                f"| {each['what']} | {each['value']:+.2f} | {'met' if each['met'] else 'missed'} |"
                for each in record["expectations"][thin]
            ),
        ]
    return "\n".join(lines) + "\n"


def _row(name: str, row: dict[str, Any]) -> str:
    mean, sd = row["mean"], row["sd"]["macro_f1"]
    spread = "" if sd is None else f" ({sd:.1f})"
    thirds = [
        " / ".join(f"{mean[f'{third}_{what}']:.1f}" for third in ("head", "middle", "tail"))
        for what in ("f1", "recall")
    ]
    return (
        f"| {name} | {mean['macro_f1']:.1f}{spread} | {mean['waf']:.1f} | {mean['uar']:.1f} "
        f"| {thirds[0]} | {thirds[1]} | {np.mean(row['seconds']):.0f} |"
    )


def _gaps(name: str, row: dict[str, Any]) -> str:
    cells = []
    for what in (*MAIN, "tail_f1", "tail_recall"):
        gap = row["difference"][what]
        interval = "" if gap["low"] is None else f" [{gap['low']:+.1f}, {gap['high']:+.1f}]"
        cells.append(f"{gap['mean']:+.1f}{interval} ({gap['seeds_above']})")
    return f"| {name} | " + " | ".join(cells) + " |"
