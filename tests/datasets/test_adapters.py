"""What each adapter reads from its owner's layout, on made-up files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from emotrace.datasets.corpora import CORPORA, open_corpus
from emotrace.datasets.tables import mend_c1, number, read_rows
from emotrace.datasets.verify import verify
from emotrace.errors import (
    ClipOutside,
    CorpusNotFound,
    DuplicateName,
    MissingClip,
    UnknownChoice,
    UnknownLabel,
    UnreadableTable,
)
from emotrace.span import Span
from emotrace.testing.faults import plant
from emotrace.testing.layout import Layout
from emotrace.testing.layouts import LAYOUTS
from emotrace.testing.miniature import layout_of, write, write_clip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_every_layout_is_read_whole(layout: Layout, folder: Path) -> None:
    corpus = write(layout, folder / "copy")
    rows = layout.rows()
    examples = list(corpus.examples())
    assert Counter(example.split for example in examples) == Counter(row.split for row in rows)
    assert all(example.media.exists() for example in examples)
    for split in corpus.splits():
        assert {example.split for example in corpus.examples(split=split)} == {split}
    for example in examples:
        assert set(example.target.labels) <= set(corpus.scheme.labels) or corpus.scheme.open
        assert example.target.labels or example.target.values or example.split in ("unlabeled", "candidates")


def test_dfew_pads_names_and_reads_codes_by_name(folder: Path) -> None:
    corpus = write(layout_of("dfew"), folder / "dfew")
    example = next(iter(corpus.examples(split="set_1/test")))
    assert (example.id, example.target.labels, example.kind) == ("00001", ("happy",), "frames")
    assert open_corpus("dfew", folder / "dfew", frames="jpg_256").splits() == corpus.splits()


def test_mafw_captions_are_read_from_gbk_and_kept_from_models(folder: Path) -> None:
    layout = layout_of("mafw")
    example = next(iter(write(layout, folder / "mafw").examples()))
    assert example.description == "她皱着眉头。 She frowns."
    assert example.text is None
    assert example.clip_input().words is None
    raw = (folder / "mafw" / "Train_Test_Set/single/with_caption/set_1/train.txt").read_bytes()
    assert "她".encode("gbk") in raw
    (folder / "mafw" / "Train_Test_Set").rename(folder / "mafw" / "Train & Test Set")
    assert next(iter(open_corpus("mafw", folder / "mafw").examples())).id == example.id


def test_mafw_captions_in_utf8_are_read_as_well(folder: Path) -> None:
    example = next(iter(write(layout_of("mafw"), folder / "mafw").examples()))
    for path in (folder / "mafw" / "Train_Test_Set").rglob("*.txt"):
        path.write_bytes(path.read_bytes().decode("gb18030").encode())
    assert next(iter(open_corpus("mafw", folder / "mafw", captions=True).examples())).description == example.description


def test_a_clip_number_that_a_spreadsheet_shortened_is_found(folder: Path) -> None:
    write(layout_of("sims"), folder / "sims")
    table = folder / "sims" / "label.csv"
    shortened = re.sub(r",0+(\d+),", r",\1,", table.read_text())
    assert shortened != table.read_text()
    table.write_text(shortened)
    assert all(example.media.exists() for example in open_corpus("sims", folder / "sims").examples())


def test_a_span_that_ends_before_it_starts_is_refused(folder: Path) -> None:
    (folder / "table.csv").write_text("id,path,label,start_seconds,end_seconds\nc1,c.wav,Happy,0.9,0.1\n")
    with pytest.raises(UnreadableTable, match="start <= end"):
        list(open_corpus("generic", folder).records())


def test_mer_values_that_stand_for_nothing_are_absent(folder: Path) -> None:
    layout = layout_of("mer2023")
    write(layout, folder / "mer")
    path = folder / "mer" / "test3-label.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n" + "sample_00000019,worried,-10\n")
    example = next(iter(open_corpus("mer2023", folder / "mer").examples(split="test3")))
    assert example.target.values == {}
    assert example.target.labels == ("worried",)
    assert (example.text, example.language) == ("快递星期一到。", "zh")


def test_meld_mends_its_text_and_numbers_dialogues_by_split(folder: Path) -> None:
    corpus = write(layout_of("meld"), folder / "meld")
    examples = {example.id: example for example in corpus.examples()}
    assert len(examples) == 18
    assert all(example.text == "It’s here, isn’t it…" for example in examples.values())
    assert {example.group for example in examples.values()} == {"Guest 0", "Guest 1"}


def test_iemocap_reads_spans_ratings_and_words(folder: Path) -> None:
    write(layout_of("iemocap"), folder / "iemocap")
    example = next(iter(open_corpus("iemocap", folder / "iemocap", media="avi").examples(missing="skip")), None)
    assert example is None
    record = next(iter(open_corpus("iemocap", folder / "iemocap", media="avi").records()))
    assert record.span == Span(0.0, 0.9)
    assert record.media.name == "Ses01F_impro01.avi"
    example = next(iter(open_corpus("iemocap", folder / "iemocap").examples()))
    assert example.target.values == {"valence": 2.5, "activation": 2.5, "dominance": 3.0}
    assert (example.group, example.target.labels, example.text) == (
        "Session1",
        ("angry",),
        "The parcel came on Monday.",
    )


def test_sims_keeps_what_each_modality_alone_was_rated(folder: Path) -> None:
    example = next(iter(write(layout_of("sims"), folder / "sims").examples()))
    assert set(example.target.values) == {"sentiment", "text_sentiment", "audio_sentiment", "visual_sentiment"}
    assert example.clip_input().language == "zh"


def test_actors_are_groups(folder: Path) -> None:
    for name in ("crema-d", "ravdess", "emodb"):
        groups = {example.group for example in write(layout_of(name), folder / name).examples()}
        assert len(groups) == 2, name


def test_mer2024_place_holders_are_not_read_as_labels(folder: Path) -> None:
    examples = list(write(layout_of("mer2024"), folder / "mer").examples(split="unlabeled"))
    assert examples
    assert all(example.target.labels == () for example in examples)


def test_an_open_vocabulary_cell_is_a_set_of_words(folder: Path) -> None:
    corpus = write(layout_of("ov-merd"), folder / "ov")
    assert next(iter(corpus.examples())).target.labels == ("anxious", "confused")


def test_generic_folders_are_read_with_and_without_splits(folder: Path) -> None:
    for place in ("a/train/joy/one.wav", "a/test/joy/two.wav", "b/joy/three.wav", "b/anger/four"):
        write_clip(folder / place, seed=place, frames=3)
    split = list(open_corpus("generic", folder / "a").examples())
    assert [(example.id, example.split) for example in split] == [
        ("test/joy/two", "test"),
        ("train/joy/one", "train"),
    ]
    flat = {example.id: example for example in open_corpus("generic", folder / "b").examples()}
    assert flat["joy/three"].target.labels == ("joy",)
    assert flat["anger/four"].kind == "frames"
    with pytest.raises(CorpusNotFound, match="neither a table nor folders"):
        list(open_corpus("generic", folder / "b" / "anger" / "four").examples())


def test_generic_tables_carry_folds_spans_and_values(folder: Path) -> None:
    write_clip(folder / "c.wav", seed="c", frames=30)
    (folder / "table.csv").write_text(
        "id,path,label,split,fold,group,text,start_seconds,end_seconds,value\nc1,c.wav,Happy,test,2,ann,Hi,0.1,0.9,-1\n"
    )
    example = next(iter(open_corpus("generic", folder, labels="dfew").examples()))
    assert (example.target.labels, example.split, example.span) == (("happy",), "2/test", Span(0.1, 0.9))
    assert example.target.values == {"value": -1.0}


def test_missing_clips_are_named_five_at_most_and_counted(folder: Path) -> None:
    layout = layout_of("mer2023")
    corpus = write(layout, folder / "mer")
    for row in layout.rows()[:6]:
        (folder / "mer" / layout.place(row)).unlink()
    with pytest.raises(MissingClip, match=r"sample_00000005 and 1 more \(6 in all\)"):
        corpus.examples()
    assert len(list(corpus.examples(missing="skip"))) == len(layout.rows()) - 6
    assert issubclass(MissingClip, FileNotFoundError)


def test_unknown_labels_and_duplicates_are_refused_before_anything_is_yielded(folder: Path) -> None:
    layout = layout_of("meld")
    with pytest.raises(UnknownLabel, match="'QQQ' of train_dia0_utt1"):
        plant(layout, folder / "a", "unknown_label").corpus.examples()
    with pytest.raises(DuplicateName, match="train_dia0_utt1"):
        plant(layout, folder / "b", "duplicate_ids").corpus.examples()
    with pytest.raises(UnknownChoice, match="dev, test, train"):
        write(layout, folder / "c").examples(split="valid")


def test_a_broken_list_says_which_line(folder: Path) -> None:
    path = folder / "table.csv"
    path.write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(UnreadableTable, match="line 3 has 3 fields, the header 2"):
        list(read_rows(path))
    with pytest.raises(UnreadableTable, match="lacks c; it has a, b"):
        list(read_rows(path, "c"))
    with pytest.raises(UnreadableTable, match="is not a number"):
        number("high", where=path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableTable, match="not text in utf-8"):
        list(read_rows(path))


def test_a_line_break_of_another_alphabet_does_not_end_a_row(folder: Path) -> None:
    path = folder / "table.csv"
    path.write_text('name,text\na,"one\x85two\u2028three"\n', encoding="utf-8")
    assert [mend_c1(row["text"]) for row in read_rows(path)] == ["one…two\u2028three"]


def test_names_of_corpora_are_found_in_any_spelling(folder: Path) -> None:
    assert type(open_corpus("CREMA_D", folder)) is CORPORA["crema-d"]
    with pytest.raises(UnknownChoice, match="dfew"):
        open_corpus("defw", folder)


def test_real_german_recordings_are_read_by_their_names(shared_media: Path) -> None:
    root = shared_media.parent / "data" / "voice_emodb"
    if not root.is_dir():
        pytest.skip("needs the folder of real recordings beside the repository")
    examples = list(open_corpus("emodb", root).examples())
    assert len(examples) == 408
    assert Counter(example.target.labels[0] for example in examples)["anger"] == 100
    assert len({example.group for example in examples}) == 8


@pytest.mark.parametrize("place", ["../outside", "/outside", "frames/../../outside"])
def test_a_clip_outside_the_folder_is_refused_unless_it_is_allowed(place: str, folder: Path) -> None:
    root = folder / "corpus"
    (root / "frames").mkdir(parents=True)
    absolute = place.replace("/outside", str(folder / "outside")) if place == "/outside" else place
    (root / "table.csv").write_text(f"id,path,label\na,{absolute}/clip.wav,happy\n")
    write_clip(folder / "outside" / "clip.wav", seed="x", frames=10)
    with pytest.raises(ClipOutside, match=r"outside this folder: a \(.*outside=True"):
        open_corpus("generic", root).examples()
    report = verify(open_corpus("generic", root), expect="none")
    assert [finding.check for finding in report.faults] == ["outside"]
    (example,) = open_corpus("generic", root, outside=True).examples()
    assert example.media.is_file()


def test_a_link_in_the_folder_is_the_users_choice(folder: Path) -> None:
    (folder / "corpus" / "happy").mkdir(parents=True)
    write_clip(folder / "elsewhere" / "clip.wav", seed="x", frames=10)
    (folder / "corpus" / "happy" / "clip.wav").symlink_to(folder / "elsewhere" / "clip.wav")
    assert len(list(open_corpus("generic", folder / "corpus").examples())) == 1
