from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import UnreadableTable
from emotrace.files import sha256_of
from emotrace.hydra.coldstart.build import Plan, build
from emotrace.hydra.coldstart.filters import Limits
from emotrace.hydra.coldstart.manifest import DEMONSTRATIONS, MANIFEST, Manifest, verify_manifest
from emotrace.hydra.coldstart.sources import Source
from emotrace.hydra.coldstart.teaching import EmbeddedTeacher


@pytest.fixture(scope="module")
def written(world_source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coldstart")
    build(world_source, EmbeddedTeacher()).write(folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[list[dict[str, Any]], dict[str, Any]], None], *, rehash: bool = True) -> None:
    """Changes samples or manifest, and by default hides that in the hash."""
    path = folder / DEMONSTRATIONS
    samples = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    change(samples, manifest)
    path.write_text(
        "".join(json.dumps(s, ensure_ascii=False, sort_keys=True) + "\n" for s in samples), encoding="utf-8"
    )
    manifest["sha256"] = sha256_of(path) if rehash else manifest["sha256"]
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def faults(folder: Path) -> set[str]:
    return {finding.check for finding in verify_manifest(folder).faults}


def test_what_was_written_is_verified(written: Path) -> None:
    report = verify_manifest(written)
    assert report.clean
    assert {finding.level for finding in report.findings} == {"ok"}
    assert report.sha256 == Manifest.read(written).sha256 == sha256_of(written / DEMONSTRATIONS)
    assert report.splits["demonstrations"].clips == len(Manifest.read(written).clip_ids)


def first_wins(samples: list[dict[str, Any]], manifest: dict[str, Any]) -> None:
    """Only the samples in which the winner stands first are left: the order tells it."""
    samples[:] = [sample for sample in samples if "verdict: h1" in sample["trace"]]
    manifest["winner_is_first"] = 1.0


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda samples, manifest: samples.pop(), {"counts", "ids"}),
        (lambda samples, manifest: samples[0].update(teacher_saw="labels"), {"stamps"}),
        (lambda samples, manifest: samples[0].update(gold=["xyzzy"]), {"filters"}),
        (lambda samples, manifest: samples[0].update(trace="<think>"), {"filters"}),
        (lambda samples, manifest: samples[0].update(trace=samples[1]["trace"]), {"filters"}),
        (lambda samples, manifest: samples.reverse(), {"ids"}),
        (lambda samples, manifest: manifest["counts"][9].update(dropped=0), {"counts"}),
        (lambda samples, manifest: manifest["counts"].pop(), {"counts"}),
        (lambda samples, manifest: manifest["source"].update(cases=7), {"counts"}),
        (lambda samples, manifest: manifest["switches"].update(most_share=0.02), {"balance"}),
        (lambda samples, manifest: manifest["switches"].update(most_tokens=50), {"filters"}),
        (lambda samples, manifest: manifest["teacher"].update(name="somebody@1"), {"stamps"}),
        (lambda samples, manifest: manifest.update(winner_is_first=0.9), {"order"}),
        (first_wins, {"ids", "order"}),
    ],
)
def test_every_change_is_found(change: Any, found: set[str], folder: Path) -> None:
    edit(folder, change)
    seen = faults(folder)
    assert found <= seen
    assert "bytes" not in seen


def test_a_byte_that_changed_is_found(folder: Path) -> None:
    edit(folder, lambda samples, manifest: samples[0].update(teacher="embedded@1 "), rehash=False)
    assert {"bytes", "stamps"} <= faults(folder)


def test_lengths_by_another_tokenizer_and_another_wheel_are_said_to_be_unchecked(
    folder: Path, world_source: Source, tmp_path: Path
) -> None:
    limits = Limits(length=lambda text: len(text.split()), length_by="words")
    build(world_source.first(60), EmbeddedTeacher(), Plan(limits=limits, most_share=1.0)).write(tmp_path / "words")
    report = verify_manifest(tmp_path / "words")
    assert report.clean
    assert any("by words) aside" in finding.text for finding in report.findings)
    edit(folder, lambda samples, manifest: manifest["switches"].update(wheel_sha256="0" * 64))
    levels = {finding.check: finding.level for finding in verify_manifest(folder).findings}
    assert (levels["filters"], levels["balance"], levels["order"]) == ("skipped", "skipped", "ok")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"schema_version": "emotrace.coldstart/9"}'])
def test_what_is_no_manifest_is_refused(content: str, folder: Path) -> None:
    (folder / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableTable, match="manifest"):
        verify_manifest(folder)


def test_a_damaged_line_and_a_missing_file_are_refused(folder: Path) -> None:
    path = folder / DEMONSTRATIONS
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    with pytest.raises(UnreadableTable, match="line"):
        verify_manifest(folder)
    path.unlink()
    with pytest.raises(UnreadableTable):
        verify_manifest(folder)
