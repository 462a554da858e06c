"""The layouts of all corpora in miniature: which files their owners' archives hold, from a dozen made-up rows.

Names, sentences and labels are made up; only the layout is the owners'. `miniature.py` writes them and plants faults.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

MediaKind = Literal["frames", "video", "audio"]
Files = dict[str, bytes]
"""Path below the root -> content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One made-up clip, as its corpus would write it."""

    name: str
    split: str
    label: str
    group: str = ""
    text: str = "The parcel came on Monday."
    value: float = 0.0
    witness: str = ""
    """What the corpus's second witness of the label says: a path, a sentiment, a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One corpus in one of its layouts."""

    corpus: str
    variant: str = ""
    media: MediaKind
    rows: Callable[[], list[Row]]
    place: Callable[[Row], str]
    """Where a row's clip lies below the root."""
    lists: Callable[[Sequence[Row]], Files] = lambda rows: {}
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter's constructor is given."""
    frames: int = 17
    """Frames of a clip: more than the field's models sample, and enough that text and number order differ."""
    faults: tuple[str, ...] = ()
    """Faults that only some corpora can have; those of the lists and the media are common."""

    @property
    def title(self) -> str:
        """Corpus and variant."""
        return f"{self.corpus} ({self.variant})" if self.variant else self.corpus


def _deal(splits: Sequence[str], labels: Sequence[str], each: Sequence[int] = (3, 2, 1)) -> list[tuple[int, str, str]]:
    """Number, split and label of the rows: in each split, unequal numbers of the first labels."""
    dealt = [
        (split, label) for split in splits for label, count in zip(labels, each, strict=False) for _ in range(count)
    ]
    return [(number, split, label) for number, (split, label) in enumerate(dealt, start=1)]


def _table(header: str, rows: Sequence[Sequence[object]]) -> bytes:
    import csv

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return text.getvalue().encode()


def _lines(rows: Sequence[str], encoding: str = "utf-8") -> bytes:
    return "".join(f"{row}\n" for row in rows).encode(encoding)


def _of(rows: Sequence[Row], split: str) -> list[Row]:
    return [row for row in rows if row.split == split]


def _splits(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.split for row in rows))


