from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.datasets.findings import VerifyReport
from emotrace.datasets.frames import CachedFrames, FrameSource
from emotrace.datasets.media_checks import Limits
from emotrace.datasets.synth_dfer import SCHEME, SPLITS, TEXTS, SynthDfer
from emotrace.datasets.synth_dfer_checks import CHECKS, verify_synth_dfer
from emotrace.errors import CorpusNotFound, DamagedCorpus, DatasetError, MissingClip, UnknownChoice
from emotrace.labels.schemes import scheme
from emotrace.testing.drawn_faces import CLASSES, CONDITIONS, PROTOTYPES, draw_frames, draw_script
from emotrace.testing.synth_dfer import write_synth_dfer

SIZES: dict[str, Any] = {"train": (2, 2, 3, 1, 1, 1, 1), "val": 1, "test": 1, "scenes": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synth_dfer(tmp_path_factory.mktemp("synth_dfer"), **SIZES)


@pytest.fixture(scope="module")
def data(written: Path) -> SynthDfer:
    return SynthDfer(written)


@pytest.fixture
def copy(written: Path, folder: Path) -> Path:
    return Path(shutil.copytree(written, folder / "copy"))


def save_alone(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def array(path: Path, name: str) -> Any:
    with np.load(path) as file:
        return file[name]


def rewrite(path: Path, **changes: Any) -> None:
    """Changes arrays of an npz file; None takes one out."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_every_split_is_read_whole(data: SynthDfer) -> None:
    assert data.splits() == SPLITS
    sizes = {name: len(data.split(name)) for name in SPLITS}
    assert sizes == {"train": 11, "val": 7, "test": 7, "paired": 42}
    for name in SPLITS:
        split = data.split(name)
        assert split.classes == CLASSES
        assert split.length == 16
        assert split.relevance.shape == (len(split), 14, 14)
        assert split.relevance.dtype == np.float32
        assert split.frames_of([0, 1]).shape == (2, 16, 112, 112)
        assert set(split.texts) == set(TEXTS)
        assert all(len(texts) == len(split) for texts in split.texts.values())
        assert len(split.sentences("oracle")) == len(split.sentences("noisy")) == len(split)
    assert Counter(data.split("train").labels) == dict(zip(CLASSES, SIZES["train"], strict=True))
    assert data.split("test") is data.split("test")


def test_what_a_clip_says_of_itself_is_consistent(data: SynthDfer) -> None:
    for name in SPLITS:
        split = data.split(name)
        for place, label in enumerate(split.labels):
            units = {unit for unit, own in zip(split.action_units, split.au_class[place], strict=True) if own}
            assert units == set(PROTOTYPES[label])
            affect = {each.action_unit for each in split.sentences("oracle")[place] if each.kind == "affect"}
            assert affect == units
            if label == "neutral":
                assert (split.apex[place], split.onset[place], split.offset[place]) == (-1, -1, -1)
                assert not split.relevance[place].any()
            else:
                assert split.onset[place] <= split.apex[place] <= split.offset[place]
                assert split.relevance[place].max() > 0.5
                strength = split.au[place].sum(axis=1)
                assert strength.argmax() == split.apex[place]


def test_scenes_of_paired_differ_in_their_condition_alone(data: SynthDfer) -> None:
    paired = data.split("paired")
    assert paired.condition[:6] == CONDITIONS
    for first in range(0, len(paired), 6):
        clips = range(first, first + 6)
        assert len({(paired.scene[clip], paired.labels[clip], int(paired.identity[clip])) for clip in clips}) == 1
        assert all(np.array_equal(paired.relevance[clip], paired.relevance[first]) for clip in clips)
        clean, busy = first, first + 5
        assert not paired.other_motion[clean].any()
        assert paired.other_motion[busy].mean() > 0.1
    assert set(paired.identity) <= set(data.split("test").identity)


def test_the_truth_is_what_the_frames_show(data: SynthDfer) -> None:
    paired = data.split("paired")
    moving = [place for place in range(0, len(paired), 6) if paired.labels[place] != "neutral"]
    assert len(moving) == 6
    for place in moving:
        frames = paired.frames(place).astype(float)
        truth = paired.truth(place)
        assert truth.relevant.shape == (16, 28, 28)
        assert truth.au_relevant.shape == (16, len(paired.action_units), 28, 28)
        change = np.abs(frames - frames[[0]]).reshape(16, 28, 4, 28, 4).mean(axis=(2, 4))
        apex = paired.apex[place]
        inside, outside = truth.relevant[apex], ~truth.relevant[apex]
        assert change[apex][inside].mean() > 2 * change[apex][outside].mean()
        # a clip without other motion moves by its expression alone, and by its own action units
        assert np.array_equal(truth.expression_flow, truth.total_flow)
        assert not truth.expression_flow[0].any()
        assert not truth.au_relevant[:, ~paired.au_class[place]].any()
        assert (truth.au_relevant.any(axis=1) & ~truth.relevant).mean() < 0.01
    with pytest.raises(UnknownChoice, match="no truth per frame"):
        data.split("test").truth(0)


def test_the_flow_points_where_the_skin_goes(data: SynthDfer) -> None:
    paired = data.split("paired")
    place = next(place for place, label in enumerate(paired.labels) if label == "happiness")
    flow, apex = paired.truth(place).expression_flow, int(paired.apex[place])
    risen = flow[: apex + 1].sum(axis=0)
    left, right = risen[20:22, 9:12].mean(axis=(0, 1)), risen[20:22, 16:19].mean(axis=(0, 1))
    assert left[1] < -1  # the corners of the mouth go up
    assert right[1] < -1
    assert left[0] < 0 < right[0]  # and apart


def test_it_is_a_source_of_frames(data: SynthDfer) -> None:
    test = data.split("test")
    assert isinstance(test, FrameSource)
    assert isinstance(data, FrameSource)
    key = test.ids[3]
    frames = test.frames(3)
    for source in (test, data, CachedFrames(test)):
        assert source.frame_count(key) == 16
        found = source.read(key, [15, 0, 0])
        assert all(np.array_equal(one, frames[index]) for one, index in zip(found, [15, 0, 0], strict=True))
        times = source.times_seconds(key, [0, 15])
        assert times == pytest.approx([0, float(test.seconds[3])])
    assert data.read(data.split("train").ids[0], [0])[0] is not None
    for source in (test, data):
        with pytest.raises(MissingClip, match="xyz"):
            source.read("xyz", [0])


def test_its_labels_are_known_to_the_other_schemes() -> None:
    assert SCHEME.labels == CLASSES
    assert [scheme("dfew").read_one(label) for label in CLASSES] == list(scheme("dfew").labels)
    assert [scheme("mafw").read_one(label) for label in CLASSES] == list(CLASSES)
    assert SCHEME.concepts == scheme("dfew").concepts


def test_the_same_seed_writes_the_same_bytes(written: Path, folder: Path) -> None:
    def hashes(root: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.iterdir())}

    again = write_synth_dfer(folder / "again", **SIZES)
    assert hashes(again) == hashes(written)


def test_another_seed_draws_other_clips() -> None:
    one, same, other = (draw_script(np.random.default_rng(seed), "a", "fear", range(3)) for seed in (0, 0, 1))
    assert np.array_equal(draw_frames(one), draw_frames(same))
    assert not np.array_equal(draw_frames(one), draw_frames(other))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no frames": (lambda root: (root / "frames_test.npz").unlink(), "frames_test.npz: this file"),
    "no meta": (lambda root: (root / "meta_test.npz").unlink(), "meta_test.npz: this file"),
    "no table": (lambda root: (root / "clips.csv").unlink(), "clips.csv"),
    "cut short": (
        lambda root: (root / "meta_test.npz").write_bytes((root / "meta_test.npz").read_bytes()[:2000]),
        "not a plain npz file",
    ),
    "no npz": (lambda root: (root / "meta_test.npz").write_text("hello"), "not a plain npz file"),
    "an array alone": (lambda root: save_alone(root / "meta_test.npz"), "it lacks id, class_names"),
    "pickled": (
        lambda root: rewrite(root / "meta_test.npz", label=np.array([{}] * 7, dtype=object)),
        "not a plain npz file",
    ),
    "an array is absent": (lambda root: rewrite(root / "meta_test.npz", apex=None), "it lacks apex"),
    "too few rows": (
        lambda root: rewrite(root / "meta_test.npz", identity=np.zeros(6, dtype=np.int16)),
        r"identity has the shape \(6,\), not \(7\)",
    ),
    "another grid": (
        lambda root: rewrite(root / "meta_test.npz", relevance=np.zeros((7, 7, 7), dtype=np.float16)),
        r"relevance has the shape \(7, 7, 7\), not \(7, 14, 14\)",
    ),
    "other ids": (
        lambda root: rewrite(root / "frames_test.npz", id=np.array([f"te{n}" for n in range(7)])),
        "its 7 ids are not the 7 of the meta file",
    ),
    "ids in another order": (
        lambda root: rewrite(root / "frames_test.npz", id=array(root / "frames_test.npz", "id")[::-1]),
        "in their order",
    ),
    "an unknown class": (
        lambda root: rewrite(root / "meta_test.npz", class_names=np.array([*CLASSES[:6], "smugness"])),
        "unknown or repeated class names: .*smugness.*Known classes: happiness",
    ),
    "a class twice": (
        lambda root: rewrite(root / "meta_test.npz", class_names=np.array([*CLASSES[:6], "anger"])),
        "unknown or repeated",
    ),
    "classes in another order": (
        lambda root: rewrite(root / "meta_test.npz", class_names=np.array(CLASSES[::-1])),
        "label te0000 differently|label te000. differently",
    ),
    "a code beyond": (
        lambda root: rewrite(root / "meta_test.npz", label=np.full(7, 7, dtype=np.int8)),
        "label codes beyond",
    ),
    "wrong offsets": (
        lambda root: rewrite(root / "frames_test.npz", offset=np.arange(8)),
        "its 8 offsets do not cut",
    ),
    "another table": (
        lambda root: (root / "clips.csv").write_text(
            "\n".join(line for line in (root / "clips.csv").read_text().splitlines() if not line.startswith("te0003"))
        ),
        "it lists 6 clips of test, the meta file 7; in one alone: te0003",
    ),
    "a row twice": (
        lambda root: (root / "clips.csv").write_text(
            (root / "clips.csv").read_text() + (root / "clips.csv").read_text().splitlines()[-1] + "\n"
        ),
        "1 ids stand twice",
    ),
    "no strip": (
        lambda root: rewrite(
            root / "frames_test.npz", blob=np.zeros(len(array(root / "frames_test.npz", "blob")), dtype=np.uint8)
        ),
        "the frames of clip 0 cannot be decoded",
    ),
    "no sentences": (lambda root: (root / "texts_test.jsonl.gz").write_bytes(b"zip"), "not lines of timed sentences"),
    "sentences of others": (
        lambda root: (root / "texts_test.jsonl.gz").write_bytes((root / "texts_val.jsonl.gz").read_bytes()),
        "14 clips without sentences, the first te0000",
    ),
}


def read_all(root: Path) -> None:
    split = SynthDfer(root).split("test")
    split.frames(0)
    split.sentences("oracle")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_copy_is_refused_and_the_fault_is_named(fault: str, copy: Path) -> None:
    plant, message = FAULTS[fault]
    plant(copy)
    with pytest.raises(DatasetError, match=message) as caught:
        read_all(copy)
    assert isinstance(caught.value, CorpusNotFound | DamagedCorpus)
    assert not verify_synth_dfer(SynthDfer(copy), expect="none").clean


def test_truth_of_other_clips_is_refused(copy: Path) -> None:
    truth = copy / "truth_paired.npz"
    short = array(truth, "au_relevant_bits")[:, :-1]
    rewrite(truth, au_relevant_bits=short)
    with pytest.raises(DamagedCorpus, match="au_relevant_bits are not of 16 frames and 8 action units"):
        SynthDfer(copy).split("paired").truth(0)
    truth.unlink()
    with pytest.raises(CorpusNotFound, match="truth_paired"):
        SynthDfer(copy).split("paired").truth(0)
    report = verify_synth_dfer(SynthDfer(copy), expect="none")
    assert [finding.check for finding in report.faults] == ["truth"]


def test_unknown_splits_and_folders_are_named(data: SynthDfer, folder: Path) -> None:
    with pytest.raises(UnknownChoice, match=r"no split 'dev'.*train, val, test, paired"):
        data.split("dev")
    with pytest.raises(CorpusNotFound, match="no folder of synth_dfer"):
        SynthDfer(folder / "nowhere")
    assert SynthDfer(folder).splits() == ()
    assert [finding.check for finding in verify_synth_dfer(SynthDfer(folder), expect="none").faults] == ["lists"]


def test_a_clean_copy_is_clean(data: SynthDfer) -> None:
    report = verify_synth_dfer(data, expect="none")
    assert report.clean, report.faults
    assert tuple(finding.check for finding in report.findings) == CHECKS
    assert report.splits["train"].labels == dict(zip(CLASSES, SIZES["train"], strict=True))
    assert verify_synth_dfer(SynthDfer(data.root), expect=report).clean
    found = {finding.check: finding for finding in verify_synth_dfer(data).findings}
    assert found["counts"].examples[0] == "train: 11 clips, published 2400"


def swap_faces(root: Path) -> None:
    faces = array(root / "meta_val.npz", "identity")
    faces[0] = array(root / "meta_train.npz", "identity")[0]
    rewrite(root / "meta_val.npz", identity=faces)


def unbalance(root: Path) -> None:
    labels = array(root / "meta_test.npz", "label")
    happy, sad = int(np.flatnonzero(labels == 0)[0]), int(np.flatnonzero(labels == 1)[0])
    labels[sad] = labels[happy]
    rewrite(root / "meta_test.npz", label=labels)
    table = (root / "clips.csv").read_text().splitlines()
    key = str(array(root / "meta_test.npz", "id")[sad])
    mended = [line.replace("sadness", "happiness") if line.startswith(f"{key},") else line for line in table]
    (root / "clips.csv").write_text("\n".join(mended))


def strange_face(root: Path) -> None:
    faces = array(root / "meta_paired.npz", "identity")
    faces[:6] = 99
    rewrite(root / "meta_paired.npz", identity=faces)


def same_id(root: Path) -> None:
    ids = array(root / "meta_val.npz", "id").tolist()
    (root / "clips.csv").write_text((root / "clips.csv").read_text().replace(ids[0], ids[1]))


def tell(root: Path) -> None:
    path = root / "clips.csv"
    path.write_text(path.read_text().replace("The lip corners are pulled up.", "A happy face."))


def tell_timed(root: Path) -> None:
    path = root / "texts_test.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"The head moves", b"In anger")))


def beyond(root: Path) -> None:
    path = root / "texts_test.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"end_frame": 15', b'"end_frame": 16')))


def early_peak(root: Path) -> None:
    apex = array(root / "meta_test.npz", "apex")
    apex[apex >= 0] = 15
    rewrite(root / "meta_test.npz", apex=apex, offset=np.where(apex >= 0, 3, -1).astype(np.int8))


def blacken(root: Path) -> None:
    import cv2

    strip = cv2.imencode(".webp", np.zeros((16 * 112, 112), dtype=np.uint8))[1].ravel()
    edges = np.arange(8) * len(strip)
    rewrite(root / "frames_test.npz", blob=np.tile(strip, 7), offset=edges)


def drop_condition(root: Path) -> None:
    path = root / "clips.csv"
    path.write_text(path.read_text().replace(",jitter,", ",light,", 1))


@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (swap_faces, "groups"),
        (strange_face, "paired_scenes"),
        (drop_condition, "paired_scenes"),
        (unbalance, "class_shares"),
        (same_id, "lists"),
        (tell, "texts"),
        (tell_timed, "texts"),
        (beyond, "texts"),
        (early_peak, "truth"),
        (blacken, "unreadable"),
    ],
)
def test_every_planted_fault_is_found(plant: Callable[[Path], None], check: str, copy: Path) -> None:
    plant(copy)
    report = verify_synth_dfer(SynthDfer(copy), expect="none")
    faults = {finding.check for finding in report.faults}
    assert check in faults
    assert verify_synth_dfer(SynthDfer(copy), expect="none", ignore=faults - {"lists"}).clean == (check != "lists")


def test_a_check_of_another_name_is_refused(data: SynthDfer) -> None:
    with pytest.raises(UnknownChoice, match="Known checks: lists, counts"):
        verify_synth_dfer(data, ignore=["text_order"])


def test_the_report_is_the_one_of_every_corpus(data: SynthDfer, folder: Path) -> None:
    report = verify_synth_dfer(data, expect="none")
    (folder / "report.json").write_text(report.to_json())
    assert VerifyReport.from_file(folder / "report.json") == report
    assert json.loads(report.to_json())["label_scheme"] == "synth-dfer"


def test_the_real_set_is_as_published(shared_media: Path) -> None:
    root = shared_media.parent / "data" / "synth_dfer"
    if not root.is_dir():
        pytest.skip("needs the rendered set beside the repository")
    real = SynthDfer(root)
    report = verify_synth_dfer(real, limits=Limits(sample=8))
    assert report.clean, report.faults
    paired = real.split("paired")
    assert (len(paired.action_units), paired.condition[:6]) == (18, CONDITIONS)
    truth = paired.truth(1)
    assert 0 < truth.relevant.mean() < 0.6
    assert truth.total_flow.max() > truth.expression_flow.max()
