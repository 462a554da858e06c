"""How an evaluation is shown and written: tables on the terminal, csv, JSON lines, one page without assets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from emotrace.cli.evaluation_tables import detail_tables, number
from emotrace.files import make_folder, write_atomically
from emotrace.labels.label_table import LabelTable
from emotrace.metrics.evaluation import Evaluation
from emotrace.metrics.label_masks import parse_labels
from emotrace.metrics.protocols import PROTOCOLS
from emotrace.metrics.report import EvaluationReport, Score


def _score_row(name: str, score: Score) -> tuple[str, str, str, str]:
    value = number(score.value) + (" (official)" if score.value is None and score.note == "official" else "")
    interval = score.interval
    between = "" if interval is None else f"{number(interval.low)} .. {number(interval.high)}"
    remark = score.undefined or ("" if score.note == "official" else score.note)
    return name, value, between, remark


def print_report(report: EvaluationReport, console: Console) -> None:
    """The scores, what was scored, constant answers, comparisons, parts and the details of the protocol."""
    console.print(f"{report.protocol}: {report.formula}")
    console.print(f"source: {report.source}; engine: {report.engine}; seed {report.seed}")
    if report.tables is not None:
        console.print(f"tables: {report.tables.name} (sha256 {report.tables.sha256[:16]})")
    for note in report.notes:
        console.print(f"note: {note}")
    rows = [_score_row(name, score) for name, score in report.scores.items()]
    _print_table(console, ("score", "value", "95 % interval", ""), rows)
    clips = report.clips
    left_out = f", {clips.missing} without answer (scored as empty)" if clips.missing else ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in clips.reasons.items())
    console.print(
        f"clips: {clips.truth}{left_out}, {clips.abstained} empty answers{f' ({reasons})' if reasons else ''}, "
        f"{clips.ignored} answers without truth ignored; split {clips.split_sha256[:16]}"
    )
    if report.baselines:
        baselines = [(name, number(value)) for name, value in report.baselines.items()]
        _print_table(console, ("answer without looking", report.main), baselines)
    for title, head, table in detail_tables(report):
        console.print(title)
        _print_table(console, head, table)


def _print_table(console: Console, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_protocols(console: Console) -> None:
    """Every protocol with its formula, tables and source."""
    rows = [(p.name, p.main, p.formula, p.tables or "none", p.source) for p in PROTOCOLS.values()]
    _print_table(console, ("protocol", "main score", "formula", "tables", "source"), rows)


def print_path(table: LabelTable, word: str, console: Console) -> None:
    """How one label reaches its clusters, with the alternatives that lost."""
    path = table.explain(word)
    console.print(f"{path.label}: {path.status}; tables {table.name}")
    console.print(f"words: {', '.join(path.words) or 'none'}")
    console.print(f"wheel words, in the order in which they are tried: {', '.join(path.wheel_words) or 'none'}")
    rows = [(target, path.chosen.get(target.split("-")[0], ""), cluster) for target, cluster in path.clusters.items()]
    _print_table(console, ("target", "taken", "cluster"), rows)


def _csv(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return stream.getvalue()


def scores_csv(result: Evaluation) -> str:
    """One row per score."""
    rows = [
        (
            name,
            score.value,
            score.interval and score.interval.low,
            score.interval and score.interval.high,
            score.undefined,
        )
        for name, score in result.report.scores.items()
    ]
    return _csv(("score", "value", "low", "high", "undefined"), rows)


def per_clip_csv(result: Evaluation) -> str:
    """One row per clip: name, truth, answer and its scores."""
    columns = list(dict.fromkeys(column for item in result.items for column in item.scores))
    rows = [
        (item.doc_id, _shown(item.target), _shown(item.prediction), *(item.scores.get(column) for column in columns))
        for item in result.items
    ]
    return _csv(("doc_id", "target", "prediction", *columns), rows)


def _shown(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value


def predictions_jsonl(result: Evaluation) -> str:
    """One JSON object per clip; both `--truth` and `--pred` read it back, so old answers are scored without a model."""
    lines = (
        {
            "doc_id": item.doc_id,
            "target": item.target,
            "prediction": item.prediction,
            "scores": item.scores,
            **item.kept,
        }
        for item in result.items
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def page(result: Evaluation) -> str:
    """The report as one HTML page: no script, no external asset."""
    from jinja2 import Environment

    report = result.report
    return (
        Environment(autoescape=True)
        .from_string(_PAGE)
        .render(
            report=report,
            scores=[_score_row(name, score) for name, score in report.scores.items()],
            baselines=[(name, number(value)) for name, value in report.baselines.items()],
            tables=list(detail_tables(report)),
        )
    )


RENDERERS: dict[str, Callable[[Evaluation], str]] = {
    "json": lambda result: result.report.to_json(),
    "csv": scores_csv,
    "html": page,
}
"""`--format` -> text."""


def write_files(folder: Path, result: Evaluation) -> list[Path]:
    """Writes the report, its page, the per-clip table and the kept predictions into a folder."""
    make_folder(folder)
    texts = {
        "report.json": result.report.to_json(),
        "report.html": page(result),
        "per_clip.csv": per_clip_csv(result),
        "predictions.jsonl": predictions_jsonl(result),
    }
    return [write_atomically(folder / name, text) for name, text in texts.items()]


def write_labels(path: Path, table: LabelTable, result: Evaluation) -> None:
    """One row per distinct label of truth and answers: its words, the alternatives, and where it went."""
    labels = {label for item in result.items for side in (item.target, item.prediction) for label in parse_labels(side)}
    targets = tuple(table.clusters)
    rows = [
        (
            p.label,
            p.status,
            "|".join(p.words),
            "|".join(p.wheel_words),
            *(p.clusters.get(target, "") for target in targets),
        )
        for p in map(table.explain, sorted(labels))
    ]
    write_atomically(path, _csv(("label", "status", "words", "wheel_words", *targets), rows))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ report.protocol }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { border: 1px solid #ccc; padding: .2rem .6rem; }
th { background: #f3f3f3; text-align: left; } .note { border-left: 4px solid #c80; padding-left: .6rem; }
</style></head><body>
<h1>{{ report.protocol }}</h1>
<p>{{ report.formula }}. Source: {{ report.source }}. Engine: {{ report.engine }}. Seed {{ report.seed }}.</p>
{% if report.tables %}<p>Tables {{ report.tables.name }}, sha256 {{ report.tables.sha256 }}.</p>{% endif %}
{% for note in report.notes %}<p class="note">{{ note }}</p>{% endfor %}
<table><tr><th>score</th><th>value</th><th>95 % interval</th><th></th></tr>
{% for row in scores %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>
{% if baselines %}<table><tr><th>answer without looking</th><th>{{ report.main }}</th></tr>
{% for row in baselines %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>{% endif %}
<p>{{ report.clips.truth }} clips, {{ report.clips.missing }} without an answer,
{{ report.clips.abstained }} empty answers,
{{ report.clips.ignored }} answers without truth ignored. Split {{ report.clips.split_sha256 }}.</p>
{% for title, head, rows in tables %}<h2>{{ title }}</h2>
<table><tr>{% for cell in head %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>{% endfor %}
<h2>inputs</h2><table>{% for role, file in report.inputs.items() %}
<tr><td>{{ role }}</td><td>{{ file.name }}</td><td>{{ file.rows }} rows</td><td>{{ file.sha256 }}</td></tr>
{% endfor %}</table>
</body></html>
"""
