"""`verify_synth_dfer`: whether a copy of SynthDFER can be trusted, in the same report as any corpus's.

A packed set has no file for each clip, so it is no `Corpus` with examples; the checks that read lists alone serve it as
they are, and those of the media are replaced by checks of the packed frames, truth and texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np

from emotrace._version import __version__
from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.findings import Finding, SplitSummary, VerifyReport, by_split, found, hash_of, skipped, summarise
from emotrace.datasets.list_checks import (
    check_counts,
    check_duplicates,
    check_groups,
    check_hashes,
    check_labels,
    check_shared_ids,
)
from emotrace.datasets.media_checks import Limits
from emotrace.datasets.synth_dfer import SCHEME, TEXTS, SynthDfer, SynthSplit
from emotrace.errors import EmotraceError, UnknownChoice
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.schemes import scheme

_TRAIN = {"happiness": 504, "sadness": 384, "neutral": 552, "anger": 456, "surprise": 312, "disgust": 36, "fear": 156}
PUBLISHED = Published(
    clips={"train": 2400, "val": 300, "test": 700, "paired": 840},
    classes={
        "train": _TRAIN,
        "val": {**dict.fromkeys(SCHEME.labels, 43), "fear": 42},
        "test": dict.fromkeys(SCHEME.labels, 100),
        "paired": dict.fromkeys(SCHEME.labels, 120),
    },
    source="SynthDFER 1.0, README.md",
)
CHECKS = (
    "lists",
    "counts",
    "hashes",
    "labels",
    "duplicate_ids",
    "shared_ids",
    "groups",
    "paired_scenes",
    "class_shares",
    "unreadable",
    "truth",
    "texts",
)
"""Every check, in the order of the report."""


class _Lists(Corpus):
    """The set's rows for the checks that read lists. A clip's media is the file that holds it among others."""

    name: ClassVar[str] = SynthDfer.name
    scheme_name: ClassVar[str] = SCHEME.name
    group_is: ClassVar[str | None] = "face"
    overlapping: ClassVar[frozenset[str]] = frozenset({"paired"})  # by design with the faces of `test`: checked apart

    def __init__(self, data: SynthDfer) -> None:
        super().__init__(data.root)
        self._data = data

    @property
    def scheme(self) -> LabelScheme:
        return SCHEME

    def records(self) -> Iterator[Record]:
        for name in self._data.splits():
            split = self._data.split(name)
            media = self.root / f"frames_{name}.npz"
            for clip, label, face in zip(split.ids, split.labels, split.identity, strict=True):
                yield Record(id=clip, split=name, media=media, label=label, group=str(face))


def verify_synth_dfer(
    data: SynthDfer,
    *,
    expect: VerifyReport | Literal["published", "none"] = "published",
    limits: Limits | None = None,
    ignore: Collection[str] = (),
) -> VerifyReport:
    """Checks one copy of the set.

    Args:
        data: The copy.
        expect: What it is compared with: the published counts, an earlier report, or nothing.
        limits: How many clips of each split are decoded.
        ignore: Checks whose faults are reported as notes.

    Raises:
        UnknownChoice: `ignore` names no check.
    """
    strange = [name for name in ignore if name not in CHECKS]
    if strange:
        raise UnknownChoice(f"no check is called {', '.join(strange)}", hint=f"Known checks: {', '.join(CHECKS)}")
    lists = _Lists(data)
    earlier = expect if isinstance(expect, VerifyReport) else None
    published = earlier.as_published() if earlier else PUBLISHED if expect == "published" else None
    try:
        records = list(lists.records())
        splits = [data.split(name) for name in data.splits()]
    except EmotraceError as error:
        unread = found("lists", [" ".join(str(error).split())], bad=f"unreadable ({type(error).__name__})", good="")
        return _report(lists, {}, [unread], published)
    if not splits:
        nothing = found("lists", ["no meta_train.npz or other split"], bad="no split is there", good="")
        return _report(lists, {}, [nothing], published)
    summaries = {name: summarise(lists, part) for name, part in by_split(records).items()}
    findings = [
        found("lists", [], bad="", good=f"{len(records)} rows were read"),
        check_counts(summaries, published),
        check_hashes(summaries, earlier.splits if earlier else None),
        check_labels(lists, records),
        check_duplicates(records),
        check_shared_ids(lists, records),
        check_groups(lists, records),
        check_paired_scenes(splits),
        check_class_shares(splits),
        check_readable(splits, limits or Limits()),
        check_truth(splits),
        check_texts(splits),
    ]
    demoted = [
        each.model_copy(update={"level": "note"}) if each.level == "fault" and each.check in ignore else each
        for each in findings
    ]
    return _report(lists, summaries, demoted, published)


def check_paired_scenes(splits: Sequence[SynthSplit]) -> Finding:
    """Scenes that are not one face with one label under each condition once, and faces that `test` does not have."""
    by_name = {split.name: split for split in splits}
    if "paired" not in by_name:
        return skipped("paired_scenes", "the copy has no `paired`")
    paired = by_name["paired"]
    scenes: dict[str, list[int]] = {}
    for place, scene in enumerate(paired.scene):
        scenes.setdefault(scene, []).append(place)
    conditions = Counter(paired.condition).keys()
    problems = [
        f"scene {scene}: {len(places)} clips"
        for scene, places in scenes.items()
        if Counter(paired.condition[place] for place in places) != dict.fromkeys(conditions, 1)
        or len({(paired.labels[place], int(paired.identity[place])) for place in places}) > 1
    ]
    if "test" in by_name:
        strangers = sorted(set(paired.identity.tolist()) - set(by_name["test"].identity.tolist()))
        problems += [f"face {face} is not of test" for face in strangers]
    return found(
        "paired_scenes",
        problems,
        bad="scenes that are not the same clip under every condition, or faces that were trained on",
        good=f"{len(scenes)} scenes, each under {', '.join(conditions)}",
    )


def check_class_shares(splits: Sequence[SynthSplit]) -> Finding:
    """A training set without a long tail, and a test that is not balanced."""
    counts = {split.name: Counter(split.labels) for split in splits}
    uneven = [
        f"{name}: {label} {count}"
        for name in ("test", "paired")
        if len(set(counts.get(name, {}).values())) > 1
        for label, count in counts[name].items()
    ]
    tail = ""
    if counts.get("train"):
        (most, many), *_, (least, few) = counts["train"].most_common()
        tail = f"; in train {most} has {many} clips, {least} {few}"
        uneven += [] if few < many else ["train: every class has as many clips"]
    return found(
        "class_shares", uneven, bad="a test that is unbalanced, or no long tail", good=f"tests are balanced{tail}"
    )


def check_readable(splits: Sequence[SynthSplit], limits: Limits) -> Finding:
    """Decodes clips that are evenly spaced over each split: what cannot be decoded, or shows one colour alone."""
    problems, opened = [], 0
    for split in splits:
        count = len(split) if limits.sample is None else min(len(split), limits.sample)
        for place in np.linspace(0, len(split) - 1, count).astype(int):
            opened += 1
            try:
                frames = split.frames(int(place))
            except EmotraceError as error:
                problems.append(f"{split.ids[place]}: {error}")
                continue
            if frames.min() == frames.max():
                problems.append(f"{split.ids[place]}: one shade of grey throughout")
    extent = f"{opened} clips opened"
    return found("unreadable", problems, bad=f"clips without a picture ({extent})", good=f"clips decode ({extent})")


def check_truth(splits: Sequence[SynthSplit]) -> Finding:
    """Clips whose truth contradicts itself: a peak outside onset and offset, relevance without an action unit."""
    problems = []
    for split in splits:
        shown = split.apex >= 0
        inside = (split.onset <= split.apex) & (split.apex <= split.offset) & (split.offset < split.length)
        moves = split.relevance.max(axis=(1, 2), initial=0) > 0
        bad = (shown & ~inside) | (~shown & moves) | ~np.isfinite(split.relevance).all(axis=(1, 2))
        problems += [f"{split.ids[place]} ({split.name})" for place in np.flatnonzero(bad)]
        if split.name == "paired" and len(split):
            try:
                split.truth(0)
            except EmotraceError as error:
                problems.append(str(error))
    return found("truth", problems, bad="truth that contradicts itself or is not there", good="truth is consistent")


def check_texts(splits: Sequence[SynthSplit]) -> Finding:
    """Texts that name an expression, so that the label would be read and not seen; timed sentences without frames."""
    words = {*SCHEME.labels, *SCHEME.concepts, *scheme("dfew").labels, *scheme("dfew").written}
    named = re.compile(rf"\b({'|'.join(sorted(word for word in words if word.isalpha()))})\b", re.IGNORECASE)
    problems = []
    for split in splits:
        texts = [(clip, text) for column in TEXTS for clip, text in zip(split.ids, split.texts[column], strict=True)]
        try:
            timed = [
                (clip, each) for clip, told in zip(split.ids, split.sentences("noisy"), strict=True) for each in told
            ]
        except EmotraceError as error:
            problems.append(str(error))
            continue
        problems += [
            f"{clip}: frames {each.start_frame} to {each.end_frame}"
            for clip, each in timed
            if not 0 <= each.start_frame <= each.end_frame < split.length
        ]
        texts += [(clip, each.text) for clip, each in timed]
        problems += [f"{clip}: {text}" for clip, text in texts if named.search(text)]
    return found(
        "texts", problems, bad="texts that name an expression, or have no frames", good="no text tells the label"
    )


def _report(
    lists: _Lists, splits: dict[str, SplitSummary], findings: Sequence[Finding], published: Published | None
) -> VerifyReport:
    return VerifyReport(
        emotrace=__version__,
        corpus=lists.name,
        label_scheme=SCHEME.name,
        published_source=published.source if published else None,
        splits=splits,
        sha256=hash_of(lists, splits) if splits else "",
        findings=tuple(findings),
    )
