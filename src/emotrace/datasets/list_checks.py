"""What can be checked by reading the lists alone: counts, labels, ids, groups, text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from emotrace.datasets.corpus import Corpus, Published, Record, reads
from emotrace.datasets.findings import Finding, SplitSummary, found, skipped

_MOJIBAKE = re.compile("\ufffd|â€[™œ\u009d\u0080-\u00bf]|[ÃÂ][\u0080-\u00bf]|[ä-é][\u0080-\u00bf]{2}")
"""What UTF-8 looks like after it was read as Latin-1 or Windows-1252, and the replacement character."""


def fold_of(split: str) -> str:
    """The fold that a split belongs to; empty where there are no folds.

    >>> fold_of("set_1/test"), fold_of("test")
    ('set_1', '')
    """
    return split.rpartition("/")[0]


def check_counts(splits: Mapping[str, SplitSummary], published: Published | None) -> Finding:
    """Clips per split, and per class where they were published."""
    if published is None:
        return skipped("counts", "no published counts are known, or none were asked for")
    problems = []
    for name, expected in published.clips.items():
        if name not in splits:
            if name not in published.optional:
                problems.append(f"{name}: absent, published {expected}")
            continue
        if splits[name].clips != expected:
            problems.append(f"{name}: {splits[name].clips} clips, published {expected}")
        for label, count in published.classes.get(name, {}).items():
            here = splits[name].labels.get(label, 0)
            if here != count:
                problems.append(f"{name} {label}: {here} clips, published {count}")
    return found(
        "counts", problems, bad=f"counts differ from {published.source}", good=f"as published ({published.source})"
    )


def check_labels(corpus: Corpus, records: Sequence[Record]) -> Finding:
    """Labels that the scheme lacks."""
    unknown = [f"{record.id}: {record.label!r}" for record in records if not reads(corpus.scheme, record)]
    return found("labels", unknown, bad=f"labels that {corpus.scheme.name} lacks", good="every label is known")


def check_values(corpus: Corpus, records: Sequence[Record]) -> Finding:
    """Values outside the scale that their owner names."""
    scales = corpus.scheme.values
    if not scales:
        return skipped("values", "the corpus rates nothing as a number")
    outside = [
        f"{record.id}: {name} {value:g} outside {scales[name][0]:g} to {scales[name][1]:g}"
        for record in records
        for name, value in record.values.items()
        if name in scales and not scales[name][0] <= value <= scales[name][1]
    ]
    return found("values", outside, bad="values outside their scale", good="every value lies on its scale")


def check_label_order(
    corpus: Corpus, records: Sequence[Record], splits: Mapping[str, SplitSummary], published: Published | None
) -> Finding:
    """Signs that labels were permuted: a second witness disagrees, codes start at 0, or class counts are swapped."""
    problems = [record.doubt for record in records if record.doubt is not None]
    written = {record.label for record in records if record.label is not None}
    if "0" in written and "0" not in corpus.scheme.written and "1" in corpus.scheme.written:
        problems.append(
            f"codes start at 0, the owner's at 1: a copy renumbered by others ({', '.join(sorted(written))})"
        )
    for name, classes in (published.classes if published else {}).items():
        here = splits[name].labels if name in splits else {}
        if here != classes and sorted(here.values()) == sorted(classes.values()):
            swapped = [f"{label} {count}" for label, count in classes.items() if here.get(label) != count]
            problems.append(f"{name}: the published class counts under other names; published {', '.join(swapped)}")
    return found(
        "label_order",
        problems,
        bad="labels contradict a second witness: were they permuted?",
        good="no second witness contradicts a label",
    )


def check_duplicates(records: Sequence[Record]) -> Finding:
    """Ids that stand twice in one split."""
    seen = Counter((record.split, record.id) for record in records)
    twice = [f"{name} in {split}: {count} times" for (split, name), count in seen.items() if count > 1]
    return found("duplicate_ids", twice, bad="ids that stand twice in one split", good="every id stands once")


def check_shared_ids(corpus: Corpus, records: Sequence[Record]) -> Finding:
    """Ids on both sides of a split, and ids that are tested in two folds."""
    places: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.split in corpus.overlapping:
            continue
        fold, part = fold_of(record.split), record.split.rpartition("/")[2]
        keys = [(fold, record.id)] + ([("test folds", record.id)] if fold and part == "test" else [])
        for key in keys:
            if record.split not in places.setdefault(key, []):
                places[key].append(record.split)
    shared = [f"{name} in {' and '.join(where)}" for (_, name), where in places.items() if len(where) > 1]
    return found("shared_ids", shared, bad="one id in two splits", good="no id lies in two splits")


def check_outside(corpus: Corpus, records: Sequence[Record]) -> Finding:
    """Paths that leave the corpus's folder, by `..` or by being absolute; such clips are not looked at."""
    astray = [f"{record.id}: {record.media}" for record in records if corpus.escapes(record)]
    return found("outside", astray, bad="clips outside the corpus's folder", good="every clip lies in the folder")


def check_groups(corpus: Corpus, records: Sequence[Record]) -> Finding:
    """Speakers, actors or source videos on both sides of a split."""
    kind = corpus.group_is
    if kind is None or all(record.group is None for record in records):
        return skipped("groups", "the corpus does not say who or what a clip was taken from")
    if len({record.split for record in records}) < 2:
        return skipped(
            "groups", f"the corpus has no splits; give yours with --splits to check that no {kind} is in two"
        )
    sides: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.group is None or record.split in corpus.overlapping:
            continue
        where = sides.setdefault((fold_of(record.split), record.group), [])
        if record.split not in where:
            where.append(record.split)
    shared = [f"{kind} {group} in {' and '.join(where)}" for (_, group), where in sides.items() if len(where) > 1]
    by_design = not corpus.groups_apart
    return found(
        "groups",
        shared,
        bad=f"one {kind} in two splits" + (", by the owner's design" if by_design else ""),
        good=f"no {kind} lies in two splits",
        level="note" if by_design else "fault",
    )


def check_text(records: Sequence[Record]) -> Finding:
    """Transcripts and captions whose characters were read in a wrong encoding and written again."""
    if all(record.text is None and record.description is None for record in records):
        return skipped("text", "no transcript or caption is there")
    broken = [
        f"{record.id}: {' '.join(filter(None, (record.text, record.description)))[:60]!r}"
        for record in records
        if _MOJIBAKE.search(f"{record.text or ''} {record.description or ''}")
    ]
    return found("text", broken, bad="text in a wrong encoding", good="no text was read in a wrong encoding")


def check_hashes(splits: Mapping[str, SplitSummary], earlier: Mapping[str, SplitSummary] | None) -> Finding:
    """Whether an earlier report's splits have the same hashes."""
    if earlier is None:
        return skipped("hashes", "no earlier report was given; --expect takes one")
    differ = [
        f"{name}: {split.sha256[:12]}, earlier {earlier[name].sha256[:12]}"
        for name, split in splits.items()
        if name in earlier and split.sha256 != earlier[name].sha256
    ]
    return found("hashes", differ, bad="other ids or labels than the earlier report", good="as in the earlier report")
