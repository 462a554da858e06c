"""The layouts of all corpora in miniature: which files their owners' archives hold, from a dozen made-up rows.

Names, sentences and labels are made up; only the layout is the owners'. `miniature.py` writes them and plants faults.
"""

from __future__ import annotations

from emotrace.testing import owner_lists as lists
from emotrace.testing.layout import Layout

LISTED = ("duplicate_ids", "unknown_label", "dropped_row", "swapped_labels", "broken_list")
NAMED = ("duplicate_ids", "unknown_label", "dropped_row", "broken_name")

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        corpus="dfew",
        media="frames",
        rows=lambda: lists.folds(("1", "3", "7"), lambda number: f"{number + 1:05d}"),
        place=lambda row: f"Clip/clip_224x224/{row.name}",
        lists=lists.dfew_lists,
        faults=(*LISTED, "zero_based", "permuted_classes", "shared_id", "list_of_another_order"),
    ),
    Layout(
        corpus="dfew",
        variant="16 frames",
        media="frames",
        rows=lambda: lists.folds(("1", "3", "7"), lambda number: f"{number + 1:05d}"),
        place=lambda row: f"Clip/clip_224x224_16f/{row.name}",
        lists=lists.dfew_lists,
        options={"frames": "clip_224x224_16f"},
        frames=16,
        faults=("wrong_frame_count",),
    ),
    Layout(
        corpus="ferv39k",
        media="frames",
        rows=lists.ferv39k_rows,
        place=lambda row: f"2_ClipsforFaceCrop/Action/{row.witness}/{row.name}",
        lists=lists.ferv39k_lists,
        faults=(*LISTED, "contradicted_label", "shared_id", "same_clip", "list_of_another_order"),
    ),
    Layout(
        corpus="mafw",
        media="frames",
        rows=lambda: lists.folds(("anger", "fear", "anxiety"), lambda number: f"{number + 1:05d}"),
        place=lambda row: f"data/faces/{row.name}",
        lists=lists.mafw_lists,
        options={"captions": True},
        faults=(*LISTED, "permuted_classes", "shared_id", "not_gbk", "mojibake", "list_of_another_order"),
    ),
    Layout(
        corpus="mafw-compound",
        media="frames",
        rows=lambda: lists.folds(
            ("anger", "anger_disgust", "sadness_helplessness"), lambda number: f"{number + 1:05d}"
        ),
        place=lambda row: f"data/faces/{row.name}",
        lists=lambda rows: lists.mafw_lists(rows, "compound"),
        faults=(*LISTED, "permuted_classes", "shared_id"),
    ),
    Layout(
        corpus="mer2023",
        media="video",
        rows=lists.mer_rows(("train", "test1", "test2", "test3"), "sample"),
        place=lambda row: f"{row.split}/{row.name}.mp4",
        lists=lists.mer2023_lists,
        faults=(
            *LISTED,
            "value_off_scale",
            "permuted_classes",
            "shared_id",
            "same_clip",
            "mojibake",
            "path_outside",
            "feature_width",
            "feature_nan",
        ),
    ),
    Layout(
        corpus="mer2023",
        variant="npz",
        media="video",
        rows=lists.mer_rows(("train", "test1"), "sample"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=lists.mer2023_packed,
        faults=("unknown_label", "dropped_row", "swapped_labels", "hostile_pickle", "value_off_scale", "shared_id"),
    ),
    Layout(
        corpus="mer2024",
        media="video",
        rows=lists.mer_rows(("train", "unlabeled"), "samplenew"),
        place=lambda row: (
            f"video-labeled/{row.name}.mp4"
            if row.split == "train"
            else f"video-unlabeled-with-test2noise/{row.name}.mp4"
        ),
        lists=lists.mer2024_lists,
        faults=(
            *LISTED,
            "value_off_scale",
            "permuted_classes",
            "same_clip",
            "older_test_by_name",
            "older_test_by_bytes",
            "feature_width",
            "feature_nan",
        ),
    ),
    Layout(
        corpus="mer2025",
        media="video",
        rows=lists.mer_rows(("train", "test", "candidates"), "samplenew3"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=lists.mer2025_lists,
        faults=(
            *LISTED,
            "value_off_scale",
            "permuted_classes",
            "shared_id",
            "same_clip",
            "path_outside",
            "older_test_by_name",
            "feature_nan",
        ),
    ),
    Layout(
        corpus="mer2025-ov",
        media="video",
        rows=lists.open_rows("ovmerd"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=lists.open_lists,
        faults=("duplicate_ids", "dropped_row", "swapped_labels", "broken_list", "mojibake", "older_test_by_name"),
    ),
    Layout(
        corpus="ov-merd",
        media="video",
        rows=lists.open_rows("all"),
        place=lambda row: f"video/{row.name}.mp4",
        lists=lists.open_lists,
        faults=("duplicate_ids", "dropped_row", "swapped_labels", "broken_list", "mojibake"),
    ),
    Layout(
        corpus="meld",
        media="video",
        rows=lists.meld_rows,
        place=lambda row: f"{lists.MELD_FOLDERS[row.split]}/{row.name}.mp4",
        lists=lists.meld_lists,
        faults=(*LISTED, "contradicted_label", "same_clip", "mojibake"),
    ),
    Layout(
        corpus="iemocap",
        media="audio",
        rows=lists.iemocap_rows,
        place=lambda row: f"{row.group}/sentences/wav/{row.witness}/{row.name}.wav",
        lists=lists.iemocap_lists,
        faults=(*LISTED, "value_off_scale", "permuted_classes", "group_in_two_splits", "mojibake"),
    ),
    *(
        Layout(
            corpus=corpus,
            media="video",
            rows=lists.sentiment_rows(scale, text),
            place=lambda row: f"Raw/{row.group}/{row.name}.mp4",
            lists=lists.sentiment_lists(table, unimodal),
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
        rows=lambda: lists.actor_rows(
            ("ANG", "NEU", "SAD"), lambda actor, label, number: f"{1000 + actor}_S{number:02d}_{label}_XX"
        ),
        place=lambda row: f"VideoFlash/{row.name}.flv",
        faults=(*NAMED, "permuted_classes", "group_in_two_splits", "lfs_pointer"),
    ),
    Layout(
        corpus="ravdess",
        media="video",
        rows=lambda: lists.actor_rows(
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
        rows=lambda: lists.actor_rows(
            ("W", "N", "T"), lambda actor, label, number: f"{actor:02d}a{number:02d}{label}a"
        ),
        place=lambda row: f"wav/{row.name}.wav",
        faults=(*NAMED, "permuted_classes", "group_in_two_splits"),
    ),
    Layout(
        corpus="generic",
        media="frames",
        rows=lists.generic_rows,
        place=lambda row: f"frames/{row.name}",
        lists=lists.generic_table,
        options={"labels": "dfew"},
        faults=(
            *LISTED,
            "permuted_classes",
            "shared_id",
            "group_in_two_splits",
            "wrong_frame_count",
            "same_clip",
            "mojibake",
            "path_outside",
        ),
    ),
)
"""Every corpus that emotrace reads, in each layout that it reads."""
