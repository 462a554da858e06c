"""`Corpus`: what every adapter is. It reads lists into records; this file makes examples of them, and checks them.

An adapter implements `records`, which streams the rows of the owner's lists as they stand and touches no clip.
`examples` reads the lists twice: once to refuse unknown labels, duplicate ids and missing clips with the first five and
the count, and once to yield. `verify` reads the same records and reports instead of refusing.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from emotrace.datasets.example import Example, Target
from emotrace.errors import (
    ClipOutside,
    CorpusNotFound,
    DuplicateName,
    MissingClip,
    UnknownChoice,
    UnknownLabel,
    first_five,
)
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.schemes import scheme
from emotrace.span import Span

Missing = Literal["refuse", "skip"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One row of an owner's list, before anything was checked."""

    id: str
    split: str
    media: Path
    label: str | None
    """As written; None where the row carries values alone or its label is hidden."""
    values: Mapping[str, float] = field(default_factory=dict)
    group: str | None = None
    text: str | None = None
    language: str | None = None
    description: str | None = None
    span: Span | None = None
    frames_listed: int | None = None
    """How many frames the list, or the folder's own definition, says there are."""
    doubt: str | None = None
    """Where another column, or the path, contradicts the label: what each says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What the owner says a complete copy holds."""

    clips: Mapping[str, int]
    """Split -> number of clips."""
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Split -> label -> number of clips, where published."""
    optional: frozenset[str] = frozenset()
    """Splits that a complete copy may lack: hidden labels, other tracks, other modalities."""
    source: str


class Corpus(ABC):
    """A corpus in a folder.

    Args:
        root: The folder that the owner's archive unpacks to.

    Raises:
        CorpusNotFound: The folder does not exist.
    """

    outside: bool = False
    """Whether lists may name clips outside the folder (`..`, absolute paths): only where the user says so."""
    name: ClassVar[str]
    scheme_name: ClassVar[str]
    published: ClassVar[Published | None] = None
    group_is: ClassVar[str | None] = None
    """What a group is: `actor`, `speaker`, `session`, `source video`."""
    groups_apart: ClassVar[bool] = True
    """Whether the owner's splits keep each group on one side."""
    overlapping: ClassVar[frozenset[str]] = frozenset()
    """Splits that share clips with others by the owner's design."""
    may_leave_machine: ClassVar[bool] = False
    """Whether clips may be sent to a service. Only where the owner's licence lets them be passed on, or they are the
    user's own; research agreements, as of the MER corpora, forbid it [field: MERTools]."""
    known_faults: ClassVar[Mapping[str, str]] = {}
    """Id -> what is wrong with the clip in the owner's own release."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise CorpusNotFound(
                f"no folder of {self.name} is there",
                where=root,
                hint="Name the folder that the owner's archive unpacks to",
            )

    @property
    def scheme(self) -> LabelScheme:
        """The corpus's label scheme."""
        return scheme(self.scheme_name)

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """The rows of the owner's lists, in their order, unchecked.

        Raises:
            CorpusNotFound: A list is absent.
            UnreadableTable: A list is not what its name says.
        """

    def splits(self) -> tuple[str, ...]:
        """The splits that this copy has, in the order of its lists."""
        return tuple(dict.fromkeys(record.split for record in self.records()))

    def examples(self, *, split: str | None = None, missing: Missing = "refuse") -> Iterator[Example]:
        """The clips, streamed in the order of the lists.

        Args:
            split: One split alone; None for all.
            missing: Whether a clip that is not on disk is refused, or left out of the stream.

        Raises:
            UnknownChoice: No such split; the message lists those that there are.
            UnknownLabel: Rows with labels that the scheme lacks: the first five and the count.
            DuplicateName: Ids that stand twice in one split.
            MissingClip: Clips that are not on disk, unless `missing="skip"`.
            ClipOutside: Clips outside the corpus's folder, unless `outside` allows them.
        """
        self._check(split, missing)
        return (
            self.example(record)
            for record in self.records()
            if split in (None, record.split) and (missing == "refuse" or record.media.exists())
        )

    def example(self, record: Record) -> Example:
        """The example that a record stands for.

        Raises:
            UnknownLabel: Its label is not of the scheme.
        """
        labels = () if record.label is None else self.scheme.read(record.label)
        return Example(
            id=record.id,
            media=record.media,
            target=Target(labels=labels, values=record.values),
            split=record.split,
            group=record.group,
            text=record.text,
            language=record.language,
            description=record.description,
            span=record.span,
        )

    def escapes(self, record: Record) -> bool:
        """Whether a record's path leaves the folder where that is not allowed. Links in the folder are the user's."""
        if self.outside:
            return False
        root = os.path.abspath(self.root)  # noqa: PTH100 - lexically: what a link points to is not the list's choice
        return not Path(os.path.abspath(record.media)).is_relative_to(root)  # noqa: PTH100

    def _check(self, split: str | None, missing: Missing) -> None:
        seen: dict[tuple[str, str], int] = {}
        unknown: list[str] = []
        absent: list[str] = []
        astray: list[str] = []
        splits: set[str] = set()
        for record in self.records():
            splits.add(record.split)
            if split not in (None, record.split):
                continue
            seen[record.split, record.id] = seen.get((record.split, record.id), 0) + 1
            if not reads(self.scheme, record):
                unknown.append(f"{record.label!r} of {record.id}")
            if self.escapes(record):
                astray.append(f"{record.id} ({record.media})")
            elif missing == "refuse" and not record.media.exists():
                absent.append(record.id)
        if split is not None and split not in splits:
            raise UnknownChoice(
                f"{self.name} has no split {split!r} here", hint=f"Its splits: {', '.join(sorted(splits))}"
            )
        twice = [name for (_, name), count in seen.items() if count > 1]
        known = ", ".join(self.scheme.labels)
        if unknown:
            raise UnknownLabel(
                f"labels that {self.scheme.name} lacks: {first_five(unknown)}",
                where=self.root,
                hint=f"Its labels: {known}",
            )
        if astray:
            raise ClipOutside(
                f"lists name clips outside this folder: {first_five(astray)}",
                where=self.root,
                hint="Allow it, where it is meant, with outside=True (`--set outside=true`)",
            )
        if twice:
            raise DuplicateName(f"ids that stand twice in one split: {first_five(twice)}", where=self.root)
        if absent:
            raise MissingClip(
                f"clips that the lists name and that are not there: {first_five(absent)}",
                where=self.root,
                hint="Run `emotrace verify`, or leave them out with missing='skip'",
            )


def reads(labels: LabelScheme, record: Record) -> bool:
    """Whether a record's label belongs to the scheme."""
    if record.label is None or labels.open:
        return True
    try:
        labels.read(record.label)
    except UnknownLabel:
        return False
    return True
