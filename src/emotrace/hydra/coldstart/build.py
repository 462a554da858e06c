"""`build`: cases and a teacher -> demonstrations with their manifest. Hydra specification, section 7.

Each case is taught until a trajectory passes every filter, or the teacher has no further try; a case that comes to
nothing is counted under the filter that its best try failed. Then the samples are balanced, and their hypotheses put
into an order that tells nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from emotrace._version import __version__
from emotrace.errors import LeakError, ReasoningError, UsageError, first_five
from emotrace.files import make_folder, sha256_of, write_atomically
from emotrace.hydra.coldstart.balance import MOST_SHARE, balanced
from emotrace.hydra.coldstart.filters import BEFORE_ASKING, ORDER, Filter, Judge, LevelOne, Limits
from emotrace.hydra.coldstart.manifest import (
    DEMONSTRATIONS,
    MANIFEST,
    Count,
    HeldOutRecord,
    Manifest,
    SourceRecord,
    Switches,
    TeacherRecord,
    hash_of_ids,
)
from emotrace.hydra.coldstart.ordering import dealt, share_of_first
from emotrace.hydra.coldstart.sources import Source
from emotrace.hydra.coldstart.teaching import Teacher
from emotrace.hydra.grammar import parse, render
from emotrace.hydra.learning.cases import Case, Demonstration, write_cases
from emotrace.hydra.propose import MAX_HYPOTHESES
from emotrace.hydra.together import in_order
from emotrace.hydra.trace import Trace
from emotrace.progress import Watch

_PACKAGES: Final = ("numpy", "openai")


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Clips that will be tested on, by their bytes and by their sheets."""

    clip_ids: frozenset[str] = frozenset()
    sheet_ids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, cases: Iterable[Case]) -> HeldOut:
        """Those of a test's cases."""
        pairs = [(case.clip_id, case.sheet.sheet_id) for case in cases]
        return cls(clip_ids=frozenset(clip for clip, _ in pairs), sheet_ids=frozenset(sheet for _, sheet in pairs))

    def __or__(self, other: HeldOut) -> HeldOut:
        return HeldOut(clip_ids=self.clip_ids | other.clip_ids, sheet_ids=self.sheet_ids | other.sheet_ids)

    def refuse(self, cases: Iterable[Case]) -> None:
        """Makes sure that none of the cases will be tested on.

        Raises:
            LeakError: A clip or a sheet is one of the tests'; the message has the first five and the count.
        """
        shared = [
            f"{case.clip_id[:16]} (case {number})"
            for number, case in enumerate(cases, start=1)
            if case.clip_id in self.clip_ids or case.sheet.sheet_id in self.sheet_ids
        ]
        if shared:
            raise LeakError(
                f"clips to be taught stand in a test: {first_five(shared)}",
                hint="Take them out of the cases: a score on that test would be no test",
            )


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """What `build` made."""

    demonstrations: tuple[Demonstration, ...]
    manifest: Manifest

    def write(self, folder: Path) -> Manifest:
        """Writes both files, and returns the manifest with the hash of the demonstrations.

        Raises:
            UnwritableOutput: The folder or a file cannot be written.
        """
        make_folder(folder)
        write_cases(folder / DEMONSTRATIONS, (_seen_from(folder, sample) for sample in self.demonstrations))
        manifest = self.manifest.model_copy(update={"sha256": sha256_of(folder / DEMONSTRATIONS)})
        write_atomically(folder / MANIFEST, manifest.to_json())
        return manifest


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What came of one case."""

    case: Case
    fault: Filter | None
    """None where `trace` may be imitated."""
    trace: Trace | None = None
    tries: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How demonstrations are made."""

    k: int = 2
    limits: Limits = field(default_factory=Limits)
    most_share: float = MOST_SHARE
    seed: int = 0
    held_out: HeldOut = field(default_factory=HeldOut)
    concurrency: int = 1
    """How many sheets the teacher is asked about at once."""

    def __post_init__(self) -> None:
        if not 0 <= self.k <= MAX_HYPOTHESES:
            raise UsageError(f"the number of hypotheses must be 0 to {MAX_HYPOTHESES}, got {self.k}", where="k")


