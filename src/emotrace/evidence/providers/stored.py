"""Traces that exist already: lines of an earlier run, or what another team's model wrote, as JSON lines.

A foreign line has one text per clip and becomes a joint section alone: `{"name": ..., "text": ..., "scores": {...},
"label": ..., "contribution": {...}}`, of which name and text are needed. Nothing is asked of anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from emotrace.errors import DuplicateName, UnreadableTrace, first_five
from emotrace.evidence.reasoning.material import Material
from emotrace.evidence.reasoning.parsing import REFUSAL, read_section
from emotrace.evidence.reasoning.trace import SCHEMA, ReasoningTrace, Section, Settings, Status
from emotrace.evidence.reliability import reliability
from emotrace.files import lines_of
from emotrace.media.clip import Clip

NAME_KEYS: Final = ("name", "clip", "id")
TEXT_KEYS: Final = ("text", "reasoning", "description")
_OTHER: Final = Section(status=Status.ABSENT, reason="the file has one text for all modalities")


class StoredTraces:
    """The traces of a file, by the clip's hash or by its name.

    Args:
        path: A `.jsonl` file.

    Raises:
        UnreadableTrace: The file, or a line of it, cannot be read; names the line.
        DuplicateName: A foreign file with two lines about one clip.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own: dict[str, ReasoningTrace] = {}
        self._foreign: dict[str, Mapping[str, Any]] = {}
        twice: list[str] = []
        for number, row in enumerate(_rows(path), start=1):
            if row.get("schema_version") == SCHEMA:
                trace = self._trace(row, number)
                self._own[trace.clip_sha256] = trace
                continue
            name = next((str(row[key]) for key in NAME_KEYS if row.get(key)), None)
            if name is None or not any(isinstance(row.get(key), str) for key in TEXT_KEYS):
                raise UnreadableTrace(
                    f"line {number} has no name and text", where=path, hint='It needs "name" and "text"'
                )
            twice += [name] if name in self._foreign else []
            self._foreign[name] = row
        if twice:
            raise DuplicateName(f"clips with two lines: {first_five(twice)}", where=path)
        self._used: set[str] = set()

    def __len__(self) -> int:
        """How many clips it has traces of."""
        return len(self._own) + len(self._foreign)

    @property
    def unused(self) -> list[str]:
        """Names or hashes of traces that no clip has asked for."""
        return [each for each in (*self._own, *self._foreign) if each not in self._used]

    def of(self, clip: Clip, *, settings: Settings, model: str = "unknown") -> ReasoningTrace | None:
        """The trace of a clip; None where the file has none.

        Args:
            clip: The clip; a foreign line names its file, with or without the ending.
            settings: The label set and the language that a foreign line is checked against.
            model: Who wrote a foreign line.
        """
        if (trace := self._own.get(clip.sha256)) is not None:
            self._used.add(clip.sha256)
            return trace if trace.reliability else trace.model_copy(update={"reliability": reliability(trace)})
        name = next((each for each in (clip.path.stem, clip.path.name) if each in self._foreign), None)
        if name is None:
            return None
        self._used.add(name)
        return self._imported(clip, self._foreign[name], settings, model)

    def _imported(self, clip: Clip, row: Mapping[str, Any], settings: Settings, model: str) -> ReasoningTrace:
        material = Material(clip, settings)
        text = next(str(row[key]) for key in TEXT_KEYS if isinstance(row.get(key), str))
        answer = {"text": text, **{key: row.get(key) for key in ("scores", "label", "contribution")}}
        joint = read_section(answer, "joint", source=f"stored/{model}", labels=settings.labels)
        if len(text) < 400 and REFUSAL.search(text):
            joint = Section(status=Status.REFUSED, reason="the observer declined")
        trace = ReasoningTrace(
            clip_sha256=clip.sha256,
            span=clip.span.rounded(),
            language=material.language,
            transcript_sha256=material.transcript_sha256,
            provider="stored",
            model=model,
            prompt_sha256={},
            settings=settings,
            visual=_OTHER,
            vocal=_OTHER,
            verbal=_OTHER,
            joint=joint,
        )
        return trace.model_copy(update={"reliability": reliability(trace)})

    def _trace(self, row: Mapping[str, Any], number: int) -> ReasoningTrace:
        try:
            return ReasoningTrace.from_dict(row)
        except ValueError as error:
            raise UnreadableTrace(f"line {number} is no trace ({error})", where=self._path) from None


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = lines_of(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableTrace(f"cannot be read ({error})", where=path, hint="Name a .jsonl file") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UnreadableTrace(f"line {number} is no JSON object", where=path)
        rows.append(row)
    return rows
