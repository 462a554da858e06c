from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from emotrace.datasets.packed_features import pack
from emotrace.encoders.clip_features import ClipSource
from emotrace.encoders.extract import encoder_named, extract
from emotrace.errors import (
    InvalidFeatures,
    LeakError,
    NamesDoNotMatch,
    UnknownChoice,
    UnknownLabel,
    UnreadableTrace,
    UsageError,
)
from emotrace.priors.corpora import trace_files
from emotrace.priors.corpora.corpus import open_prior_corpus, valence_of
from emotrace.priors.corpora.feature_files import open_features
from emotrace.priors.corpora.trace_files import MediaHashes, match_traces
from emotrace.testing.mertools_corpus import MiniatureMer, made_trace, write_mer


@pytest.fixture(scope="module")
def mer(tmp_path_factory: pytest.TempPathFactory) -> MiniatureMer:
    return write_mer(tmp_path_factory.mktemp("mer") / "root", labelled=30, pool=12, tested=6)


def ids(examples: tuple[object, ...]) -> set[str]:
    return {example.id for example in examples}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("corpus", "test", "pool"), [("mer2023", "test1", 0), ("mer2024", "semi", 8), ("mer2025", "test", 8)]
)
def test_each_edition_is_cut_as_its_owners_cut_it(tmp_path: Path, corpus: str, test: str, pool: int) -> None:
    made = write_mer(tmp_path / "root", corpus=corpus, labelled=20, pool=8, tested=5)  # type: ignore[arg-type]
    found = open_prior_corpus(corpus, made.root, options={})
    assert (len(found.labelled), len(found.unlabelled)) == (20, pool)
    assert {name: len(part) for name, part in found.tests.items()} == {test: 5}
    assert not ids(found.labelled) & (ids(found.unlabelled) | ids(found.tests[test]))
    assert not ids(found.unlabelled) & ids(found.tests[test])  # labelled tests are not guessed
    assert found.labels_of(found.labelled).min() >= 0
    assert found.scheme.labels[found.labels_of(found.labelled)[1]] == "angry"
    assert np.isfinite(valence_of(found.labelled)).all()
    assert "agreement" in found.terms


def test_tests_that_are_hidden_in_the_pool_are_answered_there(tmp_path: Path) -> None:
    made = write_mer(tmp_path / "root", labelled=20, pool=8)
    found = open_prior_corpus("mer2024", made.root, options={})
    assert ids(found.tests["unlabeled"]) == ids(found.unlabelled)
    assert (found.labels_of(found.tests["unlabeled"]) == -1).all()
    alone = open_prior_corpus("mer2024", made.root, options={}, unlabelled=False)
    assert (len(alone.unlabelled), len(alone.tests["unlabeled"])) == (0, 8)


def test_a_list_of_names_says_what_is_answered_and_in_which_order(mer: MiniatureMer, tmp_path: Path) -> None:
    names = [f"samplenew_{number:08d}" for number in (41, 37, 36)]
    (tmp_path / "wanted.csv").write_text("name\n" + "\n".join(names) + "\n")
    found = open_prior_corpus("mer2024", mer.root, options={}, tests=str(tmp_path / "wanted.csv"))
    assert [example.id for example in found.tests["wanted"]] == names
    (tmp_path / "wanted.csv").write_text("name\nnobody\n")
    with pytest.raises(NamesDoNotMatch, match="nobody"):
        open_prior_corpus("mer2024", mer.root, options={}, tests=str(tmp_path / "wanted.csv"))
    assert open_prior_corpus("mer2024", mer.root, options={}, tests="none").tests == {}
    with pytest.raises(UnknownChoice, match="semi"):
        open_prior_corpus("mer2024", mer.root, options={}, tests="multi")


def test_a_clip_that_is_learned_from_is_not_tested(tmp_path: Path) -> None:
    made = write_mer(tmp_path / "root", labelled=20, pool=0, tested=5)
    labels = tmp_path / "root/semi-label.csv"
    labels.write_text(labels.read_text() + "samplenew_00000003,happy,0.1\n")
    with pytest.raises(LeakError, match="samplenew_00000003"):
        open_prior_corpus("mer2024", made.root, options={})


