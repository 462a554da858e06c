"""A kill at any moment leaves a whole folder: each file operation in turn is made the last one that happened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import UnwritableOutput
from emotrace.training import whole_folder
from emotrace.training.whole_folder import replacing, standing


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def write(folder: Path, content: str) -> None:
    with replacing(folder) as part:
        (part / "state").mkdir()
        for name in ("a.txt", "state/b.txt"):
            (part / name).write_text(content)


def read(folder: Path) -> set[str]:
    place = standing(folder)
    return {(place / name).read_text() for name in ("a.txt", "state/b.txt")}


def kill_before(operation: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lets so many operations happen and none after them."""
    done: list[str] = []

    def counted(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def instead(*args: Any, **kwargs: Any) -> Any:
            if len(done) == operation:
                raise Killed
            done.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, instead)

    for name in ("rename", "mkdir", "write_text"):
        counted(Path, name)
    counted(shutil, "rmtree")
    counted(whole_folder.os, "fsync")
    return done


@pytest.mark.parametrize("operation", range(10))
def test_a_kill_leaves_the_old_or_the_new_folder_whole(
    operation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "last"
    write(folder, "old")
    with monkeypatch.context() as patch:
        done = kill_before(operation, patch)
        try:
            write(folder, "new")
            assert operation == len(done) == 9  # the last case is the one without a kill
        except Killed:
            pass
    assert read(folder) == ({"old"} if done.count("rename") < 2 else {"new"})

    with monkeypatch.context() as patch:  # and a second kill at the same place
        kill_before(operation, patch)
        with suppress(Killed):
            write(folder, "newer")
    assert len(read(folder)) == 1
    write(folder, "newest")
    assert read(folder) == {"newest"}
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_the_first_folder_is_not_there_until_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "last"
    with pytest.raises(UnwritableOutput, match="No such file"), replacing(folder) as part:
        (part / "c/d.txt").write_text("half")
    assert not standing(folder).exists()


def test_an_error_inside_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "last"
    write(folder, "old")
    with pytest.raises(ZeroDivisionError), replacing(folder):
        _ = 1 / 0
    assert read(folder) == {"old"}


def test_a_place_that_is_no_folder_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableOutput, match="the folder cannot be written"):
        write(tmp_path / "file" / "last", "new")
