"""Reads truth and answers from csv, tsv, jsonl, npz and emotrace's own results, and joins them by name.

Every file becomes columns by name. A truth without an answer is an error, or an empty answer with `missing="empty"`; an
answer without truth is ignored and counted. Pickled npz files go through the restricted reader.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emotrace.errors import DuplicateName, NamesDoNotMatch, UnreadableTable, first_five
from emotrace.files import lines_of

Missing = Literal["error", "empty"]
Row = dict[str, Any]

NAME_COLUMNS = ("name", "doc_id", "filename", "names", "clip")
TRUTH_COLUMNS = ("label", "discrete", "openset", "labels", "target", "emo", "sentiment", "preference")
ANSWER_COLUMNS = ("prediction", "label", "discrete", "openset", "labels", "emo", "sentiment", "preference")
VALUE_COLUMNS = ("valence", "val", "value", "sentiment")
PROBABILITY = "prob_"
"""Prefix of the columns that hold a distribution over labels."""
ABSTAINED = "abstained"
"""Column with the reason why a system gave no answer; its labels then do not count."""


@dataclass(frozen=True, kw_only=True)
class AnswerFile:
    """One file: its rows by clip name, in the file's order."""

    path: Path
    sha256: str
    """Of the file's bytes; of the names and hashes of its files for a folder."""
    rows: Mapping[str, Row]
    columns: tuple[str, ...]

    def column(self, wanted: str | None, usual: Sequence[str], *, what: str) -> str:
        """The wanted column, or the first of the usual ones that the file has.

        Raises:
            UnreadableTable: The file has no such column.
        """
        for name in [wanted] if wanted else usual:
            if name in self.columns:
                return name
        raise UnreadableTable(
            f"has no column for the {what}: looked for {wanted or ', '.join(usual)}",
            where=self.path,
            hint=f"It has: {', '.join(self.columns)}",
        )


