"""The record of `benchmarks/transport.py` as verdicts and tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

CASE = ("question", "batch", "rows", "columns", "epsilon")
QUESTIONS = {
    "iterations": "50 iterations, stopping off",
    "error": "marginal error 1e-3",
}


def cases(run: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
    """Every case of a run, and its rows by method."""
    for _, rows in itertools.groupby(run["rows"], key=lambda row: tuple(row[name] for name in CASE)):
        found = list(rows)
        yield {name: found[0][name] for name in CASE}, {row["method"]: row for row in found}


def best(rows: dict[str, dict[str, Any]], kind: str, what: str = "forward_s") -> tuple[str, float] | None:
    """The fastest method of a kind, and its seconds."""
    found = [(row[what], name) for name, row in rows.items() if row["kind"] == kind and what in row]
    return (min(found)[1], min(found)[0]) if found else None


def verdicts(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The targets, each judged by the worst case of the one-thread run. `met` is None where its peer is absent."""
    single = next((run for run in runs if run["threads"] == 1), None)
    if single is None:
        return []

    def against(peer: Callable[[dict[str, dict[str, Any]]], float | None]) -> float | None:
        pairs = [(peer(rows), best(rows, "ours")) for _, rows in cases(single)]
        ratios = [theirs / own[1] for theirs, own in pairs if theirs is not None and own is not None]
        return min(ratios) if ratios else None

    def loop(name: str) -> Callable[[dict[str, dict[str, Any]]], float | None]:
        return lambda rows: rows[name]["forward_s"] if name in rows else None

    def best_time(rows: dict[str, dict[str, Any]], kind: str) -> float | None:
        found = best(rows, kind)
        return None if found is None else found[1]

    def batched(rows: dict[str, dict[str, Any]]) -> float | None:
        return best_time(rows, "batched")

    def log_safe(rows: dict[str, dict[str, Any]]) -> float | None:
        return best_time({name: row for name, row in rows.items() if "kernel" not in name}, "batched")

    worst = max(single["rounding"].values(), default=None)
    table: list[tuple[str, float | None, float, bool]] = [
        ("times as fast as the best batched peer that works in the log domain", against(log_safe), 2.0, True),
        ("times as fast as the best batched peer, kernel mode included", against(batched), 2.0, True),
        ("times as fast as POT's log-domain loop", against(loop("POT loop, log")), 10.0, True),
        ("times as fast as POT's plain loop, which is not log-safe", against(loop("POT loop, plain")), 1 / 1.2, True),
        ("largest difference from the float64 reference, over the largest entry of the plan", worst, 1e-4, False),
    ]
    return [
        {"what": what, "value": value, "target": target, "at_least": at_least}
        | {"met": None if value is None else (value >= target if at_least else value <= target)}
        for what, value, target, at_least in table
    ]


def markdown(record: dict[str, Any]) -> str:
    """Verdicts first, then one table per thread setting and question."""
    made_on = ", ".join(f"{name} {value}" for name, value in record["machine"].items())
    lines = [
        "# Transport: speed",
        "",
        f"Made by `{record['command']}` in {record['seconds']} s; {made_on}.",
        "",
        f"float32; {record['clock']} time of a batch, median of up to seven interleaved rounds. Loops over clips are",
        "timed on two clips and multiplied. Where the marginal error is given, a peer gets the least sufficient",
        "number of iterations (of 10, 20, 30, 40, 60, 80, 120, 160, 240), while ours checks and stops by itself.",
        "",
        "| target, one thread, worst case | measured | wanted | met |",
        "|---|---|---|---|",
    ]
    for verdict in record["verdicts"]:
        sign = "≥" if verdict["at_least"] else "≤"
        value = "peer absent" if verdict["value"] is None else f"{verdict['value']:.2g}"
        met = {True: "yes", False: "NO", None: "-"}[verdict["met"]]
        lines.append(f"| {verdict['what']} | {value} | {sign} {verdict['target']:.2g} | {met} |")
    if record["absent"]:
        lines += ["", f"Absent peers: {', '.join(record['absent'])}."]
    for run in record["runs"]:
        for question, title in QUESTIONS.items():
            lines += [
                "",
                f"## {title}, {run['threads']} thread{'s' * (run['threads'] > 1)}",
                "",
                *_table(run, question),
            ]
    return "\n".join(lines) + "\n"


def _table(run: dict[str, Any], question: str) -> list[str]:
    found = [(case, rows) for case, rows in cases(run) if case["question"] == question]
    names = list(found[0][1])
    with_iterations = question == "error"

    def grid(title: str, columns: list[str], cell: Callable[[dict[str, Any]], str]) -> list[str]:
        body = [" | ".join((_name(case), *(cell(rows[name]) for name in columns))) for case, rows in found]
        head = [
            "",
            title,
            "",
            f"| clips x rows x columns, ε | {' | '.join(columns)} |",
            f"|---|{'---|' * len(columns)}",
        ]
        return [*head, *(f"| {line} |" for line in body)]

    note = " (iterations)" if with_iterations else ""
    lines = grid(
        f"Forward, ms{note}:", names, lambda row: _milliseconds(row, "forward", with_iterations=with_iterations)
    )
    lines += ["", "Times as fast as the best batched peer: " + ", ".join(_ratio(rows) for _, rows in found) + "."]
    if question == "iterations":
        mine = [name for name in names if "roof_s" in found[0][1][name]]
        lines += grid("With the backward pass of the value, ms:", names, lambda row: _milliseconds(row, "train"))
        lines += grid("Peak memory beyond the inputs, MB, forward / with backward:", names, _memory)
        lines += grid("Largest difference from the optimal plan, over its largest entry:", names, _distance)
        lines += grid("Share of the roof:", mine, lambda row: f"{row['roof_s'] / row['forward_s']:.0%}")
        lines += [
            "",
            "The roof is the least time at the bandwidth and the rate of exponentials measured in the same run.",
        ]
    return lines


def _ratio(rows: dict[str, dict[str, Any]]) -> str:
    own, peer = best(rows, "ours"), best(rows, "batched")
    return "-" if own is None or peer is None else f"{peer[1] / own[1]:.1f}"


def _distance(row: dict[str, Any]) -> str:
    return f"{row['to_optimum']:.0e}"


def _name(case: dict[str, Any]) -> str:
    return f"{case['batch']} x {case['rows']} x {case['columns']}, {case['epsilon']}"


def _milliseconds(row: dict[str, Any], which: str, *, with_iterations: bool = False) -> str:
    if f"{which}_s" not in row:
        return "-"
    text = f"{1000 * row[f'{which}_s']:.3g}"
    return f"{text} ({row['iterations']})" if with_iterations and row["iterations"] else text


def _memory(row: dict[str, Any]) -> str:
    figures = [row.get(f"{which}_peak_mb") for which in ("forward", "train")]
    return " / ".join("-" if figure is None else f"{figure:.0f}" for figure in figures)
