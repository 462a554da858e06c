"""What `emotrace evaluate` reads besides truth and answers: label tables, lists of names, stored groups, a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emotrace.cli.console import say
from emotrace.errors import UnreadableTable, UsageError
from emotrace.files import cache_folder, lines_of
from emotrace.labels.asking import LabelAsker
from emotrace.labels.official_tables import ENVIRONMENT_VARIABLE
from emotrace.labels.pickled import read_npy
from emotrace.metrics.answer_files import read_answers
from emotrace.metrics.protocol_tables import tables_of
from emotrace.metrics.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from emotrace.labels.label_table import LabelTable


def one_of(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    """The value, if it is one of the known ones or none at all."""
    if value is not None and value not in known:
        raise UsageError(f"got {value!r}", where=option, hint=f"Known: {', '.join(known)}")
    return value


def label_table(protocol: Protocol, folder: Path | None, version: str | None) -> LabelTable | None:
    """The tables that a protocol needs; None where it needs none."""
    wanted: dict[str | None, Literal["v1", "v2"] | None] = {None: None, "v1": "v1", "v2": "v2"}
    return tables_of(protocol, folder, version=wanted[one_of("--table-version", version, ("v1", "v2"))])


def table_to_explain(protocol: str, folder: Path | None, version: str | None) -> LabelTable:
    """The tables of the protocol; without one, v1 where a folder of tables is named, else emotrace's own wheel."""
    if not protocol:
        has_official = folder is not None or os.environ.get(ENVIRONMENT_VARIABLE)
        protocol = "unibench" if has_official else "emotrace-wheel"
    table = label_table(PROTOCOLS[protocol], folder, version)
    if table is None:
        raise UsageError(f"protocol {protocol} uses no label tables", where="--explain-word")
    return table


def read_names(path: Path | None) -> tuple[str, ...] | None:
    """The lines of a text file that are not blank; None without a file."""
    if path is None:
        return None
    try:
        lines = lines_of(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableTable(f"cannot be read as UTF-8 text ({error})", where=path) from None
    return tuple(line.strip() for line in lines if line.strip())


def read_groups(path: Path | None) -> dict[str, str]:
    """Clip -> synonym groups, from a column `groups` or `text`, or from a folder of `<clip>.npy` strings."""
    if path is None:
        return {}
    if path.is_dir():
        return {file.stem: str(read_npy(file)) for file in sorted(path.glob("*.npy"))}
    table = read_answers(path)
    column = table.column(None, ("groups", "text", "openset", "labels"), what="synonym groups")
    return {name: str(row.get(column, "")) for name, row in table.rows.items()}


def asker(extract: str | None, url: str | None, model: str | None, kept: Path | None) -> LabelAsker | None:
    """Who is asked for labels with `--extract llm`; None otherwise."""
    if extract != "llm":
        if url or model or kept:
            raise UsageError("go with --extract llm", where="--llm-url, --llm-model, --llm-kept")
        return None
    if not url or not model:
        raise UsageError(
            "needs a server and a model",
            where="--extract llm",
            hint="Name --llm-url http://HOST/v1 and --llm-model NAME",
        )
    return LabelAsker(
        url=url,
        model=model,
        kept=kept or cache_folder() / "label_answers.jsonl",
        announce=lambda line: say(f"emotrace: {line}"),
    )