def _folds(labels: Sequence[str], names: Callable[[int], str]) -> list[Row]:
    """Ten clips in five folds: each is tested once and trained on four times."""
    cast = [labels[0]] * 5 + [labels[1]] * 3 + [labels[2]] * 2
    return [
        Row(
            name=names(number),
            split=f"set_{fold}/{'test' if number // 2 == fold - 1 else 'train'}",
            label=cast[number],
            text="她皱着眉头。\tShe frowns.",
        )
        for fold in range(1, 6)
        for part in ("train", "test")
        for number in range(10)
        if (number // 2 == fold - 1) == (part == "test")
    ]


def _dfew_lists(rows: Sequence[Row]) -> Files:
    files = {}
    for split in _splits(rows):
        fold, part = split.split("/")
        table = _table("video_name,label", [(int(row.name), row.label) for row in _of(rows, split)])
        files[f"EmoLabel_DataSplit/{part}(single-labeled)/{fold}.csv"] = table
    return files


def _ferv39k_rows() -> list[Row]:
    dealt = _deal(("train", "test"), ("Happy", "Sad", "Fear"))
    return [Row(name=f"{number:04d}", split=split, label=label, witness=label) for number, split, label in dealt]


def _ferv39k_lists(rows: Sequence[Row]) -> Files:
    return {
        f"4_setups/All_scenes/{split}_All.csv": _lines(
            [f"Action/{row.witness}/{row.name} {row.label}" for row in _of(rows, split)]
        )
        for split in _splits(rows)
    }


def _mafw_lists(rows: Sequence[Row], setting: str = "single") -> Files:
    files: Files = {}
    for split in _splits(rows):
        part = _of(rows, split)
        folder = f"Train_Test_Set/{setting}"
        files[f"{folder}/no_caption/{split}.txt"] = _lines([f"{row.name}.mp4 {row.label}" for row in part])
        captions = [f"{row.name}.mp4\t{row.label}\t{row.text}" for row in part]
        files[f"{folder}/with_caption/{split}.txt"] = _lines(captions, "gb18030")
    return files


def _mer_rows(splits: Sequence[str], prefix: str) -> Callable[[], list[Row]]:
    def rows() -> list[Row]:
        return [
            Row(name=f"{prefix}_{number:08d}", split=split, label=label, value=number / 10 - 1, text="快递星期一到。")
            for number, split, label in _deal(splits, ("neutral", "angry", "worried"))
        ]

    return rows


def _mer_table(rows: Sequence[Row]) -> bytes:
    return _table("name,discrete,valence", [(row.name, row.label, row.value) for row in rows])


def _said(rows: Sequence[Row]) -> bytes:
    return _table("name,chinese,english", [(row.name, row.text, "The parcel came on Monday.") for row in rows])


def _mer2023_lists(rows: Sequence[Row]) -> Files:
    tables = {f"{split}-label.csv": _mer_table(_of(rows, split)) for split in _splits(rows)}
    return {**tables, "transcription-engchi-polish.csv": _said(rows)}


def _mer2023_packed(rows: Sequence[Row]) -> Files:
    members: dict[str, Any] = {}
    for split in ("train", "test1", "test2", "test3"):
        said = {row.name: {"emo": row.label, "val": row.value} for row in _of(rows, split)}
        members[f"{split}_corpus"] = np.array(said, dtype=object)
    stream = io.BytesIO()
    np.savez(stream, **members)
    return {"label-6way.npz": stream.getvalue(), "transcription-engchi-polish.csv": _said(rows)}


def _mer2024_lists(rows: Sequence[Row]) -> Files:
    return {"label-disdim.csv": _mer_table(_of(rows, "train")), "transcription-merge.csv": _said(rows)}


def _mer2025_lists(rows: Sequence[Row]) -> Files:
    return {
        "track1_train_disdim.csv": _mer_table(_of(rows, "train")),
        "track1_test_dis.csv": _table("name,discrete", [(row.name, row.label) for row in _of(rows, "test")]),
        "track_all_candidates.csv": _table("name", [(row.name,) for row in _of(rows, "candidates")]),
        "subtitle_chieng.csv": _said(rows),
    }


def _open_rows(split: str) -> Callable[[], list[Row]]:
    def rows() -> list[Row]:
        dealt = _deal((split,), ("['anxious', 'confused']", "['relieved']", "['weary', 'sad']"))
        return [Row(name=f"samplenew_{number:08d}", split=split, label=label) for number, _, label in dealt]

    return rows


def _open_lists(rows: Sequence[Row]) -> Files:
    return {
        "track2_train_ovmerd.csv": _table("name,openset", [(row.name, row.label) for row in rows]),
        "track3_train_ovmerd.csv": _table("name,reason", [(row.name, "The voice drops.") for row in rows]),
        "subtitle_chieng.csv": _said(rows),
    }


def _meld_rows() -> list[Row]:
    sentiments = {"joy": "positive", "neutral": "neutral", "fear": "negative"}
    return [
        Row(
            name=f"dia{number // 3}_utt{number % 3}",
            split=split,
            label=label,
            group=f"Guest {number % 2}",
            text="It\x92s here, isn\x92t it\x85",
            witness=sentiments[label],
        )
        for number, split, label in _deal(("train", "dev", "test"), tuple(sentiments))
    ]


def _meld_lists(rows: Sequence[Row]) -> Files:
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    files = {}
    for split in _splits(rows):
        table = [
            (number, row.text, row.group, row.label, row.witness, dialogue[3:], utterance[3:], 1, 1, "00:00:01,000", "")
            for number, row in enumerate(_of(rows, split), start=1)
            for dialogue, utterance in [row.name.split("_")]
        ]
        files[f"{split}_sent_emo.csv"] = _table(header, table)
    return files


_MELD_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}


def _iemocap_rows() -> list[Row]:
    dealt = _deal(("Session1", "Session2"), ("ang", "neu", "exc"))
    return [
        Row(
            name=f"{dialogue}_F{number:03d}",
            split="all",
            label=label,
            group=session,
            value=2.5,
            witness=dialogue,
        )
        for number, session, label in dealt
        for dialogue in [f"Ses0{session[-1]}F_impro01"]
    ]


def _iemocap_lists(rows: Sequence[Row]) -> Files:
    files = {}
    for session in dict.fromkeys(row.group for row in rows):
        part = [row for row in rows if row.group == session]
        dialogue = f"Ses0{session[-1]}F_impro01"
        blocks = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for number, row in enumerate(part):
            blocks.append(
                f"[{number}.0000 - {number}.9000]\t{row.name}\t{row.label}\t[{row.value:.4f}, 2.5000, 3.0000]"
            )
            blocks.append("C-E1:\tNeutral;\t()")
        spoken = [f"{row.name} [000.0000-000.9000]: {row.text}" for row in part]
        files[f"{session}/dialog/EmoEvaluation/{dialogue}.txt"] = "\n".join(blocks).encode() + b"\n"
        files[f"{session}/dialog/transcriptions/{dialogue}.txt"] = _lines(spoken)
    return files


