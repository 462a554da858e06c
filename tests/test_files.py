"""Files are there whole, or as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emotrace.errors import UnwritableOutput
from emotrace.files import lines_of, write_atomically


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_line_ends_end_a_line(inside: str) -> None:
    assert lines_of(f"a{inside}b\r\nc\rd\n\ne") == [f"a{inside}b", "c", "d", "", "e"]
    assert lines_of("") == []


def test_text_goes_out_as_utf8_without_changed_line_ends(tmp_path: Path) -> None:
    target = write_atomically(tmp_path / "a.txt", "naïve\r\n笑\n")
    assert target.read_bytes() == "naïve\r\n笑\n".encode()


def test_an_old_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old and longer")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnwritableOutput, match="No space left") as caught:
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert str(target) in str(caught.value)


@pytest.mark.parametrize("place", ["absent/a.txt", "folder", "file/a.txt", "loop"])
def test_a_target_that_cannot_be_is_an_error_that_names_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UnwritableOutput, match=place):
        write_atomically(tmp_path / place, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "loop"]


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(UnwritableOutput, match="not a file"):
        write_atomically("/dev/null", "new")
    assert not Path("/dev/null").is_file()


def test_a_link_is_followed_and_kept(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_long_name_still_fits(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 120 + ".html")
    assert write_atomically(target, "new").read_text() == "new"
