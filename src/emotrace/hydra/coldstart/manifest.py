"""What a cold start was made of: a JSON file beside the demonstrations, and the check that both still belong together.

`demonstrations.jsonl` holds one `Demonstration` a line, `manifest.json` all that is needed to make them again and to
tell what was left out: versions, teacher, hashes of the prompts, switches, a count per filter, ids and seeds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from emotrace.datasets.findings import Finding, SplitSummary, VerifyReport, found, skipped
from emotrace.errors import UnreadableTable
from emotrace.evidence.reasoning.trace import Record
from emotrace.files import sha256_of
from emotrace.hydra.coldstart.balance import largest_share
from emotrace.hydra.coldstart.filters import ORDER, Filter, Judge, LevelOne, Limits, estimated_tokens
from emotrace.hydra.coldstart.ordering import TOLERANCE, share_of_first
from emotrace.hydra.coldstart.teaching import Saw
from emotrace.hydra.grammar import parse
from emotrace.hydra.learning.cases import Demonstration, read_demonstrations
from emotrace.hydra.trace import Trace

DEMONSTRATIONS: Final = "demonstrations.jsonl"
MANIFEST: Final = "manifest.json"


class Count(Record):
    """One filter: how many cases passed it, and how many it dropped."""

    filter: Filter
    kept: int
    dropped: int


class TeacherRecord(Record):
    """Who taught, and what decided the replies."""

    name: str
    saw: Saw
    settings: dict[str, Any]


class SourceRecord(Record):
    """Where the cases came from."""

    name: str
    sha256: str | None
    """Of the file of cases."""
    cases: int
    left_out: dict[str, int]
    """Why clips gave no case -> how many."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Who made the sheets, where that was a model, and what was lost of its replies."""


class HeldOutRecord(Record):
    """What was made sure not to be taught."""

    clips: int
    sheets: int
    sha256: str
    """Of all ids, sorted, a line each."""


class Switches(Record):
    """What was demanded of a demonstration."""

    k: int
    least_evidence: float
    least_agreement: float
    most_tokens: int
    length_by: str
    most_share: float
    wheel: str
    wheel_sha256: str


class Manifest(Record):
    """How the demonstrations of a folder came about."""

    schema_version: Literal["emotrace.coldstart/1"] = "emotrace.coldstart/1"
    versions: dict[str, str]
    source: SourceRecord
    teacher: TeacherRecord
    switches: Switches
    seed: int
    """Of the order of hypotheses and of the balance."""
    held_out: HeldOutRecord
    tries: int
    """Trajectories that the teacher wrote or that were kept from before, all told."""
    counts: tuple[Count, ...]
    """In the order of the filters; what one keeps is what the next one sees."""
    winner_is_first_before: float | None
    """Share of the demonstrations whose winner was h1 as the teacher wrote them."""
    winner_is_first: float | None
    mean_tokens: float
    clip_ids: tuple[str, ...]
    """One per demonstration, in their order; so are the sheet ids."""
    sheet_ids: tuple[str, ...]
    sha256: str = ""
    """Of the demonstrations' file, once it is written."""

    def to_json(self) -> str:
        """As text, the same for the same cases, replies and settings."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a folder.

        Raises:
            UnreadableTable: It is not there, or not of this form.
        """
        path = folder / MANIFEST
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise UnreadableTable(
                f"not a manifest of schema emotrace.coldstart/1 ({str(error).splitlines()[0]})",
                where=path,
                hint="Write one with `emotrace coldstart`",
            ) from None


def verify_manifest(folder: Path) -> VerifyReport:
    """Whether a folder's demonstrations are those that its manifest tells of; everything is computed anew.

    Raises:
        UnreadableTable: Manifest or demonstrations are not there, or not of their form.
    """
    manifest = Manifest.read(folder)
    samples = read_demonstrations(folder / DEMONSTRATIONS)
    level_one = LevelOne()
    same_wheel = level_one.table.sha256 == manifest.switches.wheel_sha256
    hashed = sha256_of(folder / DEMONSTRATIONS)
    findings = (
        _bytes(hashed, manifest),
        _counts(manifest, len(samples)),
        _ids(samples, manifest),
        _stamps(samples, manifest),
        _filters(samples, manifest, level_one) if same_wheel else skipped("filters", "they were made on another wheel"),
        _order(samples, manifest),
        _balance(samples, manifest, level_one) if same_wheel else skipped("balance", "it was made on another wheel"),
    )
    labels = Counter(word for sample in samples for word in sample.gold)
    split = SplitSummary(clips=len(set(manifest.clip_ids)), labels=dict(sorted(labels.items())), sha256=hashed)
    return VerifyReport(
        emotrace=manifest.versions.get("emotrace", "unknown"),
        corpus=f"cold start from {manifest.source.name}",
        label_scheme=manifest.switches.wheel,
        published_source=None,
        splits={"demonstrations": split},
        sha256=hashed,
        findings=findings,
    )


def _bytes(hashed: str, manifest: Manifest) -> Finding:
    wrong = [] if hashed == manifest.sha256 else [f"{hashed[:16]} in place of {manifest.sha256[:16]}"]
    return found("bytes", wrong, bad="the file of demonstrations is another one", good="the file is the manifest's")