def test_a_table_of_ones_own_is_a_corpus(tmp_path: Path) -> None:
    rows = [f"c{n},c{n}.wav,{'happy' if n % 3 else 'sad'},train,p{n % 2}" for n in range(9)]
    rows += ["c9,c9.wav,,train,p0", "c10,c10.wav,happy,test,p3"]
    (tmp_path / "table.csv").write_text("id,path,label,split,group\n" + "\n".join(rows) + "\n")
    found = open_prior_corpus("table", tmp_path, options={})
    assert (len(found.labelled), ids(found.unlabelled), list(found.tests)) == (9, {"c9"}, ["test"])
    assert found.scheme.labels == ("happy", "sad")
    assert found.labelled[1].group == "p1"
    assert "ask" in found.terms
    (tmp_path / "table.csv").write_text("id,path,label,split\nc1,c1.wav,happy,1/train\n")
    with pytest.raises(UnknownChoice, match="nothing to learn from"):
        open_prior_corpus("table", tmp_path, options={})
    (tmp_path / "table.csv").write_text("id,path,label\nc1,c1.wav,happy\nc2,c2.wav,furious\n")
    with pytest.raises(UnknownLabel, match="furious"):
        open_prior_corpus("table", tmp_path, options={"labels": "mer6"})


def test_a_trial_keeps_the_shares_of_the_classes(mer: MiniatureMer) -> None:
    whole = open_prior_corpus("mer2024", mer.root, options={})
    some = whole.limited(15)
    assert (len(some.labelled), len(some.unlabelled), len(some.tests["semi"])) == (15, 12, 6)
    before, after = (np.bincount(each.labels_of(each.labelled), minlength=6) for each in (whole, some))
    assert np.abs(after - before / 2).max() <= 1.0
    assert [example.id for example in some.labelled] == sorted(ids(some.labelled))  # the list's own order


def test_features_are_found_by_set_folder_and_packed_file(mer: MiniatureMer, tmp_path: Path) -> None:
    names = [f"samplenew_{number:08d}" for number in range(30)]
    folder = mer.root / "features/made-vocal-UTT"
    pack(folder, names, tmp_path / "vocal.safetensors")
    found = open_features(
        (
            "verbal=made-verbal-UTT",
            f"vocal={tmp_path / 'vocal.safetensors'}",
            f"visual={mer.root}/features/made-visual-UTT",
        ),
        mer.root,
    )
    assert list(found) == ["visual", "vocal", "verbal"]
    rows = {modality: files.read(names, silent={names[5]}) for modality, files in found.items()}
    assert [each.rows.shape[1] for each in rows.values()] == [24, 20, 28]
    assert rows["vocal"].missing == (names[0],)
    assert rows["verbal"].silent == (names[5],)
    source = found["visual"].source(rows["visual"])
    assert (source.set_name, source.width, source.is_known) == ("made-visual-UTT", 24, False)
    assert source.sha256 != found["visual"].source(found["visual"].read(names[1:])).sha256


def test_the_card_of_extracted_features_tells_their_modality(mer: MiniatureMer, tmp_path: Path) -> None:
    clips = [
        ClipSource(name=f"samplenew_{n:08d}", media=mer.root / f"video-labeled/samplenew_{n:08d}.mp4", text=f"word{n}")
        for n in range(3)
    ]
    extract(clips, [encoder_named("hashed")], tmp_path)
    found = open_features((str(tmp_path / "hashed-UTT"),), mer.root)["verbal"]
    source = found.source(found.read([clip.name for clip in clips]))
    assert (source.encoder, source.fingerprint, source.is_known) == (
        "hashed",
        encoder_named("hashed").fingerprint,
        True,
    )
    with pytest.raises(UsageError, match="verbal"):
        open_features((f"visual={tmp_path / 'hashed-UTT'}",), mer.root)
    (tmp_path / "hashed-UTT.json").write_text("{")
    with pytest.raises(InvalidFeatures, match="no card"):
        open_features((f"verbal={tmp_path / 'hashed-UTT'}",), mer.root)