def _sentiment_rows(scale: float, text: str) -> Callable[[], list[Row]]:
    values = {"Positive": 0.8, "Neutral": 0.0, "Negative": -0.4}

    def rows() -> list[Row]:
        return [
            Row(
                name=f"{number:04d}",
                split=split,
                label="",
                group=f"video_{split}",
                value=values[sign] * scale,
                text=text,
                witness=sign,
            )
            for number, split, sign in _deal(("train", "valid", "test"), tuple(values))
        ]

    return rows


def _sentiment_lists(name: str, unimodal: bool) -> Callable[[Sequence[Row]], Files]:
    header = "video_id,clip_id,text,label" + (",label_T,label_A,label_V" if unimodal else "") + ",annotation,mode"

    def lists(rows: Sequence[Row]) -> Files:
        table = [
            (row.group, row.name, row.text, row.value, *([row.value] * 3 if unimodal else []), row.witness, row.split)
            for row in rows
        ]
        return {name: _table(header, table)}

    return lists


def _actor_rows(labels: Sequence[str], name: Callable[[int, str, int], str], split: str = "all") -> list[Row]:
    dealt = _deal(("1", "2"), labels)
    return [
        Row(name=name(int(actor), label, number), split=split, label=label, group=actor, witness=actor)
        for number, actor, label in dealt
    ]


def _generic_rows() -> list[Row]:
    dealt = _deal(("train", "test"), ("happy", "sad", "angry"))
    return [
        Row(name=f"clip_{number:03d}", split=split, label=label, group=f"p_{split}") for number, split, label in dealt
    ]


def _generic_table(rows: Sequence[Row]) -> Files:
    table = [(row.name, f"frames/{row.name}", row.label, row.split, row.group, row.text, 17) for row in rows]
    return {"table.csv": _table("id,path,label,split,group,text,frames", table)}


