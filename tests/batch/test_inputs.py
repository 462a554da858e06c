"""Which files a batch is about, and when two of them are the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.batch.folder import name_of
from emotrace.batch.inputs import Input, content_of, expand
from emotrace.batch.manifest import Entry, Manifest
from emotrace.errors import DuplicateName, MediaNotFound, UnreadableTable


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def found(*names: str | Path, leave_out: Path | None = None) -> list[str]:
    return [Path(each.id).name for each in expand([str(name) for name in names], leave_out=leave_out)]


def test_folders_globs_and_files_in_one_order(tmp_path: Path) -> None:
    make(
        tmp_path,
        "b.MP4",
        "a.wav",
        "deep/er/c.jpg",
        ".hidden/d.mp4",
        ".e.mp4",
        "notes.txt",
        "odd.xyz",
        "out/results/f.mp4",
    )
    out = tmp_path / "out"
    assert found(tmp_path, leave_out=out) == ["a.wav", "b.MP4", "c.jpg"]
    assert found(tmp_path / "odd.xyz", tmp_path, leave_out=out) == ["a.wav", "b.MP4", "c.jpg", "odd.xyz"]
    assert found(f"{tmp_path}/**/*.jpg", tmp_path / "deep", leave_out=out) == ["c.jpg"]
    for nothing in (tmp_path / "gone.mp4", f"{tmp_path}/*.flac", tmp_path / ".hidden" / "none"):
        with pytest.raises(MediaNotFound):
            expand([str(nothing)])


def test_a_csv_names_files_words_and_ids(tmp_path: Path) -> None:
    make(tmp_path, "v/a.mp4", "v/b.mp4", "v/a.srt")
    table = tmp_path / "list.csv"
    table.write_text("id,path,transcript,text,label\nsecond,v/b.mp4,,so glad,joy\nfirst,v/a.mp4,v/a.srt,,\n")
    first, second = expand([str(table)])
    assert first == Input(id="first", path=tmp_path / "v" / "a.mp4", transcript=tmp_path / "v" / "a.srt")
    assert second == Input(id="second", path=tmp_path / "v" / "b.mp4", text="so glad")
    table.write_text("id,path\nx,v/a.mp4\nx,v/b.mp4\n")
    with pytest.raises(DuplicateName, match="'x'"):
        expand([str(table)])
    table.write_text("file\nv/a.mp4\n")
    with pytest.raises(UnreadableTable, match="path"):
        expand([str(table)])


def test_the_words_belong_to_the_content(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "a.srt", "a.en.srt", "a.b.mp4", "ab.srt", "c.mp4")
    (tmp_path / "c.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    a, c = Input(id="a", path=tmp_path / "a.mp4"), Input(id="c", path=tmp_path / "c.mp4")
    bare, with_words = content_of(c), content_of(a)
    assert bare.key == bare.sha256 == with_words.sha256 != with_words.key
    (tmp_path / "ab.srt").write_text("of another file")
    assert content_of(a) == with_words
    (tmp_path / "a.en.srt").write_text("other words")
    assert content_of(a).key != with_words.key
    assert content_of(Input(id="a", path=a.path, text="hello")).key not in (bare.key, with_words.key)
    with pytest.raises(MediaNotFound):
        content_of(Input(id="f", path=tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaNotFound, match="not a file"):
        content_of(Input(id="p", path=tmp_path / "pipe.mp4"))


@given(st.text(st.characters(exclude_characters="\0/", codec=None), min_size=1, max_size=300))
def test_a_result_s_name_stays_in_its_folder_and_fits(stem: str) -> None:
    name = name_of("0123456789abcdef" * 4, Path("/somewhere") / f"{stem}.mp4")
    assert Path(name).name == name
    assert name.startswith("0123456789abcdef0123-")
    assert len(f".{name}.emotrace.json.part".encode()) < 200
    assert not set(name) & set('<>:"/\\|?*\n\r\t')


def test_a_manifest_keeps_names_that_are_no_unicode(tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9.mp4")
    entry = Entry(id=strange, path=strange, state="failed", settings="s")
    Manifest(tmp_path / "m.jsonl").append(entry)
    assert Manifest(tmp_path / "m.jsonl").entries == {strange: entry}
    (tmp_path / "m.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(UnreadableTable, match="line 1"):
        Manifest(tmp_path / "m.jsonl")
