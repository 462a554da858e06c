"""The tables of an evaluation as rows of text: per class, per target, labels, comparisons, groups, folds, sweeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from emotrace.metrics.report import EvaluationReport, Score

_DIGITS = 4


def number(value: float | None) -> str:
    """Four digits, or nan."""
    return "nan" if value is None else f"{value:.{_DIGITS}f}"


def detail_tables(report: EvaluationReport) -> Iterable[_Table]:
    """Title, head and rows of each table behind the scores."""
    yield from _comparisons(report)
    yield from _parts(report)
    details = report.details
    if "prediction" in details:
        yield from _prediction(details["prediction"])
    if "faithfulness" in details:
        yield from _faithfulness(details["faithfulness"])
    if "per_class" in details:
        head: tuple[str, ...] = ("class", "precision", "recall", "f1", "support", "predicted")
        yield (
            "per class",
            head,
            [tuple(_cell(row[key]) for key in ("label", *head[1:])) for row in details["per_class"]],
        )
        columns = [*details["labels"], "no answer"]
        matrix = [(label, *map(str, row)) for label, row in zip(details["labels"], details["confusion"], strict=True)]
        yield "confusion (rows are truth)", ("", *columns), matrix
    if "targets" in details:
        head = ("target", "f", "precision", "recall", "scored", "skipped")
        yield "per target", head, [tuple(_cell(row[key]) for key in head) for row in details["targets"]]
        sides = [("truth", details["truth_labels"]), ("answers", details["answer_labels"])]
        keys = ("given", "known", "empty", "empty_after_mapping", "unknown_uses", "unknown_words", "malformed")
        yield "labels", ("", *keys), [(side, *(_cell(counts[key]) for key in keys)) for side, counts in sides]
        unknown: list[tuple[str, ...]] = [
            (side, str(word), str(uses)) for side, counts in sides for word, uses in counts["unknown_top"][:10]
        ]
        if unknown:
            yield "most used labels that the tables do not know", ("", "label", "uses"), unknown
    if methods := details.get("answers", {}).get("methods"):
        how = details["answers"]["extract"]
        yield (
            f"labels out of text ({how}); share of each rule",
            ("rule", "share"),
            [(str(method), _cell(share)) for method, share in methods.items()],
        )
    if "differs_from_rules" in details.get("answers", {}):
        asked = details["answers"]
        head = ("host", "model", "clips that differ from the rules")
        yield "labels asked of a language model", head, [tuple(str(asked[key]) for key in _ASKED)]
    if "sweep" in details:
        head = ("checkpoint", *details["sweep"]["fixed"])
        yield (
            "sweep, the fixed checkpoint first",
            head,
            [(str(name), *map(_cell, values.values())) for name, values in details["sweep"].items()],
        )


_ASKED = ("host", "model", "differs_from_rules")
_Rows = list[tuple[str, ...]]
_Table = tuple[str, tuple[str, ...], _Rows]


def _prediction(told: dict[str, Any]) -> Iterable[_Table]:
    """What the answers of a reasoner took, and the clips that have none."""
    asked = told["asking"]
    how = f"K = {asked['k']}, mode {asked['mode']}, abstaining {'on' if asked['abstain'] else 'off'}"
    title = f"answers of {told['reasoner']} ({how}): {told['answered']} of {told['clips']} clips, and what they took"
    rows: _Rows = [(part, _known(cost["per_clip"]), _known(cost["total"])) for part, cost in told["cost"].items()]
    yield title, ("", "per clip", "total"), rows
    if reserved := told.get("by_reserve"):
        yield (
            f"{len(reserved)} clips answered by the reserve: no reply could be used",
            ("clip",),
            [(n,) for n in reserved],
        )
    if failed := told["failed"]:
        rows = [(name, each["kind"], each["what"]) for name, each in failed.items()]
        yield f"{len(failed)} clips without an answer", ("clip", "error", ""), rows


def _known(value: float | None) -> str:
    """A cost, or a dash where the server did not tell it."""
    return "-" if value is None else _cell(value)


def _faithfulness(told: dict[str, Any]) -> Iterable[_Table]:
    """The measures of one answer, and then those of two deletions side by side."""
    found = {row["name"]: row for row in told["measures"]}
    changes = [name.removeprefix("difference_") for name in found if name.startswith("difference_")]
    compared = {f"{kind}_{change}" for change in changes for kind in ("cited", "uncited", "difference")}
    rows: _Rows = [
        (row["says"], str(row["clips"]), number(row["mean"]), _between(row), _counted(row["left_out"]))
        for name, row in found.items()
        if name not in compared
    ]
    yield f"faithfulness of {told['clips']} clips", ("share of", "clips", "mean", "95 % interval", "left out"), rows
    rows = []
    for change in changes:
        cited, uncited, both = (found[f"{kind}_{change}"] for kind in ("cited", "uncited", "difference"))
        means = (number(row["mean"]) for row in (cited, uncited, both))
        rows.append((both["says"], str(both["clips"]), *means, _between(both), _counted(both["left_out"])))
    head = ("", "clips", "without cited", "without uncited", "difference", "95 % interval", "left out")
    yield f"observations taken off the sheet. {told['says']}", head, rows


def _between(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{number(row['low'])} .. {number(row['high'])}"


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in reasons.items())


def _comparisons(report: EvaluationReport) -> Iterable[_Table]:
    """A minus each rival, with the tests that there are."""
    if not report.differences:
        return
    tests = {
        "permutation p": "p_permutation",
        "p by Holm": "p_holm",
        "bootstrap p": "p_bootstrap",
        "McNemar p (accuracy)": "p_mcnemar",
        "p over folds": "p_folds",
    }
    shown = {
        title: key for title, key in tests.items() if any(getattr(each, key) is not None for each in report.differences)
    }
    rows = [
        (
            each.rival,
            number(each.rival_value),
            number(each.value),
            f"{number(each.low)} .. {number(each.high)}",
            *(number(getattr(each, key)) for key in shown.values()),
        )
        for each in report.differences
    ]
    yield f"A - B in {report.main}", ("rival B", "score of B", "A - B", "95 % interval", *shown), rows


def _parts(report: EvaluationReport) -> Iterable[_Table]:
    """The scores of groups and of folds."""
    if report.groups:
        names = list(dict.fromkeys(name for group in report.groups.values() for name in group.scores))
        rows = [
            (name, str(group.clips), *(_with_interval(group.scores.get(score)) for score in names))
            for name, group in report.groups.items()
        ]
        yield f"by {report.settings['group_by']}; groups below 30 clips show their number", ("", "clips", *names), rows
    if folds := report.folds:
        rows = [
            (
                score,
                number(report.scores[score].value),
                number(folds.mean[score]),
                number(folds.deviation[score]),
                *(number(value) for value in each.values()),
            )
            for score, each in folds.scores.items()
        ]
        head = ("score", "pooled", "mean of folds", "deviation", *folds.clips)
        yield f"folds of {folds.column} ({', '.join(map(str, folds.clips.values()))} clips)", head, rows


def _with_interval(score: Score | None) -> str:
    if score is None:
        return ""
    interval = score.interval
    between = "" if interval is None else f" ({number(interval.low)} .. {number(interval.high)})"
    return f"{number(score.value)}{between}"


def _cell(value: Any) -> str:
    return number(value) if value is None or isinstance(value, float) else str(value)