@pytest.mark.parametrize(
    ("choices", "error", "said"),
    [
        ((), UsageError, "emotrace features"),
        (("made-visual",), UsageError, "visual=made-visual"),
        (("visual=nobody",), UnknownChoice, "made-visual-UTT"),
        (("visual=no.safetensors",), UnknownChoice, "emotrace pack"),
        (("visual=made-visual", "visual=made-vocal"), UsageError, "two sets"),
    ],
)
def test_a_wrong_choice_of_features_is_a_typed_error(
    mer: MiniatureMer, choices: tuple[str, ...], error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        open_features(choices, mer.root)


def test_traces_are_matched_by_bytes_and_what_cannot_be_used_is_counted(mer: MiniatureMer, tmp_path: Path) -> None:
    corpus = open_prior_corpus("mer2024", mer.root, options={})
    found = match_traces(mer.traces, corpus.examples, MediaHashes(tmp_path / "sha.json"))
    report = found.report
    assert (report.clips, report.traced, report.without_media) == (48, 44, 0)
    assert (len(report.malformed), report.repeated, report.of_other_clips) == (2, 2, 1)
    assert report.lines == 44 + 2 + 2 + 1
    assert report.status["visual"] == {"ok": 43, "refused": 1}
    assert report.providers == ("scripted/made-up",)
    assert any("2 lines that are no trace" in line for line in report.told)
    refused = found.by_clip["samplenew_00000001"]
    assert refused.reliability["visual"].rho == 0.0  # the last line of the clip counts
    verdicts = found.verdicts(corpus.examples, corpus.scheme)
    traced = np.array([example.id in found.by_clip for example in corpus.examples])
    assert (verdicts[~traced] == -1).all()
    assert (verdicts[traced] >= 0).all()


def test_sections_that_fail_a_check_are_counted_and_tell_no_verdict(mer: MiniatureMer, tmp_path: Path) -> None:
    corpus = open_prior_corpus("mer2024", mer.root, options={})
    clip = corpus.labelled[0]
    sha256 = MediaHashes(tmp_path / "sha.json").of([clip])[clip.id]
    lying = made_trace(sha256, "happy").to_dict()
    lying["joint"]["label"], lying["reliability"] = "sad", {}
    (tmp_path / "t.jsonl").write_text(json.dumps(lying) + "\n")
    found = match_traces(tmp_path / "t.jsonl", corpus.examples, MediaHashes(tmp_path / "sha.json"))
    assert found.report.failed_checks == {"label": 1}
    assert (found.report.untrusted["joint"], found.report.mean_rho["joint"]) == (1, 0.0)
    assert found.verdicts([clip], corpus.scheme).tolist() == [-1]


def test_a_file_without_a_trace_of_these_clips_is_refused(mer: MiniatureMer, tmp_path: Path) -> None:
    corpus = open_prior_corpus("mer2024", mer.root, options={})
    (tmp_path / "t.jsonl").write_text("nothing\n" + json.dumps(made_trace("f" * 64, "sad").to_dict()) + "\n")
    with pytest.raises(UnreadableTrace, match=r"none of its 1 traces is of a clip of this corpus.*1 lines"):
        match_traces(tmp_path / "t.jsonl", corpus.examples, MediaHashes(tmp_path / "sha.json"))
    with pytest.raises(UnreadableTrace, match="cannot be read"):
        match_traces(tmp_path / "no.jsonl", corpus.examples, MediaHashes(tmp_path / "sha.json"))


def test_media_are_hashed_once_and_again_when_they_change(
    mer: MiniatureMer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = open_prior_corpus("mer2024", mer.root, options={}).labelled[:3]
    hashed: list[Path] = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return path.name

    monkeypatch.setattr(trace_files, "sha256_of", counting)
    first = MediaHashes(tmp_path / "sha.json").of(clips)
    assert MediaHashes(tmp_path / "sha.json").of(clips) == first
    assert len(hashed) == 3
    about = clips[0].media.stat()
    os.utime(clips[0].media, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    MediaHashes(tmp_path / "sha.json").of(clips)
    assert hashed[3:] == [clips[0].media]
    (tmp_path / "sha.json").write_text("damaged")
    MediaHashes(tmp_path / "sha.json").of(clips)
    assert len(hashed) == 7
