from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from emotrace.datasets.corpora import CORPORA, open_corpus
from emotrace.datasets.findings import VerifyReport
from emotrace.datasets.leaks import older_test
from emotrace.datasets.media_checks import Limits
from emotrace.datasets.verify import CHECKS, verify
from emotrace.errors import CorpusNotFound, UnknownChoice, UnknownLabel, UnreadableTable
from emotrace.testing.faults import FOUND_BY, faults_of, plant
from emotrace.testing.layout import Layout
from emotrace.testing.layouts import LAYOUTS
from emotrace.testing.miniature import layout_of, write

BY_TITLE = {layout.title: layout for layout in LAYOUTS}


@pytest.fixture(params=list(BY_TITLE))
def layout(request: pytest.FixtureRequest) -> Layout:
    return BY_TITLE[request.param]


def test_every_corpus_has_a_miniature_and_every_fault_a_layout() -> None:
    assert {layout.corpus for layout in LAYOUTS} == set(CORPORA)
    assert {fault for layout in LAYOUTS for fault in faults_of(layout)} == set(FOUND_BY)
    assert set(FOUND_BY.values()) <= set(CHECKS)


def test_a_clean_copy_is_clean_and_every_planted_fault_is_found(layout: Layout, folder: Path) -> None:
    clean = verify(write(layout, folder / "clean"), expect="none")
    assert clean.clean, [(finding.check, finding.examples) for finding in clean.faults]
    assert tuple(finding.check for finding in clean.findings) == CHECKS
    for fault in faults_of(layout):
        planted = plant(layout, folder / fault, fault, like=folder / "clean")
        report = planted.verify(clean)
        by_check = {finding.check: finding for finding in report.faults}
        assert planted.found_by in by_check, f"{fault} was not found; faults: {list(by_check)}"
        finding = by_check[planted.found_by]
        assert 1 <= len(finding.examples) <= 5
        assert finding.count >= len(finding.examples)


def test_the_same_copy_gives_the_same_bytes_elsewhere(layout: Layout, folder: Path) -> None:
    here, there = write(layout, folder / "here"), write(layout, folder / "there" / "deeper")
    assert verify(here, expect="none").to_json() == verify(there, expect="none").to_json()


def test_the_hash_of_a_split_does_not_depend_on_the_order_of_its_list(folder: Path) -> None:
    layout = layout_of("mer2023")
    rows = layout.rows()
    one = verify(write(layout, folder / "one", rows), expect="none")
    other = verify(write(layout, folder / "other", sorted(rows, key=lambda row: row.name, reverse=True)), expect="none")
    assert {name: split.sha256 for name, split in one.splits.items()} == {
        name: split.sha256 for name, split in other.splits.items()
    }


def test_published_counts_are_what_a_copy_is_compared_with(folder: Path) -> None:
    report = verify(write(layout_of("meld"), folder / "meld"))
    counts = next(finding for finding in report.faults if finding.check == "counts")
    assert counts.examples[0] == "train: 6 clips, published 9989"
    assert counts.count > 5
    assert report.published_source == "declare-lab/MELD, README.md"


def test_published_counts_add_up() -> None:
    for corpus in CORPORA.values():
        published = corpus.published
        for name, classes in published.classes.items() if published else ():
            assert published is not None
            assert sum(classes.values()) == published.clips[name], (corpus.name, name)


def test_known_faults_of_a_release_are_notes(folder: Path) -> None:
    layout = layout_of("meld")
    rows = layout.rows()
    broken = next(row for row in rows if row.split == "dev")
    renamed = [replace(row, name="dia110_utt7") if row is broken else row for row in rows]
    corpus = write(layout, folder / "meld", renamed)
    (folder / "meld" / "dev_splits_complete" / "dia110_utt7.mp4").unlink()
    missing = next(finding for finding in verify(corpus, expect="none").findings if finding.check == "missing")
    assert missing.level == "note"
    assert "issues 22 and 27" in missing.examples[0]


def test_speakers_shared_by_the_owners_design_are_a_note(folder: Path) -> None:
    report = verify(write(layout_of("meld"), folder / "meld"), expect="none")
    groups = next(finding for finding in report.findings if finding.check == "groups")
    assert (groups.level, groups.count) == ("note", 2)


def test_a_check_can_be_turned_into_a_note(folder: Path) -> None:
    planted = plant(layout_of("dfew"), folder / "dfew", "text_order")
    assert not verify(planted.corpus, expect="none").clean
    assert verify(planted.corpus, expect="none", ignore=["text_order"]).clean
    with pytest.raises(UnknownChoice, match="text_order"):
        verify(planted.corpus, ignore=["text-order"])