LISTED = ("duplicate_ids", "unknown_label", "dropped_row", "swapped_labels", "broken_list")
NAMED = ("duplicate_ids", "unknown_label", "dropped_row", "broken_name")

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        corpus="dfew",
        media="frames",
        rows=lambda: _folds(("1", "3", "7"), lambda number: f"{number + 1:05d}"),
        place=lambda row: f"Clip/clip_224x224/{row.name}",
        lists=_dfew_lists,
        faults=(*LISTED, "zero_based", "permuted_classes", "shared_id", "list_of_another_order"),
    ),
    Layout(
        corpus="dfew",
        variant="16 frames",
        media="frames",
        rows=lambda: _folds(("1", "3", "7"), lambda number: f"{number + 1:05d}"),
        place=lambda row: f"Clip/clip_224x224_16f/{row.name}",
        lists=_dfew_lists,
        options={"frames": "clip_224x224_16f"},
        frames=16,
        faults=("wrong_frame_count",),
    ),
    Layout(
        corpus="ferv39k",
        media="frames",
        rows=_ferv39k_rows,
        place=lambda row: f"2_ClipsforFaceCrop/Action/{row.witness}/{row.name}",
        lists=_ferv39k_lists,
        faults=(*LISTED, "contradicted_label", "shared_id", "same_clip", "list_of_another_order"),
    ),
    Layout(
        corpus="mafw",
        media="frames",
        rows=lambda: _folds(("anger", "fear", "anxiety"), lambda number: f"{number + 1:05d}"),
        place=lambda row: f"data/faces/{row.name}",
        lists=_mafw_lists,
        options={"captions": True},
        faults=(*LISTED, "permuted_classes", "shared_id", "not_gbk", "mojibake", "list_of_another_order"),
    ),
    Layout(
        corpus="mafw-compound",
        media="frames",
        rows=lambda: _folds(("anger", "anger_disgust", "sadness_helplessness"), lambda number: f"{number + 1:05d}"),
        place=lambda row: f"data/faces/{row.name}",
        lists=lambda rows: _mafw_lists(rows, "compound"),
        faults=(*LISTED, "permuted_classes", "shared_id"),
    ),
    Layout(
        corpus="mer2023",
        media="video",
        rows=_mer_rows(("train", "test1", "test2", "test3"), "sample"),
        place=lambda row: f"{row.split}/{row.name}.mp4",
        lists=_mer2023_lists,
        faults=(*LISTED, "value_off_scale", "permuted_classes", "shared_id", "same_clip", "mojibake"),
    ),
    Layout(
        corpus="mer2023",
        variant="npz",
        media="video",
        rows=_mer_rows(("train", "test1"), "sample"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=_mer2023_packed,
        faults=("unknown_label", "dropped_row", "swapped_labels", "hostile_pickle", "value_off_scale", "shared_id"),
    ),
    Layout(
        corpus="mer2024",
        media="video",
        rows=_mer_rows(("train", "unlabeled"), "samplenew"),
        place=lambda row: (
            f"video-labeled/{row.name}.mp4"
            if row.split == "train"
            else f"video-unlabeled-with-test2noise/{row.name}.mp4"
        ),
        lists=_mer2024_lists,
        faults=(
            *LISTED,
            "value_off_scale",
            "permuted_classes",
            "same_clip",
            "older_test_by_name",
            "older_test_by_bytes",
        ),
    ),
    Layout(
        corpus="mer2025",
        media="video",
        rows=_mer_rows(("train", "test", "candidates"), "samplenew3"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=_mer2025_lists,
        faults=(*LISTED, "value_off_scale", "permuted_classes", "shared_id", "same_clip", "older_test_by_name"),
    ),
    Layout(
        corpus="mer2025-ov",
        media="video",
        rows=_open_rows("ovmerd"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=_open_lists,
        faults=("duplicate_ids", "dropped_row", "swapped_labels", "broken_list", "mojibake", "older_test_by_name"),
    ),
    Layout(
        corpus="ov-merd",
        media="video",
        rows=_open_rows("all"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=_open_lists,
        faults=("duplicate_ids", "dropped_row", "swapped_labels", "broken_list", "mojibake"),
    ),
    Layout(
        corpus="meld",
        media="video",
        rows=_meld_rows,
        place=lambda row: f"{_MELD_FOLDERS[row.split]}/{row.name}.mp4",
        lists=_meld_lists,
        faults=(*LISTED, "contradicted_label", "same_clip", "mojibake"),
    ),
    Layout(
        corpus="iemocap",
        media="audio",
        rows=_iemocap_rows,
        place=lambda row: f"{row.group}/sentences/wav/{row.witness}/{row.name}.wav",
        lists=_iemocap_lists,
        faults=(*LISTED, "value_off_scale", "permuted_classes", "group_in_two_splits", "mojibake"),
    ),
    *(
        Layout(
            corpus=corpus,
            media="video",
            rows=_sentiment_rows(scale, text),
            place=lambda row: f"Raw/{row.group}/{row.name}.mp4",
            lists=_sentiment_lists(table, unimodal),
            faults=(
                "duplicate_ids",
                "dropped_row",
                "swapped_labels",
                "broken_list",
                "value_off_scale",
                "contradicted_label",
                "same_clip",
                "mojibake",
                *(("group_in_two_splits",) if corpus in ("mosi", "mosei") else ()),
            ),
        )
        for corpus, scale, text, table, unimodal in (
            ("mosi", 3.0, "The parcel came on Monday.", "label.csv", False),
            ("mosei", 3.0, "The parcel came on Monday.", "label.csv", False),
            ("sims", 1.0, "快递星期一到。", "label.csv", True),
            ("simsv2", 1.0, "快递星期一到。", "meta.csv", True),
        )
    ),
    Layout(
        corpus="crema-d",
        media="video",
        rows=lambda: _actor_rows(
            ("ANG", "NEU", "SAD"), lambda actor, label, number: f"{1000 + actor}_S{number:02d}_{label}_XX"
        ),
        place=lambda row: f"VideoFlash/{row.name}.flv",
        faults=(*NAMED, "permuted_classes", "group_in_two_splits", "lfs_pointer"),
    ),
    Layout(
        corpus="ravdess",
        media="video",
        rows=lambda: _actor_rows(
            ("03", "04", "08"),
            lambda actor, label, number: f"01-01-{label}-01-01-{number:02d}-{actor:02d}",
            "av-speech",
        ),
        place=lambda row: f"Video_Speech_Actor_0{row.group}/Actor_0{row.witness}/{row.name}.mp4",
        faults=(*NAMED, "permuted_classes", "contradicted_label"),
    ),
    Layout(
        corpus="emodb",
        media="audio",
        rows=lambda: _actor_rows(("W", "N", "T"), lambda actor, label, number: f"{actor:02d}a{number:02d}{label}a"),
        place=lambda row: f"wav/{row.name}.wav",
        faults=(*NAMED, "permuted_classes", "group_in_two_splits"),
    ),
    Layout(
        corpus="generic",
        media="frames",
        rows=_generic_rows,
        place=lambda row: f"frames/{row.name}",
        lists=_generic_table,
        options={"labels": "dfew"},
        faults=(
            *LISTED,
            "permuted_classes",
            "shared_id",
            "group_in_two_splits",
            "wrong_frame_count",
            "same_clip",
            "mojibake",
        ),
    ),
)
"""Every corpus that emotrace reads, in each layout that it reads."""
