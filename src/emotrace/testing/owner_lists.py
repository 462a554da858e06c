"""The lists of every owner's archive in miniature: made-up rows, and how the owner would write them down."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emotrace.testing.layout import Files, Row


def _deal(splits: Sequence[str], labels: Sequence[str], each: Sequence[int] = (3, 2, 1)) -> list[tuple[int, str, str]]:
    """Number, split and label of the rows: in each split, unequal numbers of the first labels."""
    dealt = [
        (split, label) for split in splits for label, count in zip(labels, each, strict=False) for _ in range(count)
    ]
    return [(number, split, label) for number, (split, label) in enumerate(dealt, start=1)]


def _table(header: str, rows: Sequence[Sequence[object]]) -> bytes:
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


def folds(labels: Sequence[str], names: Callable[[int], str]) -> list[Row]:
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


def dfew_lists(rows: Sequence[Row]) -> Files:
    """One table per fold and part, with the video's number and the label's code."""
    files = {}
    for split in _splits(rows):
        fold, part = split.split("/")
        table = _table("video_name,label", [(int(row.name), row.label) for row in _of(rows, split)])
        files[f"EmoLabel_DataSplit/{part}(single-labeled)/{fold}.csv"] = table
    return files


def ferv39k_rows() -> list[Row]:
    """Clips whose folder is a second witness of the label."""
    dealt = _deal(("train", "test"), ("Happy", "Sad", "Fear"))
    return [Row(name=f"{number:04d}", split=split, label=label, witness=label) for number, split, label in dealt]


def ferv39k_lists(rows: Sequence[Row]) -> Files:
    """Lines `scene/label/clip label`, for the setting with all scenes."""
    return {
        f"4_setups/All_scenes/{split}_All.csv": _lines(
            [f"Action/{row.witness}/{row.name} {row.label}" for row in _of(rows, split)]
        )
        for split in _splits(rows)
    }


def mafw_lists(rows: Sequence[Row], setting: str = "single") -> Files:
    """Lines without captions in ASCII, and with captions in GBK."""
    files: Files = {}
    for split in _splits(rows):
        part = _of(rows, split)
        folder = f"Train_Test_Set/{setting}"
        files[f"{folder}/no_caption/{split}.txt"] = _lines([f"{row.name}.mp4 {row.label}" for row in part])
        captions = [f"{row.name}.mp4\t{row.label}\t{row.text}" for row in part]
        files[f"{folder}/with_caption/{split}.txt"] = _lines(captions, "gb18030")
    return files


def mer_rows(splits: Sequence[str], prefix: str) -> Callable[[], list[Row]]:
    """Rows of a MER challenge: a label, a valence and Chinese text."""

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


def mer2023_lists(rows: Sequence[Row]) -> Files:
    """One table per split, and the transcripts."""
    tables = {f"{split}-label.csv": _mer_table(_of(rows, split)) for split in _splits(rows)}
    return {**tables, "transcription-engchi-polish.csv": _said(rows)}


def mer2023_packed(rows: Sequence[Row]) -> Files:
    """The pickled npz that the challenge's baseline code reads."""
    members: dict[str, Any] = {}
    for split in ("train", "test1", "test2", "test3"):
        said = {row.name: {"emo": row.label, "val": row.value} for row in _of(rows, split)}
        members[f"{split}_corpus"] = np.array(said, dtype=object)
    stream = io.BytesIO()
    np.savez(stream, **members)
    return {"label-6way.npz": stream.getvalue(), "transcription-engchi-polish.csv": _said(rows)}


def mer2024_lists(rows: Sequence[Row]) -> Files:
    """The one labelled table, and the transcripts."""
    return {"label-disdim.csv": _mer_table(_of(rows, "train")), "transcription-merge.csv": _said(rows)}


def mer2025_lists(rows: Sequence[Row]) -> Files:
    """Training, test and candidate tables, and the subtitles."""
    return {
        "track1_train_disdim.csv": _mer_table(_of(rows, "train")),
        "track1_test_dis.csv": _table("name,discrete", [(row.name, row.label) for row in _of(rows, "test")]),
        "track_all_candidates.csv": _table("name", [(row.name,) for row in _of(rows, "candidates")]),
        "subtitle_chieng.csv": _said(rows),
    }


def open_rows(split: str) -> Callable[[], list[Row]]:
    """Rows with sets of free labels."""

    def rows() -> list[Row]:
        dealt = _deal((split,), ("['anxious', 'confused']", "['relieved']", "['weary', 'sad']"))
        return [Row(name=f"samplenew_{number:08d}", split=split, label=label) for number, _, label in dealt]

    return rows


def open_lists(rows: Sequence[Row]) -> Files:
    """Label sets, descriptions and subtitles."""
    return {
        "track2_train_ovmerd.csv": _table("name,openset", [(row.name, row.label) for row in rows]),
        "track3_train_ovmerd.csv": _table("name,reason", [(row.name, "The voice drops.") for row in rows]),
        "subtitle_chieng.csv": _said(rows),
    }


def meld_rows() -> list[Row]:
    """Utterances of a dialogue; the sentiment is a second witness."""
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


def meld_lists(rows: Sequence[Row]) -> Files:
    """The owners' CSV per split, with its Windows-1252 punctuation as it is."""
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


MELD_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
"""Split -> folder of its clips."""


def iemocap_rows() -> list[Row]:
    """Utterances of two sessions."""
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


def iemocap_lists(rows: Sequence[Row]) -> Files:
    """The evaluation and the transcript of each session's dialogue."""
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


def sentiment_rows(scale: float, text: str) -> Callable[[], list[Row]]:
    """Rated sentences of one source video per split; the sign is a second witness."""
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


def sentiment_lists(name: str, unimodal: bool) -> Callable[[Sequence[Row]], Files]:
    """The one table of MOSI, MOSEI, SIMS or SIMS v2."""
    header = "video_id,clip_id,text,label" + (",label_T,label_A,label_V" if unimodal else "") + ",annotation,mode"

    def lists(rows: Sequence[Row]) -> Files:
        table = [
            (row.group, row.name, row.text, row.value, *([row.value] * 3 if unimodal else []), row.witness, row.split)
            for row in rows
        ]
        return {name: _table(header, table)}

    return lists


def actor_rows(labels: Sequence[str], name: Callable[[int, str, int], str], split: str = "all") -> list[Row]:
    """Clips of two actors in corpora whose file names say everything."""
    dealt = _deal(("1", "2"), labels)
    return [
        Row(name=name(int(actor), label, number), split=split, label=label, group=actor, witness=actor)
        for number, actor, label in dealt
    ]


def generic_rows() -> list[Row]:
    """Clips of a corpus that somebody made themselves."""
    dealt = _deal(("train", "test"), ("happy", "sad", "angry"))
    return [
        Row(name=f"clip_{number:03d}", split=split, label=label, group=f"p_{split}") for number, split, label in dealt
    ]


def generic_table(rows: Sequence[Row]) -> Files:
    """The table that describes them."""
    table = [(row.name, f"frames/{row.name}", row.label, row.split, row.group, row.text, 17) for row in rows]
    return {"table.csv": _table("id,path,label,split,group,text,frames", table)}
