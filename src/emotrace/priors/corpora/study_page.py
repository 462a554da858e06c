"""The table over views as markdown: scores, gaps to `none`, what went in, and what must be said beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotrace.priors.corpora.trust import LEAST_AREA

TRUST = "Does reliability tell right verdicts from wrong ones? Labelled clips; right, in percent, by reliability"
TRUST_HEAD = ("section", "verdicts", "right", "area under ROC", "95 %", "0-.2", ".2-.4", ".4-.6", ".6-.8", ".8-1")
WITHOUT_LEAK = "The verdict alone gains less than nine tenths of what the whole trace gains, or nothing is gained."


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells of text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def markdown(self) -> str:
        """As a table of a page."""
        lines = (self.head, ("---", *["---:"] * (len(self.head) - 1)), *self.rows)
        return "\n".join((f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)))


def page_of(study: Mapping[str, Any]) -> str:
    """The page.

    Args:
        study: A `Study` as plain values.
    """
    parts = [
        f"# emotrace's priors on {study['corpus']}",
        study["disclaimer"],
        "\n".join(f"- {line}" for line in facts(study)),
        *(table.markdown for table in tables(study)),
        said(study),
        blind(study),
        "Each view's own page (`VIEW/results.md`) has the scores per class and the pseudo-labels.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def facts(study: Mapping[str, Any]) -> list[str]:
    """What went in, a line each."""
    clips = ", ".join(f"{count} {name}" for name, count in study["clips"].items())
    folds, seeds = ", ".join(map(str, study["folds"])), ", ".join(map(str, study["seeds"]))
    lines = [f"clips: {clips}", f"folds {folds} (SHA-256 {study['folds_sha256'][:12]}), seeds {seeds}"]
    for modality, source in study["features"].items():
        maker = source["encoder"] or "made by other tools"
        absent = study["missing"][modality]
        lines.append(f"{modality}: {source['set_name']}, {source['width']} wide, {maker}; absent in {absent} clips")
    if (traces := study["traces"]) is not None:
        lines.append(
            f"traces: {traces['traced']} of {traces['clips']} clips, by {', '.join(traces['providers'])}, "
            f"read by {study['text_encoder']}; {_cost(traces['usage'])}"
        )
        odd = (
            f"{len(traces['malformed'])} malformed lines, {traces['repeated']} repeated, "
            f"{traces['of_other_clips']} of other clips"
        )
        lines.append(f"traces left out: {odd}; sections that failed a check: {_codes(traces['failed_checks'])}")
    return lines


def tables(study: Mapping[str, Any]) -> list[Table]:
    """The views; then the label shift of each."""
    views = study["views"]
    tests = list(next(iter(views.values()))["tests"])
    gaps = len(views) > 1
    head = ["view", "WAF", "95 % over clips"]
    head += ["gap to none", "95 %, paired"] if gaps else []
    head += ["accuracy", "UAR", "macro-F1", *(f"{name} WAF" for name in tests), "parameters"]
    rows = []
    for view, row in views.items():
        scores = row["validation"]
        cells = [view, percent(scores["waf"]["value"]), _range(scores["waf"])]
        if gaps:
            cells += ["", ""] if row["gap"] is None else [f"{100 * row['gap']['value']:+.1f}", _range(row["gap"])]
        cells += [percent(scores[name]["value"]) for name in ("war", "uar", "macro_f1")]
        cells += ["hidden" if (found := row["tests"][name]) is None else _with_range(found["waf"]) for name in tests]
        rows.append((*cells, f"{row['parameters']:,}"))
    trust = [
        (name, str(each["sections"]), percent(each["right"]), *_area(each), *(_bin(one) for one in each["bins"]))
        for name, each in study["trust"].items()
    ]
    shifts = {view: row["validation"]["label_shift"] for view, row in views.items()}
    names = list(next(iter(shifts.values())))
    return [
        Table(title="Held-out clips of all folds, in percent", head=tuple(head), rows=tuple(rows)),
        Table(
            title="WAF of the same answers under other class shares, in percent",
            head=("view", *names),
            rows=tuple((view, *(percent(shift[name]["waf"]) for name in names)) for view, shift in shifts.items()),
        ),
        *([Table(title=TRUST, head=TRUST_HEAD, rows=tuple(trust))] if trust else []),
    ]


def said(study: Mapping[str, Any]) -> str:
    """What the views say about label leak; empty unless all that it takes were run."""
    if not {"full", "verdict", "none"} <= study["views"].keys():
        return ""
    return f"Label leak: {study['leak']}." if study["leak"] else f"Label leak: {WITHOUT_LEAK}"


def blind(study: Mapping[str, Any]) -> str:
    """The sections whose reliability does not tell right verdicts from wrong ones; empty without any."""
    found = [name for name, each in study["trust"].items() if each["area"] is not None and each["area"] < LEAST_AREA]
    if not found:
        return ""
    return f"Reliability does not tell right verdicts from wrong ones in: {', '.join(found)} (area below {LEAST_AREA})."


def _area(check: Mapping[str, Any]) -> tuple[str, str]:
    if check["area"] is None:
        return "too few", ""
    return f"{check['area']:.2f}", f"{check['low']:.2f} to {check['high']:.2f}"


def _bin(one: Mapping[str, Any]) -> str:
    return "-" if not one["sections"] else f"{percent(one['right'])} of {one['sections']}"


def percent(share: float | None) -> str:
    """`61.8`; a dash for what is undefined."""
    return "-" if share is None or share != share else f"{100 * share:.1f}"


def _range(scores: Mapping[str, float]) -> str:
    return f"{percent(scores['low'])} to {percent(scores['high'])}"


def _with_range(estimate: Mapping[str, float]) -> str:
    return f"{percent(estimate['value'])} [{_range(estimate)}]"


def _cost(usage: Mapping[str, Any]) -> str:
    tokens: Sequence[int] = [usage[name] for name in ("prompt_tokens", "completion_tokens") if usage[name] is not None]
    known = [f"{sum(tokens):,} tokens"] if tokens else []
    known += [f"{usage['seconds']:.0f} s"] if usage["seconds"] is not None else []
    known += [f"cost {usage['cost']:.2f}"] if usage["cost"] is not None else []
    return ", ".join([f"{usage['calls']} calls", *known])


def _codes(failed: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count}" for code, count in failed.items()) or "none"