def _counts(manifest: Manifest, samples: int) -> Finding:
    return found(
        "counts",
        list(_unaccounted(manifest, samples)),
        bad="the counts of the filters do not add up",
        good=f"{manifest.source.cases} cases, {samples} kept; every other one was dropped by one filter",
    )


def _unaccounted(manifest: Manifest, samples: int) -> Iterator[str]:
    if [count.filter for count in manifest.counts] != list(ORDER):
        yield "not one count for each filter"
        return
    first, last = manifest.counts[0], manifest.counts[-1]
    if first.kept + first.dropped != manifest.source.cases:
        yield f"{first.filter}: {first.kept} + {first.dropped} are not {manifest.source.cases} cases"
    for before, after in pairwise(manifest.counts):
        if after.kept + after.dropped != before.kept:
            yield f"{after.filter}: {after.kept} + {after.dropped} are not the {before.kept} of {before.filter}"
    if last.kept != samples:
        yield f"{last.kept} were kept, and {samples} are here"


def _ids(samples: Sequence[Demonstration], manifest: Manifest) -> Finding:
    here = list(zip((s.clip_id for s in samples), (s.sheet.sheet_id for s in samples), strict=True))
    told = list(zip(manifest.clip_ids, manifest.sheet_ids, strict=False))
    wrong = [f"sample {n}" for n, (own, listed) in enumerate(zip(here, told, strict=False), 1) if own != listed]
    wrong += [] if len(here) == len(told) else [f"{len(here)} samples, {len(told)} listed"]
    return found("ids", wrong, bad="clips or sheets differ from the list", good="clips and sheets are those listed")


def _stamps(samples: Sequence[Demonstration], manifest: Manifest) -> Finding:
    told = (manifest.teacher.name, manifest.teacher.saw, manifest.switches.k)
    wrong = [f"sample {n}" for n, s in enumerate(samples, 1) if (s.teacher, s.teacher_saw, s.k) != told]
    good = f"every sample says that {told[0]} wrote it and saw {told[1]}"
    return found("stamps", wrong, bad="samples name another teacher, sight of labels or K", good=good)


def _filters(samples: Sequence[Demonstration], manifest: Manifest, level_one: LevelOne) -> Finding:
    switches = manifest.switches
    estimated = switches.length_by == Limits().length_by
    limits = Limits(
        least_evidence=switches.least_evidence,
        least_agreement=switches.least_agreement,
        most_tokens=switches.most_tokens,
        length=estimated_tokens if estimated else _uncounted,
    )
    judge = Judge(k=switches.k, limits=limits, level_one=level_one)
    judged = ((n, judge.unfit_case(s) or judge.fault(s.trace, s)) for n, s in enumerate(samples, 1))
    wrong = [f"sample {number}: {fault}" for number, fault in judged if fault is not None]
    length = "" if estimated else f", lengths (by {switches.length_by}) aside"
    return found("filters", wrong, bad="samples fail a filter", good=f"every sample passes every filter{length}")


def _uncounted(text: str) -> int:
    """Stands for a tokenizer that is not at hand: no text is too long."""
    return 0


def _order(samples: Sequence[Demonstration], manifest: Manifest) -> Finding:
    share, k = share_of_first(traces_of(samples)), manifest.switches.k
    if k == 0 or share is None:
        return skipped("order", "there are no hypotheses to order")
    wrong = [] if share == manifest.winner_is_first else [f"{share:.3f}, the manifest says {manifest.winner_is_first}"]
    if abs(share - 1 / k) > max(TOLERANCE, 1 / len(samples)):
        wrong.append(f"{share:.3f} is not about 1/{k}")
    return found(
        "order", wrong, bad="the winner is h1 too often or too rarely", good=f"the winner is h1 in {share:.3f}"
    )


def _balance(samples: Sequence[Demonstration], manifest: Manifest, level_one: LevelOne) -> Finding:
    share = largest_share(combinations_of(samples, level_one))
    wrong = [] if share <= manifest.switches.most_share + 1e-9 else [f"{share:.3f}"]
    good = f"the most frequent combination makes up {share:.3f}"
    return found("balance", wrong, bad=f"a combination exceeds {manifest.switches.most_share}", good=good)


def traces_of(samples: Iterable[Demonstration]) -> list[Trace]:
    """The trajectories as values, without those that cannot be read."""
    read = (parse(sample.trace, k=sample.k, sheet=sample.sheet).trace for sample in samples)
    return [trace for trace in read if trace is not None]


def combinations_of(samples: Iterable[Demonstration], level_one: LevelOne) -> dict[str, int]:
    """Sheet id -> level-1 clusters of the answer."""
    read = ((sample, parse(sample.trace, k=sample.k).trace) for sample in samples)
    return {
        sample.sheet.sheet_id: level_one.clusters([answer.word for answer in trace.answers])
        for sample, trace in read
        if trace is not None
    }


def hash_of_ids(ids: Iterable[str]) -> str:
    """SHA-256 of ids, whatever their order."""
    return hashlib.sha256("".join(f"{id}\n" for id in sorted(ids)).encode()).hexdigest()