def build(
    source: Source,
    teacher: Teacher,
    plan: Plan | None = None,
    *,
    level_one: LevelOne | None = None,
    watch: Watch | None = None,
) -> ColdStart:
    """Demonstrations of a teacher on cases.

    Args:
        source: The cases.
        teacher: Who writes trajectories.
        plan: How many hypotheses, and what is demanded.
        level_one: Compares answers with gold; by the shipped wheel where None.
        watch: Is told how far it is.

    Raises:
        LeakError: A case will be tested on. Nobody was asked then.
        ServerFailed: The teacher's server is not there; what it answered before is kept.
        ReasoningError: No case was left.
        UsageError: The samples cannot be balanced.
    """
    plan, level_one, watch = plan or Plan(), level_one or LevelOne(), watch or Watch()
    plan.held_out.refuse(source.cases)
    judge = Judge(k=plan.k, limits=plan.limits, level_one=level_one)
    taught: list[Taught] = []
    for done, each in enumerate(_taught(source.cases, teacher, judge, plan.concurrency), start=1):
        taught.append(each)
        watch.progress("teaching", done, len(source.cases))
    right = {each.case.sheet.sheet_id: each for each in taught if each.fault is None}
    faults = Counter(each.fault for each in taught if each.fault is not None)
    if not right:
        raise _nothing_left(faults, len(taught))
    answered = {id: _trace(each) for id, each in right.items()}
    combinations = {id: level_one.clusters([a.word for a in trace.answers]) for id, trace in answered.items()}
    kept = balanced(combinations, most_share=plan.most_share, seed=plan.seed)
    faults[Filter.BALANCED] = len(right) - len(kept)
    chosen = {id: trace for id, trace in answered.items() if id in kept}
    ordered = dealt(chosen, seed=plan.seed)
    samples = tuple(_demonstration(right[id].case, trace, teacher, plan.k) for id, trace in ordered.items())
    manifest = Manifest(
        versions=_versions(),
        source=SourceRecord(
            name=source.name,
            sha256=source.sha256,
            cases=len(source.cases),
            left_out=dict(source.left_out),
            settings=dict(source.settings),
        ),
        teacher=TeacherRecord(name=teacher.name, saw=teacher.saw, settings=dict(teacher.settings)),
        switches=_switches(plan, level_one),
        seed=plan.seed,
        held_out=_held_out(plan.held_out),
        tries=sum(each.tries for each in taught),
        counts=counted(len(taught), faults),
        winner_is_first_before=share_of_first(chosen.values()),
        winner_is_first=share_of_first(ordered.values()),
        mean_tokens=round(sum(plan.limits.length(sample.trace) for sample in samples) / len(samples), 1),
        clip_ids=tuple(sample.clip_id for sample in samples),
        sheet_ids=tuple(sample.sheet.sheet_id for sample in samples),
    )
    return ColdStart(demonstrations=samples, manifest=manifest)


def counted(cases: int, faults: Counter[Filter]) -> tuple[Count, ...]:
    """A count per filter, in their order: what one keeps is what the next one sees."""
    counts, left = [], cases
    for filter in ORDER:
        left -= faults[filter]
        counts.append(Count(filter=filter, kept=left, dropped=faults[filter]))
    return tuple(counts)


def _taught(cases: Sequence[Case], teacher: Teacher, judge: Judge, concurrency: int) -> Iterator[Taught]:
    """What comes of each case, in their order."""
    seen: set[str] = set()
    plain: list[tuple[Case, Filter | None]] = []
    for case in cases:
        fault = judge.unfit_case(case) or (Filter.NEW if case.sheet.sheet_id in seen else None)
        seen.add(case.sheet.sheet_id)
        plain.append((case, fault))

    def one(item: tuple[Case, Filter | None]) -> Taught:
        case, fault = item
        return Taught(case=case, fault=fault) if fault in BEFORE_ASKING else teach(case, teacher, judge)

    return in_order(one, plain, at_once=concurrency)


def teach(case: Case, teacher: Teacher, judge: Judge) -> Taught:
    """Asks until a trajectory passes every filter; else the fault of the try that came furthest.

    Gold is handed to a teacher that sees labels, and to no other.
    """
    told = case.gold if teacher.saw == "labels" else ()
    furthest: Filter = Filter.ANSWERED
    count = 0
    for count, text in enumerate(teacher.tries(case.sheet, judge.k, told), start=1):
        fault = judge.fault(text, case)
        if fault is None and text is not None:
            return Taught(case=case, fault=None, trace=parse(text, k=judge.k, sheet=case.sheet).trace, tries=count)
        furthest = max(furthest, fault or furthest, key=ORDER.index)
    return Taught(case=case, fault=furthest, tries=count)


def _trace(taught: Taught) -> Trace:
    assert taught.trace is not None  # a trajectory that passed the filters was read by them
    return taught.trace


def _demonstration(case: Case, trace: Trace, teacher: Teacher, k: int) -> Demonstration:
    return Demonstration(
        sheet=case.sheet,
        gold=case.gold,
        frames=case.frames,
        k=k,
        trace=render(trace),
        teacher=teacher.name,
        teacher_saw=teacher.saw,
    )


def _seen_from(folder: Path, sample: Demonstration) -> Demonstration:
    """The sample with the paths of its frames relative to the folder that it is written to."""
    if not sample.frames:
        return sample
    return replace(
        sample, frames=tuple(replace(f, path=os.path.relpath(f.path, folder.resolve())) for f in sample.frames)
    )


def _nothing_left(faults: Counter[Filter], cases: int) -> ReasoningError:
    told = "; ".join(f"{count} failed {filter!s} ({filter.sentence})" for filter, count in faults.most_common(3))
    return ReasoningError(
        f"none of {cases} cases gave a demonstration: {told or 'there was no case'}",
        where="coldstart",
        hint="Look at the teacher's replies, or try another teacher",
    )


def _switches(plan: Plan, level_one: LevelOne) -> Switches:
    limits = plan.limits
    return Switches(
        k=plan.k,
        least_evidence=limits.least_evidence,
        least_agreement=limits.least_agreement,
        most_tokens=limits.most_tokens,
        length_by=limits.length_by,
        most_share=plan.most_share,
        wheel=level_one.table.name,
        wheel_sha256=level_one.table.sha256,
    )


def _held_out(held_out: HeldOut) -> HeldOutRecord:
    return HeldOutRecord(
        clips=len(held_out.clip_ids),
        sheets=len(held_out.sheet_ids),
        sha256=hash_of_ids(held_out.clip_ids | held_out.sheet_ids),
    )


def _versions() -> dict[str, str]:
    found = {"emotrace": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
