"""The words of a corpus's clips, for training: what was said of each, and the weighed words that GRACE makes of it.

    FILE.jsonl    lines {"id": ..., "text": ...} (or "clip_id"), or the cache that `describing.py` writes
    FILE.csv      columns id,text

Ids are those of the corpus's lists. A clip with an empty text was looked at, and there was nothing to say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emotrace.datasets.tables import read_lines, read_rows
from emotrace.errors import DuplicateName, MissingClip, UnreadableTable, first_five
from emotrace.evidence.store import TraceStore
from emotrace.files import sha256_of
from emotrace.grace.cate import EmotionWords, Narrative, refine
from emotrace.grace.config import GraceConfig
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.affect_trace import SCHEMA, AffectTrace, clip_id_of

if TYPE_CHECKING:
    from emotrace.encoders.interface import Tokenizer

_NAMES: Final = ("id", "clip_id", "name")
_TEXTS: Final = ("text", "description", "caption")


@dataclass(frozen=True, kw_only=True)
class Descriptions:
    """What was said of each clip, and by whom."""

    narratives: Mapping[str, Narrative]
    """By clip id."""
    source: str
    sha256: str | None = None
    """Of the file; None where the observers of this release said it."""

    def affect_texts(self, tokenizer: Tokenizer, config: GraceConfig) -> dict[str, AffectText]:
        """The words that GRACE aligns, by clip id; none where the configuration reads the class bank alone."""
        if config.text == "none":
            return {}
        return {name: words_of(said, tokenizer, config) for name, said in self.narratives.items()}

    def demand(self, names: Collection[str], *, what: str) -> None:
        """Makes sure that clips are described.

        Raises:
            MissingClip: Some are not.
        """
        if absent := [name for name in names if name not in self.narratives]:
            raise MissingClip(
                f"{what} without a text: {first_five(absent)}",
                where=self.source,
                hint="Describe them too (an empty text will do), or train with --text none",
            )


def words_of(
    said: Narrative, tokenizer: Tokenizer, config: GraceConfig, *, emotion_words: EmotionWords = "strip"
) -> AffectText:
    """The weighed words of one description, by the rules of a model's configuration."""
    return refine(
        said,
        tokenizer,
        units=config.text_units,
        emotion_words=emotion_words,
        fine=config.text != "coarse",
        background_mass=config.background_mass,
    )


def read_descriptions(path: Path, *, corpus: str, names: Collection[str]) -> Descriptions:
    """The descriptions of a file.

    Args:
        path: A `.jsonl` or `.csv` file.
        corpus: Its name; a cache hides the names of its clips with it.
        names: Ids of the clips that are looked for; a file may hold others.

    Raises:
        UnreadableTable: Not such a file, or it describes none of the clips.
        UnreadableTrace: A line of a cache is damaged.
        DuplicateName: One clip with two texts.
    """
    if not path.is_file():
        raise UnreadableTable("there is no such file of texts", where=path, hint="Name a .jsonl or .csv file")
    said = _kept(path, corpus, names) if _is_cache(path) else _listed(path)
    found = {name: said[name] for name in names if name in said}
    if not found:
        raise UnreadableTable(
            f"describes none of the {len(names)} clips",
            where=path,
            hint=f"Its ids must be those of the lists, such as {next(iter(names), '00012')}",
        )
    return Descriptions(narratives=found, source=path.name, sha256=sha256_of(path))


def _is_cache(path: Path) -> bool:
    """Whether the first line is a trace."""
    with path.open("rb") as file:
        return f'"schema":"{SCHEMA}"'.encode() in file.readline(2**10)


def _kept(path: Path, corpus: str, names: Collection[str]) -> dict[str, Narrative]:
    by_id = {clip_id_of(corpus, name): name for name in names}
    traces: dict[str, AffectTrace] = {}
    for trace in TraceStore(path, AffectTrace.from_dict):
        other = traces.setdefault(trace.clip_id, trace)
        if other.key != trace.key:
            raise UnreadableTable(
                f"holds what {other.key.provider} and what {trace.key.provider} said of the same clips",
                where=path,
                hint="Keep one provider and one prompt to a file",
            )
    return {by_id[clip]: trace.narrative for clip, trace in traces.items() if clip in by_id}


def _listed(path: Path) -> dict[str, Narrative]:
    said: dict[str, Narrative] = {}
    for number, row in enumerate(_rows(path), start=1):
        name = next((row[column] for column in _NAMES if row.get(column)), None)
        column = next((column for column in _TEXTS if column in row), None)
        if name is None or column is None:
            raise UnreadableTable(
                f"row {number} has {', '.join(row) or 'nothing'}", where=path, hint="Its columns must be id and text"
            )
        if name in said:
            raise DuplicateName(f"describes {name} twice", where=path)
        said[name] = Narrative.of_text(row[column])
    return said


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.suffix.casefold() == ".csv":
        yield from read_rows(path)
        return
    for number, line in enumerate(read_lines(path), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableTable(f"line {number} is no JSON ({error})", where=path) from None
        if not isinstance(row, dict):
            raise UnreadableTable(f"line {number} is no JSON object", where=path)
        yield {str(key): "" if value is None else str(value) for key, value in row.items()}
