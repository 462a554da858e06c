from __future__ import annotations

from pathlib import Path

import pytest

from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.verify import verify
from emotrace.errors import MissingClip, UnknownChoice, UnknownLabel
from emotrace.grace.corpora.protocol import Protocol, open_protocol
from emotrace.labels.schemes import scheme
from emotrace.testing.miniature import layout_of, write


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpora")
    for name in ("dfew", "ferv39k", "mafw", "generic", "crema-d"):
        write(layout_of(name), root / name)
    return root


def protocol(roots: Path, name: str, fold: str = "all", **options: object) -> Protocol:
    return open_protocol(name, roots / name, fold=fold, options=options)


@pytest.mark.parametrize("name", ["dfew", "mafw"])
def test_five_folds_with_labels_by_name_in_the_owners_order(roots: Path, name: str) -> None:
    found = protocol(roots, name)
    assert found.fold_names == ("1", "2", "3", "4", "5")
    assert found.labels == scheme(name).labels
    for fold in found.folds:
        assert len(fold.train) == 8
        assert len(fold.test) == 2
        assert not {item.key for item in fold.train_items} & {item.key for item in fold.test_items}
        assert {item.label for item in fold.train_items} <= set(found.labels)


def test_an_official_split_is_one_fold(roots: Path) -> None:
    found = protocol(roots, "ferv39k")
    assert found.fold_names == ("1",)
    assert found.folds[0].train[0].id.startswith("Action/")


def test_a_table_of_ones_own_has_the_lists_that_it_names(roots: Path) -> None:
    found = open_protocol("table", roots / "generic", options={"labels": "dfew"})
    assert found.corpus == "generic"
    assert found.folds[0].train


def test_some_folds_can_be_chosen_by_name(roots: Path) -> None:
    assert [fold.name for fold in protocol(roots, "dfew", fold="4, 2").folds] == ["4", "2"]
    with pytest.raises(UnknownChoice, match=r"6.*1, 2, 3, 4, 5"):
        protocol(roots, "dfew", fold="6")


def test_a_corpus_without_lists_to_learn_and_to_test_is_refused(roots: Path) -> None:
    with pytest.raises(UnknownChoice, match="its splits: all"):
        protocol(roots, "crema-d")


def test_the_hash_names_lists_folder_and_labels(roots: Path, tmp_path: Path) -> None:
    found = protocol(roots, "dfew")
    assert found.media_folder == "Clip/clip_224x224"
    report = verify(open_corpus("dfew", roots / "dfew"), expect="none")
    assert found.lists_sha256 == report.sha256
    assert protocol(roots, "dfew", fold="1").sha256 == found.sha256
    copy = tmp_path / "dfew"
    write(layout_of("dfew"), copy)
    assert open_protocol("dfew", copy, options={}).sha256 == found.sha256
    (copy / "Clip/clip_224x224").rename(copy / "Clip/jpg_256")
    elsewhere = open_protocol("dfew", copy, options={"frames": "jpg_256"})
    assert elsewhere.lists_sha256 == found.lists_sha256
    assert elsewhere.sha256 != found.sha256
    other = copy / "EmoLabel_DataSplit/test(single-labeled)/set_1.csv"
    other.write_text(other.read_text().replace(",1\n", ",2\n", 1))
    assert open_protocol("dfew", copy, options={"frames": "jpg_256"}).lists_sha256 != found.lists_sha256


def test_a_clip_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(layout_of("dfew"), tmp_path / "dfew")
    (tmp_path / "dfew/Clip/clip_224x224/00003").rename(tmp_path / "00003")
    with pytest.raises(MissingClip, match="00003"):
        open_protocol("dfew", tmp_path / "dfew", options={})


def test_a_clip_without_a_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "table.csv").write_text("id,path,label,split\nx,a,happy,train\ny,a,,train\nz,a,happy,test\n")
    found = open_protocol("table", tmp_path, options={})
    with pytest.raises(UnknownLabel, match="y"):
        _ = found.folds[0].train_items
