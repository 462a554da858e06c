"""`verify(corpus)`: whether a copy of a corpus can be trusted, check by check, with a hash of every split.

Nothing here stops at the first fault: each check reports its count and its first five examples. A list that cannot be
read at all is itself a finding, and the checks that need it are then not made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from emotrace._version import __version__
from emotrace.datasets.circulating import check_list
from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.feature_checks import check_features, check_transcripts
from emotrace.datasets.findings import (
    Finding,
    SplitSummary,
    VerifyReport,
    by_split,
    found,
    hash_of,
    summarise,
)
from emotrace.datasets.leaks import OlderTest, check_older
from emotrace.datasets.list_checks import (
    check_counts,
    check_duplicates,
    check_groups,
    check_hashes,
    check_label_order,
    check_labels,
    check_outside,
    check_shared_ids,
    check_text,
    check_values,
)
from emotrace.datasets.media_checks import Limits, check_frames, check_missing, check_readable, check_same_clips, survey
from emotrace.errors import EmotraceError, UnknownChoice, UnknownLabel

Expect = VerifyReport | Literal["published", "none"]
CHECKS: tuple[str, ...] = (
    "lists",
    "counts",
    "hashes",
    "labels",
    "values",
    "label_order",
    "duplicate_ids",
    "shared_ids",
    "groups",
    "text",
    "transcripts",
    "features",
    "outside",
    "older_tests",
    "list_order",
    "list_frames",
    "missing",
    "frames",
    "frame_gaps",
    "text_order",
    "few_frames",
    "unreadable",
    "short",
    "same_clips",
)
"""Every check, in the order of the report."""


def verify(
    corpus: Corpus,
    *,
    expect: Expect = "published",
    older: OlderTest | None = None,
    splits: Mapping[str, str] | None = None,
    circulating: Path | None = None,
    limits: Limits | None = None,
    ignore: Collection[str] = (),
) -> VerifyReport:
    """Checks one copy of a corpus.

    Args:
        corpus: The copy.
        expect: What it is compared with: the published counts, an earlier report, or nothing, for a partial copy.
        older: Test clips of an older corpus, which the training set should not hold.
        splits: Id -> split, for a corpus whose owner names none; ids that are absent keep the owner's.
        circulating: A list `path frames index` that others made of the corpus.
        limits: How much is opened, and what counts as short.
        ignore: Checks whose faults are reported as notes.

    Raises:
        UnknownChoice: `ignore` names no check, or `splits` an id that the corpus lacks.
    """
    strange = [name for name in ignore if name not in CHECKS]
    if strange:
        raise UnknownChoice(f"no check is called {', '.join(strange)}", hint=f"Known checks: {', '.join(CHECKS)}")
    try:
        records = list(corpus.records())
        scheme_name = corpus.scheme.name
    except EmotraceError as error:
        return _report(corpus, {}, [_unread(error)], scheme=corpus.scheme_name)
    records = _in_splits(records, splits) if splits else records
    published, earlier = _expected(corpus, expect)
    summaries = {name: summarise(corpus, part) for name, part in by_split(records).items()}
    inside = [record for record in records if not corpus.escapes(record)]
    seen = survey(inside)
    findings = [
        found("lists", [], bad="", good=f"{len(records)} rows were read"),
        check_counts(summaries, published),
        check_hashes(summaries, earlier),
        check_labels(corpus, records),
        check_values(corpus, records),
        check_label_order(corpus, records, summaries, published),
        check_duplicates(records),
        check_shared_ids(corpus, records),
        check_groups(corpus, records),
        check_text(records),
        check_transcripts(records),
        check_features(corpus, records),
        check_outside(corpus, records),
        check_older(corpus, inside, older),
        *check_list(corpus, inside, circulating),
        check_missing(corpus, inside, seen),
        *check_frames(inside, seen),
        *check_readable(corpus, inside, seen, limits or Limits()),
        check_same_clips(corpus, inside, seen),
    ]
    return _report(corpus, summaries, _demoted(findings, ignore), scheme=scheme_name, published=published)


def _report(
    corpus: Corpus,
    splits: Mapping[str, SplitSummary],
    findings: Iterable[Finding],
    *,
    scheme: str,
    published: Published | None = None,
) -> VerifyReport:
    return VerifyReport(
        emotrace=__version__,
        corpus=corpus.name,
        label_scheme=scheme,
        published_source=published.source if published else None,
        splits=dict(splits),
        sha256=hash_of(corpus, splits) if splits else "",
        findings=tuple(findings),
    )


def _unread(error: EmotraceError) -> Finding:
    return found(
        "lists", [" ".join(str(error).split())], bad=f"the lists cannot be read ({type(error).__name__})", good=""
    )


def _expected(corpus: Corpus, expect: Expect) -> tuple[Published | None, Mapping[str, SplitSummary] | None]:
    if isinstance(expect, VerifyReport):
        return expect.as_published(), expect.splits
    return (corpus.published if expect == "published" else None), None


def _in_splits(records: Sequence[Record], splits: Mapping[str, str]) -> list[Record]:
    known = {record.id for record in records}
    strange = [name for name in splits if name not in known]
    if strange:
        raise UnknownLabel(
            f"the splits name ids that the corpus lacks: {', '.join(strange[:5])} ({len(strange)} in all)"
        )
    return [replace(record, split=splits.get(record.id, record.split)) for record in records]


def _demoted(findings: Iterable[Finding], ignore: Collection[str]) -> Iterable[Finding]:
    for finding in findings:
        if finding.level == "fault" and finding.check in ignore:
            yield finding.model_copy(update={"level": "note"})
        else:
            yield finding