def read_answers(path: Path | str, *, split: str | None = None) -> AnswerFile:
    """Reads one file, or a folder of `*.emotrace.json` results.

    Args:
        path: A .csv, .tsv, .jsonl, .json or .npz file, or a folder.
        split: Which `<split>_corpus` of a label npz to take, where it has several.

    Raises:
        UnreadableTable: Not there, another format, not UTF-8, or without names.
        DuplicateName: A name stands in two rows.
        UnsafePickle: An npz file asks for more than plain values.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    readers: dict[str, Callable[[bytes, Path], Iterable[Row]]] = {
        ".csv": lambda data, where: _delimited(data, where, ","),
        ".tsv": lambda data, where: _delimited(data, where, "\t"),
        ".jsonl": _json_lines,
        ".json": _analysis,
        ".npz": lambda _, where: _npz(where, split),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UnreadableTable("is of an unknown kind", where=path, hint=f"Known are {', '.join(readers)} and folders")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableTable(f"cannot be read ({error.strerror})", where=path) from None
    return _by_name(path, hashlib.sha256(data).hexdigest(), reader(data, path))


def _by_name(path: Path, sha256: str, rows: Iterable[Row]) -> AnswerFile:
    found: dict[str, Row] = {}
    row_of: dict[str, int] = {}
    columns: dict[str, None] = {}
    repeated: list[str] = []
    for number, row in enumerate(rows, start=1):
        key = next((column for column in NAME_COLUMNS if column in row), None)
        name = "" if key is None or row[key] is None else str(row[key]).strip()
        if not name:
            raise UnreadableTable(f"row {number} has no name", where=path, hint=f"Add a column {NAME_COLUMNS[0]!r}")
        if name in found:
            repeated.append(f"{name} (rows {row_of[name]} and {number})")
        found[name], row_of[name] = row, number
        columns.update(dict.fromkeys(row))
    if repeated:
        raise DuplicateName(f"names a clip twice: {first_five(repeated)}", where=path)
    return AnswerFile(path=path, sha256=sha256, rows=found, columns=tuple(columns))


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableTable(f"is not UTF-8 ({error})", where=path, hint="Save it as UTF-8") from None


def _delimited(data: bytes, path: Path, delimiter: str) -> Iterable[Row]:
    reader = csv.DictReader(io.StringIO(_text(data, path), newline=""), delimiter=delimiter, restkey="", strict=True)
    try:
        for number, row in enumerate(reader, start=1):
            if "" in row or None in row.values():
                raise UnreadableTable(f"row {number} has another number of cells than the header", where=path)
            yield {str(column).strip(): value for column, value in row.items()}
    except csv.Error as error:
        raise UnreadableTable(f"is no csv table ({error}, line {reader.line_num})", where=path) from None


def _json_lines(data: bytes, path: Path) -> Iterable[Row]:
    for number, line in enumerate(lines_of(_text(data, path)), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UnreadableTable(f"line {number} is no JSON ({error})", where=path) from None
        if not isinstance(row, dict):
            raise UnreadableTable(f"line {number} is no JSON object", where=path)
        yield _result_row(row, path) if "schema_version" in row and "verdict" in row else _flat(row)


def _flat(row: Row) -> Row:
    """A JSON row with its distribution as `prob_` columns."""
    probabilities = row.pop("probabilities", None) or {}
    return {**row, **{f"{PROBABILITY}{label}": value for label, value in probabilities.items()}}


def abstention(row: Row) -> str | None:
    """Why a system gave no answer: its reason code, `unnamed` where it only says so, None where it did answer."""
    said = str(row.get(ABSTAINED) or "").strip()
    if said.casefold() in ("", "false", "no", "0", "none"):
        return None
    return "unnamed" if said.casefold() in ("true", "yes", "1") else said


def _answer(row: Row) -> Row:
    """The row without labels where the system abstained."""
    if abstention(row) is None:
        return row
    return {**row, **{column: "" for column in ANSWER_COLUMNS if column in row}}


def _result_row(analysis: Row, path: Path) -> Row:
    try:
        name = Path(str(analysis["source"]["name"])).stem
        verdict = analysis["verdict"]
        return {
            "name": name,
            "labels": [label["word"] for label in verdict["labels"]],
            ABSTAINED: verdict.get("abstain"),
        }
    except (KeyError, TypeError) as error:
        raise UnreadableTable(f"is no emotrace result ({error})", where=path) from None


def _analysis(data: bytes, path: Path) -> Iterable[Row]:
    try:
        analysis = json.loads(_text(data, path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UnreadableTable(f"is no JSON ({error})", where=path) from None
    if not isinstance(analysis, dict):
        raise UnreadableTable("is no emotrace result", where=path)
    return [_result_row(analysis, path)]


def _read_folder(path: Path) -> AnswerFile:
    files = sorted(path.glob("*.emotrace.json"))
    if not files:
        raise UnreadableTable("is a folder without *.emotrace.json results", where=path)
    rows = [row for file in files for row in _analysis(file.read_bytes(), file)]
    parts = [f"{file.name}\t{hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    return _by_name(path, hashlib.sha256("".join(parts).encode()).hexdigest(), rows)


def _npz(path: Path, split: str | None) -> Iterable[Row]:
    from emotrace.labels.pickled import read_npz

    members: dict[str, Any] = {
        name: value.tolist() if hasattr(value, "tolist") else value for name, value in read_npz(path).items()
    }
    if {"filenames", "fileitems"} <= members.keys():
        names, items = members["filenames"], members["fileitems"]
        if len(names) != len(items):
            raise UnreadableTable(f"has {len(names)} names and {len(items)} items", where=path)
        return [{"name": name, "openset": item} for name, item in zip(names, items, strict=True)]
    if isinstance(members.get("name2reason"), dict):
        return [{"name": name, "text": text} for name, text in members["name2reason"].items()]
    corpora = {name.removesuffix("_corpus"): value for name, value in members.items() if name.endswith("_corpus")}
    if split is None and len(corpora) == 1:
        (split,) = corpora
    if split not in corpora or not isinstance(corpora[split], dict):
        raise UnreadableTable(
            f"has the members {', '.join(members)}",
            where=path,
            hint="Expected are filenames and fileitems, name2reason, or <split>_corpus with --split",
        )
    return [
        {"name": name, **(row if isinstance(row, dict) else {"label": row})} for name, row in corpora[split].items()
    ]


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Truth and answers of the same clips, in the order of the truth."""

    names: tuple[str, ...]
    truth: tuple[Row, ...]
    answers: tuple[Row, ...]
    """An empty row stands for a missing answer."""
    missing: tuple[str, ...]
    ignored: int
    """Answers without truth."""

    @property
    def split_sha256(self) -> str:
        """SHA-256 of the sorted names, one per line: which clips were scored."""
        return hashlib.sha256("".join(f"{name}\n" for name in sorted(self.names)).encode()).hexdigest()


def join(
    truth: AnswerFile, answers: AnswerFile, *, missing: Missing = "error", exact_names: Sequence[str] | None = None
) -> Joined:
    """Joins by name.

    Args:
        truth: What is scored.
        answers: What a system said.
        missing: `empty` scores a truth without an answer as an empty answer, and the result says how many.
        exact_names: Names that the answers must have, no fewer and no more.

    Raises:
        NamesDoNotMatch: A truth without an answer, or names that are not those demanded.
    """
    if exact_names is not None and set(exact_names) != answers.rows.keys():
        lacking = [name for name in exact_names if name not in answers.rows]
        surplus = sorted(answers.rows.keys() - set(exact_names))
        raise NamesDoNotMatch(
            f"are not the demanded names; lacking: {first_five(lacking) or 'none'}; "
            f"too many: {first_five(surplus) or 'none'}",
            where=answers.path,
        )
    absent = tuple(name for name in truth.rows if name not in answers.rows)
    if absent and missing == "error":
        raise NamesDoNotMatch(
            f"has no answer for: {first_five(absent)}, of {len(truth.rows)} clips of the truth",
            where=answers.path,
            hint="Use --missing empty to score them as empty answers",
        )
    return Joined(
        names=tuple(truth.rows),
        truth=tuple(truth.rows.values()),
        answers=tuple(_answer(answers.rows.get(name, {})) for name in truth.rows),
        missing=absent,
        ignored=len(answers.rows.keys() - truth.rows.keys()),
    )
