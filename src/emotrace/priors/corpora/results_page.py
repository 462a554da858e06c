"""The results of an arm as a page of markdown tables: percent with one decimal, and what must be said beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {"waf": "WAF", "war": "accuracy", "uar": "UAR", "macro_f1": "macro-F1"}


def page_of(results: Mapping[str, Any]) -> str:
    """The page.

    Args:
        results: A `PriorResults` as plain values.
    """
    config = results["config"]
    arm = f"injection `{config['injection']}`, contrast `{config['contrast']}` x {config['contrastive_weight']}"
    counts = f"{results['train_clips']} labelled and {results['unlabelled_clips']} unlabelled clips"
    folds, seeds = ", ".join(map(str, results["folds"])), ", ".join(map(str, results["seeds"]))
    parts = [
        f"# emotrace's priors: {arm}",
        results["disclaimer"],
        f"{counts}; folds {folds} (SHA-256 {results['folds_sha256'][:12]}), seeds {seeds}.",
        _missing(results["missing"]),
        *_scores("Validation, every clip by models that never saw it", results["validation"], tuple(config["labels"])),
    ]
    if results["test"] is not None:
        parts += _scores("Test set, logits averaged over folds", results["test"], tuple(config["labels"]))
    elif results["test_clips"]:
        parts.append(f"The labels of the {results['test_clips']} test clips are hidden: see `submission.csv`.")
    if results["pseudo_labels"]:
        parts += ["## Pseudo-labels", _pseudo(results["pseudo_labels"])]
    return "\n\n".join(parts) + "\n"


def _missing(missing: Mapping[str, int]) -> str:
    lacking = [f"{name} in {count}" for name, count in missing.items() if count]
    return f"Missing: {', '.join(lacking)} clips." if lacking else "No clip lacks anything."


def _scores(title: str, scores: Mapping[str, Any], labels: tuple[str, ...]) -> list[str]:
    rows = [
        [name, _percent(scores[key]["value"]), _range(scores[key]), _percent(scores[key]["deviation"])]
        for key, name in _NAMES.items()
    ]
    lines = [
        f"## {title}",
        _table(["score", "%", "95 % over clips", "sd over seeds"], rows),
        f"{scores['clips']} clips; ECE {_percent(scores['calibration_error'])} %."
        + (f" Valence MSE {scores['valence_mse']:.3f}." if scores["valence_mse"] is not None else "")
        + (f" WAF - 0.25 MSE {scores['combined']:.4f}." if scores["combined"] is not None else ""),
        _table(
            ["class", "F1", "recall"],
            [
                [label, _percent(scores["f1_per_class"][label]), _percent(scores["recall_per_class"][label])]
                for label in labels
            ],
        ),
    ]
    shifts = {
        **scores["label_shift"],
        "shares by EM (transductive)": scores["adapted_by_em"],
        "logits - ln share (post hoc)": scores["adjusted"],
    }
    rows = [[name, *(_percent(row[key]) for key in _NAMES)] for name, row in shifts.items()]
    return [*lines, "Under other class shares:", _table(["shares", *_NAMES.values()], rows)]


def _pseudo(reports: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, report in reports.items():
        admitted = ", ".join(f"{label} {count}" for label, count in report["admitted"].items())
        accuracy = report["held_out_accuracy"]
        held = "-" if accuracy is None else f"{_percent(accuracy)} of {report['held_out_admitted']}"
        total = sum(report["admitted"].values())
        rows.append([name, f"{total} of {report['candidates']}", admitted, _largest(report["shift"]), held])
    return _table(["fold/seed", "admitted", "by class", "largest shift", "right on held-out clips, %"], rows)


def _largest(shift: Mapping[str, float]) -> str:
    label = max(shift, key=lambda name: abs(shift[name]))
    return f"{label} {100 * shift[label]:+.1f} points"


def _range(estimate: Mapping[str, float]) -> str:
    return f"{_percent(estimate['low'])} to {_percent(estimate['high'])}"


def _percent(share: float | None) -> str:
    return "-" if share is None or share != share else f"{100 * share:.1f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