def test_a_circulating_list_in_a_known_order_is_recognised(folder: Path) -> None:
    corpus = write(layout_of("mafw"), folder / "mafw")
    order = corpus.scheme.order("dfer-clip")
    lines = [f"/x/{record.id} 17 {order.index(record.label or '')}" for record in corpus.records()]
    listed = folder / "list.txt"
    listed.write_text("\n".join(lines))
    report = verify(corpus, expect="none", circulating=listed)
    found = {finding.check: finding for finding in report.findings}
    assert found["list_order"].text == "the list uses the order `dfer-clip, from 0`"
    assert found["list_frames"].level == "ok"
    listed.write_text("\n".join(lines).replace(" 17 ", " 19 "))
    report = verify(corpus, expect="none", circulating=listed)
    assert {finding.check for finding in report.faults} == {"list_frames"}
    listed.write_text("only words\n")
    with pytest.raises(UnreadableTable, match="path frames index"):
        verify(corpus, circulating=listed)


def test_a_later_challenge_that_trains_on_an_older_test_is_found_by_every_way_of_naming_it(folder: Path) -> None:
    older = write(layout_of("mer2023"), folder / "mer2023")
    later = write(layout_of("mer2024"), folder / "mer2024")
    assert verify(later, expect="none", older=older_test(f"mer2023={older.root}")).clean
    taken = next(record for record in older.records() if record.split == "test3")
    training = next(record for record in later.records() if record.split == "train")
    shutil.copy(taken.media, training.media)
    names = folder / "names.csv"
    names.write_text(f"name\n{training.id}\n")
    lines = folder / "names.txt"
    lines.write_text(f"{training.id}\n")
    for place in (f"mer2023={older.root}", str(older.root), str(names), str(lines)):
        report = verify(later, expect="none", older=older_test(place))
        finding = next(finding for finding in report.faults if finding.check == "older_tests")
        assert finding.count == 1
        assert training.id in finding.examples[0]
    with pytest.raises(CorpusNotFound):
        older_test(str(folder / "nowhere"))


def test_a_wrong_media_folder_is_told_from_single_missing_clips(folder: Path) -> None:
    write(layout_of("dfew"), folder / "dfew")
    report = verify(open_corpus("dfew", folder / "dfew", frames="jpg_256"), expect="none")
    assert "the first should be Clip/jpg_256/00003" in next(f.text for f in report.faults if f.check == "missing")


def test_own_splits_must_name_clips_of_the_corpus(folder: Path) -> None:
    corpus = write(layout_of("emodb"), folder / "emodb")
    with pytest.raises(UnknownLabel, match="nobody"):
        verify(corpus, splits={"nobody": "train"})


def test_only_a_sample_is_opened_and_the_report_says_how_many(folder: Path) -> None:
    corpus = write(layout_of("emodb"), folder / "emodb")
    two = next(
        finding
        for finding in verify(corpus, expect="none", limits=Limits(sample=2)).findings
        if finding.check == "unreadable"
    )
    assert two.text == "every clip decodes (2 clips opened)"


def test_real_damaged_clips_are_told_from_sound_ones(shared_media: Path, folder: Path) -> None:
    clips = [path for path in shared_media.rglob("*") if path.is_file() and path.name != "audio_only.m4a"]
    (folder / "any").mkdir()
    for path in clips:
        (folder / "any" / path.name).symlink_to(path)
    report = verify(open_corpus("generic", folder), expect="none", limits=Limits(sample=None))
    found = {finding.check: finding for finding in report.findings}
    broken = {example.split(":")[0] for example in found["unreadable"].examples}
    assert broken == {"any/not_a_video", "any/truncated", "any/truncated_index_first"}
    assert found["missing"].examples == ("any/empty (all)",)
    assert {finding.check for finding in report.faults} == {"unreadable", "missing"}


def test_a_clip_that_ends_before_its_header_says_is_cut_off(folder: Path) -> None:
    (folder / "any").mkdir()
    path = folder / "any" / "clip.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        random = np.random.default_rng(0)
        for _ in range(50):
            noise = random.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    assert verify(open_corpus("generic", folder), expect="none").clean
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (fault,) = verify(open_corpus("generic", folder), expect="none").faults
    assert fault.check == "unreadable"
    assert "of 2.00 s" in fault.examples[0]


def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted = plant(BY_TITLE["mer2023 (npz)"], folder / "hostile", "hostile_pickle")
    report = verify(planted.corpus)
    assert "UnsafePickle" in report.faults[0].text
    assert "never be printed" not in capsys.readouterr().out


def test_a_report_comes_back_from_its_file(folder: Path) -> None:
    report = verify(write(layout_of("sims"), folder / "sims"), expect="none")
    path = folder / "report.json"
    path.write_text(report.to_json())
    assert VerifyReport.from_file(path) == report
    assert json.loads(report.to_json())["schema_version"] == "emotrace.verify/1"
    path.write_text("{}")
    with pytest.raises(UnreadableTable, match=r"emotrace\.verify/1"):
        VerifyReport.from_file(path)


def test_a_corpus_that_is_not_there_is_a_typed_error(folder: Path) -> None:
    with pytest.raises(CorpusNotFound):
        open_corpus("dfew", folder / "nowhere")
    report = verify(open_corpus("dfew", folder))
    assert [finding.check for finding in report.faults] == ["lists"]
    assert "CorpusNotFound" in report.faults[0].text
